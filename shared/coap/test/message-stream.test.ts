import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type CoapContent,
  encodeFrame,
  MessageStream,
  methodCodes,
  type ResponseCode,
  responseCodeByte,
  responseCodes,
  signalCodes,
} from '../src/index.ts'
import { randomFrom } from './endpoint-pair.ts'

const seed = Number(process.env.SEED ?? 8323)
const runs = { seed, numRuns: 1000, verbose: 0 }
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const unbounded = () => ({ held: 0, most: Number.POSITIVE_INFINITY })
const longest = 1_000_000

const anyContent = fc
  .record({
    code: fc.constantFrom(
      ...Object.values(methodCodes),
      ...(Object.keys(responseCodes) as ResponseCode[]).map(responseCodeByte),
      ...Object.values(signalCodes),
      0,
    ),
    token: fc.uint8Array({ maxLength: 8 }),
    options: fc.array(
      fc.record({
        number: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 0xffff })),
        value: fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 250, maxLength: 600 })),
      }),
      { maxLength: 6 },
    ),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(65_790, 65_810).map((n) => new Uint8Array(n)),
    ),
  })
  .map((message) => ({ ...message, options: [...message.options].sort((a, b) => a.number - b.number) }))

function read(chunks: Iterable<Uint8Array>, maxContentBytes = longest) {
  const budget = unbounded()
  const stream = new MessageStream(maxContentBytes, budget)
  const messages: CoapContent[] = []
  for (const chunk of chunks) {
    const wrong = stream.feed(chunk, (message) => {
      messages.push(structuredClone(message))
      return true
    })
    if (wrong !== undefined) return { messages, wrong, budget, stream }
  }
  return { messages, wrong: undefined, budget, stream }
}

const concat = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts))
const plain = (value: CoapContent) =>
  JSON.stringify(value, (_, part) => (part instanceof Uint8Array ? Buffer.from(part).toString('hex') : part))

describe(`messages in a byte stream (RFC 8323 section 3.2; seed ${seed})`, () => {
  it('encodes the examples of RFC 8323 section 3.2: a length of 0, an extended one, and one in two bytes', () => {
    const noBytes = new Uint8Array()
    // Figure 7: 2.03 with a token of one byte and no options.
    expect(encodeFrame({ code: 0x43, token: hex('7f'), options: [], payload: noBytes }, longest)).toEqual(
      hex('01 43 7f'),
    )
    // Figure 8: 2.05, a token of one byte, 26 bytes of options and payload.
    const payload = new Uint8Array(25).fill(0x61)
    const frame = encodeFrame({ code: 0x45, token: hex('7f'), options: [], payload }, longest)
    expect(frame.subarray(0, 5)).toEqual(hex('d1 0d 45 7f ff'))
    for (const [length, header] of [
      [12, 'c0'],
      [13, 'd0 00'],
      [268, 'd0 ff'],
      [269, 'e0 0000'],
      [65_804, 'e0 ffff'],
      [65_805, 'f0 00000000'],
      [65_806, 'f0 00000001'],
    ] as const) {
      const bytes = encodeFrame({ code: 1, token: noBytes, options: [], payload: new Uint8Array(length - 1) }, longest)
      expect(bytes.subarray(0, hex(header).length), `length ${length}`).toEqual(hex(header))
      expect(bytes.length).toBe(hex(header).length + 1 + length)
      expect(read([bytes]).messages[0]?.payload.length).toBe(length - 1)
    }
  })

  it('gives back what was encoded, wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(anyContent, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        (messages, cuts) => {
          const bytes = concat(messages.map((message) => encodeFrame(message, longest)))
          const at = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b)
          const chunks = [0, ...at].map((from, index) => bytes.slice(from, at[index] ?? bytes.length))
          const { messages: got, wrong, budget } = read(chunks)
          expect(wrong).toBeUndefined()
          expect(got.map(plain)).toEqual(messages.map(plain))
          expect(budget.held).toBe(0)
        },
      ),
      runs,
    )
  })

  it('gives back the same when the stream is cut at each of its bytes, and when every byte comes alone', () => {
    fc.assert(
      fc.property(anyContent, anyContent, (a, b) => {
        const bytes = concat([encodeFrame(a, longest), encodeFrame(b, longest)])
        fc.pre(bytes.length < 2000)
        const want = [a, b].map(plain)
        for (let cut = 0; cut <= bytes.length; cut++) {
          expect(read([bytes.slice(0, cut), bytes.slice(cut)]).messages.map(plain), `cut at ${cut}`).toEqual(want)
        }
        expect(read(Array.from(bytes, (byte) => Uint8Array.of(byte))).messages.map(plain)).toEqual(want)
      }),
      { ...runs, numRuns: 60 },
    )
  })

  it('[5.9] never throws on mutated streams, and holds no more than twice what has come', () => {
    const random = randomFrom(seed)
    const samples = fc.sample(anyContent, { seed, numRuns: 300 }).map((message) => encodeFrame(message, longest))
    let read = 0
    for (let round = 0; round < 20_000; round++) {
      const bytes = concat([
        samples[round % samples.length] as Uint8Array,
        samples[(7 * round) % samples.length] as Uint8Array,
      ]).slice(0, 4000)
      for (let change = 0; change < 3; change++)
        bytes[Math.floor(random() * Math.min(bytes.length, 40))] = Math.floor(random() * 256)
      const budget = unbounded()
      const stream = new MessageStream(4096, budget)
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + Math.floor(random() * 1000)
        const wrong = stream.feed(bytes.subarray(at, end), () => ++read > 0)
        expect(budget.held).toBeLessThanOrEqual(Math.max(64, 2 * end))
        if (wrong !== undefined) break
        at = end
      }
      stream.forget()
      expect(budget.held).toBe(0)
    }
    expect(read).toBeGreaterThan(1000)
  })

  it.each([
    ['4 GB', 'f0 ffffffff 01'],
    ['a byte too many', 'f0 00000334 01'],
    ['64 KB', 'e0 fefe 01'],
  ])('[5.9] refuses a message of %s when its header is there, and takes none of its bytes', (_, header) => {
    const { wrong, budget } = read([hex(header)], 65_805 + 0x333)
    if (header.startsWith('e0')) expect(read([hex(header)], 1000).wrong).toBe('message over Max-Message-Size')
    else expect(wrong).toBe('message over Max-Message-Size')
    expect(budget.held).toBeLessThanOrEqual(64)
  })

  it('[5.9] grows its buffer with what comes, not with what is announced', () => {
    const budget = unbounded()
    const stream = new MessageStream(262_144, budget)
    stream.feed(hex('f0 00020000 02'), () => true)
    expect(budget.held).toBeLessThanOrEqual(64)
    stream.feed(new Uint8Array(1000), () => true)
    expect(budget.held).toBeLessThan(2100)
  })

  it('[5.9] refuses to begin another message when all streams together hold too much', () => {
    const budget = { held: 0, most: 200 }
    const streams = Array.from({ length: 4 }, () => new MessageStream(1000, budget))
    const results = streams.map((stream) => stream.feed(hex('e0 0100 02 ff 61'), () => true))
    expect(results.slice(0, 3)).toEqual([undefined, undefined, undefined])
    expect(results[3]).toBe('no room for the beginning of a message')
    for (const stream of streams) stream.forget()
    expect(budget.held).toBe(0)
  })

  it.each([
    ['a token of 9 bytes', '09 01'],
    ['a token of 15 bytes', '0f 01'],
    ['an option past the end', '20 01 35 aa'],
    ['a reserved option delta', '20 01 f0 aa'],
    ['a payload marker without payload', '10 01 ff'],
    ['an option that ends with the frame', '10 01 d0'],
  ])('[5.9] refuses %s', (_, bytes) => {
    expect(read([hex(bytes), new Uint8Array(20)]).wrong).toBeTypeOf('string')
  })

  it('stops in the middle of a chunk when nothing more is wanted', () => {
    const one = encodeFrame({ code: 1, token: hex('01'), options: [], payload: new Uint8Array() }, longest)
    const stream = new MessageStream(1000, unbounded())
    let count = 0
    stream.feed(concat([one, one, one]), () => ++count < 2)
    expect(count).toBe(2)
  })
})
