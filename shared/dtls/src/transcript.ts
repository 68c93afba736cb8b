/**
 * The transcript: the whole messages of one handshake, from the ClientHello that carried the cookie on (RFC 6347
 * section 4.2.6: HelloVerifyRequest and the first ClientHello are not in it), each with its header as if unfragmented.
 *
 * It keeps the messages, not a running hash: which hash is wanted is known late (the PRF's by the suite, the
 * signature's by its scheme), a list is plain data, and bodies are shared with the flight and with the configuration.
 */

import { createHash } from 'node:crypto'
import { concat } from '@sallyport/bytes'
import { type HandshakeMessage, wholeMessageHeader } from './handshake-message.ts'

export interface Transcript {
  readonly messages: HandshakeMessage[]
}

export const createTranscript = (): Transcript => ({ messages: [] })

/** @param message whose body the transcript may keep: not a view into a receive buffer */
export function append(transcript: Transcript, message: HandshakeMessage): void {
  transcript.messages.push(message)
}

export function transcriptHash(transcript: Transcript, hash: 'sha256' | 'sha384'): Uint8Array {
  const digest = createHash(hash)
  for (const message of transcript.messages) digest.update(wholeMessageHeader(message)).update(message.body)
  return digest.digest()
}

/** All of it in one piece: what CertificateVerify signs. */
export function transcriptBytes(transcript: Transcript): Uint8Array {
  return concat(...transcript.messages.flatMap((message) => [wholeMessageHeader(message), message.body]))
}
