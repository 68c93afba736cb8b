import { milliseconds, minutes, seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import {
  type BlockSize,
  blockValue,
  encodeMessage,
  type MessageType,
  messageTypes,
  methodCodes,
  optionNumbers,
  readBlock,
  readUint,
  uintValue,
} from '../src/index.ts'
import { type EndOptions, EndpointPair, resource } from './endpoint-pair.ts'

const none = new Uint8Array(0)
const body = (length: number, salt = 0) => Uint8Array.from({ length }, (_, index) => (index * 31 + salt) & 255)
const same = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b)
const resources = [
  resource('/upload', ['POST', 'PUT'], { maxRequestBytes: 10_000 }),
  resource('/download', ['GET', 'POST'], { observable: true }),
]
const taking: EndOptions = { resources, serve: () => ({ code: '2.04' }) }

interface RawBlock {
  readonly number: number
  readonly more: boolean
  readonly size?: BlockSize
  readonly payload?: Uint8Array
  readonly size1?: number
  readonly contentFormat?: number
  readonly path?: string
}

let nextMessageId = 1
const block1 = (raw: RawBlock) => {
  const size = raw.size ?? 64
  return encodeMessage({
    type: messageTypes.confirmable as MessageType,
    code: methodCodes.POST,
    messageId: nextMessageId++ & 0xffff,
    token: Uint8Array.of(1),
    options: [
      { number: optionNumbers['Uri-Path'], value: Buffer.from(raw.path ?? 'upload') },
      ...(raw.contentFormat === undefined
        ? []
        : [{ number: optionNumbers['Content-Format'], value: uintValue(raw.contentFormat) }]),
      { number: optionNumbers.Block1, value: blockValue({ number: raw.number, more: raw.more, size }) },
      ...(raw.size1 === undefined ? [] : [{ number: optionNumbers.Size1, value: uintValue(raw.size1) }]),
    ],
    payload: raw.payload ?? body(size),
  })
}

/** Code and options of the last answer of the right end. */
function lastAnswer(pair: EndpointPair) {
  const answer = pair.right.sent.at(-1)
  const value = (number: number) => answer?.options.find((option) => option.number === number)?.value
  const size1 = value(optionNumbers.Size1)
  const block = value(optionNumbers.Block1)
  return {
    code: answer === undefined ? 'none' : `${answer.code >> 5}.${String(answer.code & 31).padStart(2, '0')}`,
    size1: size1 === undefined ? undefined : readUint(size1),
    block1: block === undefined ? undefined : readBlock(block),
  }
}

describe('block-wise transfer (RFC 7959 section 2)', () => {
  it('(RFC 7959 section 2.2) block values keep number, more and size', () => {
    for (const number of [0, 1, 15, 16, 4095, 4096, 0xfffff]) {
      for (const size of [16, 32, 64, 128, 256, 512, 1024] as const) {
        for (const more of [false, true])
          expect(readBlock(blockValue({ number, more, size }))).toEqual({ number, more, size })
      }
    }
    expect(() => blockValue({ number: 0x100000, more: false, size: 16 })).toThrow(RangeError)
  })

  for (const length of [0, 1, 1023, 1024, 1025, 2048, 5000]) {
    it(`(RFC 7959 sections 2.4 and 2.5) carries a request and a response of ${length} bytes whole`, () => {
      const pair = new EndpointPair({
        right: { resources, serve: (request) => ({ code: '2.04', payload: request.payload }) },
      })
      pair.request(pair.left, { path: '/upload', method: 'POST', payload: body(length) })
      pair.run()
      expect(same(pair.response().payload, body(length))).toBe(true)
      expect(pair.right.requests).toHaveLength(1)
      expect(pair.right.endpoint.counts.uploadBytes).toBe(0)
    })
  }

  it('(RFC 7959 section 2.4) agrees on the smaller block size of either side, both ways', () => {
    for (const [left, right] of [
      [64, 1024],
      [1024, 64],
      [256, 32],
    ] as const) {
      const pair = new EndpointPair({
        left: { limits: { maxBlockBytes: left } },
        right: {
          resources,
          limits: { maxBlockBytes: right },
          serve: (request) => ({ code: '2.04', payload: request.payload }),
        },
      })
      pair.request(pair.left, { path: '/upload', method: 'POST', payload: body(3000) })
      pair.run(seconds(20))
      expect(same(pair.response().payload, body(3000))).toBe(true)
      const smallest = Math.min(left, right)
      expect(pair.left.sent.filter(({ payload }) => payload.length > smallest)).toHaveLength(left > right ? 1 : 0)
      expect(pair.right.sent.every(({ payload }) => payload.length <= smallest)).toBe(true)
    }
  })

  it('runs the handler of a POST once, however many blocks its answer has', () => {
    let handled = 0
    const pair = new EndpointPair({
      right: { resources, serve: () => ({ code: '2.04', payload: body(9000, ++handled) }) },
    })
    pair.request(pair.left, { path: '/download', method: 'POST' })
    pair.run(seconds(5))
    expect(same(pair.response().payload, body(9000, 1))).toBe(true)
    expect(handled).toBe(1)
    expect(pair.right.endpoint.counts.servedBodyBytes).toBe(9000)
    pair.run(seconds(121))
    expect(pair.right.endpoint.counts.servedBodyBytes).toBe(0)
  })

  it('begins a download anew when the body changes, by its ETag, and gives up when it keeps changing', () => {
    let version = 0
    const pair = new EndpointPair({
      right: {
        resources,
        limits: { servedBodies: 0, servedBodyBytes: 0 },
        serve: () => ({ code: '2.05', payload: body(3000, version) }),
      },
    })
    let changes = 1
    pair.lose = (message, from) => {
      if (from === pair.right && message.code !== 0 && changes-- > 0) version++
      return false
    }
    pair.request(pair.left, { path: '/download' })
    pair.run(seconds(5))
    expect(same(pair.response().payload, body(3000, 1))).toBe(true)
    changes = 100
    pair.request(pair.left, { path: '/download' })
    pair.run(seconds(5))
    expect(pair.left.of('request-failed')).toMatchObject([{ code: 'block-sequence-broken' }])
  })

  it('refuses a response that is larger than the caller takes', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.05', payload: body(5000) }) } })
    pair.request(pair.left, { path: '/download', maxResponseBytes: 4999 })
    pair.run(seconds(5))
    expect(pair.left.of('request-failed')).toMatchObject([{ code: 'request-too-large' }])
  })

  it('answers 2.03 without a body to a GET with the ETag of what there is', () => {
    const etag = Uint8Array.of(1, 2)
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.05', payload: body(10), etag }) } })
    const get = encodeMessage({
      type: messageTypes.confirmable,
      code: methodCodes.GET,
      messageId: 9,
      token: Uint8Array.of(1),
      options: [
        { number: optionNumbers.ETag, value: etag },
        { number: optionNumbers['Uri-Path'], value: Buffer.from('download') },
      ],
      payload: none,
    })
    pair.deliver(pair.right, get)
    expect(lastAnswer(pair).code).toBe('2.03')
    expect(pair.right.sent.at(-1)?.payload).toHaveLength(0)
  })
})

describe('[5.9] F18: block-wise transfers that misbehave', () => {
  it('F18 (RFC 7959 section 2.9.2): a gap, a repeat or a block without a beginning gets 4.08 and ends the transfer', () => {
    const pair = new EndpointPair({ right: taking })
    pair.deliver(pair.right, block1({ number: 3, more: true }))
    expect(lastAnswer(pair).code).toBe('4.08')
    pair.deliver(pair.right, block1({ number: 0, more: true }))
    expect(lastAnswer(pair)).toMatchObject({ code: '2.31', block1: { number: 0, more: true, size: 64 } })
    pair.deliver(pair.right, block1({ number: 2, more: true }))
    expect(lastAnswer(pair).code).toBe('4.08')
    pair.deliver(pair.right, block1({ number: 1, more: true }))
    expect(lastAnswer(pair).code).toBe('4.08')
    expect(pair.right.endpoint.counts.uploadBytes).toBe(0)
  })

  it('F18: a size that changes midway goes on only where the bytes join', () => {
    const pair = new EndpointPair({ right: taking })
    pair.deliver(pair.right, block1({ number: 0, more: true, size: 64 }))
    pair.deliver(pair.right, block1({ number: 2, more: true, size: 32 }))
    expect(lastAnswer(pair).code).toBe('2.31')
    pair.deliver(pair.right, block1({ number: 3, more: false, size: 32, payload: body(5) }))
    expect(lastAnswer(pair).code).toBe('2.04')
    expect(pair.right.requests[0]?.payload).toHaveLength(101)
    pair.deliver(pair.right, block1({ number: 0, more: true, size: 64 }))
    pair.deliver(pair.right, block1({ number: 1, more: true, size: 32 }))
    expect(lastAnswer(pair).code).toBe('4.08')
  })

  it('F18: a block of another length than it says gets 4.00', () => {
    const pair = new EndpointPair({ right: taking })
    pair.deliver(pair.right, block1({ number: 0, more: true, payload: body(63) }))
    expect(lastAnswer(pair).code).toBe('4.00')
    pair.deliver(pair.right, block1({ number: 0, more: false, payload: body(65) }))
    expect(lastAnswer(pair).code).toBe('4.00')
  })

  it('F18: another content format midway gets 4.08', () => {
    const pair = new EndpointPair({ right: taking })
    pair.deliver(pair.right, block1({ number: 0, more: true, contentFormat: 60 }))
    pair.deliver(pair.right, block1({ number: 1, more: false, contentFormat: 50 }))
    expect(lastAnswer(pair).code).toBe('4.08')
  })

  it('F18 (RFC 7959 section 2.9.3): more than the resource takes gets 4.13 with Size1: at the first block where it is announced, else when it is reached', () => {
    const pair = new EndpointPair({ right: taking })
    pair.deliver(pair.right, block1({ number: 0, more: true, size1: 10_001 }))
    expect(lastAnswer(pair)).toMatchObject({ code: '4.13', size1: 10_000 })
    expect(pair.right.endpoint.counts.uploadBytes).toBe(0)
    let number = 0
    for (; number < 1000; number++) {
      pair.deliver(pair.right, block1({ number, more: true, size: 1024, payload: body(1024) }))
      if (lastAnswer(pair).code !== '2.31') break
    }
    expect(number).toBe(9)
    expect(lastAnswer(pair)).toMatchObject({ code: '4.13', size1: 10_000 })
    expect(pair.right.endpoint.counts.uploadBytes).toBe(0)
  })

  it('F18: a single block at the end of a body that never came allocates nothing', () => {
    const pair = new EndpointPair({
      right: { ...taking, resources: [resource('/upload', ['POST'], { maxRequestBytes: 2 ** 31 })] },
    })
    pair.deliver(pair.right, block1({ number: 0xfffff, more: false, size: 1024, payload: body(10) }))
    expect(lastAnswer(pair).code).toBe('4.08')
    expect(pair.right.endpoint.counts.uploadBytes).toBe(0)
  })

  it('F18: 10000 parallel unfinished transfers of one association cost no more than four', () => {
    const many = [resource('/upload/{name}', ['POST'], { maxRequestBytes: 10_000 })]
    const pair = new EndpointPair({ right: { resources: many, serve: () => ({ code: '2.04' }) } })
    const upload = (name: string, number: number) =>
      encodeMessage({
        type: messageTypes.confirmable,
        code: methodCodes.POST,
        messageId: nextMessageId++ & 0xffff,
        token: none,
        options: [
          { number: optionNumbers['Uri-Path'], value: Buffer.from('upload') },
          { number: optionNumbers['Uri-Path'], value: Buffer.from(name) },
          { number: optionNumbers.Block1, value: blockValue({ number, more: true, size: 1024 }) },
        ],
        payload: body(1024),
      })
    for (let count = 0; count < 10_000; count++) pair.deliver(pair.right, upload(`${count}`, 0))
    expect(pair.right.endpoint.counts.uploadBytes).toBeLessThanOrEqual(4 * 1024)
    pair.deliver(pair.right, upload('9999', 1))
    expect(lastAnswer(pair).code).toBe('2.31')
    pair.deliver(pair.right, upload('1', 1))
    expect(lastAnswer(pair).code).toBe('4.08')
    pair.run(seconds(121))
    expect(pair.right.endpoint.counts.uploadBytes).toBe(0)
  })

  it('F18: unfinished transfers of all associations together are bounded: one more gets 5.03 with Max-Age', () => {
    const pair = new EndpointPair({ right: { ...taking, limits: { uploadBytes: 100 * 64 } } })
    const { endpoint } = pair.right
    const answers = new Map<string, number>()
    for (let peer = 0; peer < 10_000; peer++) {
      const association = endpoint.associate(`${peer}`)
      endpoint.handleMessage(association, block1({ number: 0, more: true }), pair.now)
    }
    pair.drain()
    for (const { code, options } of pair.right.sent) {
      const key = `${code >> 5}.${code & 31} ${options.some(({ number }) => number === optionNumbers['Max-Age'])}`
      answers.set(key, (answers.get(key) ?? 0) + 1)
    }
    expect([...answers]).toEqual([
      ['2.31 false', 100],
      ['5.3 true', 9900],
    ])
    expect(endpoint.counts.uploadBytes).toBe(6400)
  })

  it('F18: a transfer that stands still is forgotten after two minutes', () => {
    const pair = new EndpointPair({ right: taking })
    pair.deliver(pair.right, block1({ number: 0, more: true }))
    pair.run(seconds(119))
    pair.deliver(pair.right, block1({ number: 1, more: true }))
    expect(lastAnswer(pair).code).toBe('2.31')
    pair.run(seconds(121))
    pair.deliver(pair.right, block1({ number: 2, more: false }))
    expect(lastAnswer(pair).code).toBe('4.08')
    expect(pair.right.endpoint.nextTimeout).toBeUndefined()
  })

  it('F18: an answer in blocks whose body is gone: a GET is read anew, a POST gets 4.08', () => {
    const later = (code: number) =>
      encodeMessage({
        type: messageTypes.confirmable,
        code,
        messageId: nextMessageId++ & 0xffff,
        token: none,
        options: [
          { number: optionNumbers['Uri-Path'], value: Buffer.from('download') },
          { number: optionNumbers.Block2, value: blockValue({ number: 2, more: false, size: 1024 }) },
        ],
        payload: none,
      })
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.05', payload: body(3000) }) } })
    pair.deliver(pair.right, later(methodCodes.GET))
    expect(lastAnswer(pair).code).toBe('2.05')
    expect(same(pair.right.sent.at(-1)?.payload ?? none, body(3000).subarray(2048))).toBe(true)
    pair.deliver(pair.right, later(methodCodes.POST))
    expect(lastAnswer(pair).code).toBe('4.08')
  })

  it.each([{ associationServedBytes: 20_000 }, { servedBodies: 4 }])(
    'F18: bodies being fetched are bounded for one association, by %o, and over all',
    (bound) => {
      const pair = new EndpointPair({
        right: {
          resources: [resource('/file/{name}', ['GET'])],
          limits: { servedBodyBytes: 50_000, ...bound },
          serve: () => ({ code: '2.05', payload: body(5000) }),
        },
      })
      const { endpoint } = pair.right
      const get = (name: number) =>
        encodeMessage({
          type: messageTypes.confirmable,
          code: methodCodes.GET,
          messageId: name & 0xffff,
          token: none,
          options: ['file', `${name}`].map((text) => ({ number: optionNumbers['Uri-Path'], value: Buffer.from(text) })),
          payload: none,
        })
      for (let name = 0; name < 100; name++) pair.deliver(pair.right, get(name))
      expect(endpoint.counts.servedBodyBytes).toBe(20_000)
      for (let peer = 0; peer < 20; peer++) {
        endpoint.handleMessage(endpoint.associate(`${peer}`), get(1), pair.now)
        pair.drain()
      }
      expect(endpoint.counts.servedBodyBytes).toBe(50_000)
    },
  )
})

describe('the token of a body (docs/decisions/0007)', () => {
  /** Our end sends a body; the test answers it. */
  function sending() {
    const pair = new EndpointPair({ left: {} })
    pair.silence(pair.right)
    pair.request(pair.left, { method: 'POST', path: '/upload', payload: body(3000) })
    const answer = (number: number, more: boolean, messageId: number) => {
      const token = pair.left.sent.at(-1)?.token ?? none
      const options = [{ number: optionNumbers.Block1, value: blockValue({ number, more, size: 1024 }) }]
      const code = more ? 0x5f : 0x44
      const type = messageTypes.nonConfirmable
      pair.deliver(pair.left, encodeMessage({ type, code, messageId, token, options, payload: none }))
    }
    const blocks = () =>
      pair.left.sent
        .filter(({ code }) => code === methodCodes.POST)
        .map(({ options }) => readBlock(options.find(({ number }) => number === optionNumbers.Block1)?.value ?? none))
    return { pair, answer, blocks }
  }

  it('is the same for all its blocks, and another for another body', () => {
    const { pair, answer } = sending()
    answer(0, true, 1)
    answer(1, true, 2)
    answer(2, false, 3)
    expect(pair.left.of('response')).toHaveLength(1)
    pair.request(pair.left, { method: 'POST', path: '/upload', payload: body(3000) })
    const tokens = pair.left.sent.map(({ token }) => Buffer.from(token).toString('hex'))
    expect(new Set(tokens.slice(0, 3)).size).toBe(1)
    expect(new Set(tokens).size).toBe(2)
  })

  it('an answer to an earlier block that was held back acknowledges nothing, and the block that is due is sent again', () => {
    const { pair, answer, blocks } = sending()
    answer(0, true, 1)
    answer(0, true, 9)
    expect(blocks().map(({ number }) => number)).toEqual([0, 1])
    expect(pair.left.of('discarded').map(({ reason }) => reason)).toEqual(['answer to an earlier block'])
    pair.run(seconds(3))
    expect(blocks().map(({ number }) => number)).toEqual([0, 1, 1])
    answer(1, true, 2)
    answer(2, false, 3)
    expect(pair.left.of('response')).toHaveLength(1)
  })
})

describe('[6.7] bodies that are streamed', () => {
  it('10 MiB from a device: a resource that receives blocks gets each of them with its offset, and no byte is kept', () => {
    const streams = [resource('/firmware', ['POST'], { receives: 'blocks', maxRequestBytes: 16 * 1024 * 1024 })]
    let received = 0
    let parts = 0
    const pair = new EndpointPair({
      right: {
        resources: streams,
        serve: ({ part, payload }) => {
          expect(part?.offset).toBe(received)
          received += payload.length
          parts++
          expect(pair.right.endpoint.counts.uploadBytes).toBe(0)
          return { code: part?.more === true ? '2.31' : '2.01' }
        },
      },
    })
    pair.request(pair.left, { path: '/firmware', method: 'POST', payload: body(10 * 1024 * 1024) })
    pair.run(minutes(10))
    expect(pair.response().code).toBe('2.01')
    expect(received).toBe(10 * 1024 * 1024)
    expect(parts).toBe(10_240)
    expect(pair.right.endpoint.nextTimeout).toBeUndefined()
  })

  it('10 MiB to a device: a resource that streams its answer is asked for one range after the other', () => {
    const whole = body(10 * 1024 * 1024)
    const ranges: number[] = []
    const pair = new EndpointPair({
      right: {
        resources,
        serve: ({ range }) => {
          ranges.push(range.offset)
          return {
            code: '2.05',
            payload: whole.subarray(range.offset, range.offset + range.length),
            etag: Uint8Array.of(7),
            part: { more: range.offset + range.length < whole.length, totalBytes: whole.length },
          }
        },
      },
    })
    pair.request(pair.left, { path: '/download', maxResponseBytes: whole.length })
    pair.run(minutes(10))
    expect(same(pair.response().payload, whole)).toBe(true)
    expect(ranges).toEqual(Array.from({ length: 10_240 }, (_, index) => index * 1024))
    expect(pair.right.endpoint.counts.servedBodyBytes).toBe(0)
  })
})

describe('block-wise transfer with Observe (RFC 7959 section 3.4)', () => {
  const observed = (pair: EndpointPair) =>
    pair.right.requests.map(({ observation }) => observation).find((found) => found !== undefined)

  it('[6.8] a long first state and long notifications come whole', () => {
    let version = 1
    const pair = new EndpointPair({
      right: { resources, serve: () => ({ code: '2.05', payload: body(3000, version) }) },
    })
    pair.request(pair.left, { path: '/download', observe: true })
    pair.run(seconds(2))
    expect(pair.left.of('response')).toMatchObject([{ observed: true }])
    expect(same(pair.response().payload, body(3000, 1))).toBe(true)
    const observation = observed(pair)
    if (observation === undefined) throw new Error('not registered')
    for (version = 2; version <= 4; version++) {
      pair.right.endpoint.notify(observation, { code: '2.05', payload: body(3000, version) }, pair.now)
      pair.drain()
      pair.run(seconds(2))
    }
    expect(
      pair.left.of('notification').map(({ response }) => same(response.payload, body(3000, response.payload[0]))),
    ).toEqual([true, true, true])
    expect(pair.left.of('notification').map(({ response }) => response.payload[0])).toEqual([2, 3, 4])
  })

  it('a newer notification takes the place of a first state that is still being fetched', () => {
    const pair = new EndpointPair({
      right: { resources, serve: () => ({ code: '2.05', payload: body(3000, 1) }) },
    })
    pair.request(pair.left, { path: '/download', observe: true, confirmable: false })
    pair.run(milliseconds(21))
    const observation = observed(pair)
    if (observation === undefined) throw new Error('not registered')
    pair.right.endpoint.notify(observation, { code: '2.05', payload: Uint8Array.of(2) }, pair.now)
    pair.drain()
    pair.run(seconds(3))
    expect(pair.left.of('response').map(({ response, observed: stays }) => [response.payload[0], stays])).toEqual([
      [2, true],
    ])
    expect(pair.left.of('notification')).toHaveLength(0)
  })

  it('a first state that cannot be fetched to its end fails the request, also when the association closes', () => {
    for (const closes of [false, true]) {
      const pair = new EndpointPair({
        right: { resources, serve: () => ({ code: '2.05', payload: body(3000, 1) }) },
      })
      pair.request(pair.left, { path: '/download', observe: true })
      pair.run(milliseconds(21))
      pair.lose = () => true
      if (closes) pair.left.endpoint.dissociate(pair.left.association, pair.now)
      pair.drain()
      pair.run(minutes(3))
      expect(pair.left.of('request-failed')).toMatchObject([{ code: closes ? 'association-closed' : 'timed-out' }])
      expect(pair.left.of('response')).toHaveLength(0)
      expect(pair.left.endpoint.nextTimeout).toBeUndefined()
    }
  })

  it('a peer that enlarges its blocks midway is not followed', () => {
    const pair = new EndpointPair()
    pair.request(pair.left, { path: '/download' })
    const answer = (number: number, size: BlockSize) => {
      const request = pair.left.sent.at(-1)
      const reply = encodeMessage({
        type: messageTypes.acknowledgement,
        code: 0x45,
        messageId: request?.messageId ?? 0,
        token: request?.token ?? none,
        options: [{ number: optionNumbers.Block2, value: blockValue({ number, more: true, size }) }],
        payload: body(size),
      })
      pair.deliver(pair.left, reply)
    }
    answer(0, 16)
    answer(1, 16)
    answer(1, 32)
    expect(pair.left.of('request-failed')).toMatchObject([{ code: 'block-sequence-broken' }])
  })

  it('a newer notification replaces one that is still being fetched', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.05', payload: body(3000, 9) }) } })
    pair.request(pair.left, { path: '/download', observe: true, confirmable: false })
    pair.run(seconds(2))
    const observation = observed(pair)
    if (observation === undefined) throw new Error('not registered')
    pair.right.endpoint.notify(observation, { code: '2.05', payload: body(3000, 1) }, pair.now)
    pair.drain()
    pair.run(milliseconds(11))
    pair.right.endpoint.notify(observation, { code: '2.05', payload: body(3000, 2) }, pair.now)
    pair.drain()
    pair.run(seconds(3))
    expect(pair.left.of('notification').map(({ response }) => response.payload[0])).toEqual([2])
  })
})
