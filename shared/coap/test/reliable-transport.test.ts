import { milliseconds, seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { encodeFrame, type ResponseCode, responseCodeByte, signalCodes, uintValue } from '../src/index.ts'
import { type End, EndpointPair, randomFrom, resource, type TestRequest } from './endpoint-pair.ts'

const noBytes = new Uint8Array()
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const bytes = (length: number) => Uint8Array.from({ length }, (_, index) => index * 7)
const ok = (payload: Uint8Array = Buffer.from('ok')) => ({ code: '2.05' as ResponseCode, payload })
const frame = (
  code: number,
  options: { number: number; value: Uint8Array }[] = [],
  token: Uint8Array = noBytes,
  payload: Uint8Array = noBytes,
) => encodeFrame({ code, token, options, payload }, 1_000_000)
const csm = (maxMessageBytes = 262_144, blockWise = true) =>
  frame(signalCodes.csm, [
    { number: 2, value: uintValue(maxMessageBytes) },
    ...(blockWise ? [{ number: 4, value: noBytes }] : []),
  ])
const getA = (token = Uint8Array.of(1)) => frame(1, [{ number: 11, value: Buffer.from('a') }], token)
const resources = [
  resource('/a', ['GET', 'POST', 'PUT', 'FETCH'], { observable: true, maxRequestBytes: 300_000 }),
  resource('/stream', ['GET', 'PUT'], { receives: 'blocks', maxRequestBytes: 20_000_000 }),
]

/** Our end alone; the test speaks for the peer. */
function alone(serve: (request: TestRequest) => ReturnType<typeof ok> | undefined = () => ok(), limits = {}) {
  const pair = new EndpointPair({ left: { resources, serve, limits }, reliable: true })
  const us = pair.left
  pair.silence(pair.right)
  return {
    us,
    pair,
    says: (...frames: Uint8Array[]) => pair.deliver(us, new Uint8Array(Buffer.concat(frames))),
    codes: () => us.sent.map(({ code }) => code),
    disconnected: () => us.of('disconnect').map(({ reason }) => reason),
  }
}

describe('[6.4] the beginning of a connection (RFC 8323 section 5.3)', () => {
  it('says our capabilities first: Max-Message-Size, and that blocks are understood', () => {
    const { us } = alone()
    expect(us.sent).toMatchObject([
      {
        code: signalCodes.csm,
        options: [
          { number: 2, value: uintValue(262_144) },
          { number: 4, value: noBytes },
        ],
      },
    ])
  })

  it('serves requests after the peer’s CSM, even in the same bytes, and answers with the token', () => {
    const { us, says } = alone()
    says(csm(), getA(Uint8Array.of(1, 2, 3)))
    expect(us.sent.at(-1)).toMatchObject({ code: responseCodeByte('2.05'), token: Uint8Array.of(1, 2, 3) })
    expect(us.endpoint.nextTimeout).toBeUndefined()
  })

  it.each([
    ['a request', getA()],
    ['an empty message', frame(0)],
    ['a Ping', frame(signalCodes.ping)],
  ])('aborts when the first message is %s', (_, first) => {
    const { us, says, codes, disconnected } = alone()
    says(first, csm(), getA())
    expect(codes()).toEqual([signalCodes.csm, signalCodes.abort])
    expect(text(us.sent.at(-1)?.payload ?? noBytes)).toBe('the first message is no CSM')
    expect(disconnected()).toEqual(['the first message is no CSM'])
    expect(us.requests).toHaveLength(0)
  })

  it('aborts when no CSM comes in time, bytes of one or none', () => {
    for (const part of [noBytes, csm().subarray(0, 2)]) {
      const { pair, says, disconnected } = alone()
      says(part)
      pair.run(seconds(9))
      expect(disconnected()).toEqual([])
      pair.run(seconds(2))
      expect(disconnected()).toEqual(['no CSM in time'])
      expect(pair.left.endpoint.nextTimeout).toBeUndefined()
    }
  })

  it('passes over elective options of a CSM, and names the critical one that it does not know when it aborts', () => {
    const fine = alone()
    fine.says(
      frame(signalCodes.csm, [
        { number: 6, value: uintValue(9) },
        { number: 200, value: noBytes },
      ]),
      getA(),
    )
    expect(fine.codes().at(-1)).toBe(responseCodeByte('2.05'))
    const { us, says, disconnected } = alone()
    says(frame(signalCodes.csm, [{ number: 7, value: noBytes }]), getA())
    expect(us.sent.at(-1)).toMatchObject({ code: signalCodes.abort, options: [{ number: 2, value: uintValue(7) }] })
    expect(disconnected()).toHaveLength(1)
    expect(us.requests).toHaveLength(0)
  })

  it('aborts on a stream that cannot be read, and reads none of what follows', () => {
    const { us, says, codes, disconnected } = alone()
    says(csm(), Uint8Array.of(0x09, 0x01), getA())
    expect(codes()).toEqual([signalCodes.csm, signalCodes.abort])
    expect(disconnected()).toEqual(['reserved token length'])
    says(getA())
    expect(us.requests).toHaveLength(0)
  })

  it('aborts on a message over our Max-Message-Size when its header is there', () => {
    const { us, says, disconnected } = alone()
    says(csm(), Uint8Array.of(0xf0, 0xff, 0xff, 0xff, 0xff, 0x02))
    expect(disconnected()[0]).toBe('message over Max-Message-Size')
    expect(us.endpoint.counts.unfinishedMessageBytes).toBe(0)
  })

  it('aborts when a message that has begun does not end in time, however steadily its bytes drip', () => {
    const { us, pair, says, disconnected } = alone()
    says(csm(), frame(2, [], noBytes, bytes(200)).subarray(0, 10))
    for (let second = 0; second < 59; second++) {
      says(Uint8Array.of(0))
      pair.run(seconds(1))
    }
    expect(disconnected()).toEqual([])
    pair.run(seconds(2))
    expect(disconnected()).toEqual(['a message takes too long'])
    expect(us.endpoint.counts.unfinishedMessageBytes).toBe(0)
  })

  it('bounds the unfinished messages of all associations together', () => {
    const { us, pair } = alone(undefined, { unfinishedMessageBytes: 20_000 })
    const begun = frame(2, [], noBytes, bytes(9000)).subarray(0, 9000)
    const others = Array.from({ length: 4 }, (_, index) =>
      us.endpoint.associate(`${index}`, { reliableSince: pair.now }),
    )
    for (const other of others) {
      us.endpoint.handleMessage(other, csm(), pair.now)
      us.endpoint.handleMessage(other, begun, pair.now)
    }
    pair.drain()
    expect(us.endpoint.counts.unfinishedMessageBytes).toBeLessThanOrEqual(20_000)
    expect(us.of('disconnect').map(({ peer }) => peer)).toEqual(['2', '3'])
    for (const other of others) us.endpoint.dissociate(other, pair.now)
    expect(us.endpoint.counts.unfinishedMessageBytes).toBe(0)
  })
})

describe('[6.4] signals (RFC 8323 section 5)', () => {
  it('answers a Ping with a Pong of its token; with custody once what came before is answered', () => {
    const waiting: TestRequest[] = []
    const { us, pair, says } = alone((request) => void waiting.push(request))
    says(csm(), frame(signalCodes.ping, [], Uint8Array.of(7)))
    expect(us.sent.at(-1)).toMatchObject({ code: signalCodes.pong, token: Uint8Array.of(7), options: [] })
    expect(us.of('pinged')).toHaveLength(1)
    const custody = [{ number: 2, value: noBytes }]
    says(frame(signalCodes.ping, custody, Uint8Array.of(8)))
    expect(us.sent.at(-1)).toMatchObject({ code: signalCodes.pong, token: Uint8Array.of(8), options: custody })
    says(getA(), frame(signalCodes.ping, custody, Uint8Array.of(9)), getA(Uint8Array.of(2)))
    expect(us.sent.at(-1)?.token).toEqual(Uint8Array.of(8))
    us.endpoint.respond(waiting[0] as TestRequest, ok(), pair.now)
    pair.drain()
    expect(us.sent.slice(-2)).toMatchObject([
      { code: responseCodeByte('2.05') },
      { code: signalCodes.pong, token: Uint8Array.of(9), options: custody },
    ])
  })

  it('pings, and hears the Pong; one that does not come is told in time', () => {
    const pair = new EndpointPair({ reliable: true })
    pair.run()
    pair.left.endpoint.ping(pair.left.association, seconds(5), pair.now)
    pair.drain()
    pair.run()
    expect(pair.left.of('pong')).toMatchObject([{ answered: true }])
    const { us, says, pair: half } = alone()
    says(csm())
    us.endpoint.ping(us.association, seconds(5), half.now)
    half.drain()
    half.run(seconds(6))
    expect(us.of('pong')).toMatchObject([{ answered: false }])
    expect(us.association.reliable?.pings?.size).toBe(0)
  })

  it('ends after a Release when what was asked before it has been answered', () => {
    const waiting: TestRequest[] = []
    const { us, pair, says, disconnected } = alone((request) => void waiting.push(request))
    says(csm(), getA(), frame(signalCodes.release))
    expect(disconnected()).toEqual([])
    us.endpoint.respond(waiting[0] as TestRequest, ok(), pair.now)
    pair.drain()
    expect(us.sent.at(-1)?.code).toBe(responseCodeByte('2.05'))
    expect(disconnected()).toEqual(['released'])
  })

  it('ends when the peer aborts, passes over signals it does not know, and aborts on a critical option in one it does', () => {
    const aborted = alone()
    aborted.says(csm(), frame(signalCodes.abort, [], noBytes, Buffer.from('why')), getA())
    expect(aborted.disconnected()).toEqual(['the peer aborted'])
    expect(aborted.us.requests).toHaveLength(0)
    const unknown = alone()
    unknown.says(csm(), frame(0xe0), frame(0xff), getA())
    expect(unknown.us.of('discarded')).toHaveLength(2)
    expect(unknown.us.requests).toHaveLength(1)
    const critical = alone()
    critical.says(csm(), frame(signalCodes.ping, [{ number: 9, value: noBytes }]))
    expect(critical.us.sent.at(-1)?.code).toBe(signalCodes.abort)
  })

  it('ignores empty messages', () => {
    const { us, says, codes } = alone()
    says(csm(), frame(0), frame(0, [], Uint8Array.of(4)), getA())
    expect(codes()).toEqual([signalCodes.csm, responseCodeByte('2.05')])
    expect(us.of('discarded')).toHaveLength(0)
  })

  it('lets go of everything when the association closes', () => {
    const { us, pair, says } = alone(() => undefined)
    says(csm(), getA(), frame(signalCodes.ping, [{ number: 2, value: noBytes }]), getA().subarray(0, 3))
    us.endpoint.ping(us.association, seconds(50), pair.now)
    us.endpoint.dissociate(us.association, pair.now)
    pair.drain()
    expect(us.of('pong')).toMatchObject([{ answered: false }])
    expect(us.endpoint.nextTimeout).toBeUndefined()
    expect(us.endpoint.counts).toMatchObject({ openRequests: 0, unfinishedMessageBytes: 0 })
  })
})

describe('[6.4] requests over a reliable transport', () => {
  it('sends each message once, without Message IDs, and waits for no acknowledgement', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ok() }, reliable: true })
    for (let count = 0; count < 20; count++) pair.request(pair.left, { path: '/a' })
    pair.run()
    expect(pair.left.of('response')).toHaveLength(20)
    expect(pair.left.sent).toHaveLength(21)
    expect(pair.left.endpoint.nextTimeout).toBeUndefined()
  })

  it('fails a request that is not answered in time', () => {
    const pair = new EndpointPair({ right: { resources }, reliable: true })
    pair.request(pair.left, { path: '/a', timeout: seconds(10) })
    pair.run(seconds(11))
    expect(pair.left.of('request-failed')).toMatchObject([{ code: 'timed-out' }])
    expect(pair.left.sent.filter(({ code }) => code === 1)).toHaveLength(1)
  })

  it('answers an unknown critical option with 4.02, and drops a response that matches nothing', () => {
    const { us, says } = alone()
    says(csm(), frame(1, [{ number: 9, value: noBytes }], Uint8Array.of(1)))
    expect(us.sent.at(-1)?.code).toBe(responseCodeByte('4.02'))
    const before = us.sent.length
    says(frame(responseCodeByte('2.05'), [], Uint8Array.of(1, 2, 3)), frame(0xc1))
    expect(us.sent).toHaveLength(before)
    expect(us.of('discarded')).toHaveLength(2)
  })

  it('carries bodies in one message as long as the peer takes them, both ways', () => {
    const body = bytes(100_000)
    const pair = new EndpointPair({ right: { resources, serve: ({ payload }) => ok(payload) }, reliable: true })
    pair.run()
    pair.request(pair.left, { method: 'POST', path: '/a', payload: body })
    pair.run()
    expect(pair.response().payload).toEqual(body)
    expect(pair.left.sent).toHaveLength(2)
    expect(pair.right.sent).toHaveLength(2)
  })

  it('keeps to 1024-byte blocks with a peer that takes 1152 bytes, and to what smaller peers take', () => {
    for (const [said, largest] of [
      [1152, 1152],
      [500, 500],
      [400, 400],
    ] as const) {
      const { us, says } = alone(() => ok(bytes(5000)))
      says(csm(said), getA())
      const [answer] = us.sent.slice(1)
      expect(answer?.options.find(({ number }) => number === 23)).toBeDefined()
      const size = encodeFrame(answer as never, 10_000).length
      expect(size).toBeLessThanOrEqual(largest)
    }
  })

  it('does not send a request that the peer does not take', () => {
    const { us, pair, says } = alone()
    says(csm(300))
    const query = Array.from({ length: 3 }, () => 'x'.repeat(200))
    pair.request(us, { path: '/a', query })
    expect(us.of('request-failed')).toMatchObject([{ code: 'request-too-large' }])
    expect(us.sent).toHaveLength(1)
  })

  it('answers 5.00 by way of its caller when a response does not fit, and stays open', () => {
    const { us, pair, says } = alone(() => undefined)
    says(csm(300, false), getA())
    const locationPath = Array.from({ length: 3 }, () => 'x'.repeat(200))
    const request = us.requests[0] as TestRequest
    expect(() => us.endpoint.respond(request, { code: '2.01', locationPath }, pair.now)).toThrow(RangeError)
    us.endpoint.respond(request, ok(), pair.now)
    pair.drain()
    expect(us.sent.at(-1)?.code).toBe(responseCodeByte('2.05'))
  })

  it('takes several blocks at a time where both sides can (BERT, RFC 8323 section 6), both ways', () => {
    const long = bytes(300_000 - 1000)
    const limits = { maxMessageBytes: 40_000 }
    const pair = new EndpointPair({
      left: { limits },
      right: { resources, limits, serve: ({ payload }) => ok(payload) },
      reliable: true,
    })
    pair.run()
    pair.request(pair.left, { method: 'POST', path: '/a', payload: long })
    pair.run(seconds(5))
    expect(pair.response().payload).toEqual(long)
    // 10 blocks of 32 KiB up, the last of them answered with the first of 10 down, and our CSM.
    expect(pair.left.sent).toHaveLength(1 + 10 + 9)
    expect(pair.right.sent.filter(({ code }) => code === responseCodeByte('2.31'))).toHaveLength(9)
  })

  it('streams parts with BERT, and serves single blocks to a peer that asks for those', () => {
    const parts: number[] = []
    const { us, says } = alone((request) => {
      const { offset, length } = request.range
      parts.push(length)
      return { ...ok(bytes(100_000).subarray(offset, offset + length)), part: { more: true } } as never
    })
    const block2 = (value: number) => ({ number: 23, value: uintValue(value) })
    const path = { number: 11, value: Buffer.from('stream') }
    says(csm(), frame(1, [path]), frame(1, [path, block2((32 << 4) | 7)]), frame(1, [path, block2((64 << 4) | 6)]))
    expect(parts).toEqual([32_768, 32_768, 1024])
    expect(us.sent.slice(1).map(({ options }) => options.find(({ number }) => number === 23)?.value)).toEqual(
      [(0 << 4) | 15, (32 << 4) | 15, (64 << 4) | 14].map(uintValue),
    )
  })

  it('refuses size exponent 7 over datagrams still', () => {
    const pair = new EndpointPair({ left: { resources, serve: () => ok() } })
    const message = [0x40, 1, 0, 1, 0xb1, 0x61, 0xc1, 7]
    pair.deliver(pair.left, Uint8Array.from(message))
    expect(pair.left.sent.at(-1)?.code).toBe(responseCodeByte('4.00'))
  })
})

describe('[6.4] Observe over a reliable transport (RFC 8323 section 7)', () => {
  function observed() {
    let value = 0
    const pair = new EndpointPair({ right: { resources, serve: () => ok(Buffer.from(`${value}`)) }, reliable: true })
    const request = pair.request(pair.left, { path: '/a', observe: true })
    pair.run()
    const [registered] = pair.right.requests
    const change = () => {
      value++
      if (registered?.observation === undefined) throw new Error('not registered')
      pair.right.endpoint.notify(registered.observation, ok(Buffer.from(`${value}`)), pair.now)
      pair.drain()
    }
    return { pair, request, change }
  }

  it('sends each notification once, in order, whatever its number, without waiting', () => {
    const { pair, change } = observed()
    for (let count = 0; count < 20; count++) change()
    pair.run()
    expect(pair.left.of('notification').map(({ response }) => text(response.payload))).toEqual(
      Array.from({ length: 20 }, (_, index) => `${index + 1}`),
    )
    expect(pair.right.endpoint.nextTimeout).toBeUndefined()
  })

  it('takes notifications whose Observe option is empty', () => {
    const { us, pair, says } = alone()
    says(csm())
    pair.request(us, { path: '/a', observe: true })
    const token = us.sent.at(-1)?.token ?? noBytes
    for (const value of ['1', '2', '3']) {
      says(frame(responseCodeByte('2.05'), [{ number: 6, value: noBytes }], token, Buffer.from(value)))
    }
    expect(us.of('notification')).toHaveLength(2)
  })

  it('deregisters by GET, since there is no Reset', () => {
    const { pair, request } = observed()
    pair.left.endpoint.cancel(request, pair.now)
    pair.drain()
    pair.run()
    expect(pair.right.of('observation-ended')).toMatchObject([{ reason: 'deregistered' }])
    expect(pair.right.endpoint.counts.observations).toBe(0)
  })
})

it('[5.9] streams of mutated messages crash nothing, and leave nothing behind (seed 8323)', () => {
  const random = randomFrom(8323)
  const samples: Uint8Array[] = [
    csm(),
    getA(),
    frame(signalCodes.ping),
    frame(2, [{ number: 27, value: uintValue(14) }], noBytes, bytes(1024)),
    frame(0x45),
  ]
  const pair = new EndpointPair({ left: { resources, serve: () => ok() }, reliable: true })
  const end: End = pair.left
  let served = 0
  for (let round = 0; round < 5000; round++) {
    const association = end.endpoint.associate('hostile', { reliableSince: pair.now })
    end.endpoint.handleMessage(association, csm(), pair.now)
    const stream = new Uint8Array(
      Buffer.concat(Array.from({ length: 6 }, () => samples[Math.floor(random() * samples.length)] ?? noBytes)),
    )
    for (let change = 0; change < 2; change++) stream[Math.floor(random() * stream.length)] = Math.floor(random() * 256)
    for (let at = 0; at < stream.length; at += 500)
      end.endpoint.handleMessage(association, stream.slice(at, at + 500), pair.now)
    for (let output = end.endpoint.nextOutput(); output !== undefined; output = end.endpoint.nextOutput()) {
      if (output.kind !== 'request') continue
      served++
      end.endpoint.respond(output.request, ok(), pair.now)
    }
    end.endpoint.dissociate(association, pair.now)
  }
  expect(served).toBeGreaterThan(1000)
  expect(end.endpoint.counts).toMatchObject({ openRequests: 0, uploadBytes: 0, unfinishedMessageBytes: 0 })
  pair.run(milliseconds(1))
})
