/** One run of a command: its output, the server it talks to, and the person it asks. */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  type AnswerOf,
  type CallOptions,
  type Client,
  createClient,
  fixedToken,
  hasProblemCode,
  type OperationName,
  operations,
  type RequestOf,
  sessionTokens,
  type TokenSource,
} from '@sallyport/client'
import type { Command } from 'commander'
import { CommandFailure } from './command-failure.ts'
import { createOutput, type Output } from './output.ts'
import { readPrivateFile } from './private-file.ts'
import { expectProfileName, openProfiles, type Profile, type Profiles } from './profiles.ts'
import { serverAddress } from './server-address.ts'
import type { Surroundings } from './surroundings.ts'
import { trustingFetch } from './trusting-fetch.ts'

/** Options of every command. */
export interface GlobalOptions {
  readonly profile?: string
  readonly server?: string
  readonly ca?: string
  readonly json?: boolean
  readonly color?: boolean
  readonly yes?: boolean
  readonly dryRun?: boolean
}

export interface Target {
  readonly profile: string
  readonly server: string
  readonly ca: string | undefined
}

export interface Invocation {
  readonly surroundings: Surroundings
  readonly options: GlobalOptions
  readonly output: Output
  readonly profiles: Profiles
  /** @throws CommandFailure when no server is named. */
  target(): Target
  /** A client of the target with the person's credentials. @throws CommandFailure when there are none. */
  client(): Client
  /** A client with this token, or without any, as for logging in. */
  clientWith(target: Target, token?: string): Client
  /** Asks, unless `--yes` says it. @throws CommandFailure when the person does not want it. */
  confirm(question: string): Promise<void>
  /** The contents of a file, or of standard input for `-`. */
  readInput(path: string): Promise<string>
  /**
   * Does what changes something: says it instead with `--dry-run` (then undefined), asks before it when it destroys.
   *
   * @param act.does as in "delete the device Lamp".
   */
  change<Name extends OperationName>(
    name: Name,
    request: RequestOf<Name>,
    act: { readonly does: string; readonly destroys?: boolean; readonly callOptions?: CallOptions },
  ): Promise<AnswerOf<Name> | undefined>
}

const userAgent = 'sallyport-cli'

export function createInvocation(surroundings: Surroundings, options: GlobalOptions): Invocation {
  const output = createOutput(surroundings, options)
  const profiles = openProfiles(surroundings)
  const { environment, stop } = surroundings

  const target = (): Target => {
    const config = profiles.readConfig()
    const name = expectProfileName(options.profile ?? environment.SALLYPORT_PROFILE ?? config.current)
    const profile: Profile | undefined = config.profiles[name]
    const server = options.server ?? environment.SALLYPORT_SERVER ?? profile?.server
    if (server === undefined) {
      throw new CommandFailure('usage', 'Which server? Log in first: sallyport login --server https://…')
    }
    const address = serverAddress(server)
    const named = options.ca ?? environment.SALLYPORT_CA
    // As a whole path: what is kept must not mean another file in another folder, which somebody else may have put there.
    const kept = profile?.server === address ? profile.ca : undefined
    const ca = named === undefined || named === '' ? kept : resolve(named)
    return { profile: name, server: address, ca }
  }
  const clientOf = (
    { server, ca }: Target,
    how: { readonly tokens?: TokenSource | undefined; readonly signal?: AbortSignal } = {},
  ): Client =>
    createClient({
      baseUrl: server,
      ...how,
      fetch: ca === undefined ? surroundings.fetch : trustingFetch(ca),
      retries: 2,
      userAgent,
      onWait: (milliseconds) => {
        if (milliseconds >= 1000) void output.note(`The server asks to wait ${Math.ceil(milliseconds / 1000)} s …`)
      },
    })
  const tokensFor = (to: Target): TokenSource => {
    const apiKey = apiKeyIn(environment)
    if (apiKey !== undefined) return fixedToken(apiKey)
    const kept = profiles.readCredentials(to.profile, to.server)
    if (kept?.kind === 'api-key') return fixedToken(kept.key)
    if (kept === undefined) {
      throw new CommandFailure(
        'unauthenticated',
        `Not logged in at ${to.server}: sallyport login --server ${to.server}`,
      )
    }
    const store = profiles.sessionStore(to.profile, to.server)
    // A renewal is never broken off: the old refresh token, sent again, would end the session as a stolen one.
    return sessionTokens({ client: clientOf(to), store, now: () => surroundings.now() })
  }
  let client: Client | undefined

  const invocation: Invocation = {
    surroundings,
    options,
    output,
    profiles,
    target,
    confirm,
    clientWith: (to, token) =>
      clientOf(to, { signal: stop, tokens: token === undefined ? undefined : fixedToken(token) }),
    client: () => {
      if (client === undefined) {
        const to = target()
        client = clientOf(to, { signal: stop, tokens: tokensFor(to) })
      }
      return client
    },
    readInput: async (path) => {
      if (path === '-') return surroundings.stdin.read()
      try {
        return readFileSync(path, 'utf8')
      } catch (cause) {
        throw new CommandFailure('usage', `${path} cannot be read.`, { cause })
      }
    },
    change: async (name, request, { does, destroys = false, callOptions = {} }) => {
      if (options.dryRun === true) {
        const { method, path } = operations[name]
        const value = { dryRun: true, does, operation: name, method, path, request }
        await output.streamed(value, `Would ${does}.`)
        return undefined
      }
      if (destroys) await confirm(`Really ${does}?`)
      // The types of a name that is not known yet are not narrowed by its own request.
      const call = invocation.client().call as (
        name: OperationName,
        request: unknown,
        options: CallOptions,
      ) => Promise<AnswerOf<typeof name>>
      return await call(name, request, callOptions)
    },
  }
  return invocation

  async function confirm(question: string): Promise<void> {
    if (options.yes === true) return
    if (!surroundings.stdin.isTerminal) throw new CommandFailure('usage', `${question} Say so with --yes.`)
    const said = await surroundings.ask(`${question} [y/N] `)
    if (!/^y(es)?$/i.test(said.trim())) throw new CommandFailure('failed', 'Nothing was done.')
  }
}

function apiKeyIn(environment: Surroundings['environment']): string | undefined {
  const { SALLYPORT_API_KEY: key, SALLYPORT_API_KEY_FILE: file } = environment
  if (key !== undefined && key !== '') return key.trim()
  if (file === undefined || file === '') return undefined
  const text = readPrivateFile(file)
  if (text === undefined) throw new CommandFailure('usage', `${file} (SALLYPORT_API_KEY_FILE) is not there.`)
  return text.trim()
}

/**
 * An action of commander: options of the command and of those above it, then its arguments.
 *
 * Options are asserted to be of the type that the command's declaration makes.
 */
export function invoking<Options extends object>(
  surroundings: Surroundings,
  work: (invocation: Invocation, options: Options & GlobalOptions, ...args: string[]) => Promise<void>,
): (...parameters: unknown[]) => Promise<void> {
  return async (...parameters) => {
    const command = parameters.at(-1) as Command
    const options = command.optsWithGlobals() as Options & GlobalOptions
    await work(createInvocation(surroundings, options), options, ...(parameters.slice(0, -2) as string[]))
  }
}

/**
 * Reads, changes on the condition that nobody has changed it meanwhile, and does so again where somebody has: for changes that
 * say what is to be, whatever was.
 */
export async function changingCurrent<Answer>(attempt: () => Promise<Answer>): Promise<Answer> {
  for (let left = 3; ; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (left === 0 || !hasProblemCode(error, 'precondition-failed')) throw error
    }
  }
}
