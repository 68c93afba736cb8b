import { milliseconds, seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { encodeEmpty, encodeMessage, messageTypes, methodCodes, optionNumbers, responseCodeByte } from '../src/index.ts'
import { EndpointPair, resource, type TestResource } from './endpoint-pair.ts'

const none = new Uint8Array(0)
const segment = (text: string) => ({ number: optionNumbers['Uri-Path'], value: Buffer.from(text) })
const get = (messageId: number, path: string, extra: { type?: 0 | 1; token?: number[]; payload?: Uint8Array } = {}) =>
  encodeMessage({
    type: extra.type ?? messageTypes.confirmable,
    code: methodCodes.GET,
    messageId,
    token: Uint8Array.from(extra.token ?? [1]),
    options: [segment(path)],
    payload: extra.payload ?? none,
  })
const resources: readonly TestResource[] = [resource('/a', ['GET', 'POST'])]
const content = { code: '2.05' as const, payload: Uint8Array.of(7) }

describe('the message layer (RFC 7252 section 4)', () => {
  it('answers a confirmable request in its acknowledgement, with its Message ID and token', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => content } })
    pair.request(pair.left, { path: '/a' })
    pair.run()
    expect(pair.response()).toMatchObject({ code: '2.05', payload: Uint8Array.of(7) })
    expect(pair.right.sent).toHaveLength(1)
    expect(pair.right.sent[0]).toMatchObject({
      type: messageTypes.acknowledgement,
      messageId: pair.left.sent[0]?.messageId,
      token: pair.left.sent[0]?.token,
    })
  })

  it('answers a non-confirmable request by a non-confirmable message', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => content } })
    pair.request(pair.left, { path: '/a', confirmable: false })
    pair.run()
    expect(pair.response().code).toBe('2.05')
    expect(pair.right.sent.map(({ type }) => type)).toEqual([messageTypes.nonConfirmable])
    expect(pair.left.sent).toHaveLength(1)
  })

  it('acknowledges after one second and sends a late answer by itself, confirmable, until it is acknowledged', () => {
    const pair = new EndpointPair({ right: { resources } })
    pair.request(pair.left, { path: '/a' })
    pair.run(milliseconds(900))
    expect(pair.right.sent).toHaveLength(0)
    pair.run(milliseconds(200))
    expect(pair.right.sent.map(({ type, code }) => [type, code])).toEqual([[messageTypes.acknowledgement, 0]])
    pair.run(seconds(20))
    expect(pair.left.sent).toHaveLength(1)
    const [request] = pair.right.requests
    if (request !== undefined) pair.right.endpoint.respond(request, content, pair.now)
    let lost = 0
    pair.lose = (message, from) => from === pair.right && message.type === messageTypes.confirmable && lost++ < 2
    pair.drain()
    pair.run(seconds(20))
    expect(pair.response().code).toBe('2.05')
    expect(lost).toBe(3)
    expect(pair.left.sent.at(-1)).toMatchObject({ type: messageTypes.acknowledgement, code: 0 })
    expect(pair.right.endpoint.nextTimeout).toBeUndefined()
  })

  it('retransmits after 2 to 3 seconds, doubling, four times, and then gives up', () => {
    const pair = new EndpointPair({ seed: 5 })
    pair.lose = () => true
    const start = pair.now
    const times: number[] = []
    pair.lose = () => {
      times.push(pair.now - start)
      return true
    }
    pair.request(pair.left, { path: '/a' })
    pair.run(seconds(119))
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    expect(gaps).toHaveLength(4)
    const [first = 0] = gaps
    expect(first).toBeGreaterThanOrEqual(2000)
    expect(first).toBeLessThanOrEqual(3000)
    expect(gaps).toEqual([first, first * 2, first * 4, first * 8])
    expect(pair.left.of('request-failed')).toMatchObject([{ code: 'timed-out' }])
    expect(new Set(pair.left.sent.map(({ messageId }) => messageId)).size).toBe(1)
    expect(pair.left.endpoint.nextTimeout).toBeUndefined()
  })

  it('spreads the first time-out, and begins with an unpredictable Message ID and token', () => {
    const first = (seed: number) => {
      const pair = new EndpointPair({ seed })
      pair.request(pair.left, { path: '/a' })
      const [message] = pair.left.sent
      return `${message?.messageId} ${Buffer.from(message?.token ?? none).toString('hex')} ${(pair.left.endpoint.nextTimeout ?? 0) - pair.now}`
    }
    const seen = Array.from({ length: 20 }, (_, seed) => first(seed))
    expect(new Set(seen).size).toBe(20)
  })

  it('(RFC 7252 section 4.7) has one confirmable message on its way (NSTART), and the next follows its acknowledgement', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => content } })
    for (let count = 0; count < 5; count++) pair.request(pair.left, { path: '/a' })
    expect(pair.left.sent).toHaveLength(1)
    pair.run()
    expect(pair.left.of('response')).toHaveLength(5)
  })

  it('bounds the queue behind it', () => {
    const pair = new EndpointPair({ left: { limits: { waitingConfirmables: 3, outgoingRequests: 100 } } })
    for (let count = 0; count < 6; count++) pair.request(pair.left, { path: '/a' })
    expect(pair.left.of('request-failed').map(({ code }) => code)).toEqual(['overloaded', 'overloaded'])
  })

  it('answers a ping with a Reset, and tells when its own was answered', () => {
    const pair = new EndpointPair()
    pair.left.endpoint.ping(pair.left.association, seconds(5), pair.now)
    pair.drain()
    pair.run()
    expect(pair.right.sent).toMatchObject([{ type: messageTypes.reset, code: 0 }])
    expect(pair.left.of('pong')).toMatchObject([{ answered: true }])
    pair.lose = () => true
    pair.left.endpoint.ping(pair.left.association, seconds(5), pair.now)
    pair.drain()
    pair.run(seconds(6))
    expect(pair.left.of('pong')[1]).toMatchObject({ answered: false })
    expect(pair.left.endpoint.nextTimeout).toBeUndefined()
  })

  it('resets a response whose token it does not know', () => {
    const pair = new EndpointPair()
    for (const type of [messageTypes.confirmable, messageTypes.nonConfirmable]) {
      const stray = {
        type,
        code: responseCodeByte('2.05'),
        messageId: 77 + type,
        token: Uint8Array.of(9),
        options: [],
        payload: none,
      }
      pair.deliver(pair.left, encodeMessage(stray))
    }
    expect(pair.left.sent.map(({ type, messageId }) => [type, messageId])).toEqual([
      [messageTypes.reset, 77],
      [messageTypes.reset, 78],
    ])
  })

  it('(RFC 7252 section 5.3) takes a piggy-backed response only when Message ID and token both match', () => {
    const pair = new EndpointPair()
    pair.request(pair.left, { path: '/a' })
    const [sent] = pair.left.sent
    if (sent === undefined) throw new Error('nothing sent')
    const answer = { type: messageTypes.acknowledgement, code: responseCodeByte('2.05'), options: [], payload: none }
    pair.deliver(pair.left, encodeMessage({ ...answer, messageId: sent.messageId, token: Uint8Array.of(1) }))
    pair.deliver(pair.left, encodeMessage({ ...answer, messageId: (sent.messageId + 1) & 0xffff, token: sent.token }))
    expect(pair.left.of('response')).toHaveLength(0)
    pair.deliver(pair.left, encodeMessage({ ...answer, messageId: sent.messageId, token: sent.token }))
    expect(pair.left.of('response')).toHaveLength(1)
  })

  it('takes no piggy-backed response for a request that still waits for its turn', () => {
    const pair = new EndpointPair()
    pair.request(pair.left, { path: '/a' })
    const waiting = pair.request(pair.left, { path: '/b' })
    const answer = { type: messageTypes.acknowledgement, code: responseCodeByte('2.05'), options: [], payload: none }
    const messageId = pair.left.sent[0]?.messageId ?? 0
    pair.deliver(pair.left, encodeMessage({ ...answer, messageId, token: waiting.token }))
    expect(pair.left.of('response')).toHaveLength(0)
  })

  it('(RFC 7252 section 9.1.2) never matches a response of another association, whatever its token', () => {
    const pair = new EndpointPair()
    pair.request(pair.left, { path: '/a' })
    const other = pair.left.endpoint.associate('other')
    const [sent] = pair.left.sent
    if (sent === undefined) throw new Error('nothing sent')
    const stolen = encodeMessage({
      type: messageTypes.nonConfirmable,
      code: responseCodeByte('2.05'),
      messageId: sent.messageId,
      token: sent.token,
      options: [],
      payload: none,
    })
    pair.left.endpoint.handleMessage(other, stolen, pair.now)
    pair.drain()
    expect(pair.left.of('response')).toHaveLength(0)
  })

  it('takes a separate response that overtakes the acknowledgement as one', () => {
    const pair = new EndpointPair({ right: { resources } })
    pair.request(pair.left, { path: '/a' })
    pair.lose = (message) => message.type === messageTypes.acknowledgement && message.code === 0
    pair.run(milliseconds(1100))
    const [request] = pair.right.requests
    if (request !== undefined) pair.right.endpoint.respond(request, content, pair.now)
    pair.lose = () => false
    pair.drain()
    pair.run(seconds(30))
    expect(pair.response().code).toBe('2.05')
    expect(pair.left.sent.filter(({ code }) => code === methodCodes.GET)).toHaveLength(1)
  })

  it('fails a request that the peer resets', () => {
    const pair = new EndpointPair()
    pair.request(pair.left, { path: '/a' })
    pair.deliver(pair.left, encodeEmpty(messageTypes.reset, pair.left.sent[0]?.messageId ?? 0))
    expect(pair.left.of('request-failed')).toMatchObject([{ code: 'device-refused' }])
    expect(pair.left.endpoint.nextTimeout).toBeUndefined()
  })

  it('ends everything when the association closes, and leaves no deadline behind', () => {
    const pair = new EndpointPair({ left: { resources }, right: { resources } })
    for (let count = 0; count < 4; count++) pair.request(pair.left, { path: '/a' })
    pair.left.endpoint.ping(pair.left.association, seconds(5), pair.now)
    pair.run(milliseconds(200))
    for (const end of [pair.left, pair.right]) end.endpoint.dissociate(end.association, pair.now)
    pair.drain()
    expect(pair.left.of('request-failed').map(({ code }) => code)).toEqual(Array(4).fill('association-closed'))
    expect(pair.left.of('pong')).toMatchObject([{ answered: false }])
    for (const end of [pair.left, pair.right]) {
      expect(end.endpoint.nextTimeout).toBeUndefined()
      expect(end.endpoint.counts).toEqual({
        openRequests: 0,
        observations: 0,
        uploadBytes: 0,
        servedBodyBytes: 0,
        unfinishedMessageBytes: 0,
      })
    }
  })
})

describe('[5.9] deduplication (F20, RFC 7252 section 4.5)', () => {
  it('F20: a confirmable request sent five times is handled once and gets the same reply each time', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => content } })
    for (let count = 0; count < 5; count++) pair.deliver(pair.right, get(100, 'a'))
    expect(pair.right.requests).toHaveLength(1)
    expect(pair.right.sent).toHaveLength(5)
    expect(new Set(pair.right.sent.map((message) => JSON.stringify(message))).size).toBe(1)
  })

  it('F20: the same Message ID and token with another payload is the same message', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => content } })
    pair.deliver(pair.right, get(100, 'a', { payload: Uint8Array.of(1) }))
    pair.deliver(pair.right, get(100, 'a', { payload: Uint8Array.of(2) }))
    expect(pair.right.requests).toHaveLength(1)
  })

  it('F20 (RFC 7252 section 9.1.1): the same Message ID on another association is another message', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => content } })
    pair.deliver(pair.right, get(100, 'a'))
    const other = pair.right.endpoint.associate('other')
    pair.right.endpoint.handleMessage(other, get(100, 'a'), pair.now)
    pair.drain()
    expect(pair.right.requests).toHaveLength(2)
  })

  it('F20: after a restart of the peer on a new association nothing is remembered', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => content } })
    pair.deliver(pair.right, get(100, 'a'))
    pair.right.endpoint.dissociate(pair.right.association, pair.now)
    const again = pair.right.endpoint.associate('again')
    pair.right.endpoint.handleMessage(again, get(100, 'a'), pair.now)
    pair.drain()
    expect(pair.right.requests).toHaveLength(2)
  })

  it('a duplicate of a request that is still being worked on gets nothing, then the acknowledgement', () => {
    const pair = new EndpointPair({ right: { resources } })
    pair.deliver(pair.right, get(100, 'a'))
    pair.deliver(pair.right, get(100, 'a'))
    expect(pair.right.sent).toHaveLength(0)
    pair.run(milliseconds(1100))
    pair.deliver(pair.right, get(100, 'a'))
    expect(pair.right.sent.map(({ type, code }) => [type, code])).toEqual([
      [messageTypes.acknowledgement, 0],
      [messageTypes.acknowledgement, 0],
    ])
    expect(pair.right.requests).toHaveLength(1)
  })

  it('a duplicate of a non-confirmable request is dropped', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => content } })
    for (let count = 0; count < 3; count++) pair.deliver(pair.right, get(100, 'a', { type: 1 }))
    expect(pair.right.requests).toHaveLength(1)
    expect(pair.right.sent).toHaveLength(1)
  })

  it('remembers 64 exchanges and for 247 seconds, no more', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => content } })
    for (let messageId = 0; messageId < 65; messageId++) pair.deliver(pair.right, get(messageId, 'a'))
    pair.deliver(pair.right, get(1, 'a'))
    expect(pair.right.requests).toHaveLength(65)
    pair.deliver(pair.right, get(0, 'a'))
    expect(pair.right.requests).toHaveLength(66)
    pair.run(seconds(248))
    pair.deliver(pair.right, get(50, 'a'))
    expect(pair.right.requests).toHaveLength(67)
  })

  it('keeps at most 16 KiB of replies: a GET whose reply was let go is served anew, a POST is not', () => {
    const big = { code: '2.05' as const, payload: new Uint8Array(1000) }
    const pair = new EndpointPair({ right: { resources, serve: () => big } })
    for (let messageId = 0; messageId < 40; messageId++) pair.deliver(pair.right, get(messageId, 'a'))
    pair.deliver(pair.right, get(39, 'a'))
    expect(pair.right.requests).toHaveLength(40)
    pair.deliver(pair.right, get(0, 'a'))
    expect(pair.right.requests).toHaveLength(41)

    const posting = new EndpointPair({ right: { resources, serve: () => big } })
    const post = (messageId: number) =>
      encodeMessage({ type: 0, code: methodCodes.POST, messageId, token: none, options: [segment('a')], payload: none })
    for (let messageId = 0; messageId < 40; messageId++) posting.deliver(posting.right, post(messageId))
    posting.deliver(posting.right, post(0))
    expect(posting.right.requests).toHaveLength(40)
  })
})
