import { randomUUID } from 'node:crypto'
import { hasCode } from '@sallyport/errors'
import { describe, expect, it } from 'vitest'
import { gatewayForFile } from './gateway-for-file.ts'
import { DeviceAtGateway, eventually, system } from './installation-around-gateway.ts'
import { type Authority, type Credentials, newAuthority, newKey, newLeaf } from './test-authorities.ts'

const here = gatewayForFile()

/** The alert that the gateway sent, or what went wrong instead. */
async function alertFor(id: string, credentials: Credentials): Promise<unknown> {
  try {
    const device = await DeviceAtGateway.connect(here.under.gateway, { id, credentials })
    await device.close()
    return 'admitted'
  } catch (error) {
    return hasCode(error, 'handshake-failed') ? error.details.alert : error
  }
}

const failuresBy = (reason: string) => here.under.log.filter((line) => line.reason === reason)

const auditOf = async (deviceId: string) => {
  const { items } = await here.installation.store.auditEvents.list(here.installation.organizationId, {
    limit: 50,
    subjectId: deviceId,
  })
  return items
}

describe('admission', () => {
  it('[4.12] admits a device with a recorded identity certificate, and serves it', async () => {
    const device = await here.installation.provision()
    const connected = await DeviceAtGateway.connect(here.under.gateway, device)
    const { code, body } = await connected.send('GET', '/x.plgd.dev/time')
    expect(code).toBe('2.05')
    expect(Math.abs(Date.parse(String(body.time)) - Date.now())).toBeLessThan(5000)
    await connected.close()
  })

  it('[4.12] refuses a manufacturer certificate with unknown_ca', async () => {
    const manufacturer: Authority = await newAuthority('manufacturer-root', 'Some manufacturer')
    const intermediate = await newAuthority('manufacturer-intermediate', 'Some factory', manufacturer)
    const id = randomUUID()
    const leaf = await newLeaf('manufacturer-device', { commonName: `uuid:${id}` }, intermediate)
    const credentials = { ...leaf, chain: [leaf.certificate.der, intermediate.certificate.der] }
    expect(await alertFor(id, credentials)).toBe('unknown_ca')
    expect(failuresBy('certificate-authority-unknown').length).toBeGreaterThan(0)
  })

  it('[4.12] refuses an identity certificate of another authority with the same name', async () => {
    const impostor = await newAuthority('identity-ca', 'Test identities')
    const { id } = await here.installation.provision()
    const credentials = await newLeaf('identity', { commonName: `uuid:${id}` }, impostor)
    expect(await alertFor(id, credentials)).toMatch(/unknown_ca|bad_certificate/)
  })

  it('[4.12] refuses a certificate of the identity CA that nobody recorded: the CA alone opens nothing', async () => {
    const { id } = await here.installation.provision()
    const credentials = await here.installation.authorities.identityOf(id)
    expect(await alertFor(id, credentials)).toBe('access_denied')
    await eventually(async () => {
      const refused = (await auditOf(id)).filter((event) => JSON.stringify(event).includes('certificate-not-recorded'))
      expect(refused).toHaveLength(1)
    })
  })

  it('[0.12] refuses expired, not yet valid, self-signed and missing certificates, each with its own alert', async () => {
    const expired = await here.installation.provision({ validity: { startsAt: Date.now() - 3 * 86_400_000, days: 1 } })
    expect(await alertFor(expired.id, expired.credentials)).toBe('certificate_expired')
    const early = await here.installation.provision({ validity: { startsAt: Date.now() + 86_400_000, days: 1 } })
    expect(await alertFor(early.id, early.credentials)).toBe('certificate_expired')
    const selfSigned = await newAuthority('identity-ca', 'Nobody')
    const { privateKey } = newKey()
    const own = { certificate: selfSigned.certificate, chain: [selfSigned.certificate.der], privateKey }
    expect(await alertFor(randomUUID(), own)).not.toBe('admitted')
    expect(failuresBy('certificate-expired').length + failuresBy('certificate-not-yet-valid').length).toBeGreaterThan(0)
  })

  it('[0.12] refuses the certificate of a device that was deleted with certificate_revoked', async () => {
    const device = await here.installation.provision()
    const connected = await DeviceAtGateway.connect(here.under.gateway, device)
    await connected.enter(device.code)
    await here.installation.store.devices.delete(here.installation.organizationId, device.id, system)
    await eventually(() => expect(connected.closed).toBe(true), 1000)
    expect(await alertFor(device.id, device.credentials)).toBe('certificate_revoked')
  })

  it('[0.13] writes down who came: device, address, cipher suite, connection ID, certificate serial', async () => {
    const device = await here.installation.provision()
    const connected = await DeviceAtGateway.connect(here.under.gateway, device)
    await eventually(async () => {
      const text = JSON.stringify(await auditOf(device.id))
      expect(text).toContain(device.credentials.certificate.serialNumber)
      expect(text).toContain('TLS_ECDHE_ECDSA_WITH_')
      expect(text).toMatch(/"connectionId":"00[0-9a-f]{14}"/)
      expect(text).toContain('127.0.0.1')
    })
    const line = here.under.log.find(({ msg, deviceId }) => msg === 'association opened' && deviceId === device.id)
    expect(line).toMatchObject({
      certificateSerial: device.credentials.certificate.serialNumber,
      cipherSuite: expect.stringContaining('ECDSA'),
      correlationId: expect.any(String),
    })
    await connected.close()
  })

  it('[0.13] counts strangers per network, reason and minute, and writes no line or row for each', async () => {
    const stranger = await newAuthority('identity-ca', 'Strangers')
    const credentials = await newLeaf('identity', { commonName: `uuid:${randomUUID()}` }, stranger)
    const linesBefore = here.under.log.filter(({ msg }) => msg === 'handshake failed').length
    for (let attempt = 0; attempt < 5; attempt += 1) await alertFor(randomUUID(), credentials)
    const linesAfter = here.under.log.filter(({ msg }) => msg === 'handshake failed').length
    expect(linesAfter - linesBefore).toBeLessThanOrEqual(2)
    expect(await here.under.metric('sallyport_gateway_handshakes_total')).toContain('certificate-authority-unknown')
  })
})
