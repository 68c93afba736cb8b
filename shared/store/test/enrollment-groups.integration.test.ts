import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authority, pemOf, randomDigest, StoreAroundDevices, system } from './store-around-devices.ts'

let around: StoreAroundDevices
beforeAll(async () => {
  around = await StoreAroundDevices.open()
})
afterAll(() => around.close())

describe('an enrollment group', () => {
  const make = (authorities = [authority()]) =>
    around.store.enrollmentGroups.create(
      around.organizationId,
      { name: 'Heaters', chainPem: pemOf('heaters'), authorities },
      system,
    )

  it('is found by the subject of its lead authority, in every state, with its whole chain', async () => {
    const lead = authority()
    const root = authority({ isLead: false, commonName: 'Root' })
    const group = await make([lead, root])
    const found = () => around.store.enrollmentGroups.findByAuthoritySubjects([lead.subjectSha256, randomDigest()])
    expect(await found()).toEqual([
      {
        id: group.id,
        organizationId: around.organizationId,
        name: 'Heaters',
        state: 'active',
        expectedIntervalSeconds: 60,
        authorities: [
          { ...lead, der: Buffer.from(lead.der) },
          { ...root, der: Buffer.from(root.der) },
        ],
      },
    ])
    expect(await around.store.enrollmentGroups.findByAuthoritySubjects([root.subjectSha256])).toEqual([])
    await around.store.enrollmentGroups.change(around.organizationId, group.id, { state: 'disabled' }, 1, system)
    expect(await found()).toMatchObject([{ state: 'disabled' }])
    expect(await around.store.enrollmentGroups.readForDevice(group.id)).toMatchObject({ state: 'disabled' })
    await around.store.enrollmentGroups.delete(around.organizationId, group.id, 2, system)
    expect(await found()).toEqual([])
    expect(await around.store.enrollmentGroups.readForDevice(group.id)).toBeUndefined()
  })

  it('keeps its authority while it is disabled, and gives it up when it is deleted or has another', async () => {
    const lead = authority()
    const group = await make([lead])
    await around.store.enrollmentGroups.change(
      around.organizationId,
      group.id,
      { state: 'disabled' },
      undefined,
      system,
    )
    // Another certificate of the same authority is the same authority.
    await expect(make([authority({ spkiSha256: lead.spkiSha256 })])).rejects.toMatchObject({ code: 'conflict' })
    const next = authority()
    const changed = await around.store.enrollmentGroups.change(
      around.organizationId,
      group.id,
      { authorities: [next], chainPem: pemOf('next'), leadCertificateName: 'Next' },
      undefined,
      system,
    )
    expect(changed).toMatchObject({
      version: 3,
      leadCertificateName: 'Next',
      state: 'disabled',
      chainPem: pemOf('next'),
    })
    const heir = await make([lead])
    await around.store.enrollmentGroups.delete(around.organizationId, heir.id, undefined, system)
    await make([lead])
  })

  it('has exactly one lead authority', async () => {
    for (const authorities of [[], [authority({ isLead: false })], [authority(), authority()]]) {
      await expect(make(authorities)).rejects.toMatchObject({ code: 'validation-failed' })
    }
  })

  it('is changed only as the version that was read', async () => {
    const group = await make()
    const change = (version: number | undefined) =>
      around.store.enrollmentGroups.change(
        around.organizationId,
        group.id,
        { expectedIntervalSeconds: 30 },
        version,
        system,
      )
    expect(await change(1)).toMatchObject({ version: 2, expectedIntervalSeconds: 30, name: 'Heaters' })
    await expect(change(1)).rejects.toMatchObject({ code: 'precondition-failed' })
    await expect(
      around.store.enrollmentGroups.delete(around.organizationId, group.id, 1, system),
    ).rejects.toMatchObject({ code: 'precondition-failed' })
    expect(await change(undefined)).toMatchObject({ version: 3 })
  })
})
