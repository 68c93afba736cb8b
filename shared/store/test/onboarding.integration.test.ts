import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  clock,
  digestOf,
  inMinutes,
  type RegisteredDevice,
  randomDigest,
  StoreAroundDevices,
  system,
} from './store-around-devices.ts'

let around: StoreAroundDevices
beforeAll(async () => {
  around = await StoreAroundDevices.open()
})
afterAll(() => around.close())

const ago = (code: string, column: 'expires_at' | 'redeemed_at', interval: string) =>
  around.tables.query(
    `update onboarding_code set created_at = created_at - $2::interval, expires_at = expires_at - $2::interval,
       redeemed_at = case when $3 then redeemed_at - $2::interval end where code_hash = $1`,
    [digestOf(code), interval, column === 'redeemed_at'],
  )

describe('an onboarding code', () => {
  it('[4.13] is refused when nobody has made it', async () => {
    const device = await around.certified()
    await expect(around.redeem('invented', device)).rejects.toMatchObject({ code: 'onboarding-code-invalid' })
  })

  it('[4.13] [4.9] is refused when it has expired', async () => {
    const device = await around.certified()
    const code = await around.code(device)
    await ago(code, 'expires_at', '11 minutes')
    await expect(around.redeem(code, device)).rejects.toMatchObject({ code: 'onboarding-code-invalid' })
  })

  it('[4.9] is good for 10 min at most, whatever was asked for', async () => {
    const device = await around.certified()
    const code = await around.code(device, inMinutes(60))
    await ago(code, 'expires_at', '10 minutes 1 second')
    await expect(around.redeem(code, device)).rejects.toMatchObject({ code: 'onboarding-code-invalid' })
  })

  it('[4.13] [4.9] is refused from another device', async () => {
    const device = await around.certified()
    const other = await around.certified()
    const code = await around.code(device)
    await expect(around.redeem(code, other)).rejects.toMatchObject({ code: 'onboarding-code-invalid' })
    await expect(around.redeem(code, { ...other, id: device.id })).rejects.toMatchObject({
      code: 'onboarding-code-invalid',
    })
    expect(await around.redeem(code, device)).toMatchObject({ deviceId: device.id })
  })

  it('[4.13] [4.9] is refused with a certificate that was not issued in its provisioning record', async () => {
    const device = await around.certified()
    const code = await around.code(device)
    const strange = { ...device, certificateSha256: randomDigest() }
    await expect(around.redeem(code, strange)).rejects.toMatchObject({ code: 'onboarding-code-invalid' })
  })

  it('[4.13] yields the same token family to the same certificate within 5 min, and a refresh token that works', async () => {
    const device = await around.certified()
    const code = await around.code(device)
    const first = await around.redeem(code, device)
    const token = randomDigest()
    expect(await around.redeem(code, device, token)).toEqual(first)
    expect(await refresh(device, token)).toEqual(first)
  })

  it('[4.13] is refused from the same certificate after 5 min', async () => {
    const device = await around.certified()
    const code = await around.code(device)
    await around.redeem(code, device)
    await ago(code, 'redeemed_at', '5 minutes 1 second')
    await expect(around.redeem(code, device)).rejects.toMatchObject({ code: 'onboarding-code-invalid' })
  })

  it('[4.13] is refused once its token family has been refreshed', async () => {
    const device = await around.certified()
    const code = await around.code(device)
    const token = randomDigest()
    await around.redeem(code, device, token)
    await refresh(device, token)
    await expect(around.redeem(code, device)).rejects.toMatchObject({ code: 'onboarding-code-invalid' })
  })

  it('[0.13] leaves an audit event when it is refused, with the reason', async () => {
    const device = await around.certified()
    await expect(around.redeem('invented', device)).rejects.toThrow()
    const events = await around.audited('onboarding-code.redeemed')
    expect(events.filter((event) => event.subject_id === device.id)).toEqual([
      {
        subject_id: device.id,
        outcome: 'failed',
        details: { certificateSha256: device.certificateSha256, reason: 'onboarding-code-invalid' },
      },
    ])
  })

  it('is not made for a device that the provisioning record is not for, nor without one', async () => {
    const device = await around.certified()
    await expect(around.code({ ...device, id: randomUUID() })).rejects.toMatchObject({ code: 'device-id-mismatch' })
    await expect(around.code({ ...device, recordId: randomUUID() })).rejects.toMatchObject({ code: 'not-found' })
  })

  it('[4.14] registers once: signing up again with a new code keeps the registration and begins a new family', async () => {
    const device = await around.registered()
    const before = await around.store.devices.read(around.organizationId, device.id)
    const again = await around.redeem(await around.code(device), device)
    expect(again.familyId).not.toBe(device.familyId)
    const after = await around.store.devices.read(around.organizationId, device.id)
    expect(after?.registeredAt).toBe(before?.registeredAt)
    await expect(refresh(device, device.refreshToken)).rejects.toMatchObject({ code: 'device-token-invalid' })
  })

  it('[4.14] is refused when the device belongs to another organization meanwhile', async () => {
    const other = await around.secondOrganization()
    const device = await around.certified()
    const code = await around.code(device)
    await around.tables.query('update device set organization_id = $1, group_id = $2 where id = $3', [
      other.organizationId,
      other.groupId,
      device.id,
    ])
    await expect(around.redeem(code, device)).rejects.toMatchObject({ code: 'ownership-mismatch' })
  })

  it('is refused when the device is blocked', async () => {
    const device = await around.certified()
    const code = await around.code(device)
    await around.tables.query("update device set state = 'blocked' where id = $1", [device.id])
    await expect(around.redeem(code, device)).rejects.toMatchObject({ code: 'device-blocked' })
  })
})

describe("a device's refresh token", () => {
  it('[4.18] yields the next one, and is then good for the certificate that used it', async () => {
    const device = await around.registered()
    const [second, third, fourth] = [randomDigest(), randomDigest(), randomDigest()]
    await refresh(device, device.refreshToken, second)
    // The reply was lost: the device asks again, and again.
    await refresh(device, device.refreshToken, third)
    await refresh(device, device.refreshToken, fourth)
    for (const token of [second, third]) {
      // A reply that came late after all is good as well.
      expect(await refresh(device, token)).toMatchObject({ familyId: device.familyId })
    }
  })

  it('[4.18] is refused to another certificate of the device once it was used', async () => {
    const device = await around.registered()
    const renewed = { ...device, certificateSha256: await around.issue(device) }
    await refresh(device, device.refreshToken)
    await expect(refresh(renewed, device.refreshToken)).rejects.toMatchObject({ code: 'device-token-invalid' })
  })

  it('[0.14] binds to any live certificate of the device, and to none of another', async () => {
    const device = await around.registered()
    const other = await around.registered()
    const renewed = { ...device, certificateSha256: await around.issue(device) }
    const second = randomDigest()
    const borrowed = { ...device, certificateSha256: other.certificateSha256 }
    await expect(refresh(borrowed, device.refreshToken)).rejects.toMatchObject({ code: 'device-token-invalid' })
    await refresh(renewed, device.refreshToken, second)
    expect(await refresh(device, second)).toMatchObject({ familyId: device.familyId })
  })

  it('[0.14] is refused to another device, also one that names the right one', async () => {
    const device = await around.registered()
    const other = await around.registered()
    await expect(refresh(other, device.refreshToken)).rejects.toMatchObject({ code: 'device-token-invalid' })
  })

  it('is refused when it is two generations old', async () => {
    const device = await around.registered()
    const [second, third] = [randomDigest(), randomDigest()]
    await refresh(device, device.refreshToken, second)
    await refresh(device, second, third)
    await expect(refresh(device, device.refreshToken)).rejects.toMatchObject({ code: 'device-token-invalid' })
    expect(await refresh(device, third)).toMatchObject({ familyId: device.familyId })
  })

  it('is refused after the families of the device were revoked, and the refusal is audited', async () => {
    const device = await around.registered()
    await around.store.deviceTokens.revokeForDevice(device.id, system)
    await expect(refresh(device, device.refreshToken)).rejects.toMatchObject({ code: 'device-token-invalid' })
    const events = (await around.audited('device-token.refreshed')).filter((event) => event.subject_id === device.id)
    expect(events).toMatchObject([{ outcome: 'failed', details: { reason: 'device-token-invalid' } }])
    expect(
      (await around.audited('device-token.revoked')).filter((event) => event.subject_id === device.id),
    ).toHaveLength(1)
  })

  it('is refused with a revoked certificate, to a blocked device and to a deleted one', async () => {
    const device = await around.registered()
    await around.tables.query("update certificate set state = 'revoked' where sha256 = $1", [device.certificateSha256])
    await expect(refresh(device, device.refreshToken)).rejects.toMatchObject({ code: 'device-token-invalid' })

    const blocked = await around.registered()
    await around.tables.query("update device set state = 'blocked' where id = $1", [blocked.id])
    await expect(refresh(blocked, blocked.refreshToken)).rejects.toMatchObject({ code: 'device-blocked' })

    const deleted = await around.registered()
    await around.store.devices.delete(around.organizationId, deleted.id, system)
    await expect(refresh(deleted, deleted.refreshToken)).rejects.toMatchObject({ code: 'device-token-invalid' })
  })

  it('stands in the database as a digest only', async () => {
    const device = await around.registered()
    const { rows } = await around.tables.query('select token_hash from device_refresh_token where family_id = $1', [
      device.familyId,
    ])
    expect(rows).toEqual([{ token_hash: Buffer.from(digestOf(device.refreshToken)) }])
  })
})

function refresh(
  device: Pick<RegisteredDevice, 'id' | 'certificateSha256'>,
  token: string,
  next: string = randomDigest(),
) {
  return around.store.deviceTokens.refresh(
    {
      refreshTokenHash: digestOf(token),
      deviceId: device.id,
      certificateSha256: device.certificateSha256,
      next: { refreshTokenHash: digestOf(next) },
    },
    { ...system, actor: { kind: 'device', id: device.id }, address: `192.0.2.1 at ${clock.now()}` },
  )
}
