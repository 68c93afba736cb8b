import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { gatewayForFile } from './gateway-for-file.ts'
import { DeviceAtGateway, eventually, type ProvisionedDevice, system, tokensIn } from './installation-around-gateway.ts'

const here = gatewayForFile()
const open: DeviceAtGateway[] = []
afterAll(async () => {
  for (const device of open) await device.close()
})

async function connect(device: Pick<ProvisionedDevice, 'id' | 'credentials'>): Promise<DeviceAtGateway> {
  const connected = await DeviceAtGateway.connect(here.under.gateway, device)
  open.push(connected)
  return connected
}

async function newDevice(): Promise<{ device: ProvisionedDevice; connected: DeviceAtGateway }> {
  const device = await here.installation.provision()
  return { device, connected: await connect(device) }
}

const read = (id: string) => here.installation.store.devices.read(here.installation.organizationId, id)

describe('sign up', () => {
  it('[4.13] [4.14] exchanges the onboarding code for tokens, and registers the device with its owner', async () => {
    const { device, connected } = await newDevice()
    const answer = await connected.signUp(device.code)
    expect(answer.code).toBe('2.04')
    expect(Object.keys(answer.body).sort()).toEqual(['accesstoken', 'expiresin', 'redirecturi', 'refreshtoken', 'uid'])
    expect(answer.body).toMatchObject({ uid: here.installation.organizationId, redirecturi: '', expiresin: 86_400 })
    expect((await read(device.id))?.id).toBe(device.id)
  })

  it('[4.13] refuses a wrong, a used and an expired code with 4.01, and the association lives on', async () => {
    const { device, connected } = await newDevice()
    expect(await connected.signUp('wrong')).toMatchObject({ code: '4.01' })
    const expired = await here.installation.issueCode(device, -1000)
    expect(await connected.signUp(expired)).toMatchObject({ code: '4.01' })
    expect((await connected.signUp(device.code)).code).toBe('2.04')
    const other = await newDevice()
    expect(await other.connected.signUp(device.code)).toMatchObject({ code: '4.01' })
    expect(connected.closed).toBe(false)
    expect((await connected.send('GET', '/x.plgd.dev/time')).code).toBe('2.05')
  })

  it('[4.13] refuses a malformed body, and a di that is not the certificate’s, with 4.00', async () => {
    const { device, connected } = await newDevice()
    expect(await connected.signUp(device.code, randomUUID())).toMatchObject({ code: '4.00' })
    const path = '/oic/sec/account'
    expect(await connected.send('POST', path, { di: device.id })).toMatchObject({ code: '4.00' })
    expect(await connected.send('POST', path, { di: 7, accesstoken: device.code })).toMatchObject({ code: '4.00' })
    expect(await connected.send('POST', path, [1, 2])).toMatchObject({ code: '4.00' })
    const garbage = { payload: Uint8Array.of(0xff, 0x00, 0x13) }
    expect(await connected.send('POST', path, undefined, garbage)).toMatchObject({ code: '4.00' })
    expect(
      await connected.send('POST', path, { di: 'x' }, { contentFormat: 0, payload: Uint8Array.of(65) }),
    ).toMatchObject({
      code: '4.15',
    })
    expect((await connected.signUp(device.code)).code).toBe('2.04')
  })

  it('[4.13] gives the same certificate the same token family again: a lost answer burns no code', async () => {
    const { device, connected } = await newDevice()
    const first = tokensIn(await connected.signUp(device.code))
    await connected.close()
    const again = await connect(device)
    const second = tokensIn(await again.signUp(device.code))
    expect(second.uid).toBe(first.uid)
    expect((await again.signIn(second)).code).toBe('2.04')
    const refreshed = await again.send('POST', '/oic/sec/tokenrefresh', {
      di: device.id,
      uid: second.uid,
      refreshtoken: second.refreshtoken,
    })
    expect(refreshed.code).toBe('2.04')
  })

  it('takes `authcode` for `accesstoken`, as older devices send it, and answers in the format that is asked for', async () => {
    const { device, connected } = await newDevice()
    const answer = await connected.send(
      'POST',
      '/oic/sec/account',
      { di: device.id, authcode: device.code },
      { accept: 50 },
    )
    expect(answer.code).toBe('2.04')
    expect(answer.body.uid).toBe(here.installation.organizationId)
    const { connected: other } = await newDevice()
    expect((await other.send('GET', '/x.plgd.dev/time', undefined, { accept: 40 })).code).toBe('4.06')
  })

  it('answers 4.05 to a method that the resource does not have, and 4.04 where there is nothing for a signed-in device', async () => {
    const { device, connected } = await newDevice()
    expect((await connected.send('GET', '/oic/sec/account')).code).toBe('4.05')
    expect((await connected.send('GET', '/nothing')).code).toBe('4.01')
    await connected.enter(device.code)
    expect((await connected.send('GET', '/nothing')).code).toBe('4.04')
  })
})

describe('sign in', () => {
  it('[4.15] [4.17] [4.18] signs in with the token, and the device is online', async () => {
    const { device, connected } = await newDevice()
    const tokens = tokensIn(await connected.signUp(device.code))
    const answer = await connected.signIn(tokens)
    expect(answer.code).toBe('2.04')
    expect(Number(answer.body.expiresin)).toBeGreaterThan(86_000)
    expect(Number(answer.body.expiresin)).toBeLessThanOrEqual(86_400)
    expect(await read(device.id)).toMatchObject({ online: true })
  })

  it('[4.15] refuses anything but the token that the control plane made for this device', async () => {
    const { device, connected } = await newDevice()
    const tokens = tokensIn(await connected.signUp(device.code))
    const [header = '', payload = '', signature = ''] = tokens.accesstoken.split('.')
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')
    const { uid } = tokens
    for (const accesstoken of [
      '',
      'x',
      'a.b.c',
      `${none}.${payload}.`,
      `${header}.${payload}.${'A'.repeat(86)}`,
      `${header}.${payload}.`,
      `${header}.${payload}.${signature}x`,
      `${tokens.accesstoken} `,
      tokens.refreshtoken,
    ]) {
      expect(await connected.signIn({ uid, accesstoken }), accesstoken.slice(0, 20)).toMatchObject({ code: '4.01' })
    }
    expect(connected.closed).toBe(false)
    expect((await connected.signIn(tokens)).code).toBe('2.04')
  })

  it('[4.15] refuses an owner that the token does not name', async () => {
    const { device, connected } = await newDevice()
    const tokens = tokensIn(await connected.signUp(device.code))
    expect(await connected.signIn({ ...tokens, uid: randomUUID() })).toMatchObject({ code: '4.01' })
    expect(await connected.signIn(tokens, randomUUID())).toMatchObject({ code: '4.00' })
  })

  it('[4.15] answers 4.01 to a device that is not registered', async () => {
    const { device, connected } = await newDevice()
    const tokens = tokensIn(await connected.signUp(device.code))
    await here.installation.store.devices.delete(here.installation.organizationId, device.id, {
      actor: { kind: 'system', id: 'test' },
      correlationId: randomUUID(),
    })
    const answer = await connected.signIn(tokens).catch(() => undefined)
    expect(answer === undefined || answer.code.startsWith('4.0')).toBe(true)
  })

  it('[0.14] binds the token to the device’s certificate: with another device’s it is worth nothing', async () => {
    const victim = await newDevice()
    const tokens = tokensIn(await victim.connected.signUp(victim.device.code))
    const thief = await newDevice()
    expect(await thief.connected.signIn(tokens)).toMatchObject({ code: '4.01' })
    expect(await thief.connected.signIn(tokens, victim.device.id)).toMatchObject({ code: '4.00' })
  })

  it('[0.14] accepts the token over a newer certificate of the same device, and a refresh binds it anew', async () => {
    const { device, connected } = await newDevice()
    const tokens = tokensIn(await connected.signUp(device.code))
    expect((await connected.signIn(tokens)).code).toBe('2.04')
    const renewed = await here.installation.renew(device)
    const newer = await connect({ id: device.id, credentials: renewed })
    expect((await newer.signIn(tokens)).code).toBe('2.04')
    const refreshed = await newer.send('POST', '/oic/sec/tokenrefresh', {
      di: device.id,
      uid: tokens.uid,
      refreshtoken: tokens.refreshtoken,
      granttype: 'refresh_token',
    })
    expect(refreshed.code).toBe('2.04')
    const accesstoken = String(refreshed.body.accesstoken)
    const claims = JSON.parse(Buffer.from(accesstoken.split('.')[1] ?? '', 'base64url').toString())
    const thumbprint = Buffer.from(renewed.certificate.sha256, 'hex').toString('base64url')
    expect(claims.cnf['x5t#S256']).toBe(thumbprint)
    expect((await newer.signIn({ uid: tokens.uid, accesstoken })).code).toBe('2.04')
  })

  it('lets a newer association of the same device replace the older one', async () => {
    const { device, connected } = await newDevice()
    const tokens = await connected.enter(device.code)
    const newer = await connect(device)
    expect((await newer.signIn(tokens)).code).toBe('2.04')
    await eventually(() => expect(connected.closed).toBe(true))
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await read(device.id)).toMatchObject({ online: true })
  })

  it('[2.35] refuses tokens of a compromised key within a second of its withdrawal, and takes those of the key after it', async () => {
    const { device, connected } = await newDevice()
    const tokens = await connected.enter(device.code)
    const kid = (token: unknown) =>
      JSON.parse(Buffer.from(String(token).split('.')[0] ?? '', 'base64url').toString()).kid
    // Verified already, and remembered.
    expect((await connected.signIn(tokens)).code).toBe('2.04')
    await here.installation.store.installationKeys.retireCompromised('jwt', kid(tokens.accesstoken), system)
    await eventually(async () => expect((await connected.signIn(tokens)).code).toBe('4.01'), 1000)
    const { di, uid, refreshtoken } = { di: device.id, ...tokens }
    const refreshed = await connected.send('POST', '/oic/sec/tokenrefresh', { di, uid, refreshtoken })
    expect(refreshed.code).toBe('2.04')
    const accesstoken = String(refreshed.body.accesstoken)
    expect(kid(accesstoken)).not.toBe(kid(tokens.accesstoken))
    expect((await connected.signIn({ uid: tokens.uid, accesstoken })).code).toBe('2.04')
    expect(connected.closed).toBe(false)
  })

  it('[4.18] refreshes tokens, and the previous refresh token of the same certificate is good once more', async () => {
    const { device, connected } = await newDevice()
    const tokens = await connected.enter(device.code)
    const refresh = (refreshtoken: string) =>
      connected.send('POST', '/oic/sec/tokenrefresh', { di: device.id, uid: tokens.uid, refreshtoken })
    const first = await refresh(tokens.refreshtoken)
    expect(first.code).toBe('2.04')
    expect(Object.keys(first.body).sort()).toEqual(['accesstoken', 'expiresin', 'refreshtoken'])
    expect((await refresh(tokens.refreshtoken)).code).toBe('2.04')
    expect((await refresh('dr_nonsense')).code).toBe('4.01')
  })

  it('[4.18] signs out: the device is offline, and must sign in before anything else', async () => {
    const { device, connected } = await newDevice()
    const tokens = await connected.enter(device.code)
    const answer = await connected.signOut()
    expect(answer).toMatchObject({ code: '2.04', value: {} })
    expect(await read(device.id)).toMatchObject({ online: false })
    expect((await connected.send('GET', '/oic/rd')).code).toBe('4.01')
    expect((await connected.signIn(tokens)).code).toBe('2.04')
  })

  it('closes the association at the tenth 4.01 within a minute, not at the first', async () => {
    const { connected } = await newDevice()
    for (let attempt = 0; attempt < 9; attempt += 1) expect((await connected.send('GET', '/oic/rd')).code).toBe('4.01')
    expect(connected.closed).toBe(false)
    await connected.send('GET', '/oic/rd').catch(() => undefined)
    await eventually(() => expect(connected.closed).toBe(true))
  })

  it('[0.10] one correlation id goes from the datagram through the control plane into the audit trail', async () => {
    const { device, connected } = await newDevice()
    await connected.signUp(device.code)
    const line = here.under.log.find(({ msg, deviceId }) => msg === 'device signed up' && deviceId === device.id)
    const correlationId = String(line?.correlationId)
    expect(correlationId).toMatch(/^[0-9a-f-]{36}$/)
    // Its output comes through a pipe.
    await eventually(() => expect(here.installation.controlPlane.output()).toContain(correlationId))
    const { items } = await here.installation.store.auditEvents.list(here.installation.organizationId, {
      limit: 10,
      correlationId,
    })
    expect(items.length).toBeGreaterThan(0)
  })

  it('[0.13] writes a refused sign-in down, with its reason', async () => {
    const { device, connected } = await newDevice()
    await connected.signUp(device.code)
    await connected.signIn({ uid: here.installation.organizationId, accesstoken: 'x.y.z' })
    await eventually(async () => {
      const { items } = await here.installation.store.auditEvents.list(here.installation.organizationId, {
        limit: 20,
        subjectId: device.id,
      })
      expect(JSON.stringify(items)).toContain('device-token-invalid')
    })
  })

  it('shows no token and no code in any log line', async () => {
    const { device, connected } = await newDevice()
    const tokens = await connected.enter(device.code)
    const text = JSON.stringify(here.under.log) + here.installation.controlPlane.output()
    for (const secret of [device.code, tokens.accesstoken, tokens.refreshtoken]) expect(text).not.toContain(secret)
  })
})

describe('while the control plane is down', () => {
  it('signs devices in with the keys it has, answers sign-up with 5.03, and goes on when it is back', async () => {
    const known = await newDevice()
    const tokens = await known.connected.enter(known.device.code)
    const fresh = await newDevice()
    await here.installation.stopControlPlane()
    const again = await connect(known.device)
    expect((await again.signIn(tokens)).code).toBe('2.04')
    expect((await fresh.connected.signUp(fresh.device.code)).code).toBe('5.03')
    await here.installation.startControlPlane()
    await eventually(async () => expect((await fresh.connected.signUp(fresh.device.code)).code).toBe('2.04'), 10_000)
  })
})
