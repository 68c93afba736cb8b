import { milliseconds, seconds } from '@sallyport/clock'
import { contentFormats, meetsConditions, parseMessage } from '@sallyport/coap'
import { CodedError } from '@sallyport/errors'
import { afterEach, describe, expect, it } from 'vitest'
import type { CoapRequest, CoapResource, ServedRequest } from '../src/index.ts'
import { type Pipe, pipe } from './association-pipe.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (value: string) => new TextEncoder().encode(value)
const long = (length: number) => Uint8Array.from({ length }, (_, index) => index * 7)

let open: Pipe | undefined
const connected = (resources: readonly CoapResource<string>[], options: Parameters<typeof pipe>[0] = {}): Pipe => {
  open = pipe({ resources, ...options })
  return open
}
afterEach(() => open?.close())

describe('a request over an association', () => {
  it('reaches the handler with path, query, parameters, format and payload, and its answer comes back', async () => {
    const seen: CoapRequest<string>[] = []
    const { client, near } = connected([
      {
        path: '/api/v1/devices/{deviceId}/{href*}',
        handlers: {
          POST: (request) => {
            seen.push(request)
            return { code: '2.04', payload: bytes('done'), contentFormat: 0, etag: Uint8Array.of(1) }
          },
        },
      },
    ])
    const response = await client.calls.request(near, {
      method: 'POST',
      path: '/api/v1/devices/d1/light/1',
      query: ['if=oic.if.a', 'bare'],
      payload: bytes('on'),
      contentFormat: 60,
      accept: 50,
    })
    expect(response).toMatchObject({ code: '2.04', contentFormat: 0, etag: Uint8Array.of(1) })
    expect(text(response.payload)).toBe('done')
    expect(seen[0]).toMatchObject({ method: 'POST', path: '/api/v1/devices/d1/light/1', contentFormat: 60, accept: 50 })
    expect(seen[0]?.parameters).toEqual({ deviceId: 'd1', href: 'light/1' })
    expect(seen[0]?.query).toEqual([
      { name: 'if', value: 'oic.if.a' },
      { name: 'bare', value: '' },
    ])
    expect(text(seen[0]?.payload ?? new Uint8Array())).toBe('on')
    expect(seen[0]?.correlationId).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('is answered separately when the handler takes longer than a second', async () => {
    const { client, near, far } = connected([
      {
        path: '/slow',
        handlers: { GET: () => new Promise((resolve) => setTimeout(() => resolve({ code: '2.05' }), 1200)) },
      },
    ])
    expect((await client.calls.request(near, { method: 'GET', path: '/slow' })).code).toBe('2.05')
    expect(far.sent.map((message) => (message[0] ?? 0) >> 4)).toEqual([6, 4])
  })

  it('carries long bodies both ways in blocks', async () => {
    const { client, near } = connected([
      { path: '/echo', handlers: { POST: (request) => ({ code: '2.04', payload: request.payload }) } },
    ])
    const payload = long(10_000)
    const response = await client.calls.request(near, { method: 'POST', path: '/echo', payload })
    expect(Buffer.from(response.payload).equals(payload)).toBe(true)
  })

  it('[6.7] streams both ways: a handler gets blocks one by one, and answers with the part that is asked for', async () => {
    const stored: Uint8Array[] = []
    const { client, near } = connected([
      {
        path: '/files/{id}',
        receives: 'blocks',
        maxRequestBytes: 1_000_000,
        handlers: {
          POST: async ({ part, payload }) => {
            expect(part?.offset).toBe(stored.reduce((sum, { length }) => sum + length, 0))
            stored.push(payload)
            return { code: part?.more === true ? '2.31' : '2.01' }
          },
          GET: ({ range = { offset: 0, length: 16 } }) => {
            const whole = Buffer.concat(stored)
            const end = range.offset + range.length
            const part = { more: end < whole.length, totalBytes: whole.length }
            return { code: '2.05', payload: whole.subarray(range.offset, end), etag: Uint8Array.of(1), part }
          },
        },
      },
    ])
    const payload = long(100_000)
    expect((await client.calls.request(near, { method: 'POST', path: '/files/1', payload })).code).toBe('2.01')
    expect(stored).toHaveLength(98)
    const response = await client.calls.request(near, { method: 'GET', path: '/files/1' })
    expect(Buffer.from(response.payload).equals(payload)).toBe(true)
  })

  it('that is too large gets 4.13 before its bytes are taken', async () => {
    const { client, near } = connected([
      { path: '/small', maxRequestBytes: 2000, handlers: { POST: () => ({ code: '2.04' }) } },
    ])
    const response = await client.calls.request(near, { method: 'POST', path: '/small', payload: long(2001) })
    expect(response.code).toBe('4.13')
    expect(near.sent).toHaveLength(1)
  })

  it('[6.8] that is refused carries problem details with the error code', async () => {
    const { client, near } = connected([
      {
        path: '/no',
        handlers: {
          GET: () => {
            throw new CodedError('device-not-signed-in', 'sign in first')
          },
        },
      },
    ])
    const response = await client.calls.request(near, { method: 'GET', path: '/no' })
    expect(response.code).toBe('4.01')
    expect(response.contentFormat).toBe(contentFormats['application/concise-problem-details+cbor'])
    expect(text(response.payload)).toContain('device-not-signed-in')
  })

  it('for a wrong method gets 4.05 and for an unknown path 4.04, and both are told', async () => {
    const served: ServedRequest<string>[] = []
    const { client, near } = connected([{ path: '/a', handlers: { GET: () => ({ code: '2.05' }) } }], {
      observer: { requestServed: (event) => served.push(event) },
    })
    expect((await client.calls.request(near, { method: 'POST', path: '/a' })).code).toBe('4.05')
    expect((await client.calls.request(near, { method: 'GET', path: '/b' })).code).toBe('4.04')
    expect(served.map(({ method, path, code, errorCode }) => ({ method, path, code, errorCode }))).toEqual([
      { method: 'POST', path: '/a', code: '4.05', errorCode: 'method-not-allowed' },
      { method: 'GET', path: '-', code: '4.04', errorCode: 'not-found' },
    ])
  })

  it('is refused by the gate before the handler sees it', async () => {
    let handled = 0
    const { client, near } = connected(
      [{ path: '/a', handlers: { GET: () => ({ code: '2.05', payload: Uint8Array.of(++handled) }) } }],
      {
        admit: async () => {
          throw new CodedError('device-not-signed-in', 'sign in first')
        },
      },
    )
    expect((await client.calls.request(near, { method: 'GET', path: '/a' })).code).toBe('4.01')
    expect(handled).toBe(0)
  })

  it('with a fault of ours gets 5.00, tells nothing of it, and is reported', async () => {
    const failed: unknown[] = []
    const { client, near } = connected(
      [
        {
          path: '/broken',
          handlers: {
            GET: () => {
              throw new TypeError('secret detail')
            },
          },
        },
      ],
      { observer: { requestFailed: (event) => failed.push(event.error) } },
    )
    const response = await client.calls.request(near, { method: 'GET', path: '/broken' })
    expect(response.code).toBe('5.00')
    expect(text(response.payload)).not.toContain('secret detail')
    expect(failed).toEqual([new TypeError('secret detail')])
  })

  it('ends the association only with the tenth 4.01 within a minute', async () => {
    const { client, near } = connected([
      {
        path: '/no',
        handlers: {
          GET: () => {
            throw new CodedError('device-not-signed-in', 'sign in first')
          },
        },
      },
    ])
    for (let count = 1; count <= 9; count++) {
      expect((await client.calls.request(near, { method: 'GET', path: '/no' })).code).toBe('4.01')
    }
    expect(near.closed).toBe(false)
    await client.calls.request(near, { method: 'GET', path: '/no' }).catch(() => undefined)
    expect(near.closed).toBe(true)
  })

  it('fails when its association closes, and when nobody answers in time', async () => {
    const { client, near, close } = connected([
      { path: '/never', handlers: { GET: () => new Promise(() => undefined) } },
    ])
    await expect(
      client.calls.request(near, { method: 'GET', path: '/never', timeout: milliseconds(50) }),
    ).rejects.toMatchObject({ code: 'timed-out' })
    const waiting = client.calls.request(near, { method: 'GET', path: '/never' })
    close()
    await expect(waiting).rejects.toMatchObject({ code: 'association-closed' })
  })

  it('whose answer has no encoding gets 5.00, and the fault is reported', async () => {
    const failed: unknown[] = []
    const { client, server, near } = connected(
      [
        {
          path: '/broken',
          handlers: { GET: () => ({ code: '2.05', locationPath: ['x'.repeat(256)] }) },
          observe: () => () => undefined,
        },
      ],
      { observer: { requestFailed: (event) => failed.push(event.error) } },
    )
    expect((await client.calls.request(near, { method: 'GET', path: '/broken' })).code).toBe('5.00')
    const observation = await client.calls.observe(
      near,
      { method: 'GET', path: '/broken' },
      () => undefined,
      () => undefined,
    )
    expect(observation).toMatchObject({ observed: false, first: { code: '5.00' } })
    expect(failed).toHaveLength(2)
    expect(server.counts).toEqual({ exchanges: 0, observations: 0 })
  })

  it('[6.8] to a resource that asks for fresh requests is repeated with its Echo, unseen by either side', async () => {
    let moved = 0
    const { client, near } = connected([
      {
        path: '/door',
        freshWithin: seconds(5),
        handlers: { PUT: () => ({ code: '2.04', payload: bytes(`${++moved}`) }) },
      },
    ])
    for (let count = 1; count <= 12; count++) {
      const response = await client.calls.request(near, { method: 'PUT', path: '/door', payload: long(3000) })
      expect(response.code).toBe('2.04')
      expect(text(response.payload)).toBe(`${count}`)
    }
    expect(near.closed).toBe(false)
  })

  it('[6.8] over the quota of its association gets 4.29 and is told when to come again', async () => {
    const served: ServedRequest<string>[] = []
    const { client, near } = connected([{ path: '/a', handlers: { GET: () => ({ code: '2.05' }) } }], {
      requestQuota: { requests: 2, per: seconds(60) },
      observer: { requestServed: (event) => served.push(event) },
    })
    const get = () => client.calls.request(near, { method: 'GET', path: '/a' })
    expect([(await get()).code, (await get()).code]).toEqual(['2.05', '2.05'])
    expect(await get()).toMatchObject({ code: '4.29', maxAge: 30 })
    expect(served.map(({ errorCode }) => errorCode)).toEqual([undefined, undefined, 'rate-limited'])
  })

  it('[6.8] with a condition is carried out where the handler finds it met, else answered 4.12', async () => {
    let stored: Uint8Array = bytes('old')
    const etag = () => stored.slice(0, 3)
    const { client, near } = connected([
      {
        path: '/file',
        conditional: true,
        handlers: {
          PUT: (request) => {
            if (!meetsConditions(request.conditions, etag())) throw new CodedError('precondition-failed', 'it changed')
            stored = request.payload
            return { code: '2.04' }
          },
        },
      },
    ])
    const put = async (payload: string, ifMatch: Uint8Array) => {
      const conditions = { ifMatch: [ifMatch], ifNoneMatch: false }
      return (await client.calls.request(near, { method: 'PUT', path: '/file', payload: bytes(payload), conditions }))
        .code
    }
    expect(await put('new', bytes('old'))).toBe('2.04')
    expect(await put('newer', bytes('old'))).toBe('4.12')
    expect(text(stored)).toBe('new')
  })

  it('[6.8] that is refused for want of something names in Max-Age when to come again: each asker another moment', async () => {
    const refusing = (code: 'database-unavailable' | 'rate-limited', details = {}): CoapResource<string> => ({
      path: `/${code}`,
      handlers: {
        GET: () => {
          throw new CodedError(code, 'later', { details })
        },
      },
    })
    const { client, near, far } = connected([
      refusing('database-unavailable'),
      refusing('rate-limited', { retryAfterSeconds: 60 }),
    ])
    expect((await client.calls.request(near, { method: 'GET', path: '/rate-limited' })).code).toBe('4.29')
    for (let asked = 0; asked < 60; asked += 1) {
      expect((await client.calls.request(near, { method: 'GET', path: '/database-unavailable' })).code).toBe('5.03')
    }
    const maxAges = far.sent.map((message) => {
      const parsed = parseMessage(message)
      return parsed.wellFormed ? parsed.message.options.find(({ number }) => number === 14)?.value : undefined
    })
    const [toldByTheError, ...told] = maxAges.map((value) => value?.[0] ?? 0)
    expect(toldByTheError).toBe(60)
    expect(told).toHaveLength(60)
    expect(Math.min(...told)).toBeGreaterThanOrEqual(5)
    expect(Math.max(...told)).toBeLessThanOrEqual(15)
    expect(new Set(told).size).toBeGreaterThan(5)
  })

  it('goes the other way too: the server is a client on the same association', async () => {
    open = pipe(
      {},
      { resources: [{ path: '/light', handlers: { GET: () => ({ code: '2.05', payload: bytes('on') }) } }] },
    )
    const { server, far } = open
    expect(text((await server.calls.request(far, { method: 'GET', path: '/light' })).payload)).toBe('on')
    expect(await server.calls.ping(far, seconds(1))).toBe(true)
  })

  it('aborts its signal when the association closes', async () => {
    let signal: AbortSignal | undefined
    const { client, near, close } = connected([
      {
        path: '/wait',
        handlers: {
          GET: (request) => {
            signal = request.signal
            return new Promise(() => undefined)
          },
        },
      },
    ])
    const waiting = client.calls.request(near, { method: 'GET', path: '/wait' }).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(signal?.aborted).toBe(false)
    close()
    await waiting
    expect(signal?.aborted).toBe(true)
  })
})

describe('[6.8] /.well-known/core (RFC 7252 section 7, RFC 6690)', () => {
  const resources: CoapResource<string>[] = [
    {
      path: '/oic/res',
      attributes: { rt: 'oic.wk.res', if: ['oic.if.ll', 'oic.if.b'], ct: [60, 10000] },
      handlers: {},
      observe: () => () => undefined,
    },
    { path: '/light/1', attributes: { rt: ['core.light', 'x.lamp'], title: 'A "lamp"' }, handlers: {} },
    { path: '/hidden', handlers: {} },
  ]
  const discover = async (query: string[]) => {
    const { client, near } = connected(resources)
    const response = await client.calls.request(near, { method: 'GET', path: '/.well-known/core', query })
    expect(response.contentFormat).toBe(40)
    return text(response.payload)
  }

  it('lists what has attributes', async () => {
    expect(await discover([])).toBe(
      '</oic/res>;rt="oic.wk.res";if="oic.if.ll oic.if.b";ct="60 10000";obs,</light/1>;rt="core.light x.lamp";title="A \\"lamp\\""',
    )
  })

  it('filters by one value of many, by prefix, and by path', async () => {
    expect(await discover(['rt=x.lamp'])).toContain('</light/1>')
    expect(await discover(['rt=x.lamp'])).not.toContain('</oic/res>')
    expect(await discover(['href=/oic*'])).not.toContain('</light/1>')
    expect(await discover(['rt=none'])).toBe('')
  })
})

describe('an observation over an association', () => {
  it('begins with the present state and tells each change, read anew from the handler', async () => {
    let state = 0
    const watchers = new Set<() => void>()
    const { client, server, near } = connected([
      {
        path: '/temperature',
        handlers: { GET: () => ({ code: '2.05', payload: Uint8Array.of(state) }) },
        observe: (_request, changed) => {
          watchers.add(changed)
          return () => watchers.delete(changed)
        },
      },
    ])
    const told: number[] = []
    const ended: string[] = []
    const observation = await client.calls.observe(
      near,
      { method: 'GET', path: '/temperature' },
      (response) => told.push(response.payload[0] ?? -1),
      (reason) => ended.push(reason),
    )
    expect(observation).toMatchObject({ observed: true, first: { code: '2.05', payload: Uint8Array.of(0) } })
    expect(server.counts.observations).toBe(1)
    for (state = 1; state <= 3; state++) {
      for (const changed of watchers) changed()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(told).toEqual([1, 2, 3])
    observation.cancel()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(watchers.size).toBe(0)
    expect(server.counts.observations).toBe(0)
    expect(ended).toEqual([])
  })

  it('misses no change that happens while the first state is being read', async () => {
    let state = 1
    let changed: (() => void) | undefined
    const { client, near } = connected([
      {
        path: '/late',
        handlers: {
          GET: async () => {
            const payload = Uint8Array.of(state)
            if (state === 1) {
              state = 2
              changed?.()
            }
            await new Promise((resolve) => setTimeout(resolve, 5))
            return { code: '2.05', payload }
          },
        },
        observe: (_request, tell) => {
          changed = tell
          return () => undefined
        },
      },
    ])
    const told: number[] = []
    await client.calls.observe(
      near,
      { method: 'GET', path: '/late' },
      (response) => told.push(response.payload[0] ?? -1),
      () => undefined,
    )
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(told).toEqual([2])
  })

  it('is not begun for a peer that the gate refuses, and ends when the gate refuses it later', async () => {
    let admitted = false
    let begun = 0
    let changed: (() => void) | undefined
    const { client, server, near } = connected(
      [
        {
          path: '/x',
          handlers: { GET: () => ({ code: '2.05' }) },
          observe: (_request, tell) => {
            begun++
            changed = tell
            return () => undefined
          },
        },
      ],
      {
        admit: () => {
          if (!admitted) throw new CodedError('device-not-signed-in', 'sign in first')
        },
      },
    )
    const ended: string[] = []
    const observe = () =>
      client.calls.observe(
        near,
        { method: 'GET', path: '/x' },
        () => undefined,
        (reason) => ended.push(reason),
      )
    expect((await observe()).observed).toBe(false)
    expect(begun).toBe(0)
    admitted = true
    expect((await observe()).observed).toBe(true)
    admitted = false
    changed?.()
    await expect.poll(() => ended).toEqual(['4.01'])
    expect(server.counts.observations).toBe(0)
  })

  it('[6.8] of a FETCH reads the state anew with the question that was asked', async () => {
    let state = bytes('abcdef')
    let changed: (() => void) | undefined
    const { client, near } = connected([
      {
        path: '/some',
        handlers: {
          FETCH: ({ payload: [from, to] }) => ({ code: '2.05', payload: state.slice(from, to) }),
        },
        observe: (_request, tell) => {
          changed = tell
          return () => undefined
        },
      },
    ])
    const told: string[] = []
    const observation = await client.calls.observe(
      near,
      { method: 'FETCH', path: '/some', payload: Uint8Array.of(1, 3) },
      (response) => told.push(text(response.payload)),
      () => undefined,
    )
    expect(observation.observed).toBe(true)
    expect(text(observation.first.payload)).toBe('bc')
    state = bytes('ABCDEF')
    changed?.()
    await expect.poll(() => told).toEqual(['BC'])
  })

  it('is over, and its resource told so, when the association closes', async () => {
    let over = 0
    const { client, near, close } = connected([
      { path: '/x', handlers: { GET: () => ({ code: '2.05' }) }, observe: () => () => over++ },
    ])
    const ended: string[] = []
    await client.calls.observe(
      near,
      { method: 'GET', path: '/x' },
      () => undefined,
      (reason) => ended.push(reason),
    )
    close()
    expect(over).toBe(1)
    expect(ended).toEqual(['association-closed'])
  })

  it('is not begun at its resource when the association has closed while the gate was thinking', async () => {
    let admit: (() => void) | undefined
    let observed = 0
    const resource: CoapResource<string> = {
      path: '/x',
      handlers: { GET: () => ({ code: '2.05' }) },
      observe: () => {
        observed++
        return () => observed--
      },
    }
    const gate = () => new Promise<void>((resolve) => (admit = resolve))
    const { client, near, close } = connected([resource], { admit: gate })
    const answer = client.calls.observe(
      near,
      { method: 'GET', path: '/x' },
      () => undefined,
      () => undefined,
    )
    await expect.poll(() => admit).toBeDefined()
    close()
    await expect(answer).rejects.toMatchObject({ code: 'association-closed' })
    admit?.()
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(observed).toBe(0)
  })
})
