/** A migrated database of its own, an open store, and the steps of a device's life up to where a test begins. */

import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { clockFrom, days, type Instant, instant, later, minutes } from '@sallyport/clock'
import { databaseForTest } from '@sallyport/development'
import pg from 'pg'
import {
  type ActContext,
  type GroupAuthority,
  migrate,
  type OpenStoreOptions,
  openStore,
  type Store,
} from '../src/index.ts'

export const clock = clockFrom(Date.now)
export const system: ActContext = { actor: { kind: 'system', id: 'test' }, correlationId: 'test-correlation' }
export const randomDigest = (): string => randomBytes(32).toString('hex')
export const digestOf = (text: string): Uint8Array => createHash('sha256').update(text).digest()
export const inMinutes = (count: number): Instant => later(clock.now(), minutes(count))
export const pemOf = (name: string): string => `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`

export const authority = (overrides: Partial<GroupAuthority> = {}): GroupAuthority => ({
  sha256: randomDigest(),
  subjectSha256: randomDigest(),
  spkiSha256: randomDigest(),
  der: randomBytes(64),
  commonName: 'Manufacturer CA',
  isLead: true,
  ...overrides,
})

export interface ClaimedDevice {
  readonly id: string
  readonly recordId: string
  readonly spkiSha256: string
  readonly groupId: string
  readonly organizationId: string
}

export interface CertifiedDevice extends ClaimedDevice {
  readonly certificateSha256: string
  readonly keySha256: string
}

export interface RegisteredDevice extends CertifiedDevice {
  readonly refreshToken: string
  readonly familyId: string
}

export class StoreAroundDevices {
  readonly store: Store
  readonly url: string
  /** As a service logs in. */
  readonly urlAs: (role: string) => string
  readonly organizationId: string
  readonly userId: string
  readonly groupId: string
  /** Straight to the tables. */
  readonly tables: pg.Pool
  readonly #drop: () => Promise<void>

  private constructor(fields: {
    store: Store
    url: string
    urlAs: (role: string) => string
    tables: pg.Pool
    organizationId: string
    userId: string
    groupId: string
    drop: () => Promise<void>
  }) {
    this.store = fields.store
    this.url = fields.url
    this.urlAs = fields.urlAs
    this.tables = fields.tables
    this.organizationId = fields.organizationId
    this.userId = fields.userId
    this.groupId = fields.groupId
    this.#drop = fields.drop
  }

  static async open(options: Pick<OpenStoreOptions, 'poolSize' | 'log'> = {}): Promise<StoreAroundDevices> {
    const database = await databaseForTest({
      migrate: (url) => migrate({ connectionString: url }),
      template: 'store',
    })
    const store = await openStore({
      connectionString: database.url,
      applicationName: 'store-test',
      clock,
      ...options,
    })
    const tables = new pg.Pool({ connectionString: database.url, max: 2 })
    tables.on('error', () => undefined)
    const made = await store.organizations.createFirst(
      { name: 'Acme', admin: { email: 'Admin@acme.test', username: 'Admin', passwordHash: '$argon2id$' } },
      system,
    )
    if (made === undefined) throw new Error('the template has an organization already')
    const group = await store.enrollmentGroups.create(
      made.organizationId,
      { name: 'Lamps', chainPem: pemOf('chain'), authorities: [authority()] },
      system,
    )
    return new StoreAroundDevices({
      store,
      url: database.url,
      urlAs: database.urlAs,
      tables,
      ...made,
      groupId: group.id,
      drop: () => database.drop(),
    })
  }

  async close(): Promise<void> {
    await this.store.close()
    await this.tables.end()
    await this.#drop()
  }

  /** Another customer, as the management of organizations will make them. */
  async secondOrganization(): Promise<{ organizationId: string; groupId: string }> {
    const organizationId = randomUUID()
    await this.tables.query('insert into organization (id, name) values ($1, $2)', [organizationId, 'Other'])
    const group = await this.store.enrollmentGroups.create(
      organizationId,
      { name: 'Others', chainPem: pemOf('other'), authorities: [authority()] },
      system,
    )
    return { organizationId, groupId: group.id }
  }

  async begun(of: Partial<ClaimedDevice> = {}): Promise<ClaimedDevice> {
    const device = {
      id: of.id ?? randomUUID(),
      recordId: of.recordId ?? randomUUID(),
      spkiSha256: of.spkiSha256 ?? randomDigest(),
      groupId: of.groupId ?? this.groupId,
      organizationId: of.organizationId ?? this.organizationId,
    }
    await this.store.provisioning.begin(
      {
        ...device,
        manufacturer: {
          spkiSha256: device.spkiSha256,
          certificatePem: pemOf('device'),
          commonName: `uuid:${device.id}`,
        },
        remote: '192.0.2.1',
      },
      system,
    )
    return device
  }

  async claimed(of: Partial<ClaimedDevice> = {}): Promise<ClaimedDevice> {
    const device = await this.begun(of)
    await this.claim(device)
    return device
  }

  claim(device: ClaimedDevice): Promise<void> {
    return this.store.provisioning.claimDevice(
      { recordId: device.recordId, deviceId: device.id, manufacturerSpkiSha256: device.spkiSha256 },
      system,
    )
  }

  async issue(device: ClaimedDevice, keySha256: string = randomDigest()): Promise<string> {
    const { issuanceId } = await this.store.certificates.beginIssuance(intentOf(device, keySha256), system)
    const sha256 = randomDigest()
    await this.store.certificates.completeIssuance({ issuanceId, der: randomBytes(100), sha256 }, system)
    return sha256
  }

  async certified(of: Partial<ClaimedDevice> = {}): Promise<CertifiedDevice> {
    const device = await this.claimed(of)
    const keySha256 = randomDigest()
    return { ...device, keySha256, certificateSha256: await this.issue(device, keySha256) }
  }

  async code(device: ClaimedDevice, expiresAt: Instant = inMinutes(10)): Promise<string> {
    const code = randomBytes(32).toString('base64url')
    await this.store.onboardingCodes.create(
      { codeHash: digestOf(code), deviceId: device.id, recordId: device.recordId, expiresAt },
      system,
    )
    return code
  }

  redeem(code: string, device: CertifiedDevice, refreshToken: string = randomDigest(), act: ActContext = system) {
    return this.store.onboardingCodes.redeem(
      {
        codeHash: digestOf(code),
        deviceId: device.id,
        certificateSha256: device.certificateSha256,
        newFamily: { refreshTokenHash: digestOf(refreshToken) },
      },
      act,
    )
  }

  async registered(of: Partial<ClaimedDevice> = {}): Promise<RegisteredDevice> {
    const device = await this.certified(of)
    const refreshToken = randomDigest()
    const { familyId } = await this.redeem(await this.code(device), device, refreshToken)
    return { ...device, refreshToken, familyId }
  }

  async gateway(id: string = randomUUID()): Promise<string> {
    await this.store.gateways.register({ id, coapsUri: 'coaps://127.0.0.1:5684', startedAt: clock.now() })
    return id
  }

  online(device: CertifiedDevice, gatewayId: string, associationId: string = randomDigest().slice(0, 16)) {
    return this.store.devices.declareOnline(
      {
        deviceId: device.id,
        gatewayId,
        associationId,
        certificateSha256: device.certificateSha256,
        remote: { address: '192.0.2.1', port: 40000 },
      },
      system,
    )
  }

  async audited(type: string): Promise<readonly { subject_id: string; outcome: string; details: unknown }[]> {
    const { rows } = await this.tables.query(
      'select subject_id, outcome, details from audit_event where type = $1 order by occurred_at, id',
      [type],
    )
    return rows
  }

  async announced(topic: string): Promise<readonly { device_id: string | null; data: unknown }[]> {
    const { rows } = await this.tables.query('select device_id, data from outbox where topic = $1 order by sequence', [
      topic,
    ])
    return rows
  }
}

export const intentOf = (device: ClaimedDevice, keySha256: string) => ({
  serialNumber: randomBytes(17).toString('hex'),
  issuerSha256: 'a'.repeat(64),
  deviceId: device.id,
  recordId: device.recordId,
  profile: 'identity',
  spkiSha256: keySha256,
  notBefore: instant(clock.now() - 300_000),
  notAfter: later(clock.now(), days(90)),
})

/** The codes with which promises were rejected, and how many were not. */
export async function outcomesOf(promises: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const settled = await Promise.allSettled(promises)
  const counts: Record<string, number> = {}
  for (const each of settled) {
    const reason: unknown = each.status === 'rejected' ? each.reason : undefined
    const name =
      reason === undefined
        ? 'resolved'
        : reason instanceof Error && 'code' in reason
          ? String(reason.code)
          : String(reason)
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

export const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))
