import { type AddressInfo, connect } from 'node:net'
import { Type } from '@fastify/type-provider-typebox'
import { clockFrom, milliseconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { afterEach, describe, expect, it } from 'vitest'
import {
  closeGracefully,
  createHttpServer,
  type HttpServer,
  publicAccess,
  requires,
  routesOf,
  type ServedRequest,
} from '../src/index.ts'

const clock = clockFrom(() => Date.now())
const open: HttpServer[] = []

function server(served: ServedRequest[] = []): HttpServer {
  const made = createHttpServer({
    clock,
    authorize(_request, access) {
      if (access.kind === 'permission') {
        throw new CodedError('permission-denied', `Missing: ${access.permission}.`, {
          details: { permission: access.permission },
        })
      }
    },
    observer: { requestServed: (request) => served.push(request) },
    maxBodyBytes: 1000,
  })
  made.post(
    '/things/:id',
    {
      config: { access: publicAccess },
      schema: {
        params: Type.Object({ id: Type.String({ format: 'uuid' }) }),
        querystring: Type.Object(
          { count: Type.Optional(Type.Integer({ minimum: 1 })) },
          { additionalProperties: false },
        ),
        body: Type.Object({ name: Type.String({ maxLength: 5 }) }, { additionalProperties: false }),
      },
    },
    async (request) => ({ name: request.body.name, count: request.query.count ?? null }),
  )
  made.get('/secret', { config: { access: requires('secrets:read') } }, async () => 'seen')
  made.get('/fault', { config: { access: publicAccess } }, async () => {
    throw new Error('password=hunter2')
  })
  open.push(made)
  return made
}

const thing = '/things/0190e4b0-0000-7000-8000-000000000001'

/** One raw exchange: what goes out as it is, what comes back until the server closes. */
async function exchange(made: HttpServer, text: string): Promise<string> {
  await made.listen({ host: '127.0.0.1', port: 0 })
  const { port } = made.server.address() as AddressInfo
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.setTimeout(2000, () => socket.destroy())
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((made) => made.close()))
})

describe('problem documents', () => {
  it('answers a refused value with the fields that are wrong, and nothing is coerced in a body', async () => {
    const answer = await server().inject({ method: 'POST', url: thing, payload: { name: 7 } })
    expect(answer.statusCode).toBe(422)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.json()).toMatchObject({
      type: 'urn:sallyport:error:validation-failed',
      code: 'validation-failed',
      status: 422,
      instance: thing,
      details: { in: 'body', fields: [expect.stringContaining('/name')] },
    })
  })

  it('converts numbers in a query', async () => {
    const answer = await server().inject({ method: 'POST', url: `${thing}?count=3`, payload: { name: 'lamp' } })
    expect(answer.json()).toEqual({ name: 'lamp', count: 3 })
  })

  it.each(['1.5', '1e2', '0x10', '', 'many', 'true', '0', '-1'])('takes %j for no integer from 1 on', async (count) => {
    const answer = await server().inject({ method: 'POST', url: `${thing}?count=${count}`, payload: { name: 'lamp' } })
    expect([answer.statusCode, answer.json().code]).toEqual([422, 'validation-failed'])
  })

  it.each([
    ['an unknown field', { name: 'a', role: 'admin' }, 422],
    ['__proto__', '{"name":"a","__proto__":{"role":"admin"}}', 400],
    ['constructor.prototype', '{"name":"a","constructor":{"prototype":{"role":"admin"}}}', 400],
    ['half a document', '{"name":', 400],
    ['an empty body', '', 400],
  ])('refuses a body with %s', async (_what, payload, status) => {
    const answer = await server().inject({
      method: 'POST',
      url: thing,
      headers: { 'content-type': 'application/json' },
      payload,
    })
    expect(answer.statusCode).toBe(status)
    expect(answer.json().code).toMatch(/^(validation-failed|malformed-request)$/)
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml'])(
    'takes no %s, which a foreign page could send without a preflight',
    async (type) => {
      const answer = await server().inject({
        method: 'POST',
        url: thing,
        headers: { 'content-type': type },
        payload: '{"name":"a"}',
      })
      expect(answer.statusCode).toBe(415)
      expect(answer.json().code).toBe('unsupported-content-format')
    },
  )

  it('takes no compressed body', async () => {
    const answer = await server().inject({
      method: 'POST',
      url: thing,
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      payload: 'x',
    })
    expect(answer.statusCode).toBe(415)
  })

  it('takes no body over its limit', async () => {
    const answer = await server().inject({ method: 'POST', url: thing, payload: { name: 'x'.repeat(2000) } })
    expect(answer.statusCode).toBe(413)
    expect(answer.json().code).toBe('request-too-large')
  })

  it('finds nothing at an id that is no id', async () => {
    const answer = await server().inject({ method: 'POST', url: '/things/..%2f..', payload: { name: 'a' } })
    expect(answer.statusCode).toBe(404)
    expect(answer.json().code).toBe('not-found')
  })

  it('tells an unknown path from a known path with another method, which lists what is allowed', async () => {
    const made = server()
    expect((await made.inject('/nothing')).json().code).toBe('not-found')
    const answer = await made.inject({ method: 'DELETE', url: thing })
    expect(answer.statusCode).toBe(405)
    expect(answer.headers.allow).toBe('POST')
    expect(answer.json().code).toBe('method-not-allowed')
  })

  it('shows nothing of an error of ours', async () => {
    const answer = await server().inject('/fault')
    expect(answer.statusCode).toBe(500)
    expect(answer.json().code).toBe('internal')
    expect(answer.body).not.toContain('hunter2')
  })

  it('keeps the query, which may hold secrets, out of the document', async () => {
    const answer = await server().inject('/fault?code=hunter2')
    expect(answer.body).not.toContain('hunter2')
    expect(answer.json().instance).toBe('/fault')
  })

  it('answers a URL that does not decode with a problem document', async () => {
    const answer = await server().inject('/things/%E0%A4%A')
    expect(answer.statusCode).toBe(400)
    expect(answer.json().code).toBe('malformed-request')
  })
})

describe('correlation ids', () => {
  it('keeps the caller’s UUID and gives it back, in the problem document too', async () => {
    const id = '0190e4b0-1234-7000-8000-00000000abcd'
    const answer = await server().inject({ url: '/nothing', headers: { 'x-correlation-id': id } })
    expect(answer.headers['x-correlation-id']).toBe(id)
    expect(answer.json().correlationId).toBe(id)
  })

  it.each(['', 'a b', '"; drop table', 'x'.repeat(2000)])(
    'makes its own where the header is no UUID',
    async (header) => {
      const answer = await server().inject({ url: '/nothing', headers: { 'x-correlation-id': header } })
      expect(answer.headers['x-correlation-id']).toMatch(/^[0-9a-f-]{36}$/)
      expect(answer.headers['x-correlation-id']).not.toBe(header)
    },
  )
})

describe('access', () => {
  it('refuses to start with a route that declares no access', async () => {
    const made = server()
    made.get('/forgotten', async () => 'open')
    await expect(made.ready()).rejects.toThrow('/forgotten')
  })

  it('[1.9] refuses to start with a route that requires a permission nobody could have', async () => {
    const made = createHttpServer({
      clock: clockFrom(() => 0),
      authorize: () => undefined,
      permissions: ['lamps:read'],
    })
    made.get('/lamps', { config: { access: requires('lamps:read') } }, async () => 'lamps')
    made.get('/typo', { config: { access: requires('lamp:read') } }, async () => 'lamps')
    await expect(made.ready()).rejects.toThrow('/typo requires lamp:read')
  })

  it('asks for the declared permission before the handler runs', async () => {
    const answer = await server().inject('/secret')
    expect(answer.statusCode).toBe(403)
    expect(answer.json().details).toEqual({ permission: 'secrets:read' })
  })

  it('lists its routes with what they require', () => {
    expect(routesOf(server())).toContainEqual({ method: 'GET', url: '/secret', access: requires('secrets:read') })
  })
})

describe('answers', () => {
  it('carry security headers, on errors too', async () => {
    const answer = await server().inject('/nothing')
    expect(answer.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    })
  })

  it('are counted by the pattern of the route, never by its path', async () => {
    const served: ServedRequest[] = []
    const made = server(served)
    await made.inject({ method: 'POST', url: thing, payload: {} })
    await made.inject('/wp-admin')
    expect(served.map(({ route, status, errorCode }) => ({ route, status, errorCode }))).toEqual([
      { route: '/things/:id', status: 422, errorCode: 'validation-failed' },
      { route: 'unmatched', status: 404, errorCode: 'not-found' },
    ])
  })
})

describe('requests that Node’s parser sees', () => {
  const host = 'Host: a\r\n'

  it('refuses Content-Length together with Transfer-Encoding', async () => {
    const text = `POST ${thing} HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`
    expect(await exchange(server(), text)).toMatch(/^HTTP\/1\.1 400 .*malformed-request/s)
  })

  it('refuses two Content-Lengths', async () => {
    const text = `POST ${thing} HTTP/1.1\r\n${host}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd`
    expect(await exchange(server(), text)).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('refuses 100 KB of headers with 431', async () => {
    const text = `GET /secret HTTP/1.1\r\n${host}X: ${'a'.repeat(100_000)}\r\n\r\n`
    expect(await exchange(server(), text)).toMatch(/^HTTP\/1\.1 431 .*request-too-large/s)
  })

  it('refuses a request without Host', async () => {
    expect(await exchange(server(), 'GET /nothing HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('refuses an expectation that it does not know with 417', async () => {
    const text = `GET /nothing HTTP/1.1\r\n${host}Expect: tea\r\nConnection: close\r\n\r\n`
    expect(await exchange(server(), text)).toMatch(/^HTTP\/1\.1 417 /)
  })

  it('answers HTTP/1.0', async () => {
    expect(await exchange(server(), `GET /nothing HTTP/1.0\r\n${host}\r\n`)).toMatch(/^HTTP\/1\.1 404 /)
  })
})

describe('a graceful stop', () => {
  const slowly = async (durations: number) => {
    const made = server()
    made.get('/slow', { config: { access: publicAccess } }, async () => {
      await new Promise((resolve) => setTimeout(resolve, durations))
      return { done: true }
    })
    await made.listen({ host: '127.0.0.1', port: 0 })
    const url = `http://127.0.0.1:${(made.server.address() as AddressInfo).port}/slow`
    const answer = fetch(url).then(
      (response) => response.json(),
      () => 'cut',
    )
    await new Promise((resolve) => setTimeout(resolve, 100))
    return { made, url, answer }
  }

  it('lets a request in flight finish, does not wait for its kept connection, and takes no new one', async () => {
    const { made, url, answer } = await slowly(400)
    const start = performance.now()
    await closeGracefully(made)
    expect(performance.now() - start).toBeLessThan(2000)
    expect(await answer).toEqual({ done: true })
    await expect(fetch(url)).rejects.toThrow()
  })

  it('does not wait for a connection on which no request has come', async () => {
    const made = server()
    await made.listen({ host: '127.0.0.1', port: 0 })
    const socket = connect((made.server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => {})
    await new Promise((resolve) => setTimeout(resolve, 100))
    const start = performance.now()
    await closeGracefully(made)
    expect(performance.now() - start).toBeLessThan(2000)
    socket.destroy()
  })

  it('cuts what does not finish in its time', async () => {
    const { made, answer } = await slowly(5000)
    const start = performance.now()
    await closeGracefully(made, milliseconds(300))
    expect(performance.now() - start).toBeLessThan(2000)
    expect(await answer).toBe('cut')
  })
})
