/**
 * Postgres restarted, by a fast and by an immediate stop, and Redis killed and emptied, under load of the HTTP API (creating POSTs
 * with an Idempotency-Key, list reads) and of a device's telemetry: what was acknowledged is there once, what cannot be done now
 * is refused at once, and everything is back by itself, in the processes that were there.
 */

import { randomUUID } from 'node:crypto'
import {
  eventually,
  installationForTest,
  startPostgres,
  startRedisServer,
  type TestInstallation,
} from '@sallyport/development'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { effort, pause, quantile, say } from './effort.ts'
import { provisionedDevice } from './live-device.ts'
import { measurementName, startTelemetryLoad, type TelemetryLoad } from './telemetry-load.ts'

/** Milliseconds: no answer, a refusal neither, may take longer (reliability.md: 503 within 3 s). */
const longestAnswer = 3000
/** Milliseconds from a store's return until everybody is served again. */
const longestRecovery = 10_000
const callers = 4

let installation: TestInstallation
let telemetry: TelemetryLoad
let stopping = false
let session = { token: '' }
const stops: (() => Promise<void>)[] = []
const created: string[] = []
const served = Array.from({ length: 2 * callers }, () => 0)
const answers: {
  readonly status: number
  readonly code: string
  readonly took: number
  readonly retryAfter: boolean
}[] = []
const workers: Promise<void>[] = []

interface Asked {
  readonly status: number
  readonly code: string
}

/** One request, noted with its time. A login that Redis has forgotten is made again. */
async function ask(method: string, path: string, headers: Record<string, string>, body?: object): Promise<Asked> {
  const used = session.token
  const start = performance.now()
  const response = await fetch(`${installation.http}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${used}`,
      ...headers,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const { code = '' } = response.status < 400 ? {} : (JSON.parse(text) as { code?: string })
  const took = performance.now() - start
  answers.push({ status: response.status, code, took, retryAfter: response.headers.has('retry-after') })
  if (response.status === 401 && session.token === used) await logIn()
  return { status: response.status, code }
}

async function logIn(): Promise<void> {
  const { email, password } = installation.admin
  const response = await fetch(`${installation.http}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  })
  const body = (await response.json()) as { access_token?: string }
  if (body.access_token !== undefined) session = { token: body.access_token }
}

async function create(worker: number): Promise<void> {
  for (let number = 0; !stopping; number += 1) {
    const name = `role-${worker}-${number}`
    const headers = { 'idempotency-key': randomUUID() }
    for (;;) {
      const { status } = await ask('POST', '/api/v1/roles', headers, { name, permissions: [] })
      if (status === 201) break
      if (stopping) return
      await pause(100)
    }
    created.push(name)
    // An organization has at most a hundred roles: what was made goes again, and the audit trail keeps the books.
    for (;;) {
      const { status } = await ask('DELETE', `/api/v1/roles/${name}`, { 'if-match': '*' })
      if (status === 204 || status === 404) break
      if (stopping) return
      await pause(100)
    }
    served[worker] = (served[worker] ?? 0) + 1
    await pause(20)
  }
}

async function read(worker: number): Promise<void> {
  while (!stopping) {
    const { status } = await ask('GET', '/api/v1/devices', {})
    if (status === 200) served[worker] = (served[worker] ?? 0) + 1
    await pause(status === 200 ? 20 : 100)
  }
}

beforeAll(async () => {
  installation = await installationForTest({ environment: { SALLYPORT_REQUESTS_PER_MINUTE: '1000000' } })
  session = { token: installation.api.token }
  telemetry = startTelemetryLoad(await provisionedDevice(installation))
  for (let worker = 0; worker < callers; worker += 1) workers.push(create(worker), read(callers + worker))
})

afterAll(async () => {
  stopping = true
  await Promise.allSettled([...workers, telemetry?.stop()])
  for (const stop of stops) await stop()
  await installation?.stop()
})

let postgres: { stop(): Promise<void>; crash(): Promise<void> } | undefined
let redis: { kill(): Promise<unknown> } | undefined

async function restartPostgres(how: 'stop' | 'crash'): Promise<void> {
  await (postgres ?? installation.postgres)[how]()
  await pause(1500)
  const started = await startPostgres({ home: installation.home, port: installation.postgres.port, disposable: true })
  postgres = started
  stops.unshift(() => started.stop())
}

async function killRedis(): Promise<void> {
  await (redis ?? { kill: () => installation.redis.process.stop('SIGKILL') }).kill()
  await pause(1500)
  const port = Number(new URL(installation.redis.url).port)
  const started = await startRedisServer({ home: installation.home, port })
  redis = { kill: () => started.process.stop('SIGKILL') }
  stops.unshift(() => started.stop())
}

async function flushRedis(): Promise<void> {
  const client = new Redis(installation.redis.url)
  client.on('error', () => undefined)
  await client.flushall()
  client.disconnect()
}

const pidsNow = () => [installation.controlPlane.pid, installation.gateway.pid, installation.dps.pid]

describe('F44, F45: stores restarted under load', () => {
  it.each([
    ['Postgres, restarted by a fast stop', () => restartPostgres('stop')],
    ['Postgres, restarted by an immediate stop', () => restartPostgres('crash')],
    ['Redis, killed', killRedis],
    ['Redis, emptied', flushRedis],
  ])(
    '%s: refused at once, back by itself, in the same processes',
    async (name, fault) => {
      const everybodyServed = (before: readonly number[], device: number) => async () =>
        served.every((count, worker) => count >= (before[worker] ?? 0) + 3) &&
        telemetry.acknowledged.length >= device + 3
      await eventually('everybody is served', everybodyServed([...served], telemetry.acknowledged.length), 30_000)
      const pids = pidsNow()
      for (let round = 0; round < effort(1, 20); round += 1) {
        const first = answers.length
        await fault()
        const back = performance.now()
        await eventually(
          `everybody is served again after ${name}`,
          everybodyServed([...served], telemetry.acknowledged.length),
          60_000,
        )
        const recovery = performance.now() - back
        const during = answers.slice(first)
        const refused = during.filter(({ status }) => status >= 400)
        const counts = Object.entries(Object.groupBy(refused, ({ status, code }) => `${status} ${code}`))
        say(
          `${name}: ${during.length} answers, ${counts.map(([what, list]) => `${list?.length} × ${what}`).join(', ') || 'none refused'}; ` +
            `slowest ${quantile(
              during.map(({ took }) => took),
              1,
            ).toFixed(0)} ms; all served again ${recovery.toFixed(0)} ms after its return`,
        )
        expect(recovery).toBeLessThan(longestRecovery)
        expect(Math.max(...during.map(({ took }) => took))).toBeLessThan(longestAnswer)
        for (const answer of refused) {
          // 401: a session that only Redis knew. 409: the same key, whose first request is not done yet, or lost its answer.
          // 404: a role whose first deletion was done and lost its answer.
          expect(['503', '401', '409', '404'], JSON.stringify(answer)).toContain(String(answer.status))
          if (answer.status === 503) expect(answer.retryAfter).toBe(true)
          expect(answer.code).not.toBe('conflict')
        }
      }
      expect(pidsNow()).toEqual(pids)
    },
    effort(60_000, 1_800_000),
  )

  it('[5.2] [5.3] nothing that was acknowledged is lost, and nothing was done twice', async () => {
    stopping = true
    await Promise.all([...workers, telemetry.stop()])
    const client = new pg.Client({ connectionString: installation.databaseUrl })
    await client.connect()
    try {
      const events = await client.query<{ name: string; count: string }>(
        "select subject_id as name, count(*) from audit_event where type = 'role.created' group by 1",
      )
      const made = new Map(events.rows.map(({ name, count }) => [name, Number(count)]))
      const measured = await client.query<{ value: number; count: string }>(
        'select number_value as value, count(*) from telemetry where device_id = $1 and name = $2 group by 1',
        [telemetry.deviceId, measurementName],
      )
      const counts = new Map(measured.rows.map(({ value, count }) => [value, Number(count)]))
      say(
        `${created.length} roles acknowledged, ${made.size} made; ${telemetry.acknowledged.length} measurements acknowledged`,
      )
      expect(created.filter((name) => !made.has(name))).toEqual([])
      expect([...made.values()].filter((count) => count > 1)).toEqual([])
      expect(telemetry.acknowledged.filter((number) => !counts.has(number))).toEqual([])
      expect([...counts.values()].filter((count) => count > 1)).toEqual([])
    } finally {
      await client.end()
    }
  })
})
