import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { handshakeTypes } from '../src/handshake-message.ts'
import { append, createTranscript, transcriptBytes, transcriptHash } from '../src/transcript.ts'

const message = (messageSequence: number, length: number) => ({
  type: handshakeTypes.certificate,
  messageSequence,
  body: new Uint8Array(length).fill(messageSequence + 1),
})

const plain = (messages: readonly ReturnType<typeof message>[]): Buffer =>
  Buffer.concat(
    messages.map(({ type, messageSequence, body }) => {
      const header = Buffer.alloc(12)
      header.writeUInt8(type, 0)
      header.writeUIntBE(body.length, 1, 3)
      header.writeUInt16BE(messageSequence, 4)
      header.writeUIntBE(body.length, 9, 3)
      return Buffer.concat([header, body])
    }),
  )

describe('the transcript (RFC 6347 section 4.2.6)', () => {
  it('is the same bytes whether it is read once at the end or after each message', () => {
    const messages = [0, 1, 300, 5000, 0, 511, 12, 20_000].map((length, index) => message(index, length))
    const transcript = createTranscript()
    for (const [index, next] of messages.entries()) {
      append(transcript, next)
      const expected = plain(messages.slice(0, index + 1))
      expect(Buffer.compare(transcriptBytes(transcript), expected)).toBe(0)
      expect(Buffer.from(transcriptHash(transcript, 'sha256'))).toEqual(createHash('sha256').update(expected).digest())
    }
    const atTheEnd = createTranscript()
    for (const each of messages) append(atTheEnd, each)
    expect(Buffer.compare(transcriptBytes(atTheEnd), plain(messages))).toBe(0)
  })

  it('what was read of it stays as it was when more is appended: a signature over it is checked later', () => {
    const transcript = createTranscript()
    append(transcript, message(0, 100))
    const signed = transcriptBytes(transcript)
    const before = Buffer.from(signed)
    for (let sequence = 1; sequence < 8; sequence += 1) {
      append(transcript, message(sequence, 200))
      transcriptBytes(transcript)
      expect(Buffer.compare(signed, before)).toBe(0)
    }
  })
})
