/**
 * The story that must always work, on real parts and through the front doors alone: a device with a manufacturer certificate
 * becomes a device that a customer sees and commands.
 */

import {
  type DeviceFiles,
  eventually,
  installationForTest,
  type RunningDevice,
  type TestInstallation,
} from '@sallyport/development'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EventFeed, followEvents } from './event-feed.ts'

/** As after a Redis that lost them; people's sessions, which are there too, stay. */
async function forgetSnapshots(): Promise<void> {
  const redis = new Redis(installation.redis.url)
  redis.on('error', () => undefined)
  const kept = await redis.keys('sallyport:associations:*')
  if (kept.length > 0) await redis.del(...kept)
  redis.disconnect()
}

interface Device {
  readonly id: string
  readonly online: boolean
  readonly lastSeenAt?: string
}
interface Page<T> {
  readonly items: readonly T[]
}
interface Twin {
  readonly href: string
  readonly representation: Readonly<Record<string, unknown>>
}

let installation: TestInstallation
let files: DeviceFiles
let device: RunningDevice
let events: EventFeed

const readDevice = () => installation.api.get<Device>(`/api/v1/devices/${files.id}`)
const online = () =>
  eventually('the device is online', async () => {
    const found = await readDevice()
    return found.online && found
  })
const offline = () => eventually('the device is offline', async () => !(await readDevice()).online, 40_000)
const toldOffline = () => events.seen.some(({ topic, deviceId }) => topic === 'device.offline' && deviceId === files.id)
const lamp = async () =>
  (await installation.api.get<Twin>(`/api/v1/devices/${files.id}/resources/light/1`)).representation

async function putLamp(body: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${installation.http}/api/v1/devices/${files.id}/resources/light/1`, {
    method: 'PUT',
    headers: {
      authorization: `Bearer ${installation.api.token}`,
      'content-type': 'application/json',
      'x-correlation-id': correlationId,
    },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
const correlationId = '0197a000-0000-7000-8000-00000000c0de'

beforeAll(async () => {
  installation = await installationForTest()
  files = await installation.manufactureDevice()
  events = await followEvents(installation, '')
  device = await installation.runDevice(files)
})

afterAll(async () => {
  events?.close()
  await installation?.stop()
})

describe('from a manufacturer certificate to a device that a customer sees and commands', () => {
  it('[4.10] [4.12] [4.18] the device provisions, signs up, signs in and is online', async () => {
    expect((await online()).id).toBe(files.id)
  })

  it('[4.10] each step of the provisioning is recorded with its date and code', async () => {
    const records = await installation.api.get<
      Page<{ id: string; deviceId: string; steps: readonly { step: string; coapCode: string; at: string }[] }>
    >(`/api/v1/provisioning-records?deviceId=${files.id}`)
    const record = records.items[0]
    expect(records.items).toHaveLength(1)
    const codes = Object.fromEntries((record?.steps ?? []).map(({ step, coapCode }) => [step, coapCode]))
    expect(codes).toEqual({
      time: '2.05',
      ownership: '2.05',
      'cloud-configuration': '2.04',
      credentials: '2.04',
      acls: '2.05',
    })
    for (const { at } of record?.steps ?? []) expect(Date.parse(at)).toBeGreaterThan(Date.now() - 120_000)
  })

  it('its published resources stand in the twin', async () => {
    const twins = await eventually('three twins', async () => {
      const { items } = await installation.api.get<Page<Twin>>(`/api/v1/devices/${files.id}/resources`)
      return items.length >= 3 && items.every(({ representation }) => representation !== null) && items
    })
    expect(twins.map(({ href }) => href).sort()).toEqual(
      expect.arrayContaining(['/battery/1', '/light/1', '/temperature/1']),
    )
  })

  it("[4.19] a customer's update changes the lamp on the device and is seen in the twin, the events and the audit trail", async () => {
    const before = (await lamp()).state
    const answer = await putLamp({ state: !before })
    expect(answer.status).toBe(200)
    await eventually('the twin has it', async () => (await lamp()).state === !before)
    const live = await installation.api.get<Twin>(`/api/v1/devices/${files.id}/resources/light/1?twin=false`)
    expect(live.representation.state).toBe(!before)
    await eventually('the event stream has it', async () =>
      events.seen.some(({ topic, data }) => topic === 'resource.changed' && data.href === '/light/1'),
    )
    const audit = await installation.api.get<Page<{ type: string; correlationId: string }>>(
      `/api/v1/audit-events?correlationId=${correlationId}`,
    )
    expect(audit.items.length).toBeGreaterThan(0)
  })

  it('[0.10] one correlation id goes from the HTTP call through the gateway log', async () => {
    await eventually('the gateway wrote the id', async () =>
      installation.logOf('gateway').some((line) => line.correlationId === correlationId),
    )
  })

  it('[4.19] telemetry that the device sent is there to read', async () => {
    const points = await eventually('telemetry', async () => {
      const { items } = await installation.api.get<Page<{ name: string; value: unknown }>>(
        `/api/v1/devices/${files.id}/telemetry`,
      )
      return items.length > 0 && items
    })
    expect(points.map(({ name }) => name).join(' ')).toContain('temperature')
  })

  it('[6.3] [6.22] a gateway that is killed is followed by one that goes on with the device, which was never offline', async () => {
    const oldPid = installation.gateway.pid
    await installation.gateway.kill('SIGKILL')
    await installation.gateway.readyAgain(oldPid)
    const before = (await lamp()).state
    expect((await putLamp({ state: !before })).status).toBe(200)
    expect((await readDevice()).online).toBe(true)
    expect(toldOffline()).toBe(false)
  }, 90_000)

  it('[4.17] [6.22] where the killed gateway leaves nothing to go on with, the device is offline, and comes back by itself', async () => {
    const oldPid = installation.gateway.pid
    await forgetSnapshots()
    await installation.gateway.kill('SIGKILL')
    // What the gateway wrote between the two.
    await forgetSnapshots()
    await offline()
    await eventually('customers are told', async () => toldOffline())
    await installation.gateway.readyAgain(oldPid)
    await eventually('the device is back', async () => (await readDevice()).online, 90_000)
  }, 150_000)

  it('[4.17] a device that stops is offline at once', async () => {
    await device.stop()
    await offline()
  })

  it('[4.16] a deleted device is closed and refused', async () => {
    device = await installation.runDevice(files)
    await online()
    const response = await fetch(`${installation.http}/api/v1/devices/${files.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${installation.api.token}` },
    })
    expect(response.status).toBe(204)
    const after = await fetch(`${installation.http}/api/v1/devices/${files.id}`, {
      headers: { authorization: `Bearer ${installation.api.token}` },
    })
    expect(after.status).toBe(404)
    await eventually(
      'the device was told',
      async () =>
        !(await installation.api.get<Page<Device>>('/api/v1/devices?online=true')).items.some(
          ({ id }) => id === files.id,
        ),
    )
  })
})
