/**
 * From an environment to a typed configuration: all of it is right, or one error names everything that is wrong.
 *
 * The environment is an input; only a service's `main.ts` reads the process's own.
 */

import { CodedError } from '@sallyport/errors'
import { serviceSettings } from './service-settings.ts'
import type { Setting } from './setting.ts'

export type Declaration = Readonly<Record<string, Setting<unknown>>>

/** The values of a declaration, by the names of its properties. */
export type Configuration<D extends Declaration> = {
  readonly [Name in keyof D]: D[Name] extends Setting<infer Value> ? Value : never
}

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * @throws CodedError `configuration-invalid` whose message names every wrong or missing variable, what is allowed, and
 * the value found unless it is secret.
 */
export function readConfiguration<D extends Declaration>(declaration: D, environment: Environment): Configuration<D> {
  const values: Record<string, unknown> = {}
  const complaints: string[] = []
  for (const [property, setting] of Object.entries(declaration)) {
    const text = environment[setting.name]
    if (text === undefined || text === '') {
      if (setting.required) complaints.push(`${setting.name} is missing; it must be ${setting.allowed}`)
      values[property] = setting.absent
      continue
    }
    const reading = setting.read(text)
    if (reading.ok) values[property] = reading.value
    else complaints.push(`${setting.name} is ${shown(setting, text)}; it must be ${setting.allowed}`)
  }
  if (complaints.length > 0) {
    throw new CodedError('configuration-invalid', complaints.join('\n'), { details: { complaints } })
  }
  return Object.freeze(values) as Configuration<D>
}

/** `SALLYPORT_…` variables that the declaration does not know: most likely misspelt, so worth a warning. */
export function unknownVariables(declaration: Declaration, environment: Environment): readonly string[] {
  const known = new Set(Object.values(declaration).map((setting) => setting.name))
  return Object.keys(environment)
    .filter((name) => name.startsWith('SALLYPORT_') && !known.has(name) && !sharedVariables.has(name))
    .sort()
}

/** What all processes of an installation may be given alike, needed or not, and what the starter of a development run reads. */
const sharedVariables = new Set([
  'SALLYPORT_HOME',
  'SALLYPORT_PORT_OFFSET',
  ...Object.values(serviceSettings).map((setting) => setting.name),
])

function shown(setting: Setting<unknown>, text: string): string {
  if (setting.secret) return 'not acceptable (its value is secret)'
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text)
}
