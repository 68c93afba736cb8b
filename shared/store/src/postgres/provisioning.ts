import type { Instant } from '@sallyport/clock'
import { CodedError, type ErrorCode } from '@sallyport/errors'
import type { DeviceState, EnrollmentGroupState, ProvisioningStep } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { Page } from '../page.ts'
import type { Provisioning, ProvisioningAdmission, ProvisioningRecord } from '../provisioning.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { requireEnrolling } from './enrolling-group.ts'
import { present } from './row.ts'
import { allOf, type Sql, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

export class PostgresProvisioning implements Provisioning {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  begin(begun: Parameters<Provisioning['begin']>[0], act: ActContext): Promise<ProvisioningRecord> {
    const { recordId, groupId, organizationId, manufacturer, remote } = begun
    return this.#database.transaction(async (query) => {
      const before = await query.first<{
        readonly archived: boolean
        readonly organizationId: string
        readonly deviceId: string | null
      }>(sql`
        select archived_at is not null as archived, organization_id as "organizationId", device_id as "deviceId"
        from provisioning_record where id = ${recordId} for update`)
      const moved = before !== undefined && before.organizationId !== organizationId
      if (moved && !before.archived && before.deviceId !== null) {
        throw new CodedError(
          'ownership-mismatch',
          'The device of this manufacturer key belongs to another organization.',
        )
      }
      if (moved || before?.archived === true) {
        await query.run(sql`delete from provisioning_step where record_id = ${recordId}`)
      }
      // Without a target: one who begins the same record at the same moment may meet either of its unique indexes first.
      const made = await query.run(sql`
        insert into provisioning_record (id, organization_id, group_id, manufacturer_spki_sha256,
          manufacturer_certificate_pem, manufacturer_common_name, remote)
        values (${recordId}, ${organizationId}, ${groupId}, ${manufacturer.spkiSha256}, ${manufacturer.certificatePem},
          ${manufacturer.commonName}, ${remote})
        on conflict do nothing`)
      if (made === 0) {
        await query.run(sql`
          update provisioning_record set
            organization_id = ${organizationId}, group_id = ${groupId},
            manufacturer_certificate_pem = ${manufacturer.certificatePem},
            manufacturer_common_name = ${manufacturer.commonName},
            device_id = case when archived_at is null then device_id end,
            remote = ${remote}, updated_at = now(), archived_at = null
          where id = ${recordId}`)
      }
      await this.#record.audit(query, act, {
        type: 'provisioning.begun',
        organizationId,
        subjectId: recordId,
        details: {
          groupId,
          manufacturerSpkiSha256: manufacturer.spkiSha256,
          ...(manufacturer.commonName === undefined ? {} : { commonName: manufacturer.commonName.slice(0, 256) }),
        },
      })
      const [record] = await recordsWhere(query, sql`r.id = ${recordId}`)
      if (record === undefined) throw new CodedError('internal', 'a record that was just begun is not there')
      return record
    })
  }

  async recordStep(
    recordId: string,
    step: ProvisioningStep,
    outcome: Parameters<Provisioning['recordStep']>[2],
    act: ActContext,
  ): Promise<void> {
    const detail = outcome.detail?.slice(0, 1000)
    await this.#database.transaction(async (query) => {
      const record = await query.first<{ readonly organizationId: string; readonly deviceId: string | null }>(sql`
        update provisioning_record set updated_at = now() where id = ${recordId}
        returning organization_id as "organizationId", device_id as "deviceId"`)
      if (record === undefined) throw new CodedError('not-found', 'The provisioning record was never begun.')
      await query.run(sql`
        insert into provisioning_step (record_id, step, organization_id, at, coap_code, error_code, detail)
        values (${recordId}, ${step}, ${record.organizationId}, clock_timestamp(), ${outcome.coapCode},
          ${outcome.errorCode}, ${detail})
        on conflict (record_id, step) do update set organization_id = excluded.organization_id, at = excluded.at,
          coap_code = excluded.coap_code, error_code = excluded.error_code, detail = excluded.detail,
          attempts = provisioning_step.attempts + 1`)
      const { organizationId, deviceId } = record
      const told = {
        step,
        coapCode: outcome.coapCode,
        ...(outcome.errorCode === undefined ? {} : { errorCode: outcome.errorCode }),
        ...(detail === undefined ? {} : { detail }),
      }
      await this.#record.audit(query, act, {
        type: 'provisioning.step',
        organizationId,
        subjectId: recordId,
        outcome: outcome.errorCode === undefined ? 'succeeded' : 'failed',
        details: { ...told, ...(deviceId === null ? {} : { deviceId }) },
      })
      await this.#record.announce(query, act, {
        topic: 'provisioning.step',
        organizationId,
        ...(deviceId === null ? {} : { deviceId }),
        data: { recordId, ...told },
      })
    })
  }

  async claimDevice(claim: Parameters<Provisioning['claimDevice']>[0], act: ActContext): Promise<void> {
    const { recordId, deviceId, manufacturerSpkiSha256 } = claim
    await this.#database.transaction(async (query) => {
      const record = await query.first<ClaimingRecord>(sql`
        select r.organization_id as "organizationId", r.group_id as "groupId", r.device_id as "deviceId",
          r.manufacturer_spki_sha256 as "manufacturerSpkiSha256", r.archived_at is not null as archived,
          g.state as "groupState"
        from provisioning_record r join enrollment_group g on g.id = r.group_id
        where r.id = ${recordId} for no key update of r`)
      if (record === undefined || record.archived || record.manufacturerSpkiSha256 !== manufacturerSpkiSha256) {
        throw new CodedError('not-found', 'The provisioning record was never begun.')
      }
      if (record.deviceId !== null && record.deviceId !== deviceId) {
        throw new CodedError('device-id-mismatch', 'This manufacturer key has another device id.')
      }
      requireEnrolling(record.groupState)
      const { organizationId, groupId } = record
      // The loser of two claims waits here for the winner, and then finds the row. Without a target: it may meet either of the
      // two unique indexes that hold the id first.
      const made = await query.run(sql`
        insert into device (id, organization_id, group_id, record_id, manufacturer_spki_sha256, state, name)
        values (${deviceId}, ${organizationId}, ${groupId}, ${recordId}, ${manufacturerSpkiSha256}, 'active', ${deviceId})
        on conflict do nothing`)
      const claimed = made === 1 || (await claimPresent(query, deviceId, record, recordId))
      await query.run(sql`update provisioning_record set device_id = ${deviceId} where id = ${recordId}`)
      if (!claimed) return
      await this.#record.audit(query, act, {
        type: 'device.claimed',
        organizationId,
        subjectId: deviceId,
        details: { recordId, groupId, manufacturerSpkiSha256 },
      })
    })
  }

  async list(organizationId: string, request: Parameters<Provisioning['list']>[1]): Promise<Page<ProvisioningRecord>> {
    const window = pageWindow(request)
    const rows = await this.#database
      .of(organizationId)
      .read((query) =>
        recordsWhere(
          query,
          allOf([
            sql`r.organization_id = ${organizationId} and r.archived_at is null`,
            request.deviceId === undefined ? undefined : sql`r.device_id = ${request.deviceId}`,
            request.groupId === undefined ? undefined : sql`r.group_id = ${request.groupId}`,
            beforeCursor(window, { at: sql`r.updated_at`, id: sql`r.id` }),
          ]),
          window.limit + 1,
        ),
      )
    return toPage(
      rows,
      window,
      (row) => ({ at: row.updatedAt, id: row.id }),
      (row) => row,
    )
  }

  async read(organizationId: string, id: string): Promise<ProvisioningRecord | undefined> {
    const [record] = await this.#database
      .of(organizationId)
      .read((query) => recordsWhere(query, sql`r.id = ${id} and r.organization_id = ${organizationId}`))
    return record
  }

  async admission(recordId: string): Promise<ProvisioningAdmission | undefined> {
    interface Row {
      readonly deviceId: string | null
      readonly deviceState: DeviceState | null
      readonly groupId: string
      readonly organizationId: string
      readonly manufacturerSpkiSha256: string
    }
    // By the key, not by the record's device id: that one is reset when the record is archived, a block must outlive it.
    const row = await this.#database.read((query) =>
      query.first<Row>(sql`
        select d.id as "deviceId", d.state as "deviceState", r.group_id as "groupId", r.organization_id as "organizationId",
          r.manufacturer_spki_sha256 as "manufacturerSpkiSha256"
        from provisioning_record r
          left join device d on d.manufacturer_spki_sha256 = r.manufacturer_spki_sha256
        where r.id = ${recordId}
        order by d.state = 'blocked' desc, d.state = 'active' desc limit 1`),
    )
    if (row === undefined) return undefined
    const { deviceId, deviceState, ...rest } = row
    return { ...rest, ...present({ deviceId }), deviceState: deviceState ?? undefined }
  }
}

interface ClaimingRecord {
  readonly organizationId: string
  readonly groupId: string
  readonly deviceId: string | null
  readonly manufacturerSpkiSha256: string
  readonly archived: boolean
  readonly groupState: EnrollmentGroupState
}

/** @returns whether the claim changed anything. */
async function claimPresent(
  query: Query,
  deviceId: string,
  record: ClaimingRecord,
  recordId: string,
): Promise<boolean> {
  const device = await query.first<{
    readonly organizationId: string
    readonly groupId: string
    /** Null: it was registered with a pre-shared key, and no manufacturer key has it. */
    readonly manufacturerSpkiSha256: string | null
    readonly state: DeviceState
  }>(sql`
    select organization_id as "organizationId", group_id as "groupId", state,
      manufacturer_spki_sha256 as "manufacturerSpkiSha256"
    from device where id = ${deviceId} for no key update`)
  // Nobody has the id, and still it could not be taken: the key has another device (device_one_per_key).
  if (device === undefined) throw new CodedError('device-id-mismatch', 'This manufacturer key has another device id.')
  if (device.manufacturerSpkiSha256 !== record.manufacturerSpkiSha256) {
    throw new CodedError('device-id-claimed', 'The device id belongs to another manufacturer key.')
  }
  if (device.state === 'blocked') throw new CodedError('device-blocked', 'The device is blocked.')
  if (device.state === 'deleted') {
    await query.run(sql`
      update device set state = 'active', organization_id = ${record.organizationId}, group_id = ${record.groupId},
        record_id = ${recordId}, name = ${deviceId}, labels = '{}', version = version + 1, created_at = now(), updated_at = now()
      where id = ${deviceId}`)
    return true
  }
  if (device.organizationId !== record.organizationId) {
    throw new CodedError('ownership-mismatch', 'The device belongs to another organization.')
  }
  if (device.groupId === record.groupId) return false
  await query.run(sql`update device set group_id = ${record.groupId}, updated_at = now() where id = ${deviceId}`)
  return true
}

async function recordsWhere(query: Query, condition: Sql, limit = 1): Promise<readonly ProvisioningRecord[]> {
  interface Row {
    readonly id: string
    readonly organizationId: string
    readonly groupId: string
    readonly deviceId: string | null
    readonly spkiSha256: string
    readonly certificatePem: string
    readonly commonName: string | null
    readonly remote: string
    readonly createdAt: Instant
    readonly updatedAt: Instant
  }
  interface StepRow {
    readonly recordId: string
    readonly step: ProvisioningStep
    readonly at: Instant
    readonly coapCode: string
    readonly errorCode: ErrorCode | null
    readonly detail: string | null
    readonly attempts: number
  }
  const rows = await query.rows<Row>(sql`
    select r.id, r.organization_id as "organizationId", r.group_id as "groupId", r.device_id as "deviceId",
      r.manufacturer_spki_sha256 as "spkiSha256", r.manufacturer_certificate_pem as "certificatePem",
      r.manufacturer_common_name as "commonName", r.remote, r.created_at as "createdAt", r.updated_at as "updatedAt"
    from provisioning_record r where ${condition}
    order by r.updated_at desc, r.id desc limit ${limit}`)
  const steps =
    rows.length === 0
      ? []
      : await query.rows<StepRow>(sql`
          select record_id as "recordId", step, at, coap_code as "coapCode", error_code as "errorCode", detail, attempts
          from provisioning_step where record_id = any(${rows.map((row) => row.id)}::uuid[]) order by at`)
  return rows.map(({ deviceId, spkiSha256, certificatePem, commonName, ...row }) => ({
    ...row,
    ...present({ deviceId }),
    manufacturer: { spkiSha256, certificatePem, ...present({ commonName }) },
    steps: steps
      .filter((step) => step.recordId === row.id)
      .map(({ recordId: _, errorCode, detail, ...step }) => ({ ...step, ...present({ errorCode, detail }) })),
  }))
}
