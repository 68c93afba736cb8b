import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NewPsk, PskRecord } from '../src/index.ts'
import { digestOf, inMinutes, randomDigest, StoreAroundDevices, system } from './store-around-devices.ts'

let around: StoreAroundDevices
beforeAll(async () => {
  around = await StoreAroundDevices.open()
  await allow(true)
})
afterAll(() => around.close())

const allow = (allowsPsk: boolean) =>
  around.store.enrollmentGroups.change(around.organizationId, around.groupId, { allowsPsk }, undefined, system)

function newPsk(): NewPsk {
  const id = randomUUID()
  return { id, identitySha256: createHash('sha256').update(id).digest('hex'), sealedKey: randomBytes(48) }
}

async function registered(): Promise<{ record: PskRecord; psk: NewPsk; code: string }> {
  const psk = newPsk()
  const code = randomDigest()
  const record = await around.store.psks.register(
    around.organizationId,
    { groupId: around.groupId, psk, code: { codeHash: digestOf(code), expiresAt: inMinutes(10) } },
    system,
  )
  return { record, psk, code }
}

const redeem = (code: string, deviceId: string, pskIdentitySha256: string, refreshToken = randomDigest()) =>
  around.store.onboardingCodes.redeem(
    { codeHash: digestOf(code), deviceId, pskIdentitySha256, newFamily: { refreshTokenHash: digestOf(refreshToken) } },
    system,
  )
const refresh = (token: string, deviceId: string, pskIdentitySha256: string) =>
  around.store.deviceTokens.refresh(
    {
      refreshTokenHash: digestOf(token),
      deviceId,
      pskIdentitySha256,
      next: { refreshTokenHash: digestOf(randomDigest()) },
    },
    system,
  )
const replaced = async (deviceId: string) => {
  const psk = newPsk()
  await around.store.psks.replace(around.organizationId, deviceId, psk, system)
  return psk
}

describe('[6.5] a pre-shared key', () => {
  it('is only for groups that allow it, and no group does unless it is told', async () => {
    const { organizationId, groupId } = await around.secondOrganization()
    expect((await around.store.enrollmentGroups.read(organizationId, groupId))?.allowsPsk).toBe(false)
    const device = { groupId, psk: newPsk(), code: { codeHash: digestOf(randomDigest()), expiresAt: inMinutes(10) } }
    await expect(around.store.psks.register(organizationId, device, system)).rejects.toMatchObject({
      code: 'psk-not-allowed',
    })
    await expect(
      around.store.psks.register(organizationId, { ...device, groupId: around.groupId }, system),
    ).rejects.toMatchObject({ code: 'not-found' })
  })

  it('comes with a device and a code, which that key alone redeems, and an audit event for each', async () => {
    const { record, psk, code } = await registered()
    expect(record).toMatchObject({ id: psk.id, state: 'issued', groupId: around.groupId })
    const other = await registered()
    await expect(redeem(code, record.deviceId, other.psk.identitySha256)).rejects.toMatchObject({
      code: 'onboarding-code-invalid',
    })
    await expect(redeem(code, other.record.deviceId, other.psk.identitySha256)).rejects.toMatchObject({
      code: 'onboarding-code-invalid',
    })
    expect(await redeem(code, record.deviceId, psk.identitySha256)).toMatchObject({ deviceId: record.deviceId })
    expect(await around.store.devices.read(around.organizationId, record.deviceId)).toMatchObject({
      id: record.deviceId,
    })
    const created = await around.audited('psk.created')
    expect(created.find((event) => event.subject_id === record.deviceId)?.details).toEqual({
      groupId: around.groupId,
      pskIdentitySha256: psk.identitySha256,
      codeExpiresAt: expect.stringMatching(/^\d{4}-.*Z$/),
    })
    expect(JSON.stringify(created)).not.toContain(Buffer.from(psk.sealedKey).toString('hex'))
  })

  it('does not redeem the code of a provisioning record, nor a certificate the code of a key', async () => {
    const certified = await around.certified()
    const { psk, record, code } = await registered()
    const theirs = await around.code(certified)
    await expect(redeem(theirs, certified.id, psk.identitySha256)).rejects.toMatchObject({
      code: 'onboarding-code-invalid',
    })
    await expect(around.redeem(code, { ...certified, id: record.deviceId })).rejects.toMatchObject({
      code: 'onboarding-code-invalid',
    })
  })

  it('a code is redeemed once, however many try at one moment', async () => {
    const { record, psk, code } = await registered()
    const second = await replaced(record.deviceId)
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) =>
        redeem(code, record.deviceId, n % 2 === 0 ? psk.identitySha256 : second.identitySha256),
      ),
    )
    const families = new Set(
      results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.familyId] : [])),
    )
    expect(families.size).toBe(1)
    // The key that was first may repeat; the other one never gets in.
    expect(results.filter((result) => result.status === 'rejected')).toHaveLength(10)
  })

  it('a new code takes the place of those that were not used', async () => {
    const { record, psk, code } = await registered()
    const newer = randomDigest()
    const { organizationId } = around
    await around.store.psks.createCode(
      organizationId,
      record.deviceId,
      { codeHash: digestOf(newer), expiresAt: inMinutes(60) },
      system,
    )
    await expect(redeem(code, record.deviceId, psk.identitySha256)).rejects.toMatchObject({
      code: 'onboarding-code-invalid',
    })
    await redeem(newer, record.deviceId, psk.identitySha256)
  })

  it('ends when the device signs in with a newer one, and its sealed bytes are gone', async () => {
    const { record, psk } = await registered()
    await around.store.psks.markSignedIn(psk.identitySha256, system)
    const newer = await replaced(record.deviceId)
    expect((await around.store.psks.findSealed(psk.identitySha256))?.sealedKey).toBeDefined()
    await Promise.all(Array.from({ length: 5 }, () => around.store.psks.markSignedIn(newer.identitySha256, system)))
    const old = await around.store.psks.findSealed(psk.identitySha256)
    expect([old?.state, old?.sealedKey]).toEqual(['superseded', undefined])
    expect(await around.store.psks.withdrawnAmong([psk.identitySha256, newer.identitySha256])).toEqual([
      psk.identitySha256,
    ])
    const activated = (await around.audited('psk.activated')).filter((event) => event.subject_id === record.deviceId)
    expect(activated.map((event) => event.details)).toEqual([
      { pskIdentitySha256: psk.identitySha256, superseded: [] },
      { pskIdentitySha256: newer.identitySha256, superseded: [psk.identitySha256] },
    ])
  })

  it('is revoked once and for all: no key, no refresh, no code, a notification and one audit event', async () => {
    const { record, psk, code } = await registered()
    const token = randomDigest()
    await redeem(code, record.deviceId, psk.identitySha256, token)
    await refresh(token, record.deviceId, psk.identitySha256)
    const heard: string[] = []
    const stop = await around.store.listen(
      'device_closed',
      (payload) => heard.push(payload),
      () => undefined,
    )
    const revoke = () => around.store.psks.revoke(around.organizationId, psk.id, system)
    await Promise.all([revoke(), revoke(), revoke()])
    await expect.poll(() => heard.length).toBe(1)
    await stop()
    expect(heard[0]).toContain(record.deviceId)
    const found = await around.store.psks.findSealed(psk.identitySha256)
    expect([found?.state, found?.sealedKey]).toEqual(['revoked', undefined])
    await expect(refresh(token, record.deviceId, psk.identitySha256)).rejects.toMatchObject({
      code: 'device-token-invalid',
    })
    await expect(redeem(code, record.deviceId, psk.identitySha256)).rejects.toMatchObject({
      code: 'onboarding-code-invalid',
    })
    const revoked = (await around.audited('psk.revoked')).filter((event) => event.subject_id === record.deviceId)
    expect(revoked).toHaveLength(1)
    const { rows } = await around.tables.query('select sealed_key from device_psk where id = $1', [psk.id])
    expect(rows).toEqual([{ sealed_key: null }])
  })

  it('is withdrawn with its device, and when its group allows none any more', async () => {
    const one = await registered()
    const two = await registered()
    const both = [one.psk.identitySha256, two.psk.identitySha256]
    expect(await around.store.psks.withdrawnAmong(both)).toEqual([])
    await around.store.devices.delete(around.organizationId, one.record.deviceId, system)
    expect(await around.store.psks.withdrawnAmong(both)).toEqual([one.psk.identitySha256])
    expect((await around.store.psks.findSealed(one.psk.identitySha256))?.sealedKey).toBeUndefined()
    await allow(false)
    try {
      expect(await around.store.psks.withdrawnAmong(both)).toEqual(both)
      expect((await around.store.psks.findRecorded(two.psk.identitySha256))?.groupAllowsPsk).toBe(false)
    } finally {
      await allow(true)
    }
  })

  it("is not another organization's to see, replace or revoke, nor given to a device with a certificate", async () => {
    const { record, psk } = await registered()
    const { organizationId } = await around.secondOrganization()
    const { psks } = around.store
    expect((await psks.list(organizationId, { limit: 100 })).items).toEqual([])
    await expect(psks.revoke(organizationId, psk.id, system)).rejects.toMatchObject({ code: 'not-found' })
    await expect(psks.replace(organizationId, record.deviceId, newPsk(), system)).rejects.toMatchObject({
      code: 'not-found',
    })
    const certified = await around.registered()
    await expect(psks.replace(around.organizationId, certified.id, newPsk(), system)).rejects.toMatchObject({
      code: 'not-found',
    })
    const listed = await psks.list(around.organizationId, { limit: 100, deviceId: record.deviceId })
    expect(listed.items.map((item) => item.id)).toEqual([psk.id])
  })

  it('keeps the id of its device from every manufacturer key', async () => {
    const { record } = await registered()
    const device = await around.begun({ id: record.deviceId })
    await expect(around.claim(device)).rejects.toMatchObject({ code: 'device-id-claimed' })
  })

  it('a session says with what it was opened', async () => {
    const { record, psk, code } = await registered()
    await redeem(code, record.deviceId, psk.identitySha256)
    const gatewayId = await around.gateway()
    const session = { deviceId: record.deviceId, gatewayId, associationId: 'a', remote: { address: '::1', port: 1 } }
    await around.store.devices.declareOnline({ ...session, pskIdentitySha256: psk.identitySha256 }, system)
    const { rows } = await around.tables.query(
      'select certificate_sha256, psk_identity_sha256 from device_session where device_id = $1',
      [record.deviceId],
    )
    expect(rows).toEqual([{ certificate_sha256: null, psk_identity_sha256: psk.identitySha256 }])
  })
})
