import { generate, parse } from 'coap-packet'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type CoapMessage,
  encodeMessage,
  type MessageType,
  methodCodes,
  parseMessage,
  type ResponseCode,
  readUint,
  responseCodeByte,
  responseCodes,
  uintValue,
} from '../src/index.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const seed = Number(process.env.SEED ?? 7252)
const runs = { seed, numRuns: 2000, verbose: 0 }

const parsed = (bytes: Uint8Array): CoapMessage => {
  const result = parseMessage(bytes)
  if (!result.wellFormed) throw new Error(result.reason)
  return result.message
}

const anyMessage = fc
  .record({
    type: fc.constantFrom<MessageType>(0, 1, 2, 3),
    code: fc.constantFrom(
      ...Object.values(methodCodes),
      ...(Object.keys(responseCodes) as ResponseCode[]).map(responseCodeByte),
    ),
    messageId: fc.integer({ min: 0, max: 0xffff }),
    token: fc.uint8Array({ maxLength: 8 }),
    options: fc.array(
      fc.record({
        number: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 0xffff })),
        value: fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 250, maxLength: 600 })),
      }),
      { maxLength: 8 },
    ),
    payload: fc.uint8Array({ maxLength: 300 }),
  })
  .map((message) => ({ ...message, options: [...message.options].sort((a, b) => a.number - b.number) }))

describe(`the message codec (RFC 7252 section 3; seed ${seed})`, () => {
  it('reads the example of RFC 7252 section 3 (figure 16): a GET and its piggy-backed answer', () => {
    const get = parsed(hex('40 01 7d34 bb 74656d7065726174757265'))
    expect(get).toMatchObject({ type: 0, code: 1, messageId: 0x7d34, token: new Uint8Array() })
    expect(get.options.map(({ number, value }) => [number, Buffer.from(value).toString()])).toEqual([
      [11, 'temperature'],
    ])
    const answer = parsed(hex('60 45 7d34 ff 32322e3320 43'))
    expect(answer).toMatchObject({ type: 2, code: 0x45, messageId: 0x7d34 })
    expect(Buffer.from(answer.payload).toString()).toBe('22.3 C')
  })

  it('copies nothing: token, options and payload are views of the datagram', () => {
    const datagram = hex('42 02 0001 aabb b1 78 ff 01')
    const message = parsed(datagram)
    for (const view of [message.token, message.options[0]?.value, message.payload]) {
      expect(view?.buffer).toBe(datagram.buffer)
    }
  })

  it('gives back what was encoded, whatever it is', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        expect(parsed(encodeMessage(message))).toEqual(message)
      }),
      runs,
    )
  })

  it('encodes as coap-packet does, and reads what coap-packet encodes', () => {
    const oracleOptions = (message: CoapMessage) =>
      message.options.map(({ number, value }) => ({ name: String(number), value: Buffer.from(value) }))
    fc.assert(
      fc.property(anyMessage, (message) => {
        const theirs = generate(
          {
            confirmable: message.type === 0,
            ack: message.type === 2,
            reset: message.type === 3,
            code: `${message.code >> 5}.${String(message.code & 31).padStart(2, '0')}`,
            messageId: message.messageId,
            token: Buffer.from(message.token),
            options: oracleOptions(message),
            payload: Buffer.from(message.payload),
          },
          65_535,
        )
        expect(Buffer.from(encodeMessage(message)).equals(theirs)).toBe(true)
        expect(parsed(theirs)).toMatchObject({ code: message.code, messageId: message.messageId })
      }),
      runs,
    )
  })

  it('encodes options in the order of their numbers and keeps the order of equal ones', () => {
    const option = (number: number, text: string) => ({ number, value: Buffer.from(text) })
    const message = parsed(
      encodeMessage({
        type: 0,
        code: 1,
        messageId: 1,
        token: new Uint8Array(),
        options: [option(15, 'q'), option(11, 'a'), option(11, 'b')],
        payload: new Uint8Array(),
      }),
    )
    expect(message.options.map(({ value }) => Buffer.from(value).toString())).toEqual(['a', 'b', 'q'])
  })

  it('writes uint values without leading zeros and reads them with', () => {
    for (const value of [0, 1, 255, 256, 65_535, 65_536, 2 ** 24 - 1, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      expect(readUint(uintValue(value))).toBe(value)
      expect(uintValue(value)[0]).not.toBe(0)
    }
    expect(uintValue(0)).toHaveLength(0)
    expect(readUint(hex('0000 01'))).toBe(1)
  })
})

describe('[5.9] a datagram that is no message', () => {
  const malformed: readonly (readonly [claim: string, bytes: string, rejectable: boolean])[] = [
    ['nothing at all', '', false],
    ['three bytes', '40 01 00', false],
    ['version 0', '00 01 0001', false],
    ['version 2', '80 01 0001', false],
    ['version 3', 'c0 01 0001', false],
    ['token length 9', '49 01 0001 010203040506070809', true],
    ['token length 15', '4f 01 0001 0102030405060708090a0b0c0d0e0f', true],
    ['a token past the end', '44 01 0001 0102', true],
    ['option delta 15', '40 01 0001 f1 00', true],
    ['option length 15', '40 01 0001 1f 00', true],
    ['an option past the end', '40 01 0001 b5 6162', true],
    ['an extended delta past the end', '40 01 0001 d0', true],
    ['a long extended delta past the end', '40 01 0001 e0 01', true],
    ['an extended length past the end', '40 01 0001 1d', true],
    ['an option number over 65535', '40 01 0001 e0 ffff e0 ffff', true],
    ['a payload marker without payload', '40 01 0001 ff', true],
    ['an empty message with a payload', '40 00 0001 ff 01', true],
    ['an empty message with a token', '41 00 0001 01', true],
  ]
  for (const [claim, bytes, rejectable] of malformed) {
    it(`F17: ${claim} is refused${rejectable ? ', and can be rejected by its Message ID' : ' without a trace'}`, () => {
      const result = parseMessage(hex(bytes))
      expect(result.wellFormed).toBe(false)
      if (!result.wellFormed) expect(result.rejectable !== undefined).toBe(rejectable)
    })
  }

  it(`never throws, and what it accepts is encoded back byte for byte (seed ${seed})`, () => {
    const mutated = fc
      .tuple(anyMessage, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(40))
      .map(([message, changes, cut]) => {
        const bytes = encodeMessage(message)
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        return bytes.subarray(0, Math.max(0, bytes.length - cut))
      })
    let accepted = 0
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 64 })), (bytes) => {
        const result = parseMessage(bytes)
        if (!result.wellFormed) return
        accepted++
        const again = encodeMessage(result.message)
        expect(parsed(again)).toEqual(result.message)
        // Only a length written longer than need be may come back shorter.
        expect(again.length).toBeLessThanOrEqual(bytes.length)
      }),
      { ...runs, numRuns: 20_000 },
    )
    expect(accepted).toBeGreaterThan(1000)
  })

  it('is refused where coap-packet refuses it, or for a reason that coap-packet does not look at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 40 }), (bytes) => {
        const result = parseMessage(bytes)
        if (!result.wellFormed) return
        expect(() => parse(Buffer.from(bytes))).not.toThrow()
      }),
      { ...runs, numRuns: 20_000 },
    )
  })
})
