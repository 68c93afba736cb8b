/**
 * The tokens of a person's session, renewed before they end.
 *
 * A refresh token is good for one use, and its second use ends the session: whoever shares the tokens (several commands at
 * once) shares a store, whose `exclusively` lets one renew while the others wait, then take what it got.
 */

import { hasProblemCode } from './api-problem.ts'
import type { Client } from './client.ts'
import type { OperationTypes } from './operations.ts'
import type { TokenSource } from './token-source.ts'

export interface SessionTokens {
  readonly accessToken: string
  readonly refreshToken: string
  /** Milliseconds since the epoch: the end of the access token. */
  readonly expiresAt: number
}

export interface SessionStore {
  read(): Promise<SessionTokens | undefined>
  /** Undefined: the session is over. */
  write(tokens: SessionTokens | undefined): Promise<void>
  /** Runs the work while nobody else who shares the store runs any. */
  exclusively<Result>(work: () => Promise<Result>): Promise<Result>
}

/** A clock that is a little wrong, and the way to the server. */
const renewedBefore = 30_000

export function sessionTokens(options: {
  /** A client without tokens: refreshing needs none. */
  readonly client: Pick<Client, 'call'>
  readonly store: SessionStore
  /** Milliseconds since the epoch. */
  readonly now: () => number
}): TokenSource {
  const { client, store, now } = options
  let renewal: Promise<string | undefined> | undefined

  const renew = (refused: string): Promise<string | undefined> => {
    renewal ??= store
      .exclusively(() => renewed(refused))
      .finally(() => {
        renewal = undefined
      })
    return renewal
  }
  const renewed = async (refused: string): Promise<string | undefined> => {
    const tokens = await store.read()
    if (tokens === undefined) return undefined
    // Somebody else was first.
    if (tokens.accessToken !== refused) return tokens.accessToken
    try {
      const { body } = await client.call('refreshSession', { body: { refresh_token: tokens.refreshToken } })
      const next = sessionTokensIn(body, now())
      await store.write(next)
      return next.accessToken
    } catch (error) {
      if (!hasProblemCode(error, 'refresh-failed', 'refresh-superseded', 'token-revoked')) throw error
      await store.write(undefined)
      return undefined
    }
  }
  return {
    token: async () => {
      const tokens = await store.read()
      if (tokens === undefined) return undefined
      if (tokens.expiresAt - now() > renewedBefore) return tokens.accessToken
      return await renew(tokens.accessToken)
    },
    renew,
  }
}

/** The tokens that a login or a refresh answered. */
export const sessionTokensIn = (body: OperationTypes['logIn']['answer']['body'], now: number): SessionTokens => ({
  accessToken: body.access_token,
  // Absent only where a page has asked for it in a cookie.
  refreshToken: body.refresh_token ?? '',
  expiresAt: now + body.expires_in * 1000,
})

/** For a process that keeps its session to itself. */
export function memorySessionStore(tokens: SessionTokens): SessionStore {
  let kept: SessionTokens | undefined = tokens
  return {
    read: async () => kept,
    write: async (next) => {
      kept = next
    },
    exclusively: (work) => work(),
  }
}
