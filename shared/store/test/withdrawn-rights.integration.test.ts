import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { intentOf, randomDigest, StoreAroundDevices, system } from './store-around-devices.ts'

let around: StoreAroundDevices
beforeAll(async () => {
  around = await StoreAroundDevices.open()
})
afterAll(() => around.close())

/** A second group, so that the others of the file keep theirs. */
async function ownGroup(): Promise<{ organizationId: string; groupId: string }> {
  return await around.secondOrganization()
}

describe('an enrollment group that was disabled', () => {
  it('[4.5] gives nothing more to a device that has come in before: no claim, no code, no certificate', async () => {
    const { organizationId, groupId } = await ownGroup()
    const begun = await around.begun({ organizationId, groupId })
    const device = await around.claimed({ organizationId, groupId })
    const { issuanceId } = await around.store.certificates.beginIssuance(intentOf(device, randomDigest()), system)
    await around.store.enrollmentGroups.change(organizationId, groupId, { state: 'disabled' }, undefined, system)
    const refusal = { code: 'enrollment-disabled' }
    await expect(around.claim(begun)).rejects.toMatchObject(refusal)
    await expect(around.claim(device)).rejects.toMatchObject(refusal)
    await expect(around.code(device)).rejects.toMatchObject(refusal)
    await expect(
      around.store.certificates.beginIssuance(intentOf(device, randomDigest()), system),
    ).rejects.toMatchObject(refusal)
    await expect(
      around.store.certificates.completeIssuance({ issuanceId, der: Uint8Array.of(1), sha256: randomDigest() }, system),
    ).rejects.toMatchObject(refusal)
    await around.store.enrollmentGroups.change(organizationId, groupId, { state: 'active' }, undefined, system)
    await around.claim(begun)
    await around.code(device)
  })

  it('keeps those who are registered: their tokens are refreshed', async () => {
    const { organizationId, groupId } = await ownGroup()
    const device = await around.registered({ organizationId, groupId })
    await around.store.enrollmentGroups.delete(organizationId, groupId, undefined, system)
    await expect(around.claim(device)).rejects.toMatchObject({ code: 'enrollment-disabled' })
    expect(await around.store.devices.readForGateway(device.id)).toMatchObject({ registered: true })
  })
})

describe('a block', () => {
  it('outlives the deletion of the device: its manufacturer key stays out', async () => {
    const device = await around.registered()
    await around.tables.query("update device set state = 'blocked' where id = $1", [device.id])
    await around.store.devices.delete(around.organizationId, device.id, system)
    expect(await around.store.devices.read(around.organizationId, device.id)).toBeUndefined()
    expect(await around.store.provisioning.admission(device.recordId)).toMatchObject({ deviceState: 'blocked' })
    await around.begun(device)
    await expect(around.claim(device)).rejects.toMatchObject({ code: 'device-blocked' })
    // Gone is gone: it is not deleted a second time.
    await expect(around.store.devices.delete(around.organizationId, device.id, system)).rejects.toMatchObject({
      code: 'not-found',
    })
  })
})

describe('a device that was deleted and came again', () => {
  it('has what it measured stored, also where an earlier life measured the same at the same time', async () => {
    const device = await around.registered()
    const point = { deviceId: device.id, organizationId: around.organizationId, name: 'temperature' }
    const at = (Date.now() - 60_000) as never
    await around.store.telemetry.append([{ ...point, at, value: 1 }])
    await around.store.devices.delete(around.organizationId, device.id, system)
    await around.registered(device)
    expect(await around.store.telemetry.last(around.organizationId, device.id)).toEqual([])
    await around.store.telemetry.append([{ ...point, at, value: 2 }])
    // Sent again, since the answer was lost.
    await around.store.telemetry.append([{ ...point, at, value: 2 }])
    expect(await around.store.telemetry.last(around.organizationId, device.id)).toMatchObject([{ value: 2 }])
    await around.store.housekeep()
    expect(await around.store.telemetry.last(around.organizationId, device.id)).toMatchObject([{ value: 2 }])
  })
})

describe('a device that invents measurements', () => {
  it('is shown with a thousand of them, not with all', async () => {
    const device = await around.registered()
    await around.store.telemetry.append(
      Array.from({ length: 1500 }, (_, index) => ({
        deviceId: device.id,
        organizationId: around.organizationId,
        name: `m${index}`,
        at: Date.now() as never,
        value: index,
      })),
    )
    expect(await around.store.telemetry.last(around.organizationId, device.id)).toHaveLength(1000)
  })
})
