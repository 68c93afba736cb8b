/** Where a client has its token from. */

export interface TokenSource {
  /** The token to send now; undefined: the request goes without one. */
  token(): Promise<string | undefined>
  /** Another one, after `refused` was answered with 401; undefined when there is none. */
  renew(refused: string): Promise<string | undefined>
}

/** An API key, or an access token that somebody else renews. */
export const fixedToken = (token: string): TokenSource => ({
  token: async () => token,
  renew: async () => undefined,
})
