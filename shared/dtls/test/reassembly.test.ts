import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { HandshakeFragment } from '../src/handshake-message.ts'
import { createReassembly, defaultReassemblyLimits, takeFragment, takeNextMessage } from '../src/reassembly.ts'

const limits = defaultReassemblyLimits

const piece = (body: Uint8Array, offset: number, end: number, messageSequence = 0, type = 11): HandshakeFragment => ({
  type,
  length: body.length,
  messageSequence,
  offset,
  bytes: body.subarray(offset, end),
})

describe('reassembly (RFC 6347 section 4.2.3)', () => {
  it('puts a message together from any cut, in any order, doubled and overlapping', () => {
    const scenario = fc
      .uint8Array({ minLength: 1, maxLength: 300 })
      .chain((body) =>
        fc.tuple(
          fc.constant(body),
          fc.array(fc.tuple(fc.nat({ max: body.length }), fc.nat({ max: body.length })), { maxLength: 12 }),
        ),
      )
    fc.assert(
      fc.property(scenario, ([body, cuts]) => {
        const reassembly = createReassembly(0)
        for (const [a, b] of cuts) takeFragment(reassembly, piece(body, Math.min(a, b), Math.max(a, b)), 7, limits)
        takeFragment(reassembly, piece(body, 0, body.length), 8, limits)
        const message = takeNextMessage(reassembly)
        expect(message?.body).toEqual(body)
        expect(reassembly.bufferedBytes).toBe(0)
        expect(takeNextMessage(reassembly)).toBeUndefined()
      }),
    )
  })

  it('hands out messages in the order of their numbers, each once', () => {
    const reassembly = createReassembly(3)
    for (const sequence of [5, 4, 3, 4]) {
      takeFragment(reassembly, piece(Uint8Array.of(sequence), 0, 1, sequence), 0, limits)
    }
    const numbers = [1, 2, 3].map(() => takeNextMessage(reassembly)?.messageSequence)
    expect(numbers).toEqual([3, 4, 5])
    expect(takeFragment(reassembly, piece(Uint8Array.of(3), 0, 1, 3), 0, limits)).toBe('repeated')
  })

  it('hands out an empty message, and only when it came', () => {
    const reassembly = createReassembly(0)
    expect(takeNextMessage(reassembly)).toBeUndefined()
    takeFragment(reassembly, piece(new Uint8Array(0), 0, 0), 0, limits)
    expect(takeNextMessage(reassembly)?.body).toEqual(new Uint8Array(0))
  })

  it('takes a message of 8192 bytes and no byte more', () => {
    const largest = new Uint8Array(8192)
    expect(takeFragment(createReassembly(0), piece(largest, 0, 8192), 0, limits)).toBe('taken')
    expect(takeFragment(createReassembly(0), piece(new Uint8Array(8193), 0, 1), 0, limits)).toBe('too-large')
  })

  it('CVE-2014-3506 (OpenSSL): allocates for what came, not for what a header claims', () => {
    const reassembly = createReassembly(0)
    const claim = new Uint8Array(8192)
    for (let sequence = 0; sequence < 8; sequence += 1) {
      expect(takeFragment(reassembly, piece(claim, 0, 1, sequence), 0, limits)).toBe('taken')
    }
    expect(reassembly.bufferedBytes).toBe(8)
    expect(takeFragment(reassembly, piece(claim, 0, 1, 8), 0, limits)).toBe('too-far-ahead')
    expect(takeFragment(reassembly, piece(claim, 0, 0, 1), 0, limits)).toBe('taken')
  })

  it('CVE-2022-29189 (pion): holds at most 8192 bytes for all messages together', () => {
    const reassembly = createReassembly(0)
    const large = new Uint8Array(8192)
    expect(takeFragment(reassembly, piece(large, 0, 5000, 1), 0, limits)).toBe('taken')
    expect(takeFragment(reassembly, piece(large, 0, 3000, 2), 0, limits)).toBe('taken')
    expect(takeFragment(reassembly, piece(large, 0, 200, 3), 0, limits)).toBe('buffer-full')
    expect(reassembly.bufferedBytes).toBeLessThanOrEqual(8192)
    // Doubling never takes room that is not there, and what is left can be used to the last byte.
    expect(takeFragment(reassembly, piece(large, 5000, 5192, 1), 0, limits)).toBe('taken')
    expect(reassembly.bufferedBytes).toBe(8192)
  })

  it('holds at most 32 pieces that are apart', () => {
    const reassembly = createReassembly(0)
    const body = new Uint8Array(200)
    const verdicts = Array.from({ length: 60 }, (_, n) =>
      takeFragment(reassembly, piece(body, 2 * n, 2 * n + 1), 0, limits),
    )
    expect(verdicts.filter((verdict) => verdict === 'taken')).toHaveLength(32)
  })

  it('CVE-2014-0195, CVE-2026-42009: refuses other bytes, another type and another length for a message that has begun', () => {
    const reassembly = createReassembly(0)
    const body = Uint8Array.of(1, 2, 3, 4)
    takeFragment(reassembly, piece(body, 0, 2), 0, limits)
    expect(takeFragment(reassembly, piece(Uint8Array.of(1, 9, 3, 4), 1, 3), 0, limits)).toBe('contradicting')
    expect(takeFragment(reassembly, piece(body, 2, 4, 0, 20), 0, limits)).toBe('contradicting')
    expect(takeFragment(reassembly, piece(Uint8Array.of(1, 2, 3), 2, 3), 0, limits)).toBe('contradicting')
    takeFragment(reassembly, piece(body, 2, 4), 5, limits)
    expect(takeNextMessage(reassembly)).toMatchObject({ body, recordSequence: 5 })
  })
})
