/** The two halves of signing a JWT (RFC 7515 section 7.1) apart from the signature, so that any signer can make it. */

import { toBase64Url, utf8 } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import type { TokenType } from './access-token.ts'

export interface SigningHeader {
  readonly typ: TokenType
  /** RFC 7638 thumbprint of the key that will sign. */
  readonly kid: string
}

/** What is to be signed with ECDSA P-256 and SHA-256. */
export const signingInput = (header: SigningHeader, claims: Readonly<Record<string, unknown>>): string =>
  `${encoded({ alg: 'ES256', typ: header.typ, kid: header.kid })}.${encoded(claims)}`

/**
 * @param signature r and s, 32 bytes each (RFC 7518 section 3.4), not DER.
 * @throws CodedError `validation-failed` for a signature of another length.
 */
export function assembleJwt(input: string, signature: Uint8Array): string {
  if (signature.length !== 64) throw new CodedError('validation-failed', 'An ES256 signature has 64 bytes.')
  return `${input}.${toBase64Url(signature)}`
}

const encoded = (value: object): string => toBase64Url(utf8(JSON.stringify(value)))
