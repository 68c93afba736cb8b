import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { EnrollmentGroupState } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type {
  EnrollmentGroupPatch,
  EnrollmentGroupRecord,
  EnrollmentGroups,
  GroupAuthority,
  GroupWithAuthorities,
} from '../enrollment-groups.ts'
import type { Page } from '../page.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { violatesUnique } from './database-fault.ts'
import { allOf, type Sql, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

const columns = sql`id, organization_id as "organizationId", name, state, chain_pem as "chainPem",
  lead_certificate_name as "leadCertificateName", expected_interval_seconds as "expectedIntervalSeconds",
  allows_psk as "allowsPsk", version,
  created_at as "createdAt", updated_at as "updatedAt"`

export class PostgresEnrollmentGroups implements EnrollmentGroups {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async create(
    organizationId: string,
    group: Parameters<EnrollmentGroups['create']>[1],
    act: ActContext,
  ): Promise<EnrollmentGroupRecord> {
    const lead = leadOf(group.authorities)
    return await this.#takingAuthority(organizationId, async (query) => {
      const id = this.#record.newId()
      const made = await query.first<EnrollmentGroupRecord>(sql`
        insert into enrollment_group (id, organization_id, name, state, chain_pem, lead_certificate_name, expected_interval_seconds,
          allows_psk)
        values (${id}, ${organizationId}, ${group.name}, 'active', ${group.chainPem},
          ${group.leadCertificateName ?? lead.commonName}, ${group.expectedIntervalSeconds ?? 60}, ${group.allowsPsk ?? false})
        returning ${columns}`)
      const created = expectRow(made)
      await insertAuthorities(query, created, group.authorities)
      await this.#record.audit(query, act, {
        type: 'group.created',
        organizationId,
        subjectId: id,
        details: {
          name: created.name,
          leadCertificateName: created.leadCertificateName,
          leadCertificateSha256: lead.sha256,
          state: created.state,
        },
      })
      await this.#record.announce(query, act, {
        topic: 'group.created',
        organizationId,
        groupId: id,
        data: { groupId: id, name: created.name, state: created.state },
      })
      return created
    })
  }

  async list(
    organizationId: string,
    request: Parameters<EnrollmentGroups['list']>[1],
  ): Promise<Page<EnrollmentGroupRecord>> {
    const window = pageWindow(request)
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<EnrollmentGroupRecord>(sql`
        select ${columns} from enrollment_group
        where ${allOf([
          sql`organization_id = ${organizationId} and deleted_at is null`,
          request.name === undefined ? undefined : sql`position(lower(${request.name}) in lower(name)) > 0`,
          request.state === undefined ? undefined : sql`state = ${request.state}`,
          beforeCursor(window, { at: sql`created_at`, id: sql`id` }),
        ])}
        order by created_at desc, id desc limit ${window.limit + 1}`),
    )
    return toPage(
      rows,
      window,
      (row) => ({ at: row.createdAt, id: row.id }),
      (row) => row,
    )
  }

  read(organizationId: string, id: string): Promise<EnrollmentGroupRecord | undefined> {
    return this.#database.of(organizationId).read((query) =>
      query.first<EnrollmentGroupRecord>(sql`
        select ${columns} from enrollment_group
        where id = ${id} and organization_id = ${organizationId} and deleted_at is null`),
    )
  }

  change(
    organizationId: string,
    id: string,
    patch: EnrollmentGroupPatch,
    expectedVersion: number | undefined,
    act: ActContext,
  ): Promise<EnrollmentGroupRecord> {
    return this.#takingAuthority(organizationId, async (query) => {
      await lockVersion(query, organizationId, id, expectedVersion)
      if (patch.authorities !== undefined) {
        leadOf(patch.authorities)
        await query.run(sql`delete from enrollment_group_ca where group_id = ${id}`)
      }
      const changed = expectRow(
        await query.first<EnrollmentGroupRecord>(sql`
          update enrollment_group set
            name = coalesce(${patch.name}, name),
            state = coalesce(${patch.state}, state),
            expected_interval_seconds = coalesce(${patch.expectedIntervalSeconds}::integer, expected_interval_seconds),
            allows_psk = coalesce(${patch.allowsPsk}::boolean, allows_psk),
            chain_pem = coalesce(${patch.chainPem}, chain_pem),
            lead_certificate_name = coalesce(${patch.leadCertificateName}, lead_certificate_name),
            version = version + 1,
            updated_at = now()
          where id = ${id} returning ${columns}`),
      )
      if (patch.authorities !== undefined) await insertAuthorities(query, changed, patch.authorities)
      const fields = Object.entries(patch).flatMap(([name, value]) => (value === undefined ? [] : [name]))
      await this.#record.audit(query, act, {
        type: 'group.changed',
        organizationId,
        subjectId: id,
        details: { fields, state: changed.state, version: changed.version },
      })
      await this.#record.announce(query, act, {
        topic: 'group.changed',
        organizationId,
        groupId: id,
        data: { groupId: id, name: changed.name, state: changed.state },
      })
      return changed
    })
  }

  async delete(
    organizationId: string,
    id: string,
    expectedVersion: number | undefined,
    act: ActContext,
  ): Promise<void> {
    await this.#database.of(organizationId).transaction(async (query) => {
      const { name } = await lockVersion(query, organizationId, id, expectedVersion)
      await query.run(sql`delete from enrollment_group_ca where group_id = ${id}`)
      await query.run(sql`
        update enrollment_group set deleted_at = now(), state = 'disabled', version = version + 1 where id = ${id}`)
      await this.#record.audit(query, act, {
        type: 'group.deleted',
        organizationId,
        subjectId: id,
        details: { name },
      })
      await this.#record.announce(query, act, {
        topic: 'group.deleted',
        organizationId,
        groupId: id,
        data: { groupId: id, name },
      })
    })
  }

  findByAuthoritySubjects(subjectSha256: readonly string[]): Promise<readonly GroupWithAuthorities[]> {
    return this.#withAuthorities(sql`
      g.id in (select group_id from enrollment_group_ca where is_lead and subject_sha256 = any(${subjectSha256}::text[]))`)
  }

  async readForDevice(groupId: string): Promise<GroupWithAuthorities | undefined> {
    const [group] = await this.#withAuthorities(sql`g.id = ${groupId}`)
    return group
  }

  async #withAuthorities(condition: Sql): Promise<readonly GroupWithAuthorities[]> {
    interface Row {
      readonly id: string
      readonly organizationId: string
      readonly name: string
      readonly state: EnrollmentGroupState
      readonly expectedIntervalSeconds: number
      readonly sha256: string
      readonly subjectSha256: string
      readonly spkiSha256: string
      readonly der: Uint8Array
      readonly commonName: string
      readonly isLead: boolean
      readonly createdAt: Instant
    }
    const rows = await this.#database.read((query) =>
      query.rows<Row>(sql`
        select g.id, g.organization_id as "organizationId", g.name, g.state,
          g.expected_interval_seconds as "expectedIntervalSeconds", a.sha256, a.subject_sha256 as "subjectSha256",
          a.spki_sha256 as "spkiSha256", a.certificate_der as der, a.common_name as "commonName", a.is_lead as "isLead"
        from enrollment_group g join enrollment_group_ca a on a.group_id = g.id
        where g.deleted_at is null and ${condition}
        order by g.created_at, g.id, a.position`),
    )
    const groups = new Map<string, GroupWithAuthorities & { readonly authorities: GroupAuthority[] }>()
    for (const { id, organizationId, name, state, expectedIntervalSeconds, ...authority } of rows) {
      const group = groups.get(id) ?? { id, organizationId, name, state, expectedIntervalSeconds, authorities: [] }
      group.authorities.push(authority)
      groups.set(id, group)
    }
    return [...groups.values()]
  }

  async #takingAuthority<T>(organizationId: string, work: (query: Query) => Promise<T>): Promise<T> {
    return await this.#database.of(organizationId).transaction(async (query) => {
      try {
        return await work(query)
      } catch (error) {
        if (!violatesUnique(error, 'enrollment_group_ca_one_owner')) throw error
        // Whose it is is not said: another customer's business.
        throw new CodedError('conflict', 'The authority belongs to an enrollment group already.', { cause: error })
      }
    })
  }
}

async function insertAuthorities(
  query: Query,
  group: Pick<EnrollmentGroupRecord, 'id' | 'organizationId' | 'state'>,
  authorities: readonly GroupAuthority[],
): Promise<void> {
  await query.run(sql`
    insert into enrollment_group_ca (group_id, organization_id, group_state, position, sha256, subject_sha256, spki_sha256,
      certificate_der, common_name, is_lead)
    select ${group.id}::uuid, ${group.organizationId}::uuid, ${group.state}::text, position, sha256, subject_sha256,
      spki_sha256, certificate_der, common_name, is_lead
    from unnest(${authorities.map((_, index) => index)}::integer[], ${authorities.map((each) => each.sha256)}::text[],
      ${authorities.map((each) => each.subjectSha256)}::text[], ${authorities.map((each) => each.spkiSha256)}::text[],
      ${authorities.map((each) => each.der)}::bytea[], ${authorities.map((each) => each.commonName)}::text[],
      ${authorities.map((each) => each.isLead)}::boolean[])
      as a (position, sha256, subject_sha256, spki_sha256, certificate_der, common_name, is_lead)`)
}

async function lockVersion(
  query: Query,
  organizationId: string,
  id: string,
  expectedVersion: number | undefined,
): Promise<{ readonly name: string }> {
  const present = await query.first<{ readonly name: string; readonly version: number }>(sql`
    select name, version from enrollment_group
    where id = ${id} and organization_id = ${organizationId} and deleted_at is null for update`)
  if (present === undefined) throw new CodedError('not-found', 'There is no such enrollment group.')
  if (expectedVersion !== undefined && present.version !== expectedVersion) {
    throw new CodedError('precondition-failed', `The group has version ${present.version}, not ${expectedVersion}.`)
  }
  return present
}

function leadOf(authorities: readonly GroupAuthority[]): GroupAuthority {
  const [lead, ...more] = authorities.filter((authority) => authority.isLead)
  if (lead !== undefined && more.length === 0) return lead
  throw new CodedError('validation-failed', 'A group has exactly one lead authority.')
}

function expectRow<Row>(row: Row | undefined): Row {
  if (row === undefined) throw new CodedError('internal', 'a row that was just written is not there')
  return row
}
