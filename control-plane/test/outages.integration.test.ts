import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freeTcpPort, startRedisServer } from '@sallyport/development'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let session: Session
let group: { id: string; organizationId: string }
const within = { timeout: 15_000, interval: 100 }

beforeAll(async () => {
  running = await RunningControlPlane.start()
  session = await running.logIn()
  const { body } = await session.call('POST', '/api/v1/enrollment-groups', {
    body: { name: 'Lamps', certificateChain: running.certificates.pem('Issuing', 'Manufacturer') },
  })
  group = { id: body.id, organizationId: running.admin.organizationId }
})
afterAll(() => running.stop())

const readiness = async () => {
  const answer = await fetch(`${running.controlPlane.addresses.management}/readyz`)
  return { status: answer.status, checks: ((await answer.json()) as { checks: Record<string, string> }).checks }
}

describe('an outage of Postgres', () => {
  it('is answered with 503 at once, shows in readiness, and is over by itself', async () => {
    const lamp = await running.register(group)
    const name = new URL(running.databaseUrl).pathname.slice(1)
    const maintenance = new URL(running.databaseUrl)
    maintenance.pathname = '/postgres'
    running.sql(`alter database ${name} allow_connections false`, maintenance.href)
    running.sql(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`, maintenance.href)
    try {
      const start = performance.now()
      const { status, body, headers } = await session.call('GET', '/api/v1/devices')
      expect([status, body.code]).toEqual([503, 'database-unavailable'])
      expect(headers.get('retry-after')).toBe('1')
      expect(performance.now() - start).toBeLessThan(4000)
      expect(await readiness()).toMatchObject({
        status: 503,
        checks: { database: 'database-unavailable', redis: 'ok' },
      })
      expect((await running.call('GET', '/.well-known/jwks.json')).status).toBe(200)
    } finally {
      running.sql(`alter database ${name} allow_connections true`, maintenance.href)
    }
    await expect.poll(async () => (await session.call('GET', '/api/v1/devices')).status, within).toBe(200)
    await expect.poll(async () => (await readiness()).status, within).toBe(200)
    // Listening began anew: who waits for a device is woken by its answer again.
    await running.signIn(lamp)
    await running.store.resources.publish(lamp.deviceId, [{ href: '/light/1', rt: [], if: [] }], 0, act)
    const waiting = session.call('PUT', `/api/v1/devices/${lamp.deviceId}/resources/light/1`, { body: { state: true } })
    let commandId: string | undefined
    await expect
      .poll(async () => {
        const [command] = await running.store.commands.pendingFor(lamp.deviceId)
        commandId = command?.id
        return commandId
      }, within)
      .toBeDefined()
    await running.store.commands.claim(commandId ?? '', 'gateway-test')
    await running.store.commands.complete(commandId ?? '', { state: 'succeeded', coapCode: '2.04' }, act)
    expect((await waiting).status).toBe(200)
  })
})

const act = { actor: { kind: 'system', id: 'test' }, correlationId: '0190e4b0-cccc-7000-8000-00000000abcd' } as const

describe('an outage of Redis', () => {
  it('keeps nobody out who is in, lets nobody in, loses no event, and is over by itself', async () => {
    const home = mkdtempSync(join(tmpdir(), 'sallyport-redis-'))
    const port = await freeTcpPort()
    let redis = await startRedisServer({ home, port })
    await running.restart({ SALLYPORT_REDIS_URL: redis.url })
    session = await running.logIn()
    const lamp = await running.register(group)
    const relayed = () => running.sql('select count(*) from outbox where published_at is null')
    await expect.poll(relayed, within).toBe('0')
    await redis.stop()
    const start = performance.now()
    expect((await session.call('GET', `/api/v1/devices/${lamp.deviceId}`)).status).toBe(200)
    const login = await running.call('POST', '/api/v1/auth/login', { body: running.login })
    expect([login.status, login.body.code]).toEqual([503, 'cache-unavailable'])
    expect(performance.now() - start).toBeLessThan(3000)
    expect(await readiness()).toMatchObject({ status: 200, checks: { redis: 'cache-unavailable' } })
    await running.store.resources.publish(lamp.deviceId, [{ href: '/light/1', rt: [], if: [] }], 0, act)
    expect(relayed()).not.toBe('0')
    redis = await startRedisServer({ home, port })
    await expect
      .poll(async () => (await running.call('POST', '/api/v1/auth/login', { body: running.login })).status, within)
      .toBe(200)
    await expect.poll(relayed, within).toBe('0')
    await running.restart()
    await redis.stop()
    rmSync(home, { recursive: true, force: true })
  })
})

describe('callers that go away', () => {
  it('leave nothing behind: a command that was waited for is still there, and the next call is served', async () => {
    session = await running.logIn()
    const lamp = await running.register(group)
    await running.signIn(lamp)
    const stop = new AbortController()
    const call = fetch(`${running.controlPlane.addresses.http}/api/v1/devices/${lamp.deviceId}/resources/light/1`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' },
      body: '{"state":true}',
      signal: stop.signal,
    })
    setTimeout(() => stop.abort(), 300)
    await expect(call).rejects.toThrow()
    const { body } = await session.call('GET', `/api/v1/devices/${lamp.deviceId}/commands`)
    expect(body.items).toHaveLength(1)
  })
})
