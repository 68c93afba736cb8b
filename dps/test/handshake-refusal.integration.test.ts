import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { eventually, installationForTest, type TestInstallation } from '@sallyport/development'
import { issueCertificate, softwareSigner, validityFor } from '@sallyport/issuer'
import { certificateToPem } from '@sallyport/pki'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createManufacturer, serialNumber, type TestManufacturer } from './manufacturer-pki.ts'
import { type DpsAddress, handshakeOutcome } from './provisioning-device.ts'

const day = 86_400_000

describe('handshakes that the dps refuses', () => {
  let installation: TestInstallation
  let dps: DpsAddress
  let maker: TestManufacturer
  let database: pg.Client

  const storedFailures = async (reason: string): Promise<number> => {
    const { rows } = await database.query(
      'select coalesce(sum(count), 0)::int as count from admission_failure where reason = $1',
      [reason],
    )
    return rows[0].count
  }
  const countedFailures = async (reason: string): Promise<number> => {
    const line = (await installation.metricsOf('dps'))
      .split('\n')
      .find((each) => each.startsWith('sallyport_dps_handshakes_total') && each.includes(`reason="${reason}"`))
    return Number(line?.split(' ').at(-1) ?? 0)
  }

  beforeAll(async () => {
    installation = await installationForTest()
    dps = { url: installation.dpsUrl, trustAnchorFile: installation.pki.trustAnchor }
    maker = await createManufacturer('Refusal Maker')
    await installation.api.post('/api/v1/enrollment-groups', {
      name: 'refusal tests',
      certificateChain: [maker.intermediate, maker.root]
        .map(({ certificate }) => certificateToPem(certificate.der))
        .join(''),
    })
    database = new pg.Client({ connectionString: installation.databaseUrl })
    await database.connect()
  })
  afterAll(async () => {
    await database?.end()
    await installation?.stop()
  })

  it('[4.4] refuses each wrong certificate with the right alert, a stored reason, a log line and a metric', async () => {
    const good = await maker.device()
    const stranger = await createManufacturer('Stranger')
    const altered = Uint8Array.from(good.certificate.der)
    altered[altered.length - 1] = (altered[altered.length - 1] ?? 0) ^ 1
    const self = await selfSigned()
    const expired = await maker.device({ startsAt: Date.now() - 20 * day, days: 10 })
    const early = await maker.device({ startsAt: Date.now() + 5 * day, days: 10 })
    const unfit = await maker.device({ profile: 'unfit-manufacturer-device' })
    const unknown = await stranger.device()
    const intermediate = maker.intermediate.certificate.der
    const cases: readonly (readonly [
      string,
      { chain: readonly Uint8Array[]; privateKey: KeyObject } | undefined,
      string,
      string,
    ])[] = [
      ['no certificate', undefined, 'certificate-missing', 'handshake_failure'],
      ['self-signed', self, 'certificate-self-signed', 'unknown_ca'],
      ['wrong EKU', unfit, 'certificate-purpose-wrong', 'unsupported_certificate'],
      ['expired', expired, 'certificate-expired', 'certificate_expired'],
      ['not yet valid', early, 'certificate-not-yet-valid', 'certificate_expired'],
      [
        'path too long',
        { ...good, chain: [good.certificate.der, ...Array(9).fill(intermediate)] },
        'certificate-path-too-long',
        'unknown_ca',
      ],
      [
        'bad signature',
        { ...good, chain: [altered, intermediate] },
        'certificate-signature-invalid',
        'bad_certificate',
      ],
      ['unknown CA', unknown, 'certificate-authority-unknown', 'unknown_ca'],
    ]
    for (const [what, credentials, reason, alert] of cases) {
      const before = await countedFailures(reason)
      expect(await handshakeOutcome(dps, credentials), what).toBe(alert)
      expect(await countedFailures(reason), `metric of ${what}`).toBe(before + 1)
      const line = installation.logOf('dps').findLast((each) => each.msg === 'handshake failed' && each.code === reason)
      expect(line, `log line of ${what}`).toMatchObject({ alert, direction: 'sent' })
    }
    expect(await handshakeOutcome(dps, good)).toBe('accepted')
    for (const [what, , reason] of cases) {
      await eventually(`a stored reason for ${what}`, async () => (await storedFailures(reason)) > 0)
    }
  })

  it('[4.5] refuses a device at once when its enrollment group is disabled', async () => {
    const other = await createManufacturer('Disabled Maker')
    const group = await installation.api.post<{ id: string }>('/api/v1/enrollment-groups', {
      name: 'to be disabled',
      certificateChain: certificateToPem(other.intermediate.certificate.der),
    })
    const device = await other.device()
    expect(await handshakeOutcome(dps, device)).toBe('accepted')
    const response = await fetch(`${installation.http}/api/v1/enrollment-groups/${group.id}`, {
      method: 'GET',
      headers: { authorization: `Bearer ${installation.api.token}` },
    })
    const changed = await fetch(`${installation.http}/api/v1/enrollment-groups/${group.id}`, {
      method: 'PATCH',
      headers: {
        authorization: `Bearer ${installation.api.token}`,
        'content-type': 'application/json',
        'if-match': response.headers.get('etag') ?? '',
      },
      body: JSON.stringify({ state: 'disabled' }),
    })
    expect(changed.status).toBe(200)
    expect(await handshakeOutcome(dps, device)).toBe('access_denied')
    const audit = await installation.api.get<{ items: { data?: unknown }[] }>('/api/v1/audit-events?limit=100')
    expect(JSON.stringify(audit.items)).toContain('enrollment-disabled')
  })

  async function selfSigned() {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const signer = softwareSigner(privateKey)
    const certificate = await issueCertificate({
      profile: 'installation-root',
      subject: { commonName: 'Self' },
      spki: signer.publicKey,
      issuer: { signer },
      serialNumber: serialNumber(),
      ...validityFor(Date.now() - day, 10),
    })
    return { chain: [certificate.der], privateKey }
  }
})
