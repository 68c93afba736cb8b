/**
 * The transcript: the whole messages of one handshake, from the ClientHello that carried the cookie on (RFC 6347
 * section 4.2.6: HelloVerifyRequest and the first ClientHello are not in it), each with its header as if unfragmented.
 *
 * It keeps the messages, not a running hash: which hash is wanted is known late (the PRF's by the suite, the
 * signature's by its scheme), and bodies are shared with the flight and with the configuration. From the first hash on
 * it keeps their bytes as well, so that each message is written once; before that a peer has given us none of its own.
 */

import { type HandshakeMessage, handshakeHeaderLength, writeHandshakeFragment } from './handshake-message.ts'
import { digest, type HashName } from './hmac.ts'

export interface Transcript {
  readonly messages: HandshakeMessage[]
  written?: Written
}

/** The first `count` messages as bytes; what is behind `length` is free. */
interface Written {
  readonly bytes: Uint8Array
  readonly count: number
  readonly length: number
}

const nothing: Written = { bytes: new Uint8Array(0), count: 0, length: 0 }

export const createTranscript = (): Transcript => ({ messages: [] })

/** @param message whose body the transcript may keep: not a view into a receive buffer */
export function append(transcript: Transcript, message: HandshakeMessage): void {
  transcript.messages.push(message)
}

export const transcriptHash = (transcript: Transcript, hash: HashName): Uint8Array =>
  digest(hash, transcriptBytes(transcript))

/** All of it in one piece: what CertificateVerify signs. A view that stays as it is, whatever is appended. */
export function transcriptBytes(transcript: Transcript): Uint8Array {
  const { messages, written = nothing } = transcript
  const unwritten = messages.slice(written.count)
  const end = unwritten.reduce((sum, { body }) => sum + handshakeHeaderLength + body.length, written.length)
  const bytes = end <= written.bytes.length ? written.bytes : grown(written, end)
  let at = written.length
  for (const { type, messageSequence, body } of unwritten) {
    writeHandshakeFragment(bytes, at, { type, length: body.length, messageSequence, offset: 0, bytes: body })
    at += handshakeHeaderLength + body.length
  }
  transcript.written = { bytes, count: messages.length, length: end }
  return bytes.subarray(0, end)
}

/** What follows the first hash: CertificateVerify, a session ticket, one Finished or both. */
const usualRest = 512

function grown(written: Written, needed: number): Uint8Array {
  const bytes = new Uint8Array(needed + usualRest)
  bytes.set(written.bytes.subarray(0, written.length))
  return bytes
}
