/**
 * The transcript: the whole messages of one handshake, from the ClientHello that carried the cookie on (RFC 6347
 * section 4.2.6: HelloVerifyRequest and the first ClientHello are not in it), each with its header as if unfragmented.
 *
 * It keeps the messages, not a running hash: which hash is wanted is known late (the PRF's by the suite, the
 * signature's by its scheme), a list is plain data, and bodies are shared with the flight and with the configuration.
 */

import { type HandshakeMessage, handshakeHeaderLength, writeHandshakeFragment } from './handshake-message.ts'
import { digest, type HashName } from './hmac.ts'

export interface Transcript {
  readonly messages: HandshakeMessage[]
}

export const createTranscript = (): Transcript => ({ messages: [] })

/** @param message whose body the transcript may keep: not a view into a receive buffer */
export function append(transcript: Transcript, message: HandshakeMessage): void {
  transcript.messages.push(message)
}

export const transcriptHash = (transcript: Transcript, hash: HashName): Uint8Array =>
  digest(hash, transcriptBytes(transcript))

/** All of it in one piece: what CertificateVerify signs. */
export function transcriptBytes(transcript: Transcript): Uint8Array {
  const { messages } = transcript
  const bytes = new Uint8Array(messages.reduce((sum, { body }) => sum + handshakeHeaderLength + body.length, 0))
  let at = 0
  for (const { type, messageSequence, body } of messages) {
    writeHandshakeFragment(bytes, at, { type, length: body.length, messageSequence, offset: 0, bytes: body })
    at += handshakeHeaderLength + body.length
  }
  return bytes
}
