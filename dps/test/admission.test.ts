import { createHash, generateKeyPairSync } from 'node:crypto'
import { toHex } from '@sallyport/bytes'
import { instant } from '@sallyport/clock'
import { issueCertificate, softwareSigner, validityFor } from '@sallyport/issuer'
import { type Certificate, provisioningRecordId } from '@sallyport/pki'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Admitted, admit, type Refused } from '../src/admission.ts'
import type { AdmissionStore, EnrollmentGroup, RecordAdmission, RecordedIdentity } from '../src/provisioning-store.ts'
import {
  authority,
  createManufacturer,
  serialNumber,
  type TestAuthority,
  type TestManufacturer,
} from './manufacturer-pki.ts'

const day = 86_400_000
const now = instant(Date.now())

/** What the database would say. */
interface Books {
  groups?: readonly EnrollmentGroup[]
  recorded?: Readonly<Record<string, RecordedIdentity>>
  records?: Readonly<Record<string, RecordAdmission>>
}

const storeOf = (books: Books): AdmissionStore => ({
  groupsByAuthoritySubjects: async (subjects) =>
    (books.groups ?? []).filter((group) =>
      group.authorities.some((each) => each.isLead && subjects.includes(subjectHash(each.der))),
    ),
  group: async (id) => books.groups?.find((group) => group.id === id),
  recordedIdentity: async (sha256) => books.recorded?.[sha256],
  recordAdmission: async (id) => books.records?.[id],
})

const subjects = new Map<string, string>()
const subjectHash = (der: Uint8Array): string => subjects.get(toHex(der)) ?? ''

function groupOf(
  lead: Certificate,
  others: readonly Certificate[] = [],
  state: EnrollmentGroup['state'] = 'active',
): EnrollmentGroup {
  const authorities = [lead, ...others].map((certificate, index) => {
    subjects.set(toHex(certificate.der), toHex(createHash('sha256').update(certificate.subjectDer).digest()))
    return { sha256: certificate.sha256, der: certificate.der, isLead: index === 0 }
  })
  return { id: crypto.randomUUID(), organizationId: crypto.randomUUID(), state, authorities }
}

describe('admission with a manufacturer certificate', () => {
  let maker: TestManufacturer
  let group: EnrollmentGroup
  const decide = (chain: readonly Uint8Array[], books: Books = { groups: [group] }) =>
    admit(chain, { store: storeOf(books), identityAuthorities: [] }, now)

  beforeAll(async () => {
    maker = await createManufacturer('Maker')
    group = groupOf(maker.intermediate.certificate, [maker.root.certificate])
  })

  it('[4.4] [4.5] admits a device whose chain leads to the lead authority of an active group', async () => {
    const device = await maker.device()
    const decision = (await decide(device.chain)) as Admitted
    expect(decision.admitted).toBe(true)
    expect(decision.peer.group.id).toBe(group.id)
    expect(decision.peer.recordId).toBe(provisioningRecordId(device.certificate.spki))
  })

  it('[4.4] admits a device whose factory gave it a key of Ed25519', async () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    expect((await decide((await maker.device({ privateKey })).chain)).admitted).toBe(true)
  })

  it('[4.5] admits a device that sends its leaf alone where the lead authority issued it', async () => {
    const device = await maker.device()
    expect((await decide([device.certificate.der])).admitted).toBe(true)
  })

  it('[4.5] chooses the group by the signature, not by the name, when two makers share a name', async () => {
    const twin = await createManufacturer('Maker')
    const twinGroup = groupOf(twin.intermediate.certificate, [twin.root.certificate])
    const device = await twin.device()
    const decision = (await decide(device.chain, { groups: [group, twinGroup] })) as Admitted
    expect(decision.peer.group.id).toBe(twinGroup.id)
  })

  it('[4.4] refuses each wrong chain with its own alert and reason', async () => {
    const stranger = await createManufacturer('Stranger')
    const good = await maker.device()
    const altered = Uint8Array.from(good.certificate.der)
    altered[altered.length - 1] = (altered[altered.length - 1] ?? 0) ^ 1
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const signer = softwareSigner(privateKey)
    const selfSigned = await issueCertificate({
      profile: 'installation-root',
      subject: { commonName: 'Self' },
      spki: signer.publicKey,
      issuer: { signer },
      serialNumber: serialNumber(),
      ...validityFor(Date.now(), 10),
    })
    const cases: readonly (readonly [readonly Uint8Array[], string, string])[] = [
      [[], 'certificate-missing', 'handshake_failure'],
      [[selfSigned.der], 'certificate-self-signed', 'unknown_ca'],
      [(await stranger.device()).chain, 'certificate-authority-unknown', 'unknown_ca'],
      [
        (await maker.device({ profile: 'unfit-manufacturer-device' })).chain,
        'certificate-purpose-wrong',
        'unsupported_certificate',
      ],
      [
        (await maker.device({ startsAt: Date.now() - 20 * day, days: 10 })).chain,
        'certificate-expired',
        'certificate_expired',
      ],
      [
        (await maker.device({ startsAt: Date.now() + 5 * day, days: 10 })).chain,
        'certificate-not-yet-valid',
        'certificate_expired',
      ],
      [[altered, maker.intermediate.certificate.der], 'certificate-signature-invalid', 'bad_certificate'],
      [[good.certificate.der.subarray(0, 100)], 'certificate-malformed', 'bad_certificate'],
      [
        [good.certificate.der, ...Array(12).fill(maker.intermediate.certificate.der)],
        'certificate-path-too-long',
        'unknown_ca',
      ],
      [
        [maker.intermediate.certificate.der, maker.root.certificate.der],
        'certificate-purpose-wrong',
        'unsupported_certificate',
      ],
    ]
    for (const [chain, code, alert] of cases) {
      const decision = await decide(chain)
      expect(decision, code).toMatchObject({ admitted: false, code, alert })
      expect((decision as Refused).proven, code).toBeUndefined()
    }
  })

  it('trusts no authority that the device brings along', async () => {
    const stranger = await createManufacturer('Stranger')
    const device = await stranger.device()
    const chain = [...device.chain, stranger.root.certificate.der]
    expect(await decide(chain)).toMatchObject({ code: 'certificate-authority-unknown' })
  })

  it('[4.5] refuses a disabled group and one whose proof is pending, and says what was proven', async () => {
    const device = await maker.device()
    for (const [state, code] of [
      ['disabled', 'enrollment-disabled'],
      ['pending-proof', 'enrollment-missing'],
    ] as const) {
      const other = groupOf(maker.intermediate.certificate, [], state)
      expect(await decide(device.chain, { groups: [other] })).toMatchObject({
        admitted: false,
        code,
        alert: 'access_denied',
        proven: { organizationId: other.organizationId, certificateSha256: device.certificate.sha256 },
      })
    }
  })

  it('[4.20] refuses the manufacturer key of a blocked device', async () => {
    const device = await maker.device()
    const recordId = provisioningRecordId(device.certificate.spki)
    const record: RecordAdmission = {
      groupId: group.id,
      deviceState: 'blocked',
      manufacturerSpkiSha256: device.certificate.spkiSha256,
    }
    expect(await decide(device.chain, { groups: [group], records: { [recordId]: record } })).toMatchObject({
      code: 'device-blocked',
      alert: 'access_denied',
    })
  })
})

describe('admission with an identity certificate', () => {
  let identityAuthority: TestAuthority
  let group: EnrollmentGroup
  let leaf: Certificate
  const deviceId = '4c1b1d6e-9a3f-4c34-8a52-0a1f6b7b9d11'
  const recordId = '99b1d0aa-52c3-5c5e-9d2a-1b6e3c7d8e9f'
  const record: RecordAdmission = { groupId: '', deviceState: 'active', manufacturerSpkiSha256: 'ab' }

  const recordedAs = (over: Partial<RecordedIdentity>): RecordedIdentity => ({
    deviceId,
    organizationId: group.organizationId,
    recordId,
    state: 'active',
    deviceState: 'active',
    ...over,
  })
  const decide = (recorded: RecordedIdentity | undefined, groups = [group]) =>
    admit(
      [leaf.der],
      {
        store: storeOf({
          groups,
          recorded: recorded === undefined ? {} : { [leaf.sha256]: recorded },
          records: { [recordId]: { ...record, groupId: group.id } },
        }),
        identityAuthorities: [identityAuthority.certificate],
      },
      now,
    )

  beforeAll(async () => {
    identityAuthority = await authority('identity-ca', 'Identity CA', undefined)
    group = groupOf((await createManufacturer('Maker')).intermediate.certificate)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    leaf = await issueCertificate({
      profile: 'identity',
      subject: { commonName: `uuid:${deviceId}` },
      spki: softwareSigner(privateKey).publicKey,
      issuer: identityAuthority,
      serialNumber: serialNumber(),
      ...validityFor(Date.now() - day, 30),
    })
  })

  it('[4.20] admits a device by the record that its certificate was issued in', async () => {
    const decision = (await decide(recordedAs({}))) as Admitted
    expect(decision.peer).toMatchObject({ kind: 'identity', deviceId, recordId, manufacturerSpkiSha256: 'ab' })
    expect((await decide(recordedAs({ state: 'issued' }))).admitted).toBe(true)
  })

  it('[4.20] refuses one that is not recorded, revoked, superseded, of a blocked or of a deleted device', async () => {
    expect(await decide(undefined)).toMatchObject({ code: 'certificate-not-recorded', alert: 'access_denied' })
    for (const [over, code, alert] of [
      [{ state: 'revoked' }, 'certificate-revoked', 'certificate_revoked'],
      [{ state: 'superseded' }, 'certificate-revoked', 'certificate_revoked'],
      [{ deviceState: 'deleted' }, 'certificate-revoked', 'certificate_revoked'],
      [{ deviceState: 'blocked' }, 'device-blocked', 'access_denied'],
      [{ state: 'revoked', deviceState: 'blocked' }, 'device-blocked', 'access_denied'],
    ] as const) {
      expect(await decide(recordedAs(over)), code).toMatchObject({ admitted: false, code, alert, proven: { deviceId } })
    }
  })

  it('[4.20] refuses it once the enrollment group is disabled or gone', async () => {
    expect(await decide(recordedAs({}), [{ ...group, state: 'disabled' }])).toMatchObject({
      code: 'enrollment-disabled',
    })
    expect(await decide(recordedAs({}), [])).toMatchObject({ code: 'enrollment-missing' })
  })
})
