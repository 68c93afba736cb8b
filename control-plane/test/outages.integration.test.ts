import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freeTcpPort, startRedisServer } from '@sallyport/development'
import { describe, expect, it } from 'vitest'
import { controlPlaneForFile } from './control-plane-for-file.ts'

const here = controlPlaneForFile()
const within = { timeout: 15_000, interval: 100 }

const readiness = async () => {
  const answer = await fetch(`${here.running.controlPlane.addresses.management}/readyz`)
  return { status: answer.status, checks: ((await answer.json()) as { checks: Record<string, string> }).checks }
}

describe('an outage of Postgres', () => {
  it('is answered with 503 at once, shows in readiness, and is over by itself', async () => {
    const lamp = await here.running.register(here.group)
    const name = new URL(here.running.databaseUrl).pathname.slice(1)
    const maintenance = new URL(here.running.databaseUrl)
    maintenance.pathname = '/postgres'
    here.running.sql(`alter database ${name} allow_connections false`, maintenance.href)
    here.running.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
      maintenance.href,
    )
    try {
      const start = performance.now()
      const { status, body, headers } = await here.session.call('GET', '/api/v1/devices')
      expect([status, body.code]).toEqual([503, 'database-unavailable'])
      expect(headers.get('retry-after')).toBe('1')
      expect(performance.now() - start).toBeLessThan(4000)
      expect(await readiness()).toMatchObject({
        status: 503,
        checks: { database: 'database-unavailable', redis: 'ok' },
      })
      expect((await here.running.call('GET', '/.well-known/jwks.json')).status).toBe(200)
    } finally {
      here.running.sql(`alter database ${name} allow_connections true`, maintenance.href)
    }
    await expect.poll(async () => (await here.session.call('GET', '/api/v1/devices')).status, within).toBe(200)
    await expect.poll(async () => (await readiness()).status, within).toBe(200)
    // Listening began anew: who waits for a device is woken by its answer again.
    await here.running.signIn(lamp)
    await here.running.store.resources.publish(lamp.deviceId, [{ href: '/light/1', rt: [], if: [] }], 0, act)
    const waiting = here.session.call('PUT', `/api/v1/devices/${lamp.deviceId}/resources/light/1`, {
      body: { state: true },
    })
    let commandId: string | undefined
    await expect
      .poll(async () => {
        const [command] = await here.running.store.commands.pendingFor(lamp.deviceId)
        commandId = command?.id
        return commandId
      }, within)
      .toBeDefined()
    await here.running.store.commands.claim(commandId ?? '', 'gateway-test')
    await here.running.store.commands.complete(commandId ?? '', { state: 'succeeded', coapCode: '2.04' }, act)
    expect((await waiting).status).toBe(200)
  })
})

const act = { actor: { kind: 'system', id: 'test' }, correlationId: '0190e4b0-cccc-7000-8000-00000000abcd' } as const

describe('an outage of Redis', () => {
  it('keeps nobody out who is in, lets nobody in, loses no event, and is over by itself', async () => {
    const home = mkdtempSync(join(tmpdir(), 'sallyport-redis-'))
    const port = await freeTcpPort()
    let redis = await startRedisServer({ home, port })
    await here.running.restart({ SALLYPORT_REDIS_URL: redis.url })
    here.session = await here.running.logIn()
    const lamp = await here.running.register(here.group)
    const relayed = () => here.running.sql('select count(*) from outbox where published_at is null')
    await expect.poll(relayed, within).toBe('0')
    await redis.stop()
    const start = performance.now()
    expect((await here.session.call('GET', `/api/v1/devices/${lamp.deviceId}`)).status).toBe(200)
    const login = await here.running.call('POST', '/api/v1/auth/login', { body: here.running.login })
    expect([login.status, login.body.code]).toEqual([503, 'cache-unavailable'])
    expect(performance.now() - start).toBeLessThan(3000)
    expect(await readiness()).toMatchObject({ status: 200, checks: { redis: 'cache-unavailable' } })
    await here.running.store.resources.publish(lamp.deviceId, [{ href: '/light/1', rt: [], if: [] }], 0, act)
    expect(relayed()).not.toBe('0')
    redis = await startRedisServer({ home, port })
    await expect
      .poll(
        async () => (await here.running.call('POST', '/api/v1/auth/login', { body: here.running.login })).status,
        within,
      )
      .toBe(200)
    await expect.poll(relayed, within).toBe('0')
    await here.running.restart()
    await redis.stop()
    rmSync(home, { recursive: true, force: true })
  })
})

describe('callers that go away', () => {
  it('leave nothing behind: a command that was waited for is still there, and the next call is served', async () => {
    here.session = await here.running.logIn()
    const lamp = await here.running.register(here.group)
    await here.running.signIn(lamp)
    const stop = new AbortController()
    const call = fetch(
      `${here.running.controlPlane.addresses.http}/api/v1/devices/${lamp.deviceId}/resources/light/1`,
      {
        method: 'PUT',
        headers: { authorization: `Bearer ${here.session.accessToken}`, 'content-type': 'application/json' },
        body: '{"state":true}',
        signal: stop.signal,
      },
    )
    setTimeout(() => stop.abort(), 300)
    await expect(call).rejects.toThrow()
    const { body } = await here.session.call('GET', `/api/v1/devices/${lamp.deviceId}/commands`)
    expect(body.items).toHaveLength(1)
  })
})
