/** A declaration described for people: what the generated reference docs/configuration.md prints. */

import type { Declaration } from './read-configuration.ts'

export interface ConfigurationEntry {
  readonly name: string
  readonly meaning: string
  readonly allowed: string
  readonly unit: string | undefined
  /** `required`, `none`, or the default as it is written in the environment. */
  readonly presence: string
  readonly secret: boolean
}

export function describeConfiguration(declaration: Declaration): readonly ConfigurationEntry[] {
  return Object.values(declaration).map((setting) => ({
    name: setting.name,
    meaning: setting.meaning,
    allowed: setting.allowed,
    unit: setting.unit,
    presence: setting.required ? 'required' : (setting.defaultText ?? 'none'),
    secret: setting.secret,
  }))
}

/** A Markdown table of the entries, one row per variable. */
export function renderConfigurationTable(entries: readonly ConfigurationEntry[]): string {
  const rows = entries.map((entry) => {
    const presence =
      entry.presence === 'required' || entry.presence === 'none' ? entry.presence : `\`${entry.presence}\``
    const allowed = entry.unit === undefined ? entry.allowed : `${entry.allowed}, in ${entry.unit}`
    const secret = entry.secret ? ' Secret: never shown.' : ''
    return `| \`${entry.name}\` | ${presence} | ${allowed} | ${entry.meaning}${secret} |`
  })
  return ['| variable | default | allowed | meaning |', '|---|---|---|---|', ...rows, ''].join('\n')
}
