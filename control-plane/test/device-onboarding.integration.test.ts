import { createHash } from 'node:crypto'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RunningControlPlane, randomHash } from './running-control-plane.ts'

let running: RunningControlPlane
let group: { id: string; organizationId: string }

beforeAll(async () => {
  running = await RunningControlPlane.start()
  const session = await running.logIn()
  const { body } = await session.call('POST', '/api/v1/enrollment-groups', {
    body: { name: 'Lamps', certificateChain: running.certificates.pem('Issuing', 'Manufacturer') },
  })
  group = { id: body.id, organizationId: running.admin.organizationId }
})
afterAll(() => running.stop())

const order = (service: string, json: unknown) =>
  running.service(service).request({ method: 'POST', path: '/internal/v1/onboarding-codes', json })

describe('onboarding codes', () => {
  it('[4.9] are given to the dps for a device and its provisioning record, for 10 min, and kept as a hash', async () => {
    const { deviceId, recordId } = await running.provision(group)
    const { status, body } = await order('dps', { deviceId, recordId })
    expect(status).toBe(201)
    expect(body).toEqual({ code: expect.stringMatching(/^[\w-]{43}$/), expiresIn: 600, providerName: 'sallyport' })
    const { code } = body as { code: string }
    const hash = createHash('sha256').update(code).digest('hex')
    expect(running.sql(`select count(*) from onboarding_code where encode(code_hash, 'hex') = '${hash}'`)).toBe('1')
    expect(running.sql(`select count(*) from onboarding_code where onboarding_code::text like '%${code}%'`)).toBe('0')
  })

  it('[4.9] are refused to every other caller: the gateway, the control plane itself, nobody at all', async () => {
    const { deviceId, recordId } = await running.provision(group)
    for (const service of ['gateway', 'control-plane']) {
      await expect(order(service, { deviceId, recordId })).rejects.toMatchObject({ code: 'permission-denied' })
    }
    // Without a client certificate the handshake fails.
    await expect(fetch(`${running.controlPlane.addresses.internal}/internal/v1/onboarding-codes`)).rejects.toThrow()
    // The people's listener does not know the path.
    expect((await running.call('POST', '/internal/v1/onboarding-codes', { body: { deviceId, recordId } })).status).toBe(
      404,
    )
    expect((await running.call('POST', '/oauth/token', { body: {} })).status).toBe(404)
  })

  it('[4.9] are refused for a record that is not there or is another device’s', async () => {
    const one = await running.provision(group)
    const other = await running.provision(group)
    await expect(order('dps', { deviceId: one.deviceId, recordId: other.recordId })).rejects.toMatchObject({
      code: 'device-id-mismatch',
    })
    await expect(
      order('dps', { deviceId: one.deviceId, recordId: '00000000-0000-4000-8000-000000000000' }),
    ).rejects.toMatchObject({ code: 'not-found' })
  })

  it('[4.9] of one device are all different', async () => {
    const device = await running.provision(group)
    const codes = await Promise.all(Array.from({ length: 5 }, () => running.onboardingCode(device)))
    expect(new Set(codes).size).toBe(5)
  })
})

describe('signing up', () => {
  it('[4.13] a code becomes an access and a refresh token, bound to the certificate, and registers the device', async () => {
    const device = await running.provision(group)
    const tokens = await running.redeem(await running.onboardingCode(device), device)
    expect(tokens).toMatchObject({
      token_type: 'Bearer',
      expires_in: 86_400,
      uid: running.admin.organizationId,
      device_id: device.deviceId,
      refresh_token: expect.stringMatching(/^dr_[\w-]{43}$/),
    })
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      aud: 'sallyport-gateway',
      sub: device.deviceId,
      uid: running.admin.organizationId,
      cnf: { 'x5t#S256': Buffer.from(device.certificateSha256, 'hex').toString('base64url') },
    })
    const session = await running.logIn()
    const { status, body } = await session.call('GET', `/api/v1/devices/${device.deviceId}`)
    expect([status, body.online]).toEqual([200, false])
  })

  it('[4.13] [4.14] the same code from the same certificate gets the same token family again, and one device', async () => {
    const device = await running.provision(group)
    const code = await running.onboardingCode(device)
    await running.redeem(code, device)
    const again = await running.redeem(code, device)
    expect(again.device_id).toBe(device.deviceId)
    expect(running.sql(`select count(*) from device_token_family where device_id = '${device.deviceId}'`)).toBe('1')
    const registered = `select count(*) from audit_event where type = 'device.registered' and subject_id = '${device.deviceId}'`
    expect(running.sql(registered)).toBe('1')
  })

  it('[4.13] of 20 parallel redemptions by different certificates one wins', async () => {
    const device = await running.provision(group)
    const code = await running.onboardingCode(device)
    const certificates = Array.from({ length: 20 }, () => randomHash())
    for (const certificateSha256 of certificates) await running.certify({ ...device, certificateSha256 })
    const results = await Promise.allSettled(
      certificates.map((certificateSha256) => running.redeem(code, { ...device, certificateSha256 })),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'onboarding-code-invalid' })
    }
  })

  it('[4.13] refuses a wrong code, another device’s code, and a certificate that was not issued in the record', async () => {
    const device = await running.provision(group)
    const other = await running.provision(group)
    const code = await running.onboardingCode(device)
    const invalid = { code: 'onboarding-code-invalid' }
    await expect(running.redeem('wrong', device)).rejects.toMatchObject(invalid)
    await expect(running.redeem(code, other)).rejects.toMatchObject(invalid)
    await expect(running.redeem(code, { ...device, certificateSha256: other.certificateSha256 })).rejects.toMatchObject(
      invalid,
    )
    await expect(running.redeem(code, { ...device, certificateSha256: randomHash() })).rejects.toMatchObject(invalid)
    expect((await running.redeem(code, device)).device_id).toBe(device.deviceId)
  })

  it('[4.13] refuses an expired code', async () => {
    const device = await running.provision(group)
    const code = await running.onboardingCode(device)
    running.sql(
      `update onboarding_code set expires_at = now() - interval '1 second' where device_id = '${device.deviceId}'`,
    )
    await expect(running.redeem(code, device)).rejects.toMatchObject({ code: 'onboarding-code-invalid' })
  })

  it('[4.13] is for the gateway alone', async () => {
    const device = await running.provision(group)
    const code = await running.onboardingCode(device)
    const form = {
      grant_type: 'authorization_code',
      code,
      device_id: device.deviceId,
      certificate_sha256: device.certificateSha256,
    }
    await expect(running.service('dps').request({ method: 'POST', path: '/oauth/token', form })).rejects.toMatchObject({
      code: 'permission-denied',
    })
  })

  it.each([
    ['a grant that is not known', { grant_type: 'password' }],
    ['a form without a grant', {}],
    ['a thumbprint that is none', { grant_type: 'authorization_code', code: 'x', certificate_sha256: 'abc' }],
  ])('[4.13] refuses %s as malformed', async (_what, form) => {
    await expect(
      running.service('gateway').request({
        method: 'POST',
        path: '/oauth/token',
        form: { device_id: '00000000-0000-4000-8000-000000000000', ...form },
      }),
    ).rejects.toMatchObject({ code: 'validation-failed' })
  })
})

describe('refreshing a device’s tokens', () => {
  it('gives a new pair; the previous refresh token of the same certificate is good too', async () => {
    const device = await running.provision(group)
    const first = await running.redeem(await running.onboardingCode(device), device)
    const second = await running.refreshDevice(first.refresh_token, device)
    expect(second.refresh_token).not.toBe(first.refresh_token)
    const repeated = await running.refreshDevice(first.refresh_token, device)
    expect(repeated.device_id).toBe(device.deviceId)
    expect((await running.refreshDevice(repeated.refresh_token, device)).uid).toBe(running.admin.organizationId)
  })

  it('binds anew to another live certificate of the same device', async () => {
    const device = await running.provision(group)
    const first = await running.redeem(await running.onboardingCode(device), device)
    const renewed = { ...device, certificateSha256: randomHash() }
    await running.certify(renewed)
    const { access_token } = await running.refreshDevice(first.refresh_token, renewed)
    expect(decodeJwt(access_token).cnf).toEqual({
      'x5t#S256': Buffer.from(renewed.certificateSha256, 'hex').toString('base64url'),
    })
  })

  it('refuses another device, a certificate that was not issued to it, and a token that is none', async () => {
    const device = await running.provision(group)
    const other = await running.register(group)
    const { refresh_token } = await running.redeem(await running.onboardingCode(device), device)
    const refused = { code: 'device-token-invalid' }
    await expect(running.refreshDevice(refresh_token, other)).rejects.toMatchObject(refused)
    await expect(
      running.refreshDevice(refresh_token, { ...device, certificateSha256: other.certificateSha256 }),
    ).rejects.toMatchObject(refused)
    await expect(running.refreshDevice('dr_unknown', device)).rejects.toMatchObject(refused)
  })

  it('ends with the device', async () => {
    const device = await running.provision(group)
    const { refresh_token } = await running.redeem(await running.onboardingCode(device), device)
    const session = await running.logIn()
    expect((await session.call('DELETE', `/api/v1/devices/${device.deviceId}`)).status).toBe(204)
    await expect(running.refreshDevice(refresh_token, device)).rejects.toMatchObject({
      code: expect.stringMatching(/^device-(token-invalid|not-registered)$/),
    })
  })
})

describe('the published keys', () => {
  it('are the same on both listeners, and may be cached for a minute', async () => {
    const { body } = await running.service('gateway').request({ method: 'GET', path: '/.well-known/jwks.json' })
    const published = await running.call('GET', '/.well-known/jwks.json')
    expect(published.body).toEqual(body)
    expect(published.headers.get('cache-control')).toBe('public, max-age=60')
  })
})
