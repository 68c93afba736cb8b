import { createClient, memorySessionStore, sessionTokens } from '@sallyport/client'
import { describe, expect, it } from 'vitest'
import { json, problem, scriptedServer } from './scripted-server.ts'

const baseUrl = 'https://sallyport.example'
const now = 1_000_000
const tokens = (name: string, expiresAt = now + 300_000) => ({
  accessToken: `access-${name}`,
  refreshToken: `refresh-${name}`,
  expiresAt,
})
const renewed = json({ access_token: 'access-2', refresh_token: 'refresh-2', expires_in: 300 })

function session(store: ReturnType<typeof memorySessionStore>, server: ReturnType<typeof scriptedServer>) {
  const options = { baseUrl, fetch: server.fetch, retries: 0 }
  return createClient({ ...options, tokens: sessionTokens({ client: createClient(options), store, now: () => now }) })
}

describe('the tokens of a session', () => {
  it('are renewed before they end', async () => {
    const store = memorySessionStore(tokens('1', now + 10_000))
    const server = scriptedServer(renewed, json({}))
    await session(store, server).call('readMe')
    expect(server.asked.map(({ url }) => url.slice(baseUrl.length))).toEqual(['/api/v1/auth/refresh', '/api/v1/me'])
    expect(server.asked[0]?.body).toBe('{"refresh_token":"refresh-1"}')
    expect(server.asked[1]?.headers.authorization).toBe('Bearer access-2')
    expect(await store.read()).toEqual({ ...tokens('2'), expiresAt: now + 300_000 })
  })

  it('are renewed once for all calls that were refused at the same time', async () => {
    const refused = problem(401, 'token-expired')
    const server = scriptedServer(refused, refused, refused, renewed, json({}), json({}), json({}))
    const client = session(memorySessionStore(tokens('1')), server)
    await Promise.all([client.call('readMe'), client.call('readMe'), client.call('readMe')])
    expect(server.asked.filter(({ url }) => url.endsWith('/refresh'))).toHaveLength(1)
  })

  it('that another program has renewed meanwhile are taken as they are', async () => {
    const store = memorySessionStore(tokens('1'))
    const server = scriptedServer(async () => {
      await store.write(tokens('other'))
      return new Response('{"code":"token-expired","title":"t","detail":"d"}', {
        status: 401,
        headers: { 'content-type': 'application/problem+json' },
      })
    }, json({}))
    await session(store, server).call('readMe')
    expect(server.asked[1]?.headers.authorization).toBe('Bearer access-other')
  })

  it('whose refresh is refused are forgotten, and the first refusal is told', async () => {
    const store = memorySessionStore(tokens('1'))
    const server = scriptedServer(problem(401, 'token-revoked'), problem(401, 'refresh-failed'))
    await expect(session(store, server).call('readMe')).rejects.toMatchObject({ code: 'token-revoked' })
    expect(await store.read()).toBeUndefined()
  })

  it('are kept when the server is not there to renew them', async () => {
    const store = memorySessionStore(tokens('1', now))
    const server = scriptedServer(problem(503, 'database-unavailable'))
    await expect(session(store, server).call('readMe')).rejects.toMatchObject({ code: 'database-unavailable' })
    expect(await store.read()).toEqual(tokens('1', now))
  })
})
