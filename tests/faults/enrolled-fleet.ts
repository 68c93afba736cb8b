/**
 * A fleet that the dps has just finished with, made in bulk: identity certificates of an authority of the test's own, written
 * into the database with devices, records and onboarding codes as the dps would have written them. What the devices do from
 * there on (handshake, sign-up, sign-in) is real.
 */

import { createHash, generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto'
import { type Issuance, issueCertificate, softwareSigner, validityFor } from '@sallyport/issuer'
import pg from 'pg'

export interface EnrolledDevice {
  readonly id: string
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  readonly privateKey: KeyObject
  readonly onboardingCode: string
}

const day = 86_400_000

export async function enrollFleet(databaseUrl: string, count: number): Promise<readonly EnrolledDevice[]> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { signer, certificate: authority } = await newAuthority()
    await client.query(
      "insert into certificate_authority (sha256, role, certificate_der) values ($1, 'identity', $2) on conflict do nothing",
      [authority.sha256, authority.der],
    )
    const { rows } = await client.query('select id, organization_id from enrollment_group limit 1')
    const { id: groupId, organization_id: organizationId } = rows[0] as { id: string; organization_id: string }
    const devices: EnrolledDevice[] = []
    for (let made = 0; made < count; made += 1) {
      const { device, row } = await newDevice({ signer, certificate: authority })
      await client.query(insertDevice, [organizationId, groupId, authority.sha256, ...row])
      devices.push(device)
    }
    return devices
  } finally {
    await client.end()
  }
}

/** One statement, in the order of what refers to what. */
const insertDevice = `
  with record as (
    insert into provisioning_record (id, organization_id, group_id, device_id, manufacturer_spki_sha256,
      manufacturer_certificate_pem, remote)
    values ($4, $1, $2, $5, $6, 'test', '127.0.0.1')
  ), made as (
    insert into device (id, organization_id, group_id, record_id, manufacturer_spki_sha256, state, name)
    values ($5, $1, $2, $4, $6, 'active', $5)
  ), issued as (
    insert into certificate (id, organization_id, device_id, record_id, profile, issuer_sha256, serial_number,
      spki_sha256, not_before, not_after, state, certificate_der, sha256, issued_at)
    values ($7, $1, $5, $4, 'identity', $3, $8, $6, $9, $10, 'issued', $11, $12, now())
  )
  insert into onboarding_code (code_hash, organization_id, device_id, record_id, expires_at)
  values ($13, $1, $5, $4, now() + interval '9 minutes')`

async function newAuthority() {
  const signer = softwareSigner(newKey().privateKey)
  const certificate = await issueCertificate({
    profile: 'identity-ca',
    subject: { commonName: 'Identities of a fleet under test' },
    spki: signer.publicKey,
    issuer: { signer },
    serialNumber: newSerialNumber(),
    ...validityFor(Date.now() - day, 1000),
  })
  return { signer, certificate }
}

async function newDevice(issuer: Issuance['issuer']) {
  const id = randomUUID()
  const { privateKey, spki } = newKey()
  const certificate = await issueCertificate({
    profile: 'identity',
    subject: { commonName: `uuid:${id}` },
    spki,
    issuer,
    serialNumber: newSerialNumber(),
    ...validityFor(Date.now() - 60_000, 90),
  })
  const onboardingCode = randomBytes(32).toString('base64url')
  const device: EnrolledDevice = { id, chain: [certificate.der], privateKey, onboardingCode }
  const row = [
    randomUUID(),
    id,
    createHash('sha256').update(spki).digest('hex'),
    randomUUID(),
    certificate.serialNumber,
    new Date(certificate.notBefore),
    new Date(certificate.notAfter),
    certificate.der,
    certificate.sha256,
    createHash('sha256').update(onboardingCode).digest(),
  ]
  return { device, row }
}

function newKey(): { privateKey: KeyObject; spki: Uint8Array } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { privateKey, spki: softwareSigner(privateKey).publicKey }
}

function newSerialNumber(): Uint8Array {
  const octets = new Uint8Array(randomBytes(17))
  octets[0] = 0x21
  return octets
}
