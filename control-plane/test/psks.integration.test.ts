import { toBase64Url, utf8 } from '@sallyport/bytes'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let session: Session
let groupId: string

beforeAll(async () => {
  running = await RunningControlPlane.start()
  session = await running.logIn()
  const { status, body } = await session.call('POST', '/api/v1/enrollment-groups', {
    body: {
      name: 'Sensors',
      certificateChain: running.certificates.pem('Issuing', 'Manufacturer'),
      allowsPsk: true,
    },
  })
  expect([status, body.allowsPsk]).toEqual([201, true])
  groupId = body.id
})
afterAll(() => running.stop())

const register = (body: unknown = {}) =>
  session.call('POST', `/api/v1/enrollment-groups/${groupId}/psk-devices`, { body })

const lookUp = async (identity: string, service = 'gateway'): Promise<Record<string, string | boolean>> => {
  const json = { identity: toBase64Url(utf8(identity)) }
  const { body } = await running.service(service).request({ method: 'POST', path: '/internal/v1/psk-lookup', json })
  return body as Record<string, string | boolean>
}

describe('[6.5] registering a device with a pre-shared key', () => {
  it('answers with all that the device needs, once, and 16 random bytes as the key', async () => {
    const { status, body, headers } = await register({ name: 'Cellar' })
    expect(status).toBe(201)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toMatchObject({
      deviceName: 'Cellar',
      enrollmentGroupId: groupId,
      state: 'issued',
      key: expect.stringMatching(/^[0-9a-f]{32}$/),
      onboardingCode: expect.stringMatching(/^[\w-]{43}$/),
    })
    const { body: again } = await register()
    expect(again.key).not.toBe(body.key)
    const { body: list } = await session.call('GET', `/api/v1/psks?deviceId=${body.deviceId}`)
    expect(list.items.map((item: { id: string }) => item.id)).toEqual([body.id])
    expect(JSON.stringify(list)).not.toContain(body.key)
  })

  it('keeps the key only sealed: neither it nor its bytes are in the database', async () => {
    const { body } = await register()
    const dumped = running.sql(`select device_psk::text from device_psk where id = '${body.id}'`)
    expect(dumped).toContain(body.deviceId)
    expect(dumped).not.toContain(body.key)
    expect(running.sql(`select count(*) from audit_event where details::text like '%${body.key}%'`)).toBe('0')
  })

  it('takes a key of 16 to 64 bytes, in hexadecimal, and nothing else', async () => {
    const given = Buffer.from('a key of sixteen').toString('hex')
    const { status, body } = await register({ key: given.toUpperCase() })
    expect([status, body.key]).toEqual([201, given])
    expect(await lookUp(body.id)).toMatchObject({ found: true, key: toBase64Url(Buffer.from(given, 'hex')) })
    for (const key of [
      given.slice(2),
      'ab'.repeat(65),
      `${given}a`,
      'not hexadecimal, but long enough for a key',
      '',
    ]) {
      expect((await register({ key })).status, key).toBe(422)
    }
  })

  it('is refused in a group that does not allow it, which is how groups are made', async () => {
    const { body: group } = await session.call('POST', '/api/v1/enrollment-groups', {
      body: { name: 'Others', certificateChain: running.certificates.root('Other').pem('Other') },
    })
    expect(group.allowsPsk).toBe(false)
    const path = `/api/v1/enrollment-groups/${group.id}/psk-devices`
    const refused = await session.call('POST', path, { body: {} })
    expect([refused.status, refused.body.code]).toEqual([409, 'psk-not-allowed'])
    await session.call('PATCH', `/api/v1/enrollment-groups/${group.id}`, {
      body: { allowsPsk: true },
      headers: { 'if-match': '*' },
    })
    expect((await session.call('POST', path, { body: {} })).status).toBe(201)
  })
})

describe('[6.5] the look-up of a gateway', () => {
  it('finds the key of a live identity; what an unknown and a revoked one have in common is that they have none', async () => {
    const { body } = await register()
    const key = toBase64Url(Buffer.from(body.key, 'hex'))
    const { organizationId } = running.admin
    expect(await lookUp(body.id)).toEqual({ found: true, deviceId: body.deviceId, organizationId, key })
    expect(await lookUp('nobody')).toEqual({ found: false, code: 'psk-identity-unknown' })
    expect((await session.call('DELETE', `/api/v1/psks/${body.id}`)).status).toBe(204)
    expect(await lookUp(body.id)).toEqual({ found: false, code: 'psk-revoked', deviceId: body.deviceId })
    expect((await session.call('DELETE', `/api/v1/psks/${body.id}`)).status).toBe(204)
  })

  it('is for gateways alone', async () => {
    const { body } = await register()
    await expect(lookUp(body.id, 'dps')).rejects.toMatchObject({ code: 'permission-denied' })
    expect((await running.call('POST', '/internal/v1/psk-lookup', { body: { identity: 'AAAA' } })).status).toBe(404)
  })

  it('opens no key that was moved to another identity in the database', async () => {
    const [one, other] = [await register(), await register()]
    running.sql(
      `update device_psk set sealed_key = (select sealed_key from device_psk where id = '${other.body.id}') where id = '${one.body.id}'`,
    )
    await expect(lookUp(one.body.id)).rejects.toMatchObject({ code: expect.any(String) })
    expect(await lookUp(other.body.id)).toMatchObject({ found: true })
  })
})

describe('[6.5] tokens of a device with a pre-shared key', () => {
  it('are bound to the hash of the identity, and end with its last key', async () => {
    const { body } = await register()
    const identitySha256 = running.sql(`select identity_sha256 from device_psk where id = '${body.id}'`)
    const ask = (form: Record<string, string>) =>
      running.service('gateway').request({
        method: 'POST',
        path: '/oauth/token',
        form: { device_id: body.deviceId, psk_identity_sha256: identitySha256, ...form },
      })
    const code = { grant_type: 'authorization_code', code: body.onboardingCode }
    await expect(ask({ ...code, certificate_sha256: identitySha256 })).rejects.toMatchObject({
      code: 'validation-failed',
    })
    const { body: tokens } = (await ask(code)) as { body: { access_token: string; refresh_token: string } }
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      sub: body.deviceId,
      cnf: { 'psk-identity#S256': toBase64Url(Buffer.from(identitySha256, 'hex')) },
    })
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
    const { body: refreshed } = (await ask(refresh)) as { body: { refresh_token: string } }
    const { body: replaced } = await session.call('POST', `/api/v1/devices/${body.deviceId}/psks`, { body: {} })
    expect(replaced).toMatchObject({ deviceId: body.deviceId, state: 'issued' })
    expect(replaced.id).not.toBe(body.id)
    await session.call('DELETE', `/api/v1/psks/${replaced.id}`)
    await ask({ ...refresh, refresh_token: refreshed.refresh_token })
    await session.call('DELETE', `/api/v1/psks/${body.id}`)
    await expect(ask({ ...refresh, refresh_token: refreshed.refresh_token })).rejects.toMatchObject({
      code: 'device-token-invalid',
    })
  })

  it('a further code is made for a device that has a key, and for no other', async () => {
    const { body } = await register()
    const answer = await session.call('POST', `/api/v1/devices/${body.deviceId}/onboarding-codes`)
    expect([answer.status, answer.body.onboardingCode]).toEqual([201, expect.stringMatching(/^[\w-]{43}$/)])
    const certified = await running.register({ id: groupId, organizationId: running.admin.organizationId })
    const refused = await session.call('POST', `/api/v1/devices/${certified.deviceId}/onboarding-codes`)
    expect([refused.status, refused.body.code]).toEqual([404, 'not-found'])
  })
})
