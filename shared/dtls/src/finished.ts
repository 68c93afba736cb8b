/**
 * How every flow ends: the ChangeCipherSpec and the Finished of each side (RFC 5246 sections 7.1 and 7.4.9).
 *
 * Whose turn it is, and what a wrong Finished means for the peer, is for the flow to know.
 */

import { constantTimeEqual } from '@sallyport/bytes'
import type { CipherSuite } from './cipher-suite.ts'
import type { FlightPart } from './flight.ts'
import { HandshakeFault } from './handshake-fault.ts'
import { compose, type HandshakeContext, type HandshakeLayer } from './handshake-layer.ts'
import { type HandshakeMessage, handshakeTypes } from './handshake-message.ts'
import { type AssociationKeys, verifyData } from './key-schedule.ts'
import { transcriptHash } from './transcript.ts'

export interface FinishedSecrets {
  readonly suite: CipherSuite
  readonly masterSecret: Uint8Array
}

/** Sends our last flight: `parts`, [ChangeCipherSpec], and Finished under the keys that we write with from now on. */
export function sendFinished(
  layer: HandshakeLayer,
  sender: 'client' | 'server',
  secrets: FinishedSecrets & { readonly keys: AssociationKeys },
  parts: readonly FlightPart[],
  context: HandshakeContext,
): void {
  const body = expectedFinished(layer, sender, secrets)
  layer.records.installWriteKeys(secrets.keys[sender], layer.connectionIds.write)
  const finished = compose(layer, handshakeTypes.finished, body)
  context.sendFlight(layer, [...parts, { kind: 'change-cipher-spec' }, finished])
}

/** @throws HandshakeFault `finished-wrong` */
export function requireFinished(
  layer: HandshakeLayer,
  sender: 'client' | 'server',
  secrets: FinishedSecrets,
  message: HandshakeMessage,
): void {
  if (coversHandshake(layer, sender, secrets, message)) return
  throw new HandshakeFault('finished-wrong', `the ${sender}'s Finished does not cover this handshake`)
}

/** @param message the peer's Finished, not in the transcript yet */
export const coversHandshake = (
  layer: HandshakeLayer,
  sender: 'client' | 'server',
  secrets: FinishedSecrets,
  message: HandshakeMessage,
): boolean => constantTimeEqual(message.body, expectedFinished(layer, sender, secrets))

const expectedFinished = (
  { transcript }: HandshakeLayer,
  sender: 'client' | 'server',
  { suite, masterSecret }: FinishedSecrets,
): Uint8Array => verifyData(suite, masterSecret, sender, transcriptHash(transcript, suite.hash))
