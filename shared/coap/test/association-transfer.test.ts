/** An association's CoAP goes on in another endpoint: what continues, what is counted on, what heals by the protocol. */

import { milliseconds, seconds } from '@sallyport/clock'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ResumedAssociation } from '../src/index.ts'
import {
  encodeEmpty,
  encodeMessage,
  messageTypes,
  methodCodes,
  optionNumbers,
  readUint,
  responseCodeByte,
} from '../src/index.ts'
import { End, type EndOptions, EndpointPair, resource, type TestResource } from './endpoint-pair.ts'

const seed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)
const resources = [
  resource('/t', ['GET', 'POST'], { observable: true }),
  resource('/slow', ['POST']),
  resource('/q', ['FETCH'], { observable: true }),
]
const serve: EndOptions['serve'] = ({ path }) =>
  path === '/slow' ? undefined : { code: '2.05', payload: Uint8Array.of(0) }
const noBytes = new Uint8Array(0)

/** Puts another endpoint in the place of one that stopped just now (final), or died at some time after its export. */
function succeed(
  pair: EndpointPair,
  side: 'left' | 'right',
  options: EndOptions,
  from: { final: boolean; state?: Uint8Array; isNext?: boolean },
): ResumedAssociation<string, TestResource> {
  const before = pair[side]
  const state = from.state ?? before.endpoint.exportAssociation(before.association, from.final, pair.now)
  const end = new End(side, options, pair.random)
  const resumed = end.endpoint.importAssociation(end.association, state, from.isNext ?? true, pair.now)
  if (typeof resumed === 'string') throw new Error(resumed)
  pair[side] = end
  pair.drain()
  return resumed
}

const values = (end: End) => end.of('notification').map(({ response }) => response.payload[0])
const numbersSent = (end: End) => end.sent.map(({ messageId }) => messageId)
const post = (messageId: number, path: string, type: 0 | 1 = messageTypes.confirmable) =>
  encodeMessage({
    type,
    code: methodCodes.POST,
    messageId,
    token: Uint8Array.of(7, 7),
    options: [{ number: optionNumbers['Uri-Path'], value: Buffer.from(path) }],
    payload: Uint8Array.of(1),
  })

describe('observations of the peer', () => {
  it.each([
    ['GET', true],
    ['GET', false],
    ['FETCH', true],
  ] as const)('go on by %s, final: %s, with newer numbers and the same token', (method, final) => {
    const pair = new EndpointPair({ right: { resources, serve } })
    const address = method === 'GET' ? { path: '/t', query: ['a=1'] } : { path: '/q', payload: Uint8Array.of(9, 9) }
    pair.request(pair.left, { method, ...address, observe: true, accept: 60 })
    pair.run()
    const resumed = succeed(pair, 'right', { resources, serve }, { final })
    const [observation] = resumed.observations
    if (observation === undefined) throw new Error('the observation was lost')
    const { path, query, accept, payload } = observation.request
    expect({ path, query, accept, payload }).toEqual({ query: [], payload: noBytes, accept: 60, ...address })
    expect(pair.right.endpoint.counts.observations).toBe(1)
    for (const value of [5, 6]) {
      pair.right.endpoint.notify(observation, { code: '2.05', payload: Uint8Array.of(value) }, pair.now)
      pair.drain()
      pair.run()
    }
    expect(values(pair.left)).toEqual([5, 6])
    expect(pair.left.of('discarded')).toEqual([])
    pair.right.endpoint.endObservation(observation, pair.now)
    expect(pair.right.endpoint.counts.observations).toBe(0)
  })

  it('are newer even when many notifications followed the snapshot', () => {
    const pair = new EndpointPair({ right: { resources, serve } })
    pair.request(pair.left, { path: '/t', observe: true })
    pair.run()
    const state = pair.right.endpoint.exportAssociation(pair.right.association, false, pair.now)
    const observation = pair.right.requests[0]?.observation
    for (let value = 1; value <= 100 && observation !== undefined; value += 1) {
      pair.right.endpoint.notify(observation, { code: '2.05', payload: Uint8Array.of(value) }, pair.now)
      pair.drain()
      pair.run()
    }
    const resumed = succeed(pair, 'right', { resources, serve }, { final: false, state })
    const [goesOn] = resumed.observations
    if (goesOn !== undefined) {
      pair.right.endpoint.notify(goesOn, { code: '2.05', payload: Uint8Array.of(200) }, pair.now)
    }
    pair.drain()
    pair.run()
    expect(values(pair.left).at(-1)).toBe(200)
  })

  it('end when the peer resets a notification of the successor', () => {
    const pair = new EndpointPair({ right: { resources, serve } })
    pair.request(pair.left, { path: '/t', observe: true })
    pair.run()
    const [observation] = succeed(pair, 'right', { resources, serve }, { final: true }).observations
    pair.left.endpoint.dissociate(pair.left.association, pair.now)
    pair.left.association = pair.left.endpoint.associate('left')
    if (observation !== undefined) pair.right.endpoint.notify(observation, { code: '2.05' }, pair.now)
    pair.drain()
    pair.run()
    expect(pair.right.of('observation-ended').map(({ reason }) => reason)).toEqual(['reset'])
  })

  it('of what this endpoint does not have are left out', () => {
    const pair = new EndpointPair({ right: { resources, serve } })
    pair.request(pair.left, { path: '/t', observe: true })
    pair.run()
    expect(succeed(pair, 'right', { resources: [] }, { final: true }).observations).toEqual([])
  })
})

describe('observations of ours', () => {
  const observing = () => {
    const pair = new EndpointPair({ right: { resources, serve } })
    pair.request(pair.left, { path: '/t', query: ['x'], observe: true })
    pair.run()
    const observation = pair.right.requests[0]?.observation
    if (observation === undefined) throw new Error('not registered')
    const notify = (value: number) => {
      pair.right.endpoint.notify(observation, { code: '2.05', payload: Uint8Array.of(value) }, pair.now)
      pair.drain()
      pair.run()
    }
    return { pair, notify }
  }

  it('go on: notifications match, in order', () => {
    const { pair, notify } = observing()
    notify(1)
    const { subscriptions } = succeed(pair, 'left', {}, { final: true })
    expect(subscriptions.map(({ message }) => [message.path, message.query])).toEqual([['/t', ['x']]])
    notify(2)
    notify(3)
    expect(values(pair.left)).toEqual([2, 3])
    const [subscription] = subscriptions
    if (subscription !== undefined) pair.left.endpoint.cancel(subscription, pair.now)
    pair.drain()
    pair.run()
    expect(pair.right.of('observation-ended').map(({ reason }) => reason)).toEqual(['deregistered'])
  })

  it('[6.3] after a crash ask once more within half a minute: a notification may have been acknowledged and lost', () => {
    const { pair, notify } = observing()
    const state = pair.left.endpoint.exportAssociation(pair.left.association, false, pair.now)
    notify(1)
    const before = pair.right.requests.length
    succeed(pair, 'left', {}, { final: false, state })
    pair.run(seconds(4))
    expect(pair.right.requests.length).toBe(before)
    pair.run(seconds(27))
    expect(pair.right.requests.length).toBe(before + 1)
    expect(values(pair.left)).toEqual([0])
    expect(pair.right.endpoint.counts.observations).toBe(1)
    notify(4)
    // The renewed registration notifies under the old token still.
    const renewed = pair.right.requests.at(-1)?.observation
    if (renewed === undefined) throw new Error('not renewed')
    pair.right.endpoint.notify(renewed, { code: '2.05', payload: Uint8Array.of(9) }, pair.now)
    pair.drain()
    pair.run()
    expect(values(pair.left)).toEqual([0, 9])
  })

  it('after a hand-over ask nothing', () => {
    const { pair } = observing()
    const before = pair.right.requests.length
    succeed(pair, 'left', {}, { final: true })
    pair.run(seconds(120))
    expect(pair.right.requests.length).toBe(before)
  })
})

describe('numbers', () => {
  it('Message IDs go on after a hand-over, and leap after a crash: none of the last 247 s is used again', () => {
    for (const final of [true, false]) {
      const pair = new EndpointPair({ right: { resources, serve } })
      pair.request(pair.left, { path: '/t' })
      pair.run()
      const state = pair.left.endpoint.exportAssociation(pair.left.association, final, pair.now)
      const used = new Set(numbersSent(pair.left))
      // What a dead process may have said since, all within the time.
      for (let count = 0; !final && count < 5000; count += 1) {
        pair.request(pair.left, { path: '/t' })
        pair.run(milliseconds(25))
      }
      for (const number of numbersSent(pair.left)) used.add(number)
      succeed(pair, 'left', {}, { final, state })
      for (let count = 0; count < 100; count += 1) {
        pair.request(pair.left, { path: '/t' })
        pair.run(milliseconds(25))
      }
      expect(numbersSent(pair.left).filter((number) => used.has(number))).toEqual([])
      expect(pair.left.of('response')).toHaveLength(100)
    }
  })

  it('leap also from a final state that another has gone on from already', () => {
    const pair = new EndpointPair({ right: { resources, serve } })
    pair.request(pair.left, { path: '/t' })
    pair.run()
    const state = pair.left.endpoint.exportAssociation(pair.left.association, true, pair.now)
    succeed(pair, 'left', {}, { final: true, state })
    pair.request(pair.left, { path: '/t' })
    pair.run()
    const used = numbersSent(pair.left)
    succeed(pair, 'left', {}, { final: true, state, isNext: false })
    pair.request(pair.left, { path: '/t' })
    pair.run()
    expect(numbersSent(pair.left).filter((number) => used.includes(number))).toEqual([])
  })

  it('a Request-Tag is not used again', () => {
    const tagOf = (end: End) =>
      end.sent.flatMap(({ options }) =>
        options.filter(({ number }) => number === optionNumbers['Request-Tag']).map(({ value }) => readUint(value)),
      )
    const pair = new EndpointPair({ right: { resources, serve } })
    const body = new Uint8Array(3000)
    const state = pair.left.endpoint.exportAssociation(pair.left.association, false, pair.now)
    pair.request(pair.left, { method: 'POST', path: '/t', payload: body })
    pair.run()
    const before = new Set(tagOf(pair.left))
    expect(before.size).toBe(1)
    succeed(pair, 'left', {}, { final: false, state })
    pair.request(pair.left, { method: 'POST', path: '/t', payload: body })
    pair.run()
    expect(tagOf(pair.left).filter((tag) => before.has(tag))).toEqual([])
  })
})

describe('recent exchanges', () => {
  it('[6.2] a duplicate of what was answered before a hand-over gets the same answer, and is not carried out again', () => {
    const pair = new EndpointPair({ right: { resources, serve } })
    pair.deliver(pair.right, post(100, 't'))
    pair.deliver(pair.right, post(101, 't', messageTypes.nonConfirmable))
    expect(pair.right.requests).toHaveLength(2)
    const [answer] = pair.right.sent
    succeed(pair, 'right', { resources, serve }, { final: true })
    pair.deliver(pair.right, post(100, 't'))
    pair.deliver(pair.right, post(101, 't', messageTypes.nonConfirmable))
    expect(pair.right.requests).toEqual([])
    expect(pair.right.sent).toEqual([answer])
  })

  it('what was not answered yet is carried out by the successor when it comes again', () => {
    const pair = new EndpointPair({ right: { resources, serve } })
    pair.deliver(pair.right, post(100, 'slow'))
    succeed(pair, 'right', { resources, serve }, { final: true })
    pair.deliver(pair.right, post(100, 'slow'))
    expect(pair.right.requests).toHaveLength(1)
  })

  it('a separate response that was not acknowledged is sent again', () => {
    const pair = new EndpointPair({ right: { resources, serve } })
    pair.deliver(pair.right, post(100, 'slow'))
    pair.run(seconds(1.1))
    const [request] = pair.right.requests
    pair.lose = () => true
    if (request !== undefined) pair.right.endpoint.respond(request, { code: '2.04' }, pair.now)
    pair.drain()
    const separate = pair.right.sent.at(-1)
    expect(separate?.code).toBe(responseCodeByte('2.04'))
    succeed(pair, 'right', { resources, serve }, { final: true })
    expect(pair.right.sent.map(({ messageId, code, token }) => ({ messageId, code, token }))).toEqual([
      { messageId: separate?.messageId, code: separate?.code, token: separate?.token },
    ])
    pair.deliver(pair.right, encodeEmpty(messageTypes.acknowledgement, separate?.messageId ?? 0))
    pair.run(seconds(60))
    expect(pair.right.sent).toHaveLength(1)
  })

  it('a request carries the number of its record, and so does a response', () => {
    const pair = new EndpointPair({ right: { resources, serve } })
    pair.right.endpoint.handleMessage(pair.right.association, post(5, 't'), pair.now, 4711)
    pair.drain()
    expect(pair.right.requests[0]?.recordSequence).toBe(4711)
    const request = pair.request(pair.left, { path: '/t' })
    const answer = encodeMessage({
      type: messageTypes.nonConfirmable,
      code: responseCodeByte('2.05'),
      messageId: 9,
      token: request.token,
      options: [],
      payload: noBytes,
    })
    pair.left.endpoint.handleMessage(pair.left.association, answer, pair.now, 12)
    pair.drain()
    expect(pair.response().recordSequence).toBe(12)
  })
})

describe('bytes that are no state', () => {
  it('are refused by name, and never throw', () => {
    const pair = new EndpointPair({ left: { resources, serve }, right: { resources, serve } })
    pair.request(pair.left, { path: '/t', observe: true })
    pair.request(pair.right, { path: '/t', observe: true })
    pair.run()
    pair.deliver(pair.left, post(100, 't'))
    const state = pair.left.endpoint.exportAssociation(pair.left.association, true, pair.now)
    const imported = (bytes: Uint8Array) => {
      const end = new End('x', { resources, serve }, pair.random)
      const resumed = end.endpoint.importAssociation(end.association, bytes, true, pair.now)
      return typeof resumed === 'string' ? resumed : 'imported'
    }
    expect(imported(state)).toBe('imported')
    expect(imported(noBytes)).toBe('version-unknown')
    expect(imported(Uint8Array.of(9, ...state.subarray(1)))).toBe('version-unknown')
    expect(imported(Uint8Array.from([...state, 0]))).toBe('malformed')
    expect(imported(new Uint8Array(600_000).fill(1))).toBe('malformed')
    for (let length = 1; length < state.length; length += 1) {
      expect(imported(state.subarray(0, length))).toBe('malformed')
    }
    fc.assert(
      fc.property(fc.nat(state.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const mutated = state.slice()
        mutated[at] = (mutated[at] ?? 0) ^ change
        expect(['imported', 'malformed', 'version-unknown']).toContain(imported(mutated))
      }),
      { seed, numRuns: 500 },
    )
  })
})
