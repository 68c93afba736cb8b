import type { Instant } from '@sallyport/clock'
import { inSeconds } from '@sallyport/clock'
import { CodedError, type ErrorCode } from '@sallyport/errors'
import { type DeviceState, type EnrollmentGroupState, issuanceRepeatWindow } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { CertificateRecord, Certificates, OrphanedIssuance, RecordedIdentity } from '../certificates.ts'
import type { Database, Query } from './database.ts'
import { violatesUnique } from './database-fault.ts'
import { requireEnrolling } from './enrolling-group.ts'
import { sql, time } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

export class PostgresCertificates implements Certificates {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async beginIssuance(intent: Parameters<Certificates['beginIssuance']>[0], act: ActContext) {
    const { deviceId, recordId, profile, spkiSha256, serialNumber, issuerSha256, notBefore, notAfter } = intent
    const issuanceId = this.#record.newId()
    await this.#database.transaction(async (query) => {
      // The device's row is the lock under which announcements and completions of the device take turns.
      const organizationId = await lockDevice(query, deviceId, recordId)
      if ((await repeatOf(query, { deviceId, spkiSha256, profile, within: issuanceRepeatWindow })) !== undefined) {
        throw new CodedError('conflict', 'Such a certificate was issued just now.')
      }
      const withdrawn = await query.rows<Ended>(sql`
        update certificate set state = 'failed', failure_code = 'conflict', ended_at = now()
        where device_id = ${deviceId} and spki_sha256 = ${spkiSha256} and profile = ${profile} and state = 'intent'
        returning id, organization_id as "organizationId", device_id as "deviceId", serial_number as "serialNumber"`)
      await this.#auditFailures(query, act, withdrawn, 'conflict')
      try {
        await query.run(sql`
          insert into certificate (id, organization_id, device_id, record_id, profile, issuer_sha256, serial_number,
            spki_sha256, not_before, not_after, state)
          values (${issuanceId}, ${organizationId}, ${deviceId}, ${recordId}, ${profile}, ${issuerSha256}, ${serialNumber},
            ${spkiSha256}, ${time(notBefore)}, ${time(notAfter)}, 'intent')`)
      } catch (error) {
        if (!violatesUnique(error, 'certificate_issuer_sha256_serial_number_key')) throw error
        throw new CodedError('conflict', 'The serial number is taken.', { cause: error })
      }
      await this.#record.audit(query, act, {
        type: 'certificate.issuance-begun',
        organizationId,
        subjectId: issuanceId,
        details: { deviceId, recordId, profile, serialNumber, issuerSha256, spkiSha256 },
      })
    })
    return { issuanceId }
  }

  async completeIssuance(issuance: Parameters<Certificates['completeIssuance']>[0], act: ActContext): Promise<void> {
    const { issuanceId, der, sha256 } = issuance
    await this.#database.transaction(async (query) => {
      const intent = await query.first<Ended & { readonly recordId: string }>(sql`
        select id, organization_id as "organizationId", device_id as "deviceId", serial_number as "serialNumber",
          record_id as "recordId"
        from certificate where id = ${issuanceId}`)
      if (intent === undefined) throw new CodedError('not-found', 'The issuance was never begun.')
      const { organizationId, deviceId, serialNumber } = intent
      await lockDevice(query, deviceId, intent.recordId)
      const completed = await query.run(sql`
        update certificate set state = 'issued', certificate_der = ${der}, sha256 = ${sha256}, issued_at = clock_timestamp()
        where id = ${issuanceId} and state = 'intent'`)
      if (completed === 0) throw new CodedError('conflict', 'The issuance was withdrawn meanwhile.')
      await this.#record.audit(query, act, {
        type: 'certificate.issued',
        organizationId,
        subjectId: sha256,
        details: { deviceId, serialNumber, sha256 },
      })
    })
  }

  async failIssuance(issuanceId: string, code: ErrorCode, act: ActContext): Promise<void> {
    await this.#database.transaction(async (query) => {
      const failed = await query.rows<Ended>(sql`
        update certificate set state = 'failed', failure_code = ${code}, ended_at = now()
        where id = ${issuanceId} and state = 'intent'
        returning id, organization_id as "organizationId", device_id as "deviceId", serial_number as "serialNumber"`)
      await this.#auditFailures(query, act, failed, code)
    })
  }

  findRepeat(of: Parameters<Certificates['findRepeat']>[0]): Promise<CertificateRecord | undefined> {
    return this.#database.read((query) => repeatOf(query, of))
  }

  findRecorded(sha256: string): Promise<RecordedIdentity | undefined> {
    return this.#database.read((query) =>
      query.first<RecordedIdentity>(sql`
        select c.device_id as "deviceId", c.organization_id as "organizationId", c.record_id as "recordId",
          c.serial_number as "serialNumber", c.state, d.state as "deviceState"
        from certificate c join device d on d.id = c.device_id
        where c.sha256 = ${sha256}`),
    )
  }

  async withdrawnAmong(sha256: readonly string[]): Promise<readonly string[]> {
    if (sha256.length === 0) return []
    const rows = await this.#database.read((query) =>
      query.rows<{ readonly asked: string }>(sql`
        select asked from unnest(${sha256}::text[]) as asked
        where not exists (
          select from certificate c join device d on d.id = c.device_id
          where c.sha256 = asked and c.state in ('issued', 'active') and d.state = 'active')`),
    )
    return rows.map((row) => row.asked)
  }

  async markSignedIn(sha256: string, act: ActContext): Promise<void> {
    const state = await this.#database.read((query) =>
      query.first<{ readonly state: string }>(sql`select state from certificate where sha256 = ${sha256}`),
    )
    // Nearly every sign-in ends here.
    if (state?.state !== 'issued') return
    await this.#database.transaction(async (query) => {
      const activated = await query.first<Ended & { readonly issuedAt: Instant }>(sql`
        update certificate set state = 'active', first_signed_in_at = now()
        where sha256 = ${sha256} and state = 'issued'
        returning id, organization_id as "organizationId", device_id as "deviceId", serial_number as "serialNumber",
          issued_at as "issuedAt"`)
      if (activated === undefined) return
      const { organizationId, deviceId, serialNumber, issuedAt } = activated
      const superseded = await query.rows<{ readonly sha256: string }>(sql`
        update certificate set state = 'superseded', ended_at = now()
        where device_id = ${deviceId} and state in ('issued', 'active') and sha256 <> ${sha256}
          and issued_at <= ${time(issuedAt)}
        returning sha256`)
      await this.#record.audit(query, act, {
        type: 'certificate.activated',
        organizationId,
        subjectId: sha256,
        details: { deviceId, serialNumber, superseded: superseded.map((row) => row.sha256) },
      })
    })
  }

  findOrphans(olderThan: Instant): Promise<readonly OrphanedIssuance[]> {
    return this.#database.read((query) =>
      query.rows<OrphanedIssuance>(sql`
        select id as "issuanceId", serial_number as "serialNumber", device_id as "deviceId", started_at as "startedAt"
        from certificate where state = 'intent' and started_at < ${time(olderThan)} order by started_at limit 1000`),
    )
  }

  #auditFailures(query: Query, act: ActContext, failed: readonly Ended[], code: ErrorCode): Promise<void> {
    return this.#record.auditAll(
      query,
      act,
      failed.map(({ id, organizationId, deviceId, serialNumber }) => ({
        type: 'certificate.issuance-failed' as const,
        organizationId,
        subjectId: id,
        outcome: 'failed' as const,
        details: { deviceId, serialNumber, code },
      })),
    )
  }
}

interface Ended {
  readonly id: string
  readonly organizationId: string
  readonly deviceId: string
  readonly serialNumber: string
}

/** @returns the organization of the device. */
async function lockDevice(query: Query, deviceId: string, recordId: string): Promise<string> {
  const device = await query.first<{
    readonly organizationId: string
    readonly recordId: string
    readonly state: DeviceState
    readonly groupState: EnrollmentGroupState
  }>(sql`
    select d.organization_id as "organizationId", d.record_id as "recordId", d.state, g.state as "groupState"
    from device d join enrollment_group g on g.id = d.group_id
    where d.id = ${deviceId} for no key update of d`)
  if (device === undefined || device.state === 'deleted' || device.recordId !== recordId) {
    throw new CodedError('device-not-registered', 'The device was not claimed by this provisioning record.')
  }
  if (device.state === 'blocked') throw new CodedError('device-blocked', 'The device is blocked.')
  requireEnrolling(device.groupState)
  return device.organizationId
}

function repeatOf(query: Query, of: Parameters<Certificates['findRepeat']>[0]): Promise<CertificateRecord | undefined> {
  return query.first<CertificateRecord>(sql`
    select certificate_der as der, sha256, serial_number as "serialNumber", not_after as "notAfter"
    from certificate
    where device_id = ${of.deviceId} and spki_sha256 = ${of.spkiSha256} and profile = ${of.profile} and state = 'issued'
      and issued_at > now() - make_interval(secs => ${inSeconds(of.within)}) and not_after > now()
    order by issued_at desc limit 1`)
}
