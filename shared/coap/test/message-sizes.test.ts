/** What a peer takes in one message limits everything that is said to it: blocks, errors, notifications, requests. */

import { seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { encodeMessage } from '../src/index.ts'
import { type EndOptions, EndpointPair, randomFrom, resource } from './endpoint-pair.ts'

const seed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)
const body = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 31) & 255)
const resources = [
  resource('/echo', ['POST', 'FETCH'], { maxRequestBytes: 20_000 }),
  resource('/state', ['GET'], { observable: true }),
  resource('/small', ['PUT'], { maxRequestBytes: 10 }),
]
const echoing: EndOptions = {
  resources,
  serve: ({ payload }) => ({ code: '2.04', payload: payload.length === 0 ? body(3000) : payload }),
}

function meet(maxMessageBytes: number, right: Partial<EndOptions> = {}): EndpointPair {
  return new EndpointPair({
    left: { maxMessageBytes },
    right: { ...echoing, ...right, maxMessageBytes },
  })
}

function longest(pair: EndpointPair): number {
  return Math.max(...[...pair.left.sent, ...pair.right.sent].map((message) => encodeMessage(message).length))
}

describe('messages that the peer limits (RFC 6066 section 4 and RFC 8449 section 4, below CoAP)', () => {
  for (const limit of [63, 64, 100, 128, 512, 1024, 2048]) {
    it(`10 kB each way in messages of at most ${limit} bytes`, () => {
      const pair = meet(limit)
      pair.request(pair.left, { path: '/echo', method: 'POST', payload: body(10_000), contentFormat: 42 })
      pair.run(seconds(60))
      expect(Buffer.from(pair.response().payload).equals(body(10_000))).toBe(true)
      expect(longest(pair)).toBeLessThanOrEqual(limit)
    })
  }

  it('the block that is asked for first is as small as the answer must be', () => {
    const pair = meet(512)
    pair.request(pair.left, { path: '/echo', method: 'POST' })
    pair.run(seconds(20))
    expect(pair.response().payload).toHaveLength(3000)
    expect(pair.right.sent[0]?.payload).toHaveLength(256)
  })

  it('options that leave a block no room make it smaller', () => {
    const long = 'a'.repeat(100)
    const pair = meet(200, {
      serve: () => ({ code: '2.01', payload: body(64), locationPath: [long], locationQuery: ['b=1'] }),
    })
    pair.request(pair.left, { path: '/echo', method: 'POST', query: [long], payload: body(300) })
    pair.run(seconds(20))
    expect(Buffer.from(pair.response().payload).equals(body(64))).toBe(true)
    expect(Buffer.from(pair.right.requests[0]?.payload ?? []).equals(body(300))).toBe(true)
    expect(longest(pair)).toBeLessThanOrEqual(200)
  })

  it('a request whose options alone are too long fails with a code', () => {
    const pair = meet(100)
    pair.request(pair.left, { path: '/echo', method: 'POST', query: ['a'.repeat(100)], payload: body(10) })
    pair.run()
    expect(pair.left.of('request-failed')).toMatchObject([{ code: 'request-too-large' }])
    expect(pair.left.sent).toEqual([])
  })

  it('a response whose options alone are too long is refused to whoever answers, and the request stays open', () => {
    const pair = meet(100, { serve: () => undefined })
    pair.request(pair.left, { path: '/echo', method: 'POST', payload: body(10) })
    pair.run()
    const [request] = pair.right.requests
    if (request === undefined) throw new Error('no request')
    const tooLong = { code: '2.01', locationPath: ['a'.repeat(100)] } as const
    expect(() => pair.right.endpoint.respond(request, tooLong, pair.now)).toThrow(/over 100 bytes/)
    pair.right.endpoint.respond(request, { code: '5.00' }, pair.now)
    pair.drain()
    pair.run()
    expect(pair.response().code).toBe('5.00')
  })

  it('errors of the endpoint itself leave out what does not fit', () => {
    const pair = meet(63)
    pair.request(pair.left, { path: '/none' })
    pair.request(pair.left, { path: '/small', method: 'PUT', payload: body(11) })
    pair.run(seconds(5))
    expect(pair.left.of('response').map(({ response }) => response.code)).toEqual(['4.04', '4.13'])
    expect(longest(pair)).toBeLessThanOrEqual(63)
  })

  it('notifications go in blocks, and one that cannot ends the observation without a throw', () => {
    let state = { code: '2.05' as const, payload: body(300) }
    const pair = meet(128, { serve: () => state })
    pair.request(pair.left, { path: '/state', observe: true })
    pair.run(seconds(5))
    const [observation] = pair.right.requests.flatMap((request) => request.observation ?? [])
    if (observation === undefined) throw new Error('no observation')
    state = { code: '2.05', payload: body(400) }
    pair.right.endpoint.notify(observation, state, pair.now)
    // While that is on its way, one comes that has no encoding for this peer.
    const hopeless = { ...state, locationPath: ['a'.repeat(200)] }
    pair.right.endpoint.notify(observation, hopeless, pair.now)
    pair.drain()
    pair.run(seconds(20))
    expect(pair.left.of('notification').map(({ response }) => response.payload.length)).toEqual([400])
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'refused' }])
    expect(longest(pair)).toBeLessThanOrEqual(128)
  })

  it(`property: whatever the limit and the bodies, no message is longer and the bodies arrive (seed ${seed})`, () => {
    const random = randomFrom(seed)
    for (let run = 0; run < 60; run++) {
      const limit = 63 + Math.floor(random() * 1200)
      const [sent, answered] = [Math.floor(random() * 5000), Math.floor(random() * 5000)]
      const pair = meet(limit, { serve: () => ({ code: '2.04', payload: body(answered), maxAge: 60 }) })
      pair.request(pair.left, { path: '/echo', method: random() < 0.5 ? 'POST' : 'FETCH', payload: body(sent) })
      pair.run(seconds(60))
      expect({ run, length: pair.response().payload.length }).toEqual({ run, length: answered })
      expect({ run, length: pair.right.requests[0]?.payload.length }).toEqual({ run, length: sent })
      expect({ run, limit, fits: longest(pair) <= limit }).toEqual({ run, limit, fits: true })
    }
  })

  it('a peer that takes next to nothing is a mistake of the caller', () => {
    expect(() => meet(47)).toThrow(RangeError)
  })
})
