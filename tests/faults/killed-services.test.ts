/**
 * kill -9 of every service under the load of a small fleet, with Redis emptied and Postgres and Redis themselves killed in
 * between: everything comes back by itself, and what a device was told is stored is stored once.
 */

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
import { effort, firstSeed, pause, say } from './effort.ts'
import { provisionedDevice } from './live-device.ts'
import { randomFrom } from './network-faults.ts'
import { measurementName, startTelemetryLoad, type TelemetryLoad } from './telemetry-load.ts'

type ServiceName = 'gateway' | 'controlPlane' | 'dps'
const services: readonly ServiceName[] = ['gateway', 'controlPlane', 'dps']

let installation: TestInstallation
let fleet: readonly TelemetryLoad[] = []
const stops: (() => Promise<void>)[] = []
const random = randomFrom(firstSeed)

beforeAll(async () => {
  installation = await installationForTest()
  const devices = await Promise.all(Array.from({ length: effort(3, 10) }, () => provisionedDevice(installation)))
  fleet = devices.map(startTelemetryLoad)
})

afterAll(async () => {
  await Promise.allSettled(fleet.map((load) => load.stop()))
  for (const stop of stops) await stop()
  await installation?.stop()
})

/** Every device is told of something new that is stored. */
async function expectProgress(after: string): Promise<void> {
  const before = fleet.map(({ acknowledged }) => acknowledged.length)
  const start = performance.now()
  await eventually(
    `every device's telemetry is stored again after ${after}`,
    async () => fleet.every(({ acknowledged }, index) => acknowledged.length >= (before[index] ?? 0) + 3),
    60_000,
  )
  say(`after ${after}: telemetry flows again within ${((performance.now() - start) / 1000).toFixed(1)} s`)
}

async function killService(name: ServiceName): Promise<void> {
  const service = installation[name]
  const oldPid = service.pid
  await service.kill('SIGKILL')
  await service.readyAgain(oldPid)
  await expectProgress(`kill -9 of the ${service.name}`)
}

async function flushRedis(): Promise<void> {
  const redis = new Redis(installation.redis.url)
  redis.on('error', () => undefined)
  await redis.flushall()
  redis.disconnect()
  await expectProgress('FLUSHALL')
}

let postgres = { crash: () => installation.postgres.crash() }
let redisProcess = { kill: () => installation.redis.process.stop('SIGKILL') }

async function crashPostgres(): Promise<void> {
  await postgres.crash()
  await pause(500)
  const started = await startPostgres({ home: installation.home, port: installation.postgres.port, disposable: true })
  postgres = started
  stops.unshift(() => started.stop())
  await expectProgress('an immediate stop of Postgres')
}

async function killRedis(): Promise<void> {
  await redisProcess.kill()
  const started = await startRedisServer({
    home: installation.home,
    port: Number(new URL(installation.redis.url).port),
  })
  redisProcess = { kill: () => started.process.stop('SIGKILL') }
  stops.unshift(() => started.stop())
  await expectProgress('kill -9 of Redis')
}

async function readyServices(): Promise<readonly string[]> {
  const ready: string[] = []
  for (const name of services) {
    const response = await fetch(`${installation[name].ready.management}/readyz`)
    await response.arrayBuffer()
    if (response.ok) ready.push(name)
  }
  return ready
}

describe('killed under load', () => {
  it(
    '[5.2] [5.3] kill -9 of each service, an emptied Redis and a crashed Postgres lose and double no acknowledged telemetry',
    async () => {
      await expectProgress('the start')
      const kills = effort(3, 100)
      say(`${kills} kills of ${services.join(', ')} under ${fleet.length} devices, seed ${firstSeed}`)
      for (let kill = 0; kill < kills; kill += 1) {
        // Each service in turn first; then as the seed says.
        const name = services[kill < services.length ? kill : Math.floor(random() * services.length)] ?? 'gateway'
        await killService(name)
        if (kill % 5 === 0) await flushRedis()
        if (kill % 5 === 1) await crashPostgres()
        if (kill % 5 === 2) await killRedis()
      }
      await eventually('every service is ready', async () => (await readyServices()).length === services.length, 30_000)
      await Promise.all(fleet.map((load) => load.stop()))
      const acknowledged = fleet.reduce((sum, load) => sum + load.acknowledged.length, 0)
      const { lost, doubled } = await compareWithDatabase()
      say(
        `${acknowledged} measurements acknowledged, ${lost} lost, ${doubled} doubled; ` +
          `${fleet.reduce((sum, load) => sum + load.reconnections, 0)} reconnections, longest gap of a device ` +
          `${(Math.max(...fleet.map(({ longestGap }) => longestGap)) / 1000).toFixed(1)} s`,
      )
      expect({ lost, doubled }).toEqual({ lost: 0, doubled: 0 })
    },
    effort(60_000, 7_200_000),
  )

  it('[5.2] [5.3] afterwards a new device is provisioned, signs up and is served', async () => {
    const device = await provisionedDevice(installation)
    const link = await device.signIn()
    link.close()
  })
})

async function compareWithDatabase(): Promise<{ lost: number; doubled: number }> {
  const client = new pg.Client({ connectionString: installation.databaseUrl })
  await client.connect()
  try {
    let lost = 0
    let doubled = 0
    for (const { deviceId, acknowledged } of fleet) {
      const { rows } = await client.query<{ value: number; count: string }>(
        'SELECT number_value AS value, count(*) FROM telemetry WHERE device_id = $1 AND name = $2 GROUP BY 1',
        [deviceId, measurementName],
      )
      const stored = new Map(rows.map(({ value, count }) => [value, Number(count)]))
      lost += acknowledged.filter((number) => !stored.has(number)).length
      doubled += [...stored.values()].filter((count) => count > 1).length
    }
    return { lost, doubled }
  } finally {
    await client.end()
  }
}
