import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StoreAroundDevices, system } from './store-around-devices.ts'

describe('a provisioning record', () => {
  let around: StoreAroundDevices
  beforeAll(async () => {
    around = await StoreAroundDevices.open()
  })
  afterAll(() => around.close())

  it('[4.10] shows each step with its date, code and error, the last outcome of each', async () => {
    const device = await around.claimed()
    const step = (...args: [Parameters<typeof around.store.provisioning.recordStep>[1], string, ...string[]]) => {
      const [name, coapCode, detail] = args
      return around.store.provisioning.recordStep(
        device.recordId,
        name,
        { coapCode, ...(detail === undefined ? {} : { errorCode: 'request-key-weak', detail }) },
        system,
      )
    }
    await step('time', '2.05')
    await step('credentials', '4.00', 'the key is too weak')
    await step('credentials', '2.04')
    await step('acls', '4.03', 'x'.repeat(5000))
    const record = await around.store.provisioning.read(around.organizationId, device.recordId)
    expect(record?.steps.map(({ at: _, detail, ...rest }) => ({ ...rest, detail: detail?.length }))).toEqual([
      { step: 'time', coapCode: '2.05', attempts: 1 },
      { step: 'credentials', coapCode: '2.04', attempts: 2 },
      { step: 'acls', coapCode: '4.03', errorCode: 'request-key-weak', attempts: 1, detail: 1000 },
    ])
    expect(record?.steps.every(({ at }) => Math.abs(at - Date.now()) < 5000)).toBe(true)
    const audited = (await around.audited('provisioning.step')).filter((event) => event.subject_id === device.recordId)
    expect(audited.map((event) => event.outcome)).toEqual(['succeeded', 'failed', 'succeeded', 'failed'])
    expect((await around.announced('provisioning.step')).length).toBe(4)
  })

  it('is refused a step that it does not know, and a step of a record that was never begun', async () => {
    await expect(
      around.store.provisioning.recordStep(randomUUID(), 'time', { coapCode: '2.05' }, system),
    ).rejects.toMatchObject({ code: 'not-found' })
  })

  it('says at each handshake whose device the key is, and whether that is blocked', async () => {
    const record = await around.begun()
    const { organizationId, groupId, spkiSha256 } = record
    const base = { organizationId, groupId, manufacturerSpkiSha256: spkiSha256 }
    expect(await around.store.provisioning.admission(randomUUID())).toBeUndefined()
    expect(await around.store.provisioning.admission(record.recordId)).toEqual({ ...base, deviceState: undefined })
    await around.claim(record)
    expect(await around.store.provisioning.admission(record.recordId)).toEqual({
      ...base,
      deviceId: record.id,
      deviceState: 'active',
    })
    await around.tables.query("update device set state = 'blocked' where id = $1", [record.id])
    expect(await around.store.provisioning.admission(record.recordId)).toMatchObject({ deviceState: 'blocked' })
    await expect(around.claim(record)).rejects.toMatchObject({ code: 'device-blocked' })
  })

  it('is archived with its device, and begins anew without its steps when the key comes again', async () => {
    const device = await around.registered()
    await around.store.provisioning.recordStep(device.recordId, 'time', { coapCode: '2.05' }, system)
    await around.store.devices.delete(around.organizationId, device.id, system)
    await expect(around.claim(device)).rejects.toMatchObject({ code: 'not-found' })
    await expect(around.code(device)).rejects.toMatchObject({ code: 'not-found' })
    await around.begun(device)
    const record = await around.store.provisioning.read(around.organizationId, device.recordId)
    expect(record).toMatchObject({ steps: [] })
    expect(record?.deviceId).toBeUndefined()
    await around.claim(device)
    expect(await around.store.devices.readForGateway(device.id)).toMatchObject({ registered: false })
  })

  it('may bring a deleted device to another organization, but not a living one', async () => {
    const other = await around.secondOrganization()
    const device = await around.registered()
    const moved = { ...device, ...other }
    await expect(around.begun(moved)).rejects.toMatchObject({ code: 'ownership-mismatch' })
    expect(await around.store.provisioning.read(other.organizationId, device.recordId)).toBeUndefined()
    await around.store.devices.delete(around.organizationId, device.id, system)
    await around.registered(moved)
    expect(await around.store.devices.read(around.organizationId, device.id)).toBeUndefined()
    expect(await around.store.devices.read(other.organizationId, device.id)).toMatchObject({ id: device.id })
  })
})
