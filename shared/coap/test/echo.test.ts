import { seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { type CoapMessage, encodeMessage, messageTypes, optionNumbers, responseCodeByte } from '../src/index.ts'
import { EndpointPair, resource } from './endpoint-pair.ts'

const none = new Uint8Array(0)
const resources = [
  resource('/door', ['GET', 'PUT', 'POST'], { freshWithin: seconds(5) }),
  resource('/lamp', ['PUT'], { freshWithin: undefined }),
]
const serving = () =>
  new EndpointPair({ right: { resources, serve: ({ payload }) => ({ code: '2.04', payload: payload.slice(0, 1) }) } })
const echoOf = (message: CoapMessage | undefined) =>
  message?.options.find(({ number }) => number === optionNumbers.Echo)?.value
const codes = (messages: readonly CoapMessage[]) =>
  messages.map(({ code }) => `${code >> 5}.${String(code & 31).padStart(2, '0')}`)
const open = (pair: EndpointPair, payload = Uint8Array.of(1)) =>
  pair.request(pair.left, { path: '/door', method: 'PUT', payload })

describe('[6.8] Echo (RFC 9175 section 2), a resource that asks for fresh requests', () => {
  it('answers 4.01 with a value, takes the request that repeats it, and tells of the first for the log', () => {
    const pair = serving()
    open(pair)
    pair.run()
    expect(codes(pair.right.sent)).toEqual(['4.01', '2.04'])
    expect(echoOf(pair.right.sent[0])).toHaveLength(8)
    expect(echoOf(pair.left.sent[1])).toEqual(echoOf(pair.right.sent[0]))
    expect(pair.response().code).toBe('2.04')
    expect(pair.right.requests).toHaveLength(1)
    expect(pair.right.of('refused')).toMatchObject([{ code: '4.01', errorCode: 'freshness-required' }])
  })

  it('does not ask for what changes nothing, nor where the resource does not', () => {
    const pair = serving()
    pair.request(pair.left, { path: '/door' })
    pair.request(pair.left, { path: '/lamp', method: 'PUT' })
    pair.run()
    expect(codes(pair.right.sent)).toEqual(['2.04', '2.04'])
  })

  it('a request that was held back longer than the resource allows changes nothing', () => {
    const pair = serving()
    open(pair)
    pair.run()
    const recorded = pair.left.sent[1]
    if (recorded === undefined) throw new Error('not repeated')
    const again = (messageId: number) => {
      pair.deliver(pair.right, encodeMessage({ ...recorded, messageId }))
      return codes(pair.right.sent).at(-1)
    }
    pair.run(seconds(3))
    expect(again(0xff01)).toBe('2.04')
    pair.run(seconds(3))
    expect(again(0xff02)).toBe('4.01')
    expect(pair.right.requests).toHaveLength(2)
  })

  it('a value of another association proves nothing', () => {
    const pair = serving()
    open(pair)
    pair.run()
    const recorded = pair.left.sent[1]
    if (recorded === undefined) throw new Error('not repeated')
    const other = pair.right.endpoint.associate('other')
    pair.right.endpoint.handleMessage(other, encodeMessage(recorded), pair.now)
    pair.drain()
    expect(codes(pair.right.sent).at(-1)).toBe('4.01')
    expect(echoOf(pair.right.sent.at(-1))).not.toEqual(echoOf(recorded))
  })

  it('a body in blocks is taken when each block carries the value, also when it grows old on the way', () => {
    const pair = serving()
    pair.lose = (_, from) => {
      // A slow path: ten blocks at a second each outlast a value of five seconds.
      if (from === pair.left) pair.now = (pair.now + 1000) as typeof pair.now
      return false
    }
    open(pair, new Uint8Array(10_000).fill(7))
    pair.run(seconds(120))
    expect(pair.response().code).toBe('2.04')
    expect(pair.right.requests.map(({ payload }) => payload.length)).toEqual([10_000])
    expect(codes(pair.right.sent).filter((code) => code === '4.01').length).toBeGreaterThan(1)
  })
})

describe('[6.8] Echo (RFC 9175 section 2), our requests', () => {
  const answer = (pair: EndpointPair, code: '4.01' | '2.04', echo: Uint8Array) => {
    const request = pair.left.sent.at(-1)
    const message = {
      type: messageTypes.acknowledgement,
      code: responseCodeByte(code),
      messageId: request?.messageId ?? 0,
      token: request?.token ?? none,
      options: [{ number: optionNumbers.Echo, value: echo }],
      payload: none,
    }
    pair.deliver(pair.left, encodeMessage(message))
  }

  it('a peer that asks again for the same message is not followed: its 4.01 is the answer', () => {
    const pair = new EndpointPair()
    open(pair)
    answer(pair, '4.01', Uint8Array.of(1))
    expect(pair.left.of('response')).toHaveLength(0)
    answer(pair, '4.01', Uint8Array.of(2))
    expect(pair.response().code).toBe('4.01')
    expect(pair.left.sent).toHaveLength(2)
  })

  it('a value that comes with a success goes with the next message, once', () => {
    const pair = new EndpointPair()
    open(pair)
    answer(pair, '2.04', Uint8Array.of(9))
    for (let count = 0; count < 2; count++) {
      open(pair)
      expect(echoOf(pair.left.sent.at(-1))).toEqual(count === 0 ? Uint8Array.of(9) : undefined)
      answer(pair, '4.01', none)
    }
  })

  it('an observation that is asked for its freshness is registered all the same', () => {
    const pair = new EndpointPair()
    pair.request(pair.left, { path: '/t', observe: true })
    answer(pair, '4.01', Uint8Array.of(1))
    expect(pair.left.sent.at(-1)?.options.map(({ number }) => number)).toEqual([
      optionNumbers.Observe,
      optionNumbers['Uri-Path'],
      optionNumbers.Echo,
    ])
  })
})
