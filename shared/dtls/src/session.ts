/**
 * A session that can go on in another association (RFC 5246 section 7.3): its keys' root, and what its application wants
 * back to judge the peer again. It is made by a full handshake with a certificate and extended master secret only; without
 * the latter, whoever stands between two handshakes could splice them (RFC 7627 section 5.3).
 *
 *   version(1) cipher suite(2) time of the full handshake(6, milliseconds) master secret(48) resumable<0..2^16-1>
 *
 * The bytes hold the secret: they leave us sealed (`sealing.ts`) or not at all.
 */

import { ByteReader, ByteWriter } from '@sallyport/bytes'
import { type Instant, instant } from '@sallyport/clock'
import { hasCode } from '@sallyport/errors'
import { type CipherSuite, cipherSuiteByNumber } from './cipher-suite.ts'
import { masterSecretLength } from './key-schedule.ts'

const currentVersion = 1

/** A ticket travels in each hello, which should fit one datagram. */
export const maxResumableBytes = 256

export interface Session {
  readonly suite: CipherSuite
  readonly masterSecret: Uint8Array
  /** Of the full handshake: resuming a session does not make it younger. */
  readonly establishedAt: Instant
  /** What the application gave for the peer, at most `maxResumableBytes`; we do not read it. */
  readonly resumable: Uint8Array
}

/** @throws RangeError for more than `maxResumableBytes` of the application's: its mistake */
export function encodeSession({ suite, masterSecret, establishedAt, resumable }: Session): Uint8Array {
  if (resumable.length > maxResumableBytes) throw new RangeError(`${resumable.length} bytes to resume a peer by`)
  return new ByteWriter(64 + resumable.length)
    .u8(currentVersion)
    .u16(suite.number)
    .u48(Math.max(0, Math.floor(establishedAt)))
    .bytes(masterSecret)
    .vector16((to) => to.bytes(resumable))
    .finish()
}

/** Undefined for what another version of us wrote, which is no fault of the peer's. */
export function decodeSession(bytes: Uint8Array): Session | undefined {
  try {
    const reader = new ByteReader(bytes)
    if (reader.u8() !== currentVersion) return undefined
    const suite = cipherSuiteByNumber.get(reader.u16())
    const establishedAt = instant(reader.u48())
    const masterSecret = reader.bytes(masterSecretLength)
    const resumable = reader.vector16().rest()
    reader.expectEnd()
    return suite === undefined ? undefined : { suite, masterSecret, establishedAt, resumable }
  } catch (error) {
    if (hasCode(error, 'malformed-bytes')) return undefined
    throw error
  }
}
