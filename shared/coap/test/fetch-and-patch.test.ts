import { minutes, seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import {
  type CoapMessage,
  encodeMessage,
  meetsConditions,
  messageTypes,
  methodCodes,
  optionNumbers,
  readUint,
} from '../src/index.ts'
import { type EndOptions, EndpointPair, resource } from './endpoint-pair.ts'

const none = new Uint8Array(0)
const body = (length: number, salt = 0) => Uint8Array.from({ length }, (_, index) => (index * 31 + salt) & 255)
const resources = [
  resource('/state', ['GET', 'FETCH', 'PATCH', 'iPATCH'], { observable: true }),
  resource('/file', ['PUT'], { conditional: true }),
]
const optionOf = (message: CoapMessage | undefined, number: number) =>
  message?.options.find((option) => option.number === number)?.value

describe('[6.8] FETCH, PATCH and iPATCH (RFC 8132 sections 2 and 3)', () => {
  /** Answers with as many bytes as the first two bytes of the request say, and the third. */
  const answering: EndOptions = {
    resources,
    serve: ({ payload: [high = 0, low = 0, salt = 0] }) => ({ code: '2.05', payload: body(high * 256 + low, salt) }),
  }
  const asking = (length: number, salt: number) => Uint8Array.of(length >> 8, length & 255, salt)

  it('(RFC 8132 sections 2 and 3) reach the handler with method, payload and content format, long ones too', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.04' }) } })
    for (const method of ['FETCH', 'PATCH', 'iPATCH'] as const) {
      for (const length of [3, 3000]) {
        pair.request(pair.left, { path: '/state', method, payload: body(length), contentFormat: 112 })
      }
    }
    pair.run(seconds(10))
    const seen = pair.right.requests.map(({ method, payload, contentFormat }) => [
      method,
      payload.length,
      contentFormat,
    ])
    expect(seen).toHaveLength(6)
    for (const method of ['FETCH', 'PATCH', 'iPATCH']) {
      expect(seen).toContainEqual([method, 3, 112])
      expect(seen).toContainEqual([method, 3000, 112])
    }
  })

  it('a resource that has not the method answers 4.05', () => {
    const pair = new EndpointPair({ right: answering })
    pair.request(pair.left, { path: '/file', method: 'PATCH', payload: body(1) })
    pair.run()
    expect(pair.response().code).toBe('4.05')
  })

  it('a long answer to a FETCH is of the payload it was asked with, also when the server keeps nothing', () => {
    for (const limits of [{}, { servedBodies: 0, servedBodyBytes: 0 }]) {
      const pair = new EndpointPair({ right: { ...answering, limits } })
      const requests = [1, 2, 3].map((salt) =>
        pair.request(pair.left, { path: '/state', method: 'FETCH', payload: asking(3000, salt), contentFormat: 60 }),
      )
      pair.run(seconds(10))
      expect(pair.left.of('request-failed')).toEqual([])
      const answers = requests.map(
        (request) => pair.left.of('response').find((output) => output.request === request)?.response.payload,
      )
      expect(answers).toEqual([1, 2, 3].map((salt) => body(3000, salt)))
      expect(
        pair.left.sent.every((message) => readUint(optionOf(message, optionNumbers['Content-Format']) ?? none) === 60),
      ).toBe(true)
    }
  })

  it('a later block of a FETCH whose answer and payload are gone gets 4.08, not the answer to another question', () => {
    const pair = new EndpointPair({ right: answering })
    const later = encodeMessage({
      type: messageTypes.confirmable,
      code: methodCodes.FETCH,
      messageId: 1,
      token: Uint8Array.of(1),
      options: [
        { number: optionNumbers['Uri-Path'], value: Buffer.from('state') },
        { number: optionNumbers.Block2, value: Uint8Array.of(0x16) },
      ],
      payload: none,
    })
    pair.deliver(pair.right, later)
    expect(pair.right.sent.at(-1)?.code).toBe(0x88)
    expect(pair.right.requests).toHaveLength(0)
  })

  it('a duplicate of a FETCH whose reply was let go is answered anew, one of a PATCH is not', () => {
    for (const [method, handled] of [
      ['FETCH', 2],
      ['PATCH', 1],
    ] as const) {
      const pair = new EndpointPair({
        right: { resources, limits: { recentReplyBytes: 0 }, serve: () => ({ code: '2.04', payload: body(100) }) },
      })
      const message = (messageId: number) =>
        encodeMessage({
          type: messageTypes.confirmable,
          code: methodCodes[method],
          messageId,
          token: Uint8Array.of(1),
          options: [{ number: optionNumbers['Uri-Path'], value: Buffer.from('state') }],
          payload: body(4),
        })
      pair.deliver(pair.right, message(1))
      pair.deliver(pair.right, message(2))
      pair.right.requests.length = 0
      pair.deliver(pair.right, message(1))
      expect(pair.right.requests).toHaveLength(handled - 1)
    }
  })
})

describe('[6.8] an observed FETCH (RFC 8132 section 2.4)', () => {
  const serving = (request: { payload: Uint8Array; confirmable?: boolean }, limits = {}) => {
    const pair = new EndpointPair({
      right: { resources, limits, serve: ({ payload }) => ({ code: '2.05', payload: payload.slice(0, 2) }) },
    })
    const observing = pair.request(pair.left, { path: '/state', method: 'FETCH', observe: true, ...request })
    pair.run(seconds(3))
    return { pair, observing, observation: pair.right.requests[0]?.observation }
  }

  it('registers, keeps what it asked for, is notified and is ended by its token', () => {
    const { pair, observing, observation } = serving({ payload: Uint8Array.of(4, 5) })
    if (observation === undefined) throw new Error('not registered')
    expect(pair.left.of('response')).toMatchObject([{ observed: true, response: { payload: Uint8Array.of(4, 5) } }])
    expect(observation.request.payload).toEqual(Uint8Array.of(4, 5))
    pair.right.endpoint.notify(observation, { code: '2.05', payload: Uint8Array.of(6) }, pair.now)
    pair.drain()
    pair.run()
    expect(pair.left.of('notification').map(({ response }) => response.payload)).toEqual([Uint8Array.of(6)])
    pair.left.endpoint.cancel(observing, pair.now)
    pair.drain()
    pair.run()
    expect(pair.left.sent.at(-1)).toMatchObject({ code: methodCodes.FETCH, token: observing.token })
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'deregistered' }])
  })

  it('two with different payloads get each its own long notifications', () => {
    const { pair, observation } = serving({ payload: Uint8Array.of(1) })
    pair.request(pair.left, { path: '/state', method: 'FETCH', observe: true, payload: Uint8Array.of(2) })
    pair.run()
    const other = pair.right.requests.at(-1)?.observation
    if (observation === undefined || other === undefined) throw new Error('not registered')
    pair.right.endpoint.notify(observation, { code: '2.05', payload: body(3000, 1) }, pair.now)
    pair.right.endpoint.notify(other, { code: '2.05', payload: body(3000, 2) }, pair.now)
    pair.drain()
    pair.run(seconds(5))
    const told = pair.left
      .of('notification')
      .map(({ request, response }) => [request.message.payload, response.payload])
    expect(told).toHaveLength(2)
    expect(told).toContainEqual([Uint8Array.of(1), body(3000, 1)])
    expect(told).toContainEqual([Uint8Array.of(2), body(3000, 2)])
  })

  it('one whose question comes in blocks registers with its last block', () => {
    const { pair, observing, observation } = serving({ payload: body(2500, 9) }, { observedRequestBytes: 4096 })
    expect(pair.left.of('response')).toMatchObject([{ observed: true }])
    expect(observation?.request.payload).toEqual(body(2500, 9))
    pair.left.endpoint.cancel(observing, pair.now)
    if (observation === undefined) throw new Error('not registered')
    pair.right.endpoint.notify(observation, { code: '2.05' }, pair.now)
    pair.drain()
    pair.run()
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'reset' }])
  })

  it('one whose question is too long to be kept is answered and not registered', () => {
    const { pair } = serving({ payload: body(1025) }, { maxBlockBytes: 1024 })
    expect(pair.left.of('response')).toMatchObject([{ observed: false, response: { code: '2.05' } }])
    expect(pair.right.endpoint.counts.observations).toBe(0)
  })
})

describe('[6.8] a FETCH with a long question and a long answer that changes on the way', () => {
  it('is asked again from its first block', () => {
    let version = 0
    const pair = new EndpointPair({
      right: {
        resources,
        limits: { servedBodies: 1 },
        serve: () => ({ code: '2.05', payload: body(3000, ++version) }),
      },
    })
    let forgets = 1
    pair.lose = (message, from) => {
      // The server forgets the first answer once: it has answered somebody else in between.
      if (from === pair.right && optionOf(message, optionNumbers.Block2) !== undefined && forgets-- > 0) {
        for (const kept of pair.right.association.servedBodies ?? []) {
          Object.assign(kept, { response: { ...kept.response, etag: Uint8Array.of(1), payload: body(3000, 77) } })
        }
      }
      return false
    }
    pair.request(pair.left, { path: '/state', method: 'FETCH', payload: body(2000) })
    pair.run(minutes(1))
    expect(pair.response().payload).toEqual(body(3000, 2))
    expect(pair.right.requests.map(({ payload }) => payload.length)).toEqual([2000, 2000])
    // Not with the tag of the first time: that body has been taken (RFC 9175 section 3.5.1).
    const tags = pair.left.sent.map((message) => readUint(optionOf(message, optionNumbers['Request-Tag']) ?? none))
    expect(new Set(tags)).toEqual(new Set([1, 2]))
  })
})

describe('[6.8] If-Match and If-None-Match (RFC 7252 section 5.10.8)', () => {
  const etag = Uint8Array.of(1, 2)

  it('are met by the ETag of what is there, by anything that is there, by nothing being there', () => {
    const match = (...ifMatch: Uint8Array[]) => ({ ifMatch, ifNoneMatch: false })
    const absent = { ifMatch: [], ifNoneMatch: true }
    expect(meetsConditions(undefined, undefined)).toBe(true)
    expect(meetsConditions(match(etag), etag)).toBe(true)
    expect(meetsConditions(match(Uint8Array.of(9), etag), etag)).toBe(true)
    expect(meetsConditions(match(Uint8Array.of(9)), etag)).toBe(false)
    expect(meetsConditions(match(none), etag)).toBe(true)
    expect(meetsConditions(match(none), none)).toBe(true)
    expect(meetsConditions(match(none), undefined)).toBe(false)
    expect(meetsConditions(match(etag), undefined)).toBe(false)
    expect(meetsConditions(absent, undefined)).toBe(true)
    expect(meetsConditions(absent, none)).toBe(false)
    expect(meetsConditions({ ifMatch: [etag], ifNoneMatch: true }, etag)).toBe(false)
  })

  it('reach whoever answers, with each block of a long body', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.04' }) } })
    for (const payload of [body(1), body(3000)]) {
      for (const conditions of [
        { ifMatch: [etag, none], ifNoneMatch: false },
        { ifMatch: [], ifNoneMatch: true },
      ]) {
        pair.request(pair.left, { path: '/file', method: 'PUT', payload, conditions })
        pair.run(seconds(2))
        expect(pair.right.requests.at(-1)).toMatchObject({ conditions })
      }
    }
    pair.request(pair.left, { path: '/file', method: 'PUT' })
    pair.run()
    expect(pair.right.requests.map(({ conditions }) => conditions === undefined)).toEqual([
      false,
      false,
      false,
      false,
      true,
    ])
  })

  it('are not overlooked where nobody keeps them: 4.02', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.04' }) } })
    pair.request(pair.left, { path: '/state', method: 'PATCH', conditions: { ifMatch: [etag], ifNoneMatch: false } })
    pair.run()
    expect(pair.response().code).toBe('4.02')
    expect(pair.right.requests).toHaveLength(0)
  })

  it('an ETag of more than eight bytes has no encoding', () => {
    const pair = new EndpointPair()
    const conditions = { ifMatch: [body(9)], ifNoneMatch: false }
    expect(() => pair.request(pair.left, { path: '/file', method: 'PUT', conditions })).toThrow('an ETag is too long')
    expect(pair.left.endpoint.nextTimeout).toBeUndefined()
  })
})
