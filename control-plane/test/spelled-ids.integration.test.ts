import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { controlPlaneForFile } from './control-plane-for-file.ts'

const here = controlPlaneForFile()

describe('an id in capital letters is the same id', () => {
  it('where a device is deleted: services are told the id that they know, and the audit trail names it', async () => {
    const lamp = await here.running.register(here.group)
    const notices: string[] = []
    const stop = await here.running.store.listen(
      'device_closed',
      (payload) => notices.push(JSON.parse(payload).deviceId),
      () => {},
    )
    const { status } = await here.session.call('DELETE', `/api/v1/devices/${lamp.deviceId.toUpperCase()}`)
    expect(status).toBe(204)
    await expect.poll(() => notices).toEqual([lamp.deviceId])
    await stop()
    const trail = await here.session.call('GET', `/api/v1/audit-events?type=device.deleted&subjectId=${lamp.deviceId}`)
    expect(trail.body.items).toHaveLength(1)
  })

  it('where a command is given: the gateway is told the id that it knows, at once', async () => {
    const lamp = await here.running.register(here.group)
    await here.running.signIn(lamp)
    const notices: string[] = []
    const stop = await here.running.store.listen(
      'command_created',
      (payload) => notices.push(JSON.parse(payload).deviceId),
      () => {},
    )
    const path = `/api/v1/devices/${lamp.deviceId.toUpperCase()}/resources/light`
    expect((await here.session.call('PUT', path, { body: { on: true }, headers: { prefer: 'wait=0' } })).status).toBe(
      202,
    )
    await expect.poll(() => notices).toEqual([lamp.deviceId])
    await stop()
  })

  it('where the audit trail is asked for what a correlation id joined', async () => {
    const correlationId = randomUUID()
    const lamp = await here.running.register(here.group)
    await here.session.call('PATCH', `/api/v1/devices/${lamp.deviceId}`, {
      body: { name: 'Lamp' },
      headers: { 'if-match': '*', 'x-correlation-id': correlationId },
    })
    const trail = await here.session.call('GET', `/api/v1/audit-events?correlationId=${correlationId.toUpperCase()}`)
    expect(trail.body.items).toHaveLength(1)
  })
})
