/**
 * A gateway that is restarted, or killed, under a fleet that reports all the time.
 *
 * Its socket outlives it: no device gets an ICMP error, and what comes meanwhile is served by the successor, which goes on with
 * the associations of its predecessor. Where nothing is left of them, the devices shake hands again, no faster than we admit.
 */

import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { seconds } from '@sallyport/clock'
import { type ApiClient, eventually, installationForTest, type TestInstallation } from '@sallyport/development'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { effort, pause, quantile, say } from './effort.ts'
import { enrollFleet } from './enrolled-fleet.ts'
import { clientHello, cookieOf } from './hostile-hello.ts'
import { measurementName, ReportingDevice } from './reporting-device.ts'

const devices = effort(40, 2000)
/** Every so many devices one has a lamp that the gateway observes. */
const lampEvery = effort(4, 10)
const startedAtATime = 20
const enrolledAtATime = 200

let installation: TestInstallation
let fleet: readonly ReportingDevice[] = []

beforeAll(
  async () => {
    installation = await installationForTest()
    const { coaps } = installation.gateway.ready
    if (coaps === undefined) throw new Error('the gateway has no CoAP address')
    const began = performance.now()
    // In parts, as onboarding codes do not last.
    while (fleet.length < devices) {
      const enrolled = await enrollFleet(installation.databaseUrl, Math.min(enrolledAtATime, devices - fleet.length))
      const from = fleet.length
      const made = enrolled.map((device, index) => new ReportingDevice(device, coaps, (from + index) % lampEvery === 0))
      const waiting = made.values()
      await Promise.all(
        Array.from({ length: startedAtATime }, async () => {
          for (const device of waiting) await device.start()
        }),
      )
      fleet = [...fleet, ...made]
    }
    say(`${devices} devices signed up and in within ${((performance.now() - began) / 1000).toFixed(1)} s`)
    await eventually('every lamp is observed', async () => lamps().every(({ lamp }) => lamp.isWatched), 30_000)
    for (const device of fleet) device.startReporting()
    await everyDeviceIsAcknowledged(3)
  },
  effort(120_000, 900_000),
)

afterAll(async () => {
  await Promise.allSettled(fleet.map((device) => device.stop()))
  await installation?.stop()
}, 120_000)

const lamps = () => fleet.flatMap(({ id, lamp }) => (lamp === undefined ? [] : [{ id, lamp }]))

/** From now on, so often. */
async function everyDeviceIsAcknowledged(times: number, within = effort(60_000, 120_000)): Promise<void> {
  const since = performance.now()
  await eventually(
    `every device is acknowledged ${times} times more`,
    async () => fleet.every(({ acknowledgements }) => (acknowledgements.at(-times)?.sentAt ?? 0) >= since),
    within,
  )
}

const refusalsSoFar = (): number => fleet.reduce((sum, { refusals }) => sum + refusals.length, 0)

const handshakesSince = (since: number): readonly number[] =>
  fleet.flatMap(({ handshakes }) => handshakes.filter((at) => at >= since))

/** For each device: the longest that it waited for an acknowledgement. */
const waitsSince = (since: number): readonly number[] =>
  fleet.map(({ acknowledgements }) =>
    Math.max(...acknowledgements.filter(({ at }) => at >= since).map(({ sentAt, at }) => at - sentAt)),
  )

function tell(what: string, since: number): void {
  const waits = waitsSince(since)
  say(
    `${what}, ${devices} devices: longest wait of a device p50 ${quantile(waits, 0.5).toFixed(0)} ms, ` +
      `max ${Math.max(...waits).toFixed(0)} ms; ${handshakesSince(since).length} handshakes`,
  )
  const takeover = installation.logOf('gateway').findLast(({ msg }) => msg === 'shard taken over')
  if (takeover !== undefined) {
    say(`the successor went on with ${takeover.imported} associations, read and imported within ${takeover.took} s`)
  }
}

/** What was acknowledged is in Postgres, once. */
async function compareWithDatabase(): Promise<{ acknowledged: number; lost: number; doubled: number }> {
  // Taken first: what is acknowledged while the database answers cannot be in its answer.
  const acknowledged = fleet.flatMap(({ id, acknowledgements }) =>
    acknowledgements.map(({ number }) => `${id} ${number}`),
  )
  const client = new pg.Client({ connectionString: installation.databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ id: string; value: number; count: string }>(
      'SELECT device_id AS id, number_value AS value, count(*) FROM telemetry WHERE name = $1 GROUP BY 1, 2',
      [measurementName],
    )
    const stored = new Map(rows.map(({ id, value, count }) => [`${id} ${value}`, Number(count)]))
    return {
      acknowledged: acknowledged.length,
      lost: acknowledged.filter((measurement) => !stored.has(measurement)).length,
      doubled: [...stored.values()].filter((count) => count > 1).length,
    }
  } finally {
    await client.end()
  }
}

async function expectNothingLost(): Promise<void> {
  const { acknowledged, lost, doubled } = await compareWithDatabase()
  say(`${acknowledged} measurements acknowledged so far, ${lost} lost, ${doubled} doubled`)
  expect({ lost, doubled }).toEqual({ lost: 0, doubled: 0 })
}

const registrations = (): readonly (readonly string[])[] => lamps().map(({ lamp }) => [...lamp.registrations])

/** Each lamp is turned, and the twin shows it: by the same registrations as before the restart. */
async function expectObservationsGoOn(power: number, before: ReturnType<typeof registrations>): Promise<void> {
  for (const { lamp } of lamps()) lamp.turn(power)
  await eventually(
    `the twins show power ${power}`,
    async () => {
      for (const { id } of lamps()) if ((await twinOf(id)).power !== power) return false
      return true
    },
    30_000,
  )
  expect(registrations()).toEqual(before)
}

async function twinOf(id: string): Promise<{ readonly power?: number }> {
  const { representation } = await installation.api.get<{ representation: { power?: number } }>(lampUrl(id))
  return representation
}

const lampUrl = (id: string): string => `/api/v1/devices/${id}/resources/light/1`

interface Answer {
  readonly status: number
  readonly body: { readonly id?: string; readonly state?: string }
}

async function switchLamp({ baseUrl, token }: ApiClient, id: string, body: unknown): Promise<Answer> {
  const response = await fetch(`${baseUrl}${lampUrl(id)}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, prefer: 'wait=20' },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

/** Answered by the device while the customer waited, or later. */
async function expectSucceeded(id: string, { status, body }: Answer): Promise<void> {
  if (status === 200) return
  expect(status).toBe(202)
  const read = () => installation.api.get<{ state: string }>(`/api/v1/devices/${id}/commands/${body.id}`)
  await eventually('the command has succeeded', async () => (await read()).state === 'succeeded', 30_000)
}

async function flushRedis(): Promise<void> {
  const redis = new Redis(installation.redis.url)
  redis.on('error', () => undefined)
  await redis.flushall()
  redis.disconnect()
}

/** RFC 6347 section 4.2.1: a HelloVerifyRequest carries the record number of the ClientHello that it answers. */
const recordNumberOf = (datagram: Buffer): number => datagram.readUIntBE(5, 6)

describe('the socket of the gateway', () => {
  it('[6.3] a thousand datagrams around a kill -9: none is refused, and those of the gap are answered by the successor', async () => {
    const { coaps } = installation.gateway.ready
    if (coaps === undefined) throw new Error('the gateway has no CoAP address')
    // Its answers come in one burst.
    const client = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })
    const errors: Error[] = []
    const answered = new Map<number, number>()
    client.on('error', (error) => errors.push(error))
    client.on('message', (datagram) => {
      if (cookieOf(datagram) !== undefined) answered.set(recordNumberOf(datagram), performance.now())
    })
    await new Promise<void>((resolve) => client.connect(coaps.port, coaps.host, resolve))
    const hello = clientHello(randomBytes(32))
    const sentAt: number[] = []
    const { pid } = installation.gateway
    let killedAt = Number.POSITIVE_INFINITY
    for (let number = 0; number < 1000; number += 1) {
      if (number === 200) {
        killedAt = performance.now()
        await installation.gateway.kill('SIGKILL')
      }
      hello.writeUIntBE(number, 5, 6)
      sentAt.push(performance.now())
      client.send(Buffer.from(hello))
      await pause(2)
    }
    await installation.gateway.readyAgain(pid)
    await eventually('every hello is answered', async () => answered.size === 1000).catch(() => undefined)
    const back = Math.min(...[...answered.values()].filter((at) => at > killedAt + 20))
    const inGap = sentAt.filter((at) => at > killedAt && at < back).length
    say(`${inGap} of 1000 hellos came in a gap of ${(back - killedAt).toFixed(0)} ms; ${answered.size} were answered`)
    expect(errors).toEqual([])
    expect(inGap).toBeGreaterThan(100)
    expect(answered.size).toBe(1000)
    client.close()
  })
})

const minutes = (count: number): number => count * 60_000

describe('a restart under load', () => {
  it(
    '[6.2] planned: nobody shakes hands, no acknowledged message is lost, observations go on',
    async () => {
      await everyDeviceIsAcknowledged(3)
      const observed = registrations()
      const since = performance.now()
      await installation.gateway.restart()
      await everyDeviceIsAcknowledged(3)
      tell('planned restart', since)
      expect(handshakesSince(since)).toHaveLength(0)
      // The promise is the soak's: otherwise the machine does other things at the same time.
      expect(Math.max(...waitsSince(since))).toBeLessThan(effort(15_000, 3_000))
      await expectObservationsGoOn(11, observed)
      await expectNothingLost()
    },
    minutes(3),
  )

  it(
    '[6.3] kill -9: associations, observations and pending commands go on at the successor, nothing acknowledged is lost',
    async () => {
      await everyDeviceIsAcknowledged(3)
      const observed = registrations()
      const since = performance.now()
      const { pid } = installation.gateway
      await installation.gateway.kill('SIGKILL')
      const lamp = lamps()[0]
      if (lamp === undefined) throw new Error('there is no lamp')
      const switched = switchLamp(installation.api, lamp.id, { state: true })
      await installation.gateway.readyAgain(pid)
      await everyDeviceIsAcknowledged(3)
      tell('kill -9', since)
      expect(handshakesSince(since)).toHaveLength(0)
      await expectSucceeded(lamp.id, await switched)
      expect(lamp.lamp.updates).toEqual([{ state: true }])
      await expectObservationsGoOn(12, observed)
      await expectNothingLost()
    },
    minutes(3),
  )

  it(
    '[6.3] kill -9 with Redis emptied: every device shakes hands again, without a storm, and is served within a minute',
    async () => {
      // The associations are lost: waiting for them shows nothing, where the machine has other things to do.
      for (const device of fleet) device.patience = seconds(effort(5, 10))
      await everyDeviceIsAcknowledged(3)
      const refusedBefore = refusalsSoFar()
      const since = performance.now()
      const { pid } = installation.gateway
      await flushRedis()
      await installation.gateway.kill('SIGKILL')
      // What the gateway wrote between the two.
      await flushRedis()
      await installation.gateway.readyAgain(pid)
      await everyDeviceIsAcknowledged(2, minutes(2))
      tell('kill -9 with Redis emptied', since)
      const handshakes = handshakesSince(since)
      const inAnySecond = handshakes.map((at) => handshakes.filter((other) => other >= at && other < at + 1000).length)
      const refusals = refusalsSoFar()
      const back = Math.max(...fleet.map(({ acknowledgements }) => firstAfter(acknowledgements, since)))
      say(
        `all back after ${((back - since) / 1000).toFixed(1)} s; ${handshakes.length} handshakes, ` +
          `at most ${Math.max(...inAnySecond)} in a second, ${refusals - refusedBefore} refusals`,
      )
      expect(back - since).toBeLessThan(minutes(1))
      expect(handshakes.length).toBeGreaterThanOrEqual(devices)
      expect(handshakes.length).toBeLessThan(1.2 * devices)
      expect(Math.max(...inAnySecond)).toBeLessThanOrEqual(500)
      await expectNothingLost()
    },
    minutes(3),
  )
})

/** When the first acknowledgement came of what was sent after the kill. */
const firstAfter = (acknowledgements: readonly { sentAt: number; at: number }[], since: number): number =>
  acknowledgements.find(({ sentAt }) => sentAt >= since)?.at ?? Number.POSITIVE_INFINITY
