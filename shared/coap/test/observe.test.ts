import { hours, instant, milliseconds, minutes, seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import {
  encodeEmpty,
  encodeMessage,
  isFresher,
  messageTypes,
  methodCodes,
  optionNumbers,
  readUint,
  responseCodeByte,
  uintValue,
} from '../src/index.ts'
import { EndpointPair, resource } from './endpoint-pair.ts'

const none = new Uint8Array(0)
const resources = [resource('/t', ['GET'], { observable: true }), resource('/plain', ['GET'])]
const serving = (confirmable = true) => {
  const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.05', payload: Uint8Array.of(0) }) } })
  const request = pair.request(pair.left, { path: '/t', observe: true, confirmable })
  pair.run()
  const observation = pair.right.requests[0]?.observation
  if (observation === undefined) throw new Error('not registered')
  const notify = (value: number) => {
    pair.right.endpoint.notify(observation, { code: '2.05', payload: Uint8Array.of(value) }, pair.now)
    pair.drain()
  }
  return { pair, request, observation, notify }
}
const values = (pair: EndpointPair) => pair.left.of('notification').map(({ response }) => response.payload[0])
const register = (messageId: number, token: number, observe = 0, path = 't') =>
  encodeMessage({
    type: messageTypes.confirmable,
    code: methodCodes.GET,
    messageId: messageId & 0xffff,
    token: uintValue(token),
    options: [
      { number: optionNumbers.Observe, value: uintValue(observe) },
      { number: optionNumbers['Uri-Path'], value: Buffer.from(path) },
    ],
    payload: none,
  })

describe('freshness of notifications (RFC 7641 section 3.4)', () => {
  it('goes by the sequence number, across its wrap, and by time after 128 seconds', () => {
    const at = (sequence: number, time = 0) => ({ sequence, at: instant(time) })
    expect(isFresher(at(1), at(2))).toBe(true)
    expect(isFresher(at(2), at(1))).toBe(false)
    expect(isFresher(at(2), at(2))).toBe(false)
    expect(isFresher(at(2 ** 24 - 1), at(0))).toBe(true)
    expect(isFresher(at(0), at(2 ** 24 - 1))).toBe(false)
    expect(isFresher(at(0), at(2 ** 23 - 1))).toBe(true)
    expect(isFresher(at(0), at(2 ** 23))).toBe(false)
    expect(isFresher(at(5), at(3, 128_000))).toBe(false)
    expect(isFresher(at(5), at(3, 128_001))).toBe(true)
  })
})

describe('an observed resource (RFC 7641 section 4)', () => {
  it('registers with a success, numbers what follows upwards, and confirmable for a confirmable registration', () => {
    const { pair, notify } = serving()
    expect(pair.left.of('response')).toMatchObject([{ observed: true, response: { observe: 1 } }])
    for (let value = 1; value <= 6; value++) {
      notify(value)
      pair.run()
    }
    expect(values(pair)).toEqual([1, 2, 3, 4, 5, 6])
    const sequence = pair.left.of('notification').map(({ response }) => response.observe)
    expect(sequence).toEqual([2, 3, 4, 5, 6, 7])
    expect(pair.right.sent.slice(1).every(({ type }) => type === messageTypes.confirmable)).toBe(true)
  })

  it('sends to a non-confirmable registration non-confirmably, with every fifth confirmable', () => {
    const { pair, notify } = serving(false)
    for (let value = 1; value <= 11; value++) {
      pair.run(seconds(3))
      notify(value)
      pair.run()
    }
    expect(values(pair)).toHaveLength(11)
    const confirmable = pair.right.sent.slice(1).map(({ type }) => type === messageTypes.confirmable)
    expect(confirmable.flatMap((is, index) => (is ? [index + 1] : []))).toEqual([5, 10])
  })

  it('confirms one that follows another within three seconds, so that acknowledgements pace them (RFC 7641 section 4.5.1)', () => {
    const { pair, notify } = serving(false)
    pair.run(seconds(3))
    for (let value = 1; value <= 100; value++) notify(value)
    pair.run(seconds(1))
    expect(values(pair)).toEqual([1, 2, 100])
    expect(pair.right.sent.slice(1).map(({ type }) => type)).toEqual([
      messageTypes.nonConfirmable,
      messageTypes.confirmable,
      messageTypes.confirmable,
    ])
    pair.run(seconds(3))
    notify(101)
    pair.run()
    expect(pair.right.sent.at(-1)?.type).toBe(messageTypes.nonConfirmable)
  })

  it('sends a confirmable one at least every 24 hours', () => {
    const { pair, notify } = serving(false)
    pair.run(hours(24))
    notify(1)
    pair.run()
    expect(pair.right.sent.at(-1)?.type).toBe(messageTypes.confirmable)
  })

  it('while one is on its way, keeps the newest state alone for the next', () => {
    const { pair, notify } = serving()
    for (let value = 1; value <= 50; value++) notify(value)
    pair.run()
    expect(values(pair)).toEqual([1, 50])
  })

  it('gives no registration to a resource that is not observable, or when the answer is an error', () => {
    const pair = new EndpointPair({
      right: { resources, serve: ({ path }) => ({ code: path === '/t' ? '4.03' : '2.05' }) },
    })
    pair.request(pair.left, { path: '/plain', observe: true })
    pair.request(pair.left, { path: '/t', observe: true })
    pair.run()
    expect(pair.left.of('response').map(({ observed }) => observed)).toEqual([false, false])
    expect(pair.right.endpoint.counts.observations).toBe(0)
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'refused' }])
  })

  it('ends with an error notification, which carries no sequence number', () => {
    const { pair, observation } = serving()
    pair.right.endpoint.notify(observation, { code: '4.04' }, pair.now)
    pair.drain()
    pair.run()
    expect(pair.left.of('notification')).toMatchObject([{ response: { code: '4.04', observe: undefined } }])
    expect(pair.left.of('subscription-ended')).toMatchObject([{ reason: '4.04' }])
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'refused' }])
  })
})

describe('an observation of ours (RFC 7641 section 3)', () => {
  it('takes no notification that is older than the newest', () => {
    const { pair, request, notify } = serving()
    notify(1)
    notify(2)
    pair.run()
    const stale = encodeMessage({
      type: messageTypes.nonConfirmable,
      code: responseCodeByte('2.05'),
      messageId: 4711,
      token: request.token,
      options: [{ number: optionNumbers.Observe, value: uintValue(2) }],
      payload: Uint8Array.of(99),
    })
    pair.deliver(pair.left, stale)
    expect(values(pair)).toEqual([1, 2])
    pair.run(minutes(3))
    pair.deliver(pair.left, stale.with(3, 0))
    expect(values(pair)).toEqual([1, 2, 99])
  })

  it('is deregistered by a GET with the same token when it is cancelled', () => {
    const { pair, request, notify } = serving()
    pair.left.endpoint.cancel(request, pair.now)
    pair.drain()
    pair.run()
    const farewell = pair.left.sent.at(-1)
    expect(farewell?.token).toEqual(request.token)
    const observe = farewell?.options.find(({ number }) => number === optionNumbers.Observe)?.value
    expect(observe === undefined ? undefined : readUint(observe)).toBe(1)
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'deregistered' }])
    notify(1)
    pair.run()
    expect(pair.left.of('notification')).toHaveLength(0)
    expect(pair.left.of('response')).toHaveLength(1)
  })

  it('that the peer forgot to end is answered by a Reset, which ends it', () => {
    const { pair, request, notify } = serving()
    pair.lose = () => true
    pair.left.endpoint.cancel(request, pair.now)
    pair.drain()
    pair.run(minutes(3))
    pair.lose = () => false
    notify(1)
    pair.run()
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'reset' }])
  })
})

describe('[5.9] F19: observers that misbehave', () => {
  it('F19: 100000 registrations are bounded at 32; the rest are plain GETs', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.05' }) } })
    const { endpoint, association } = pair.right
    for (let count = 1; count <= 100_000; count++) {
      endpoint.handleMessage(association, register(count, count), pair.now)
      for (let output = endpoint.nextOutput(); output !== undefined; output = endpoint.nextOutput()) {
        if (output.kind === 'request') endpoint.respond(output.request, { code: '2.05' }, pair.now)
      }
    }
    expect(endpoint.counts.observations).toBe(32)
    endpoint.dissociate(association, pair.now)
    expect(endpoint.counts.observations).toBe(0)
    expect(endpoint.nextTimeout).toBeUndefined()
  })

  it('F19: registering again with one token replaces the registration and goes on counting', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.05' }) } })
    for (let count = 1; count <= 5; count++) pair.deliver(pair.right, register(count, 9))
    expect(pair.right.endpoint.counts.observations).toBe(1)
    const sequence = pair.right.sent.map(({ options }) =>
      readUint(options.find(({ number }) => number === 6)?.value ?? none),
    )
    expect(sequence).toEqual([1, 2, 3, 4, 5])
    expect(pair.right.of('observation-ended').map(({ reason }) => reason)).toEqual(Array(4).fill('replaced'))
  })

  it('F19: deregistering with a wrong token ends nothing', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.05' }) } })
    pair.deliver(pair.right, register(1, 9))
    pair.deliver(pair.right, register(2, 8, 1))
    expect(pair.right.endpoint.counts.observations).toBe(1)
    pair.deliver(pair.right, register(3, 9, 1))
    expect(pair.right.endpoint.counts.observations).toBe(0)
  })

  it('F19: a notification that is on its way to an observer that leaves is given up, and blocks nothing', () => {
    const { pair, request, notify } = serving()
    pair.lose = (_message, from) => from === pair.right
    notify(1)
    pair.left.endpoint.cancel(request, pair.now)
    pair.drain()
    pair.run(milliseconds(100))
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'deregistered' }])
    expect(pair.right.endpoint.nextTimeout).toBeUndefined()
  })

  it('F19: an observer that has gone is let go when a confirmable notification fails', () => {
    const { pair, notify } = serving()
    pair.lose = () => true
    notify(1)
    pair.run(minutes(2))
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'timed-out' }])
    expect(pair.right.endpoint.nextTimeout).toBeUndefined()
  })

  it('F19: an observer that resets a non-confirmable notification gets no more', () => {
    const { pair, notify } = serving(false)
    notify(1)
    pair.run(milliseconds(20))
    pair.deliver(pair.right, encodeEmpty(messageTypes.reset, pair.right.sent.at(-1)?.messageId ?? 0))
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'reset' }])
    notify(2)
    pair.run(seconds(1))
    expect(values(pair)).toEqual([1])
  })
})

describe('an observation of ours whose state grows too old (RFC 7641 section 3.3.1)', () => {
  const observing = (maxAge: number | undefined, confirmable = true) => {
    let value = 0
    const pair = new EndpointPair({
      right: {
        resources,
        serve: () => ({
          code: '2.05',
          payload: Uint8Array.of(++value),
          ...(maxAge === undefined ? {} : { maxAge }),
        }),
      },
    })
    const request = pair.request(pair.left, { path: '/t', observe: true, confirmable, timeout: seconds(30) })
    pair.run()
    return { pair, request }
  }

  it('is registered again with its token 5 to 15 seconds after the Max-Age that the peer named', () => {
    const { pair, request } = observing(100)
    pair.run(seconds(104))
    expect(pair.right.requests).toHaveLength(1)
    pair.run(seconds(12))
    expect(pair.right.requests).toHaveLength(2)
    expect(pair.left.sent.at(-1)).toMatchObject({ token: request.token, code: methodCodes.GET })
    expect(values(pair)).toEqual([2])
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'replaced' }])
    expect(pair.right.endpoint.counts.observations).toBe(1)
    pair.run(minutes(20))
    expect(pair.right.requests.length).toBeGreaterThan(10)
    expect(pair.left.of('subscription-ended')).toEqual([])
  })

  it('is left alone where the peer names none, and where notifications come in time', () => {
    const silent = observing(undefined)
    silent.pair.run(hours(48))
    expect(silent.pair.right.requests).toHaveLength(1)
    const { pair } = observing(100)
    for (let count = 0; count < 100; count++) {
      pair.run(seconds(60))
      const observation = pair.right.requests[0]?.observation
      if (observation === undefined) throw new Error('not registered')
      pair.right.endpoint.notify(observation, { code: '2.05', maxAge: 100 }, pair.now)
      pair.drain()
    }
    expect(pair.right.requests).toHaveLength(1)
  })

  it('is not turned into a poll by a Max-Age of nothing', () => {
    const { pair } = observing(0)
    pair.run(minutes(10))
    expect(pair.right.requests.length).toBeLessThanOrEqual(11)
  })

  it('is over when the peer has gone, or no longer takes the registration', () => {
    for (const confirmable of [true, false]) {
      const { pair } = observing(100, confirmable)
      pair.lose = (_, from) => from === pair.left
      pair.run(minutes(5))
      expect(pair.left.of('subscription-ended')).toMatchObject([{ reason: 'timed-out' }])
      expect(pair.left.endpoint.nextTimeout).toBeUndefined()
    }
    const { pair } = observing(100)
    pair.right.endpoint.dissociate(pair.right.association, pair.now)
    pair.drain()
    Object.assign(pair.right, {
      association: pair.right.endpoint.associate('right'),
      serve: () => ({ code: '4.04' }),
    })
    pair.run(minutes(3))
    expect(pair.left.of('subscription-ended')).toMatchObject([{ reason: '4.04' }])
  })

  it('takes the answer to its registration whatever it is numbered: a server that was restarted counts anew', () => {
    const { pair } = observing(100)
    const observation = pair.right.requests[0]?.observation
    if (observation === undefined) throw new Error('not registered')
    for (let count = 0; count < 50; count++) {
      pair.right.endpoint.notify(observation, { code: '2.05', payload: Uint8Array.of(200), maxAge: 100 }, pair.now)
      pair.drain()
      pair.run()
    }
    pair.right.endpoint.dissociate(pair.right.association, pair.now)
    pair.drain()
    Object.assign(pair.right, { association: pair.right.endpoint.associate('right') })
    pair.run(minutes(2))
    expect(pair.left.of('notification').at(-1)).toMatchObject({ response: { observe: 1, payload: Uint8Array.of(2) } })
  })
})
