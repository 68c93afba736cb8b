/** Tokens (RFC 7252 section 5.3.1): as bytes on the wire, as text where they are looked up. */

/** As long as can be: a token must not be guessed by whoever could inject a response. */
export const tokenBytes = 8

export const tokenKeyOf = (token: Uint8Array): string =>
  Buffer.from(token.buffer, token.byteOffset, token.length).toString('latin1')
