/** Devices that come back with a session: with fewer bytes and no signatures, and never around what the books say. */

import { randomBytes, randomUUID } from 'node:crypto'
import { clockFrom, instant } from '@sallyport/clock'
import type { ClientSession } from '@sallyport/coaps'
import { type CoapsClient, connectCoaps } from '@sallyport/coaps'
import { createLogger } from '@sallyport/diagnostics'
import { hasCode } from '@sallyport/errors'
import { describe, expect, it } from 'vitest'
import { admission } from '../src/admission.ts'
import { decodeResumableDevice, encodeResumableDevice } from '../src/resumable-device.ts'
import { gatewayForFile } from './gateway-for-file.ts'
import { DeviceAtGateway, eventually, type ProvisionedDevice, system } from './installation-around-gateway.ts'
import { newAuthority } from './test-authorities.ts'

const here = gatewayForFile()

interface Visit {
  readonly client: CoapsClient<undefined>
  readonly session: ClientSession | undefined
}

async function visit(device: ProvisionedDevice, session?: ClientSession, at = here.under): Promise<Visit> {
  let next: ClientSession | undefined
  const client = await connectCoaps<undefined>({
    host: at.gateway.coaps.host,
    port: at.gateway.coaps.port,
    credentials: { chain: device.credentials.chain, privateKey: device.credentials.privateKey },
    verifyPeer: () => ({ accepted: true, identity: undefined }),
    session,
    onSession: (given) => {
      next = given
    },
  })
  return { client, session: next }
}

async function alertFor(
  device: ProvisionedDevice,
  session: ClientSession | undefined,
  at = here.under,
): Promise<unknown> {
  try {
    const { client } = await visit(device, session, at)
    await client.close()
    return client.association.resumed === true ? 'resumed' : 'admitted'
  } catch (error) {
    return hasCode(error, 'handshake-failed') ? error.details.alert : error
  }
}

const handshakes = async (kind: 'full' | 'resumed', at = here.under): Promise<number> => {
  const lines = (await at.metric('sallyport_gateway_handshakes_total')).split('\n')
  const line = lines.find((it) => it.includes(`kind="${kind}"`))
  return line === undefined ? 0 : Number(line.split(' ').at(-1))
}

describe('a device that comes back', () => {
  it('goes on with its session, signs in over it, and is the same device with the same certificate', async () => {
    const device = await here.installation.provision()
    const first = await visit(device)
    const tokens = await new DeviceAtGateway(first.client, device.id).enter(device.code)
    await first.client.close()
    const [full, resumed] = [await handshakes('full'), await handshakes('resumed')]
    const second = await visit(device, first.session)
    expect(second.client.association.resumed).toBe(true)
    expect((await new DeviceAtGateway(second.client, device.id).signIn(tokens)).code).toBe('2.04')
    expect([await handshakes('full'), await handshakes('resumed')]).toEqual([full, resumed + 1])
    const opened = here.under.log.filter(({ msg, deviceId }) => msg === 'association opened' && deviceId === device.id)
    expect(opened.map((line) => [line.resumed, line.certificateSerial])).toEqual([
      [false, device.credentials.certificate.serialNumber],
      [true, device.credentials.certificate.serialNumber],
    ])
    await second.client.close()
  })

  it('goes on at another gateway, which has the keys of the same control plane', async () => {
    const device = await here.installation.provision()
    const { client, session } = await visit(device)
    await client.close()
    const other = await here.installation.startGateway({ SALLYPORT_SHARD: '1' })
    const there = await visit(device, session, other)
    expect(there.client.association.resumed).toBe(true)
    await there.client.close()
  })

  it('[F14] is refused once it is deleted, with certificate_revoked, and its session opens nothing', async () => {
    const device = await here.installation.provision()
    const { client, session } = await visit(device)
    expect(session?.ticket.length).toBeGreaterThan(0)
    await client.close()
    expect(await alertFor(device, session)).toBe('resumed')
    await here.installation.store.devices.delete(here.installation.organizationId, device.id, system)
    expect(await alertFor(device, session)).toBe('certificate_revoked')
  })

  it('[F14] is refused once the certificate of its session has expired', async () => {
    const device = await here.installation.provision({
      validity: { startsAt: Date.now() - 86_400_000 + 4000, days: 1 },
    })
    const { client, session } = await visit(device)
    await client.close()
    expect(await alertFor(device, session)).toBe('resumed')
    await eventually(async () => expect(await alertFor(device, session)).toBe('certificate_expired'), 10_000)
  })

  it('[F14] is refused once its certificate was replaced by another, with certificate_revoked, and comes in with the new one', async () => {
    const device = await here.installation.provision()
    const { client, session } = await visit(device)
    await client.close()
    const renewed = { ...device, credentials: await here.installation.renew(device) }
    await (await visit(renewed)).client.close()
    await here.installation.onDatabase(`update certificate set state = 'superseded' where sha256 = $1`, [
      device.credentials.certificate.sha256,
    ])
    expect(await alertFor(device, session)).toBe('certificate_revoked')
    expect(await alertFor(renewed, session)).toBe('admitted')
  })

  it('[F14] is refused while it is blocked, with access_denied, and goes on with its session afterwards', async () => {
    const device = await here.installation.provision()
    const { client, session } = await visit(device)
    await client.close()
    await here.installation.onDatabase(`update device set state = 'blocked' where id = $1`, [device.id])
    expect(await alertFor(device, session)).toBe('access_denied')
    await here.installation.onDatabase(`update device set state = 'active' where id = $1`, [device.id])
    expect(await alertFor(device, session)).toBe('resumed')
  })

  it('[F14] is refused once the authority of its certificate was withdrawn: its session is not taken, and its chain leads nowhere', async () => {
    const device = await here.installation.provision()
    const { client, session } = await visit(device)
    await client.close()
    const own = here.installation.authorities.identity.certificate
    const other = await newAuthority('installation-root', 'Another installation')
    await here.installation.store.authorities.record({ role: 'identity', certificateDer: other.certificate.der })
    await here.installation.onDatabase(`delete from certificate_authority where role = 'identity' and sha256 = $1`, [
      own.sha256,
    ])
    try {
      const aware = await here.installation.startGateway({ SALLYPORT_SHARD: '2' })
      expect(await alertFor(device, session, aware)).toBe('unknown_ca')
      expect(await handshakes('resumed', aware)).toBe(0)
      expect(aware.log).toContainEqual(expect.objectContaining({ reason: 'certificate-authority-unknown' }))
      // The gateway that ran before reads its authorities each minute.
      const inAMinute = admission({
        store: here.installation.store,
        clock: clockFrom(() => Date.now() + 61_000),
        log: createLogger({ service: 'gateway', level: 'error' }),
      })
      const resumable = encodeResumableDevice({
        deviceId: device.id,
        certificateSha256: device.credentials.certificate.sha256,
        certificateNotAfter: device.credentials.certificate.notAfter,
        authoritySha256: own.sha256,
      })
      const remote = { address: '127.0.0.1', port: 5684 }
      expect(await inAMinute.resumePeer(resumable, remote)).toMatchObject({ alert: 'unknown_ca' })
    } finally {
      await here.installation.store.authorities.record({ role: 'identity', certificateDer: own.der })
    }
  })

  it('does not get around a session that was altered: it handshakes in full', async () => {
    const device = await here.installation.provision()
    const { client, session } = await visit(device)
    await client.close()
    if (session === undefined) throw new Error('no session')
    const ticket = session.ticket.map((byte, index) => (index === 40 ? byte ^ 1 : byte))
    expect(await alertFor(device, { ...session, ticket })).toBe('admitted')
  })
})

describe('what a session keeps of a device', () => {
  it('comes back as it was, of 87 bytes', () => {
    const device = {
      deviceId: randomUUID(),
      certificateSha256: randomBytes(32).toString('hex'),
      certificateNotAfter: instant(253_402_300_799_000),
      authoritySha256: randomBytes(32).toString('hex'),
    }
    const bytes = encodeResumableDevice(device)
    expect(bytes).toHaveLength(87)
    expect(decodeResumableDevice(bytes)).toEqual(device)
  })

  it('of another version, too short or too long is nothing', () => {
    const bytes = encodeResumableDevice({
      deviceId: randomUUID(),
      certificateSha256: '00'.repeat(32),
      certificateNotAfter: instant(0),
      authoritySha256: '00'.repeat(32),
    })
    expect(decodeResumableDevice(Uint8Array.from([2, ...bytes.subarray(1)]))).toBeUndefined()
    expect(decodeResumableDevice(bytes.subarray(0, 86))).toBeUndefined()
    expect(decodeResumableDevice(Uint8Array.from([...bytes, 0]))).toBeUndefined()
    expect(decodeResumableDevice(new Uint8Array(0))).toBeUndefined()
  })
})
