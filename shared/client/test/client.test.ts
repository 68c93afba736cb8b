import { ApiProblem, createClient, fixedToken, hasProblemCode, isServerUnreachable } from '@sallyport/client'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { brokenConnection, correlationId, json, problem, refusedConnection, scriptedServer } from './scripted-server.ts'

const baseUrl = 'https://sallyport.example'
const deviceId = '0197a000-0000-7000-8000-000000000001'
const group = { body: { name: 'Acme', certificateChain: 'PEM' } }

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Runs the call through its pauses. */
async function settled<Result>(call: Promise<Result>): Promise<Result> {
  call.catch(() => undefined)
  await vi.runAllTimersAsync()
  return call
}

describe('a call', () => {
  it('puts parameters where the document has them, and brings the token', async () => {
    const server = scriptedServer(json({ id: deviceId }, { headers: { etag: '"4"' } }))
    const client = createClient({ baseUrl: `${baseUrl}/`, fetch: server.fetch, tokens: fixedToken('secret') })
    const request = { deviceId, ifMatch: '"3"', body: { name: 'Lamp' } }
    expect((await client.call('changeDevice', request)).etag).toBe('"4"')
    expect(server.asked[0]).toMatchObject({
      url: `${baseUrl}/api/v1/devices/${deviceId}`,
      method: 'PATCH',
      headers: { authorization: 'Bearer secret', 'if-match': '"3"', 'content-type': 'application/json' },
      body: '{"name":"Lamp"}',
    })
  })

  it('repeats a query parameter of many values and leaves out what is undefined', async () => {
    const server = scriptedServer(json({ items: [], nextCursor: null }))
    const client = createClient({ baseUrl, fetch: server.fetch })
    await client.call('listDevices', { label: ['a:1', 'b:2'], online: true, name: undefined })
    expect(server.asked[0]?.url).toBe(`${baseUrl}/api/v1/devices?online=true&label=a%3A1&label=b%3A2`)
  })

  it('reaches no other route by what stands in a parameter of the path', async () => {
    const server = scriptedServer(json({}))
    const client = createClient({ baseUrl, fetch: server.fetch })
    await client.call('readDevice', { deviceId: '../jobs?x#y' })
    expect(server.asked[0]?.url).toBe(`${baseUrl}/api/v1/devices/..%2Fjobs%3Fx%23y`)
    for (const bad of ['', '.', '..']) {
      await expect(client.call('readDevice', { deviceId: bad })).rejects.toThrow(TypeError)
    }
  })

  it('sends no token to a route that wants none', async () => {
    const server = scriptedServer(json({}))
    const client = createClient({ baseUrl, fetch: server.fetch, tokens: fixedToken('secret') })
    await client.call('logIn', { body: { username: 'a', password: 'b' } })
    expect(server.asked[0]?.headers).not.toHaveProperty('authorization')
  })

  it('follows no redirect: the token and the password are for this server', async () => {
    const server = scriptedServer(
      () => new Response(null, { status: 307, headers: { location: 'https://evil.example' } }),
    )
    const client = createClient({ baseUrl, fetch: server.fetch })
    await expect(client.call('logIn', { body: { password: 'b' } })).rejects.toMatchObject({ code: 'unexpected-answer' })
    expect(server.asked).toHaveLength(1)
    expect(server.asked[0]?.redirect).toBe('manual')
  })

  it('throws the problem document as an error with code, title, detail, status and correlation id', async () => {
    const client = createClient({ baseUrl, fetch: scriptedServer(problem(404, 'not-found')).fetch })
    const error = await client.call('readDevice', { deviceId }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ApiProblem)
    expect(hasProblemCode(error, 'not-found')).toBe(true)
    expect(error).toMatchObject({ title: 'A title.', message: 'The detail of not-found.', status: 404, correlationId })
  })

  it('says so when an answer is none of the API, as from another server', async () => {
    const page = () => new Response('<html>', { status: 200, headers: { 'content-type': 'text/html' } })
    const client = createClient({ baseUrl, fetch: scriptedServer(page).fetch })
    await expect(client.call('readMe')).rejects.toMatchObject({ code: 'unexpected-answer' })
  })

  it('gives up an attempt after its time-out', async () => {
    const hang = ({ signal }: { signal: AbortSignal }) =>
      new Promise<Response>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    const client = createClient({ baseUrl, fetch: scriptedServer(hang).fetch, timeout: 500, retries: 0 })
    const error = await settled(client.call('readMe')).catch((thrown: unknown) => thrown)
    expect(isServerUnreachable(error)).toBe(true)
    expect(String(error)).toContain('within 0.5 s')
  })
})

describe('what is tried again', () => {
  it('a creation goes with one Idempotency-Key through all its attempts', async () => {
    const server = scriptedServer(
      brokenConnection,
      problem(409, 'idempotency-in-progress'),
      json({ id: 'g' }, { status: 201 }),
    )
    const client = createClient({ baseUrl, fetch: server.fetch })
    expect((await settled(client.call('createEnrollmentGroup', group))).status).toBe(201)
    const keys = server.asked.map(({ headers }) => headers['idempotency-key'])
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/)
    expect(new Set(keys).size).toBe(1)
  })

  it("the caller's own key is kept", async () => {
    const server = scriptedServer(json({ id: 'g' }, { status: 201 }))
    const client = createClient({ baseUrl, fetch: server.fetch })
    await client.call('createEnrollmentGroup', { ...group, idempotencyKey: 'mine' })
    expect(server.asked[0]?.headers['idempotency-key']).toBe('mine')
  })

  it('a change without a key whose answer was lost is not repeated', async () => {
    const server = scriptedServer(brokenConnection)
    const client = createClient({ baseUrl, fetch: server.fetch })
    await expect(settled(client.call('deleteDevice', { deviceId }))).rejects.toMatchObject({ neverSent: false })
    expect(server.asked).toHaveLength(1)
  })

  it('what never reached the server is, three times', async () => {
    const server = scriptedServer(refusedConnection, refusedConnection, refusedConnection, refusedConnection)
    const client = createClient({ baseUrl, fetch: server.fetch })
    await expect(settled(client.call('deleteDevice', { deviceId }))).rejects.toMatchObject({ neverSent: true })
    expect(server.asked).toHaveLength(4)
  })

  it('Retry-After is obeyed, in seconds and as a date', async () => {
    vi.setSystemTime('2026-11-21T12:00:00Z')
    const server = scriptedServer(
      problem(429, 'rate-limited', { 'retry-after': '7' }),
      problem(503, 'overloaded', { 'retry-after': 'Sat, 21 Nov 2026 12:00:12 GMT' }),
      json({}),
    )
    const waits: number[] = []
    const client = createClient({ baseUrl, fetch: server.fetch, onWait: (milliseconds) => waits.push(milliseconds) })
    await settled(client.call('readMe'))
    expect(waits).toEqual([7000, 5000])
  })

  it('a wait beyond its patience is left to the caller', async () => {
    const server = scriptedServer(problem(429, 'rate-limited', { 'retry-after': '900' }))
    const client = createClient({ baseUrl, fetch: server.fetch })
    await expect(settled(client.call('readMe'))).rejects.toMatchObject({ retryAfterSeconds: 900 })
    expect(server.asked).toHaveLength(1)
  })

  it("what the product says of a device (502, 504) is not; a proxy's is", async () => {
    const device = scriptedServer(problem(504, 'device-not-responding'))
    const href = 'light/1'
    const ask = (fetch: typeof device.fetch) =>
      settled(createClient({ baseUrl, fetch }).call('readResource', { deviceId, href, twin: false }))
    await expect(ask(device.fetch)).rejects.toMatchObject({ code: 'device-not-responding' })
    const proxy = scriptedServer(() => new Response('bad gateway', { status: 502 }), json({ href }))
    expect((await ask(proxy.fetch)).status).toBe(200)
  })
})

describe('the items of a list', () => {
  it('come from page to page, fetched as they are asked for', async () => {
    const server = scriptedServer(
      json({ items: [{ id: 'a' }, { id: 'b' }], nextCursor: 'c1' }),
      json({ items: [{ id: 'c' }], nextCursor: null }),
    )
    const client = createClient({ baseUrl, fetch: server.fetch })
    const seen: string[] = []
    for await (const { id } of client.items('listDevices', { limit: 2, online: true })) {
      seen.push(id)
      if (id === 'b') expect(server.asked).toHaveLength(1)
    }
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(server.asked[1]?.url).toContain('cursor=c1')
    expect(server.asked[1]?.url).toContain('online=true')
  })

  it('end when a server tells the same cursor for ever', async () => {
    const same = json({ items: [{ id: 'a' }], nextCursor: 'c1' })
    const client = createClient({ baseUrl, fetch: scriptedServer(same, same).fetch })
    const seen: unknown[] = []
    for await (const item of client.items('listDevices')) seen.push(item)
    expect(seen).toHaveLength(2)
  })
})

describe('live events', () => {
  const stream = (text: string) => () => new Response(text, { headers: { 'content-type': 'text/event-stream' } })
  const event = (id: string) => `id: ${id}\nevent: device.online\ndata: {"id":"${id}"}\n\n`

  it('go on after the last one when the feed ends, and tell what was lost', async () => {
    const server = scriptedServer(
      stream(`retry: 10\n: live\n\n${event('e1')}event: end\ndata: {"reason":"shutting-down"}\n\n`),
      stream(`event: reset\ndata: {"reason":"events-lost"}\n\n${event('e2')}`),
    )
    const stop = new AbortController()
    const client = createClient({ baseUrl, fetch: server.fetch })
    const seen: string[] = []
    const following = (async () => {
      for await (const each of client.events({ topic: 'device.*' }, { signal: stop.signal })) {
        seen.push(each.kind === 'event' ? `${each.id} ${each.topic}` : each.reason)
        if (seen.length === 3) stop.abort()
      }
    })()
    await settled(following)
    expect(seen).toEqual(['e1 device.online', 'events-lost', 'e2 device.online'])
    expect(server.asked[1]?.headers['last-event-id']).toBe('e1')
  })

  it('that are refused throw the problem', async () => {
    const client = createClient({ baseUrl, fetch: scriptedServer(problem(403, 'permission-denied')).fetch })
    await expect(client.events().next()).rejects.toMatchObject({ code: 'permission-denied' })
  })
})

describe('an answer of lines', () => {
  it('is given line by line, wherever its pieces end', async () => {
    const pieces = ['{"line":"exp', 'ort"}\n{"line":"end"}\n', '{"cut']
    const { fetch } = scriptedServer(
      () => new Response(ReadableStream.from(pieces.map((piece) => new TextEncoder().encode(piece)))),
    )
    const client = createClient({ baseUrl: 'https://example.com', fetch })
    const lines: string[] = []
    for await (const line of client.lines('exportAuditEvents')) lines.push(line)
    expect(lines).toEqual(['{"line":"export"}', '{"line":"end"}', '{"cut'])
  })
})
