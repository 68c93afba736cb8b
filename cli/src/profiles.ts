/**
 * Which servers a person uses, and the credentials for each, in `$XDG_CONFIG_HOME/sallyport`: `config.json`, and apart from it
 * `credentials.json`, which nobody else may read.
 *
 * Credentials belong to the address that gave them: to another one they are never sent.
 */

import { existsSync, readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { SessionStore, SessionTokens } from '@sallyport/client'
import { CommandFailure } from './command-failure.ts'
import { whileLocked } from './file-lock.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'
import type { Surroundings } from './surroundings.ts'

export interface Profile {
  readonly server: string
  /** A PEM file with the authorities of the server's certificate, instead of the public ones. */
  readonly ca?: string
}

export interface Config {
  /** The profile that is used where none is named. */
  readonly current: string
  readonly profiles: Readonly<Record<string, Profile>>
}

export type Credentials =
  | ({ readonly kind: 'session'; readonly server: string } & SessionTokens)
  | { readonly kind: 'api-key'; readonly server: string; readonly key: string }

export interface Profiles {
  readonly folder: string
  readConfig(): Config
  writeConfig(config: Config): void
  /** Those of the profile for that address; undefined when there are none. */
  readCredentials(profile: string, server: string): Credentials | undefined
  writeCredentials(profile: string, credentials: Credentials | undefined): Promise<void>
  sessionStore(profile: string, server: string): SessionStore
}

const profileName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** @throws CommandFailure for a name that is none. */
export function expectProfileName(name: string): string {
  if (!profileName.test(name) || name in Object.prototype) {
    throw new CommandFailure('usage', `"${name}" is no name for a profile: letters, digits, ".", "_" and "-".`)
  }
  return name
}

export function openProfiles({ environment, home }: Pick<Surroundings, 'environment' | 'home'>): Profiles {
  const base = environment.XDG_CONFIG_HOME
  // The specification says to ignore a relative one.
  const folder = join(base !== undefined && isAbsolute(base) ? base : join(home, '.config'), 'sallyport')
  const configFile = join(folder, 'config.json')
  const credentialsFile = join(folder, 'credentials.json')
  const readAll = (): Readonly<Record<string, Credentials>> => {
    const text = readPrivateFile(credentialsFile)
    return text === undefined ? {} : parsed(credentialsFile, text)
  }
  const update = (profile: string, credentials: Credentials | undefined): void => {
    const { [profile]: _, ...others } = readAll()
    const next = credentials === undefined ? others : { ...others, [profile]: credentials }
    writePrivateFile(credentialsFile, `${JSON.stringify(next, null, 2)}\n`)
  }
  // Two locks: a renewal holds its own while it asks the server, and writes under the other.
  const exclusively = <Result>(work: () => Promise<Result>) => whileLocked(`${credentialsFile}.lock`, work)

  const profiles: Profiles = {
    folder,
    readConfig: () =>
      existsSync(configFile)
        ? parsed(configFile, readFileSync(configFile, 'utf8'))
        : { current: 'default', profiles: {} },
    writeConfig: (config) => writePrivateFile(configFile, `${JSON.stringify(config, null, 2)}\n`),
    readCredentials: (profile, server) => {
      const found = readAll()[profile]
      return found?.server === server ? found : undefined
    },
    writeCredentials: (profile, credentials) => exclusively(async () => update(profile, credentials)),
    sessionStore: (profile, server) => ({
      read: async () => {
        const found = profiles.readCredentials(profile, server)
        return found?.kind === 'session' ? found : undefined
      },
      write: (tokens) =>
        exclusively(async () =>
          update(profile, tokens === undefined ? undefined : { kind: 'session', server, ...tokens }),
        ),
      exclusively: (work) => whileLocked(join(folder, `renewal-${profile}.lock`), work),
    }),
  }
  return profiles
}

function parsed<Value>(file: string, text: string): Value {
  try {
    return JSON.parse(text) as Value
  } catch (cause) {
    throw new CommandFailure('failed', `${file} is not JSON: correct or delete it.`, { cause })
  }
}
