import { seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import {
  blockValue,
  type CoapMessage,
  type CoapOption,
  encodeMessage,
  messageTypes,
  methodCodes,
  optionNumbers,
  readBlock,
} from '../src/index.ts'
import { EndpointPair, resource } from './endpoint-pair.ts'

const none = new Uint8Array(0)
const body = (length: number, salt = 0) => Uint8Array.from({ length }, (_, index) => (index * 31 + salt) & 255)
const resources = [
  resource('/ask', ['GET', 'POST', 'FETCH'], { maxRequestBytes: 10_000 }),
  resource('/upload', ['POST'], { maxRequestBytes: 10_000 }),
]
/** Answers with three blocks that begin with the last byte of the question. */
const answering = () =>
  new EndpointPair({
    right: { resources, serve: ({ payload }) => ({ code: '2.04', payload: body(3000, payload.at(-1) ?? 0) }) },
  })
const tagsOf = (message: CoapMessage) =>
  message.options.filter(({ number }) => number === optionNumbers['Request-Tag']).map(({ value }) => [...value])

interface RawRequest {
  readonly method?: 'POST' | 'FETCH'
  readonly path?: string
  readonly token?: number
  readonly tags?: readonly Uint8Array[]
  readonly block1?: { readonly number: number; readonly more: boolean }
  readonly block2?: number
  readonly payload?: Uint8Array
}

let nextMessageId = 1
const raw = (fields: RawRequest): Uint8Array => {
  const { block1, block2, tags = [] } = fields
  const options: CoapOption[] = [
    { number: optionNumbers['Uri-Path'], value: Buffer.from(fields.path ?? 'ask') },
    ...tags.map((value) => ({ number: optionNumbers['Request-Tag'], value })),
  ]
  if (block1 !== undefined) {
    options.push({ number: optionNumbers.Block1, value: blockValue({ ...block1, size: 64 }) })
  }
  if (block2 !== undefined) {
    options.push({ number: optionNumbers.Block2, value: blockValue({ number: block2, more: false, size: 1024 }) })
  }
  return encodeMessage({
    type: messageTypes.confirmable,
    code: methodCodes[fields.method ?? 'POST'],
    messageId: nextMessageId++,
    token: Uint8Array.of(fields.token ?? 1),
    options,
    payload: fields.payload ?? none,
  })
}

/** What the server answers: its code, and the first byte of the block, less what its place adds. */
function answerTo(pair: EndpointPair, fields: RawRequest): { code: string; body: number | undefined } {
  pair.deliver(pair.right, raw(fields))
  const answer = pair.right.sent.at(-1)
  const block2 = answer?.options.find(({ number }) => number === optionNumbers.Block2)?.value
  const block = block2 === undefined ? undefined : readBlock(block2)
  const offset = block === undefined ? 0 : block.number * block.size
  const [first] = answer?.payload ?? []
  return {
    code: answer === undefined ? 'none' : `${answer.code >> 5}.${String(answer.code & 31).padStart(2, '0')}`,
    body: first === undefined ? undefined : (first - offset * 31) & 255,
  }
}

describe('[6.8] Request-Tag (RFC 9175 section 3), our requests', () => {
  it('parallel POSTs with different bodies to one resource get each its own long answer', () => {
    const pair = answering()
    const salts = [1, 2, 3, 4]
    const requests = salts.map((salt) =>
      pair.request(pair.left, { path: '/ask', method: 'POST', payload: Uint8Array.of(salt) }),
    )
    pair.run(seconds(20))
    expect(pair.left.of('request-failed')).toEqual([])
    const answers = requests.map(
      (request) => pair.left.of('response').find((output) => output.request === request)?.response.payload,
    )
    expect(answers).toEqual(salts.map((salt) => body(3000, salt)))
    expect(pair.right.requests).toHaveLength(4)
  })

  it('parallel long POSTs to one resource, confirmable or not, are not taken for one another', () => {
    for (const confirmable of [true, false]) {
      const pair = answering()
      const salts = [1, 2, 3]
      for (const salt of salts) {
        pair.request(pair.left, { path: '/ask', method: 'POST', payload: body(2500, salt), confirmable })
      }
      pair.run(seconds(20))
      const taken = pair.right.requests.map(({ payload }) => payload)
      expect(taken).toHaveLength(3)
      expect(taken).toEqual(expect.arrayContaining(salts.map((salt) => body(2500, salt))))
      expect(pair.left.of('response')).toHaveLength(3)
    }
  })

  it('a body in blocks carries one tag in all its messages, and no later body has the same (section 3.5.1)', () => {
    const pair = answering()
    for (let count = 0; count < 2; count++) {
      pair.request(pair.left, { path: '/ask', method: 'POST', payload: body(2500) })
      pair.run(seconds(20))
    }
    expect(pair.left.sent.map(tagsOf)).toEqual([...Array(5).fill([[1]]), ...Array(5).fill([[2]])])
  })

  it('costs nothing where nothing can be mixed up: a short request that is alone, and a GET', () => {
    const pair = answering()
    pair.request(pair.left, { path: '/ask', method: 'POST', payload: Uint8Array.of(1) })
    pair.run(seconds(2))
    for (let count = 0; count < 3; count++) pair.request(pair.left, { path: '/ask' })
    pair.run(seconds(2))
    expect(pair.left.sent.flatMap(tagsOf)).toEqual([])
  })
})

describe('[6.8] Request-Tag (RFC 9175 section 3), requests of a peer', () => {
  it('keeps bodies apart that come block by block at the same time', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.04' }) } })
    const sides = [{ tags: [] }, { tags: [none] }, { tags: [Uint8Array.of(7)] }, { tags: [none, none] }]
    for (const number of [0, 1]) {
      for (const [salt, { tags }] of sides.entries()) {
        const block = { path: 'upload', tags, block1: { number, more: number === 0 }, payload: body(64, salt) }
        expect(answerTo(pair, block).code).toBe(number === 0 ? '2.31' : '2.04')
      }
    }
    expect(pair.right.requests.map(({ payload }) => [payload.length, payload[0], payload[64]])).toEqual(
      sides.map((_, salt) => [128, salt, salt]),
    )
  })

  it('a block whose tag is not that of the transfer does not continue it', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.04' }) } })
    const block = { path: 'upload', tags: [Uint8Array.of(1)], payload: body(64) }
    expect(answerTo(pair, { ...block, block1: { number: 0, more: true } }).code).toBe('2.31')
    expect(answerTo(pair, { ...block, tags: [Uint8Array.of(2)], block1: { number: 1, more: false } }).code).toBe('4.08')
    expect(pair.right.requests).toHaveLength(0)
  })

  it('one that is too long is ignored: the option is elective', () => {
    const pair = answering()
    expect(answerTo(pair, { tags: [body(9)], payload: Uint8Array.of(5) })).toEqual({ code: '2.04', body: 5 })
  })
})

describe('long answers to parallel requests of a peer that sends no Request-Tag', () => {
  it('are told apart by the token, where the peer keeps it for all blocks', () => {
    const pair = answering()
    for (const token of [1, 2]) answerTo(pair, { token, payload: Uint8Array.of(token * 10) })
    for (const token of [1, 2]) expect(answerTo(pair, { token, block2: 1 })).toEqual({ code: '2.04', body: token * 10 })
    for (const token of [1, 2]) expect(answerTo(pair, { token, block2: 2 })).toEqual({ code: '2.04', body: token * 10 })
    expect(pair.right.requests).toHaveLength(2)
  })

  it('are told apart by the payload, where the peer repeats it with each block', () => {
    const pair = answering()
    let token = 1
    for (const salt of [10, 20]) answerTo(pair, { method: 'FETCH', token: token++, payload: Uint8Array.of(salt) })
    for (const block2 of [1, 2]) {
      for (const salt of [10, 20]) {
        const block = { method: 'FETCH', token: token++, payload: Uint8Array.of(salt), block2 } as const
        expect(answerTo(pair, block)).toEqual({ code: '2.04', body: salt })
      }
    }
    expect(pair.right.requests).toHaveLength(2)
  })

  it('are never given for a payload that was not asked with', () => {
    const pair = answering()
    answerTo(pair, { token: 1, payload: Uint8Array.of(10) })
    expect(answerTo(pair, { token: 2, payload: Uint8Array.of(11), block2: 1 }).code).toBe('4.08')
    expect(answerTo(pair, { token: 2, block2: 1 })).toEqual({ code: '2.04', body: 10 })
  })
})
