import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { databaseForTest, nodeProgram } from '@sallyport/development'
import { migrate } from '@sallyport/store'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { RunningControlPlane } from './running-control-plane.ts'

/** Its parts are used, its own control plane is not asked. */
let parts: RunningControlPlane
const main = new URL('../src/main.ts', import.meta.url).pathname
const children: ChildProcess[] = []

beforeAll(async () => {
  parts = await RunningControlPlane.start()
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})
afterAll(() => parts.stop())

function start(environment: Readonly<Record<string, string | undefined>>, ...argv: readonly string[]) {
  const child = spawn(nodeProgram, [main, ...argv], {
    env: { PATH: process.env.PATH, SOFTHSM2_CONF: process.env.SOFTHSM2_CONF, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    said.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    said.err += chunk
  })
  return { child, said, exit: once(child, 'exit').then(([code]) => code as number | null) }
}

const own = (over: Readonly<Record<string, string | undefined>> = {}) => ({
  ...parts.environment,
  SALLYPORT_LOG_LEVEL: 'debug',
  SALLYPORT_READY_FILE: parts.certificates.path('ready.json'),
  ...over,
})

describe('the process', () => {
  it('migrates an empty database and ends, and finds nothing to do the second time', async () => {
    const database = await databaseForTest()
    const environment = { SALLYPORT_DATABASE_URL: database.url }
    const first = start(environment, 'migrate')
    expect([await first.exit, first.said.err]).toEqual([0, ''])
    expect(JSON.parse(first.said.out).applied.length).toBeGreaterThan(0)
    const second = start(environment, 'migrate')
    expect(await second.exit).toBe(0)
    expect(JSON.parse(second.said.out).applied).toEqual([])
    await database.drop()
  })

  it('shows an operator the signing keys, and withdraws one; no private part is shown', async () => {
    const environment = { SALLYPORT_DATABASE_URL: parts.environment.SALLYPORT_DATABASE_URL }
    const told = async (...argv: readonly string[]) => {
      const { exit, said } = start(environment, ...argv)
      expect([await exit, said.err]).toEqual([0, ''])
      return JSON.parse(said.out)
    }
    const [key] = await told('signing-keys')
    expect(Object.keys(key)).toEqual(['keyId', 'generation', 'state', 'createdAt', 'activatedAt', 'verifiesUntil'])
    expect(key.state).toBe('active')
    expect(await told('retire-signing-key', key.keyId)).toEqual({ keyId: key.keyId, retired: true })
    expect(await told('retire-signing-key', key.keyId)).toEqual({ keyId: key.keyId, retired: false })
    const unknown = start(environment, 'retire-signing-key', 'nobody')
    expect([await unknown.exit, unknown.said.err]).toEqual([1, expect.stringContaining('not-found')])
  })

  it('refuses a database whose schema is behind, and says what to do', async () => {
    const database = await databaseForTest()
    const { exit, said } = start(own({ SALLYPORT_DATABASE_URL: database.url }))
    expect(await exit).toBe(1)
    expect(said.err).toContain('configuration-invalid')
    expect(said.err).toContain('migrat')
    await database.drop()
  })

  it('says once it is ready where it listens, logs JSON with correlation ids and no secret, and stops by SIGTERM with 0', async () => {
    const readyFile = parts.certificates.path('ready.json')
    const { child, said, exit } = start(own())
    await expect.poll(() => existsSync(readyFile), { timeout: 15_000 }).toBe(true)
    expect(statSync(readyFile).mode & 0o777).toBe(0o600)
    const ready = JSON.parse(readFileSync(readyFile, 'utf8'))
    expect(ready).toEqual({
      pid: child.pid,
      http: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      internal: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/),
      management: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    })
    const correlationId = '0190e4b0-bbbb-7000-8000-00000000abcd'
    const login = await fetch(`${ready.http}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-correlation-id': correlationId },
      body: JSON.stringify(parts.login),
    })
    expect(login.status).toBe(200)
    const { access_token } = (await login.json()) as { access_token: string }
    const readiness = await fetch(`${ready.management}/readyz`)
    expect([readiness.status, await readiness.json()]).toEqual([
      200,
      { ready: true, checks: { database: 'ok', redis: 'ok', hsm: 'ok' } },
    ])
    const metrics = await (await fetch(`${ready.management}/metrics`)).text()
    expect(metrics).toMatch(
      /sallyport_http_request_duration_seconds_count{.*route="\/api\/v1\/auth\/login",status="200".*} 1/,
    )
    expect(metrics).toMatch(/sallyport_logins_total{.*outcome="succeeded".*} 1/)
    expect(metrics).toMatch(/sallyport_access_tokens_issued_total{.*holder="person".*} 1/)
    const expires = /sallyport_service_certificate_expires_timestamp_seconds{.*} (\d+)/.exec(metrics)?.[1]
    expect(Number(expires) * 1000).toBeGreaterThan(Date.now())
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
    expect(existsSync(readyFile)).toBe(false)
    const lines = said.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.find((line) => line.correlationId === correlationId && line.route !== undefined)).toMatchObject({
      service: 'control-plane',
      route: '/api/v1/auth/login',
      status: 200,
    })
    expect(said.err).toBe('')
    for (const secret of [
      parts.admin.password,
      access_token,
      new URL(parts.databaseUrl).password || 'postgres:postgres',
    ]) {
      expect(said.out).not.toContain(secret)
    }
  })

  it('makes no first admin whose password it could not write down, nor one that it was not asked for', async () => {
    const database = await databaseForTest({ migrate: (url) => migrate({ connectionString: url }) })
    const at = (file: string) => own({ SALLYPORT_DATABASE_URL: database.url, SALLYPORT_FIRST_ADMIN_FILE: file })
    const users = () => parts.sql('select count(*) from user_account', database.url)
    const unwritable = start(at('/nowhere/first-admin.json'))
    expect(await unwritable.exit).toBe(1)
    expect(unwritable.said.err).toContain('/nowhere/first-admin.json')
    expect(users()).toBe('0')
    rmSync(parts.certificates.path('ready.json'), { force: true })
    const silent = start(at(''))
    await expect.poll(() => existsSync(parts.certificates.path('ready.json')), { timeout: 15_000 }).toBe(true)
    expect(users()).toBe('0')
    silent.child.kill('SIGTERM')
    expect(await silent.exit).toBe(0)
    await database.drop()
  })

  it.each([
    ['SoftHSM', { SALLYPORT_PUBLIC_URL: 'https://sallyport.example' }, 'SoftHSM'],
    ['no public URL', { SALLYPORT_ALLOW_SOFTWARE_HSM: 'true' }, 'SALLYPORT_PUBLIC_URL'],
  ])('refuses a production start with %s', async (_what, over, named) => {
    const { exit, said } = start(own({ SALLYPORT_MODE: 'production', ...over }))
    expect(await exit).toBe(1)
    expect(said.err).toContain(named)
  })

  it('names every setting that is missing or wrong, without the secret ones’ values', async () => {
    const { exit, said } = start({
      SALLYPORT_DATABASE_URL: 'mysql://user:hunter2@host/db',
      SALLYPORT_HTTP_PORT: 'eighty',
    })
    expect(await exit).toBe(1)
    for (const name of [
      'SALLYPORT_DATABASE_URL',
      'SALLYPORT_HTTP_PORT',
      'SALLYPORT_SERVICE_KEY',
      'SALLYPORT_HSM_MODULE',
    ]) {
      expect(said.err).toContain(name)
    }
    expect(said.err).not.toContain('hunter2')
  })

  it('says which port is taken', async () => {
    const { port } = new URL(parts.controlPlane.addresses.http)
    const { exit, said } = start(own({ SALLYPORT_HTTP_PORT: port }))
    expect(await exit).toBe(1)
    expect(said.err).toContain(`127.0.0.1:${port}`)
  })
})
