import { execFileSync } from 'node:child_process'
import { clockFrom, days, hours, instant, minutes, seconds } from '@sallyport/clock'
import { databaseForTest } from '@sallyport/development'
import { createLogger, createMetrics } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import type { SealingKey, Token } from '@sallyport/hsm'
import { verifyAccessToken } from '@sallyport/keys'
import { migrate, openStore, type Store } from '@sallyport/store'
import { decodeProtectedHeader } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type KeyRing, openKeyRing } from '../src/key-ring.ts'
import { openMeasuredKeyRing } from '../src/key-ring-metrics.ts'
import { checkKeyPolicy } from '../src/key-rotation.ts'
import { openTokenForTest } from './opened-token.ts'
import { RunningControlPlane } from './running-control-plane.ts'

const log = createLogger({ service: 'test', level: 'silent' })
const clock = clockFrom(Date.now)
const policy = { activeFor: days(30), publishedFor: days(5), grace: days(15) }
const kidOf = (token: string): string => decodeProtectedHeader(token).kid ?? ''

describe('the key ring', () => {
  let database: Awaited<ReturnType<typeof databaseForTest>>
  let token: Token
  let sealingKey: SealingKey
  let hsmIsAway = false
  const stores: Store[] = []
  const rings: KeyRing[] = []
  const away = async (): Promise<never> => {
    throw new CodedError('hsm-unavailable', 'The HSM is away.')
  }
  const openOne = async (): Promise<KeyRing> => {
    const connectionString = database.urlAs('sallyport_control_plane')
    const store = await openStore({ connectionString, applicationName: 'test', clock, poolSize: 3 })
    stores.push(store)
    const breakable: SealingKey = {
      ...sealingKey,
      open: (...parameters) => (hsmIsAway ? away() : sealingKey.open(...parameters)),
      seal: (...parameters) => (hsmIsAway ? away() : sealingKey.seal(...parameters)),
    }
    const ring = await openKeyRing({ store, sealingKey: breakable, policy, log })
    rings.push(ring)
    return ring
  }
  beforeAll(async () => {
    token = await openTokenForTest('kek')
    await token.generateSealingKey('kek-1')
    sealingKey = await token.findSealingKey('kek-1')
  })
  afterAll(() => token.close())
  beforeEach(async () => {
    hsmIsAway = false
    database = await databaseForTest({
      migrate: (url) => migrate({ connectionString: url }),
      template: 'control-plane',
    })
  })
  afterEach(async () => {
    await Promise.all(rings.splice(0).map((ring) => ring.close()))
    await Promise.all(stores.splice(0).map((store) => store.close()))
    await database.drop()
  })
  /** So many days pass at once, for all keys. */
  function pass(duration: number): void {
    const statement = `
      alter table installation_key disable trigger keep_key_lifecycle;
      update installation_key set created_at = created_at - interval '${duration} ms',
        activated_at = activated_at - interval '${duration} ms', superseded_at = superseded_at - interval '${duration} ms',
        verifies_until = verifies_until - interval '${duration} ms';
      alter table installation_key enable trigger keep_key_lifecycle`
    execFileSync('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', database.url, '-c', statement])
  }
  const look = async (...some: readonly KeyRing[]) => {
    await Promise.all(some.map((ring) => ring.look()))
    // What the others did meanwhile.
    await Promise.all(some.map((ring) => ring.look()))
  }
  const states = (ring: KeyRing) => ring.records.map(({ state }) => state)
  const sign = (ring: KeyRing, lifetime = 14 * 86_400) => {
    const now = Math.floor(clock.now() / 1000)
    return ring.sign('rt+jwt', { iss: 'i', aud: 'a', sub: 's', iat: now, exp: now + lifetime })
  }
  const verify = (ring: KeyRing, signed: string) =>
    verifyAccessToken({
      token: signed,
      keys: ring.published(),
      issuer: 'i',
      audience: 'a',
      now: instant(Math.floor(clock.now() / 1000) * 1000),
      type: 'rt+jwt',
    })

  it('[2.2] [2.3] [2.29] of two processes goes through a hundred days: one key signs, known to both days before, and no token ends before its time', async () => {
    const first = await openOne()
    const second = await openOne()
    const known: { readonly kid: string; readonly day: number }[] = []
    const signed: string[] = []
    const signers = new Set<string>()
    for (let day = 0; day < 100; day += 2) {
      for (const { kid = '' } of second.published()) {
        if (!known.some((one) => one.kid === kid)) known.push({ kid, day })
      }
      const tokens = await Promise.all([sign(first), sign(second)])
      expect(kidOf(tokens[0])).toBe(kidOf(tokens[1]))
      const kid = kidOf(tokens[0])
      if (!signers.has(kid) && signers.size > 0) {
        expect(day - (known.find((one) => one.kid === kid)?.day ?? day)).toBeGreaterThanOrEqual(5)
      }
      signers.add(kid)
      signed.push(tokens[0])
      // A token lives 14 days; the test's days pass in the database alone, so that the age is counted here.
      for (const age of [0, 2, 6, 12]) {
        const earlier = signed[(day - age) / 2]
        if (earlier !== undefined) await verify(day % 2 === 0 ? first : second, earlier)
      }
      expect(states(first).filter((state) => state === 'active')).toHaveLength(1)
      pass(days(2))
      // Whoever looks first; the other hears of it, and looks for itself.
      await (day % 4 === 0 ? first : second).look()
      await (day % 4 === 0 ? second : first).look()
    }
    expect(signers.size).toBe(4)
    const oldest = signed[0]
    if (oldest !== undefined) await expect(verify(first, oldest)).rejects.toMatchObject({ code: 'token-invalid' })
  }, 60_000)

  it('whose HSM is away when a key is due goes on with the old one, says so, and changes it when the HSM is back', async () => {
    const metrics = createMetrics({ service: 'test' })
    const store = await openStore({ connectionString: database.url, applicationName: 'test', clock, poolSize: 3 })
    stores.push(store)
    const breakable: SealingKey = {
      ...sealingKey,
      seal: (...parameters) => (hsmIsAway ? away() : sealingKey.seal(...parameters)),
    }
    const ring = await openMeasuredKeyRing({ store, sealingKey: breakable, policy, log }, metrics, clock)
    rings.push(ring)
    const before = kidOf(await sign(ring))
    hsmIsAway = true
    pass(days(31))
    await look(ring)
    expect(kidOf(await sign(ring))).toBe(before)
    const exposition = await metrics.metrics()
    expect(Number(/sallyport_jwt_key_overdue_seconds.* (\d+)/.exec(exposition)?.[1])).toBeGreaterThan(86_000)
    expect(exposition).toMatch(/sallyport_jwt_key_checks_total\{.*outcome="failed".*\} [1-9]/)
    hsmIsAway = false
    await look(ring)
    expect(states(ring)).toEqual(['next', 'active'])
    // Also then it is published first.
    expect(kidOf(await sign(ring))).toBe(before)
    pass(days(5))
    await look(ring)
    expect(kidOf(await sign(ring))).not.toBe(before)
    expect(await metrics.metrics()).toMatch(/sallyport_jwt_key_overdue_seconds.* 0\n/)
  })

  it('of a process that cannot open the next key does not promote it', async () => {
    const [maker, store] = [await openOne(), stores[0]]
    if (store === undefined) throw new Error('no store')
    pass(days(26))
    hsmIsAway = false
    await look(maker)
    const active = maker.records.find(({ state }) => state === 'active')?.keyId ?? ''
    const half: SealingKey = {
      ...sealingKey,
      open: (sealed, context) =>
        new TextDecoder().decode(context).includes(active) ? sealingKey.open(sealed, context) : away(),
    }
    await maker.close()
    pass(days(5))
    await expect(openKeyRing({ store, sealingKey: half, policy, log })).rejects.toMatchObject({
      code: 'hsm-unavailable',
    })
    const states = (await store.installationKeys.live('jwt')).map(({ keyId, state }) => [keyId === active, state])
    expect(states).toEqual([
      [false, 'next'],
      [true, 'active'],
    ])
  })

  it('is told of a compromised key within a second, whoever withdraws it: it signs no more, and nothing of it is believed', async () => {
    const [first, second] = [await openOne(), await openOne()]
    const stolen = await sign(first)
    await verify(second, stolen)
    const act = { actor: { kind: 'system', id: 'test' }, correlationId: 'test' } as const
    const at = performance.now()
    await stores[0]?.installationKeys.retireCompromised('jwt', kidOf(stolen), act)
    for (const ring of [first, second]) {
      await expect
        .poll(() => verify(ring, stolen).catch((error: unknown) => error), { interval: 10 })
        .toMatchObject({
          code: 'token-invalid',
        })
      // There was no next key: a new one is made, and signs.
      await expect.poll(() => sign(ring).then(kidOf, () => kidOf(stolen)), { interval: 10 }).not.toBe(kidOf(stolen))
    }
    expect(performance.now() - at).toBeLessThan(1000)
    expect(kidOf(await sign(first))).toBe(kidOf(await sign(second)))
  })
})

describe('what is configured', () => {
  it.each([
    [{ ...policy, publishedFor: minutes(1) }, 'SALLYPORT_JWT_KEY_AHEAD is at least 300 s'],
    [{ ...policy, activeFor: days(5) }, 'SALLYPORT_JWT_KEY_PERIOD is longer than SALLYPORT_JWT_KEY_AHEAD'],
    [{ ...policy, grace: days(14) }, 'SALLYPORT_JWT_KEY_GRACE is at least 1213200 s'],
  ])('[2.22] %j is refused, and why', (wrong, rule) => {
    expect(() => checkKeyPolicy(wrong, days(14))).toThrow(rule)
  })

  it('[2.22] is taken where it fits', () => {
    const fits = {
      activeFor: hours(1),
      publishedFor: minutes(5),
      grace: (hours(1) + seconds(900)) as typeof policy.grace,
    }
    expect(checkKeyPolicy(fits, seconds(900))).toEqual(fits)
  })
})

describe('a control plane whose key was stolen', () => {
  let running: RunningControlPlane
  beforeAll(async () => {
    running = await RunningControlPlane.start()
  })
  afterAll(() => running.stop())

  it('[2.35] refuses what the key signed within a second of its withdrawal, publishes it no more, and people log in again', async () => {
    const session = await running.logIn()
    expect((await session.call('GET', '/api/v1/me')).status).toBe(200)
    const kid = kidOf(session.accessToken)
    const published = async () =>
      (await running.call('GET', '/.well-known/jwks.json')).body.keys.map((key: { kid: string }) => key.kid)
    expect(await published()).toEqual([kid])
    const act = { actor: { kind: 'system', id: 'operator' }, correlationId: 'incident' } as const
    const at = performance.now()
    await running.store.installationKeys.retireCompromised('jwt', kid, act)
    await expect.poll(async () => (await session.call('GET', '/api/v1/me')).status, { interval: 10 }).toBe(401)
    expect(performance.now() - at).toBeLessThan(1000)
    expect(await published()).not.toContain(kid)
    const refreshed = await running.call('POST', '/api/v1/auth/refresh', {
      body: { refresh_token: session.refreshToken },
    })
    expect(refreshed).toMatchObject({ status: 401, body: { code: 'refresh-failed' } })
    const again = await running.logIn()
    expect((await again.call('GET', '/api/v1/me')).status).toBe(200)
    expect(await published()).toContain(kidOf(again.accessToken))
  })
})
