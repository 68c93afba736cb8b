import { randomBytes } from 'node:crypto'
import { earlier, later, minutes, seconds } from '@sallyport/clock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type ClaimedDevice,
  clock,
  intentOf,
  randomDigest,
  StoreAroundDevices,
  system,
} from './store-around-devices.ts'

describe('an identity certificate', () => {
  let around: StoreAroundDevices
  beforeAll(async () => {
    around = await StoreAroundDevices.open()
  })
  afterAll(() => around.close())

  const repeatOf = (device: ClaimedDevice, keySha256: string) =>
    around.store.certificates.findRepeat({
      deviceId: device.id,
      spkiSha256: keySha256,
      profile: 'identity',
      within: minutes(10),
    })

  it('[4.8] is handed out again for the same device, key and profile, until its first sign-in', async () => {
    const device = await around.claimed()
    const keySha256 = randomDigest()
    const sha256 = await around.issue(device, keySha256)
    expect(await repeatOf(device, keySha256)).toMatchObject({ sha256 })
    expect(await repeatOf(device, randomDigest())).toBeUndefined()
    await around.store.certificates.markSignedIn(sha256, system)
    expect(await repeatOf(device, keySha256)).toBeUndefined()
  })

  it('[4.8] is not handed out again after 10 min', async () => {
    const device = await around.claimed()
    const keySha256 = randomDigest()
    const sha256 = await around.issue(device, keySha256)
    await around.tables.query("update certificate set issued_at = now() - interval '601 seconds' where sha256 = $1", [
      sha256,
    ])
    expect(await repeatOf(device, keySha256)).toBeUndefined()
    expect(await around.issue(device, keySha256)).not.toBe(sha256)
  })

  it('[4.12] is known by its digest only once it is complete', async () => {
    const device = await around.claimed()
    const { issuanceId } = await around.store.certificates.beginIssuance(intentOf(device, randomDigest()), system)
    const [sha256, der] = [randomDigest(), randomBytes(80)]
    expect(await around.store.certificates.findRecorded(sha256)).toBeUndefined()
    await around.store.certificates.completeIssuance({ issuanceId, der, sha256 }, system)
    expect(await around.store.certificates.findRecorded(sha256)).toMatchObject({
      deviceId: device.id,
      organizationId: around.organizationId,
      recordId: device.recordId,
      state: 'issued',
      deviceState: 'active',
    })
  })

  it('is withdrawn, not doubled, when an issuance of before did not come to its end', async () => {
    const device = await around.claimed()
    const keySha256 = randomDigest()
    const lost = await around.store.certificates.beginIssuance(intentOf(device, keySha256), system)
    const sha256 = await around.issue(device, keySha256)
    await expect(
      around.store.certificates.completeIssuance({ ...lost, der: randomBytes(80), sha256: randomDigest() }, system),
    ).rejects.toMatchObject({ code: 'conflict' })
    expect(await repeatOf(device, keySha256)).toMatchObject({ sha256 })
  })

  it('can be found when it was announced and nothing came of it, and never becomes good once it has failed', async () => {
    const device = await around.claimed()
    const intent = intentOf(device, randomDigest())
    const { issuanceId } = await around.store.certificates.beginIssuance(intent, system)
    expect(await around.store.certificates.findOrphans(earlier(clock.now(), minutes(5)))).toEqual([])
    const orphans = await around.store.certificates.findOrphans(later(clock.now(), seconds(5)))
    expect(orphans).toMatchObject([{ issuanceId, serialNumber: intent.serialNumber, deviceId: device.id }])
    await around.store.certificates.failIssuance(issuanceId, 'hsm-unavailable', system)
    await around.store.certificates.failIssuance(issuanceId, 'hsm-unavailable', system)
    expect(await around.store.certificates.findOrphans(later(clock.now(), seconds(5)))).toEqual([])
    await expect(
      around.store.certificates.completeIssuance({ issuanceId, der: randomBytes(80), sha256: randomDigest() }, system),
    ).rejects.toMatchObject({ code: 'conflict' })
    expect(
      (await around.audited('certificate.issuance-failed')).filter((event) => event.subject_id === issuanceId),
    ).toEqual([
      {
        subject_id: issuanceId,
        outcome: 'failed',
        details: { deviceId: device.id, serialNumber: intent.serialNumber, code: 'hsm-unavailable' },
      },
    ])
  })

  it('supersedes the older ones at its first sign-in, and not before', async () => {
    const device = await around.registered()
    await around.store.certificates.markSignedIn(device.certificateSha256, system)
    const renewed = await around.issue(device)
    const state = async (sha256: string) => (await around.store.certificates.findRecorded(sha256))?.state
    expect([await state(device.certificateSha256), await state(renewed)]).toEqual(['active', 'issued'])
    // Signing in with the old one meanwhile keeps both.
    await around.store.certificates.markSignedIn(device.certificateSha256, system)
    expect(await state(renewed)).toBe('issued')
    await around.store.certificates.markSignedIn(renewed, system)
    expect([await state(device.certificateSha256), await state(renewed)]).toEqual(['superseded', 'active'])
  })

  it('[4.16] is withdrawn when unknown, superseded, revoked, or its device is blocked or deleted', async () => {
    const live = await around.registered()
    const deleted = await around.registered()
    await around.store.devices.delete(around.organizationId, deleted.id, system)
    const blocked = await around.registered()
    await around.tables.query("update device set state = 'blocked' where id = $1", [blocked.id])
    const unknown = randomDigest()
    const withdrawn = await around.store.certificates.withdrawnAmong([
      live.certificateSha256,
      deleted.certificateSha256,
      blocked.certificateSha256,
      unknown,
    ])
    expect([...withdrawn].sort()).toEqual([deleted.certificateSha256, blocked.certificateSha256, unknown].sort())
    expect(await around.store.certificates.findRecorded(blocked.certificateSha256)).toMatchObject({
      deviceState: 'blocked',
    })
  })

  it('is announced for nothing but a device that its record has claimed', async () => {
    const device = await around.begun()
    const begin = (of: ClaimedDevice) => around.store.certificates.beginIssuance(intentOf(of, randomDigest()), system)
    await expect(begin(device)).rejects.toMatchObject({ code: 'device-not-registered' })
    await around.claim(device)
    const other = await around.begun()
    await expect(begin({ ...device, recordId: other.recordId })).rejects.toMatchObject({
      code: 'device-not-registered',
    })
    await around.tables.query("update device set state = 'blocked' where id = $1", [device.id])
    await expect(begin(device)).rejects.toMatchObject({ code: 'device-blocked' })
  })
})
