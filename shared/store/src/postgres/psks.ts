import type { Instant } from '@sallyport/clock'
import { inSeconds, toRfc3339 } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type EnrollmentGroupState, longestOnboardingCodeLifetime, type PskState } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { Page } from '../page.ts'
import type { NewPsk, NewPskCode, PskRecord, Psks, RecordedPsk } from '../psks.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { revokeFamilies } from './device-tokens.ts'
import { requireEnrolling } from './enrolling-group.ts'
import { present } from './row.ts'
import { endSessions, reasonOf } from './session-end.ts'
import { allOf, type Sql, sql, time } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

export class PostgresPsks implements Psks {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  register(
    organizationId: string,
    { groupId, name, psk, code }: Parameters<Psks['register']>[1],
    act: ActContext,
  ): Promise<PskRecord> {
    const deviceId = this.#record.newId()
    return this.#database.of(organizationId).transaction(async (query) => {
      const group = await query.first<GroupRow>(sql`
        select state, allows_psk as "allowsPsk" from enrollment_group
        where id = ${groupId} and organization_id = ${organizationId} and deleted_at is null for share`)
      if (group === undefined) throw new CodedError('not-found', 'There is no such enrollment group.')
      requirePsk(group)
      await query.run(sql`
        insert into device (id, organization_id, group_id, state, name)
        values (${deviceId}, ${organizationId}, ${groupId}, 'active', ${name ?? deviceId})`)
      await this.#insert(query, { organizationId, deviceId, groupId, codeExpiresAt: code.expiresAt }, psk, act)
      await insertCode(query, { organizationId, deviceId }, code)
      return await readOne(query, organizationId, psk.id)
    })
  }

  replace(organizationId: string, deviceId: string, psk: NewPsk, act: ActContext): Promise<PskRecord> {
    return this.#database.of(organizationId).transaction(async (query) => {
      const { groupId } = await lockPskDevice(query, organizationId, deviceId)
      await this.#insert(query, { organizationId, deviceId, groupId }, psk, act)
      return await readOne(query, organizationId, psk.id)
    })
  }

  createCode(organizationId: string, deviceId: string, code: NewPskCode, act: ActContext): Promise<void> {
    return this.#database.of(organizationId).transaction(async (query) => {
      await lockPskDevice(query, organizationId, deviceId)
      await query.run(sql`delete from onboarding_code where device_id = ${deviceId} and redeemed_at is null`)
      await insertCode(query, { organizationId, deviceId }, code)
      await this.#record.audit(query, act, {
        type: 'psk.code-created',
        organizationId,
        subjectId: deviceId,
        details: { expiresAt: toRfc3339(code.expiresAt) },
      })
    })
  }

  async list(organizationId: string, request: Parameters<Psks['list']>[1]): Promise<Page<PskRecord>> {
    const window = pageWindow(request)
    const rows = await this.#database
      .of(organizationId)
      .read((query) =>
        psksWhere(
          query,
          allOf([
            sql`p.organization_id = ${organizationId}`,
            request.deviceId === undefined ? undefined : sql`p.device_id = ${request.deviceId}`,
            request.groupId === undefined ? undefined : sql`d.group_id = ${request.groupId}`,
            beforeCursor(window, { at: sql`p.created_at`, id: sql`p.id` }),
          ]),
          window.limit + 1,
        ),
      )
    return toPage(
      rows,
      window,
      (row) => ({ at: row.createdAt, id: row.id }),
      (row) => row,
    )
  }

  revoke(organizationId: string, id: string, act: ActContext): Promise<void> {
    return this.#database.of(organizationId).transaction(async (query) => {
      // The device's row first, as everywhere: a sign-up and a sign-in with this key take turns with its end.
      const device = await query.first<{ readonly deviceId: string }>(sql`
        select d.id as "deviceId" from device d
        where d.id = (select device_id from device_psk where id = ${id} and organization_id = ${organizationId})
        for no key update`)
      if (device === undefined) throw new CodedError('not-found', 'There is no such pre-shared key.')
      const { deviceId } = device
      const ended = await query.first<{ readonly identitySha256: string }>(sql`
        update device_psk set state = 'revoked', sealed_key = null, ended_at = coalesce(ended_at, now())
        where id = ${id} and state <> 'revoked' returning identity_sha256 as "identitySha256"`)
      if (ended === undefined) return
      const left = await query.first(sql`
        select 1 as live from device_psk where device_id = ${deviceId} and state in ('issued', 'active')`)
      // What a thief of the key may have got with it ends too, once the device has no other way to come.
      const families = left === undefined ? await revokeFamilies(query, deviceId) : 0
      if (left === undefined) await query.run(sql`delete from onboarding_code where device_id = ${deviceId}`)
      await this.#record.audit(query, act, {
        type: 'psk.revoked',
        organizationId,
        subjectId: deviceId,
        details: { pskIdentitySha256: ended.identitySha256, revokedFamilies: families },
      })
      // The device may be in over another key of its own: that one stays.
      const { identitySha256: pskIdentitySha256 } = ended
      await endSessions(query, this.#record, act, {
        reason: reasonOf('association-closed'),
        condition: sql`s.device_id = ${deviceId} and s.psk_identity_sha256 = ${pskIdentitySha256}`,
      })
      await this.#record.notify(query, 'device_closed', { deviceId, reason: 'psk-revoked', pskIdentitySha256 })
    })
  }

  findSealed(identitySha256: string): ReturnType<Psks['findSealed']> {
    return this.#database.read(async (query) => {
      const row = await query.first<RecordedPsk & { readonly sealedKey: Uint8Array | null }>(sql`
        select ${recordedColumns}, p.sealed_key as "sealedKey" ${recordedFrom} where p.identity_sha256 = ${identitySha256}`)
      if (row === undefined) return undefined
      const { sealedKey, ...recorded } = row
      return { ...recorded, ...(sealedKey === null ? {} : { sealedKey }) }
    })
  }

  findRecorded(identitySha256: string): Promise<RecordedPsk | undefined> {
    return this.#database.read((query) =>
      query.first<RecordedPsk>(
        sql`select ${recordedColumns} ${recordedFrom} where p.identity_sha256 = ${identitySha256}`,
      ),
    )
  }

  async withdrawnAmong(identitySha256: readonly string[]): Promise<readonly string[]> {
    if (identitySha256.length === 0) return []
    const rows = await this.#database.read((query) =>
      query.rows<{ readonly asked: string }>(sql`
        select asked from unnest(${identitySha256}::text[]) as asked
        where not exists (
          select ${recordedFrom}
          where p.identity_sha256 = asked and p.state in ('issued', 'active') and d.state = 'active' and g.allows_psk)`),
    )
    return rows.map((row) => row.asked)
  }

  async markSignedIn(identitySha256: string, act: ActContext): Promise<void> {
    const before = await this.#database.read((query) =>
      query.first<{ readonly state: PskState; readonly deviceId: string }>(sql`
        select state, device_id as "deviceId" from device_psk where identity_sha256 = ${identitySha256}`),
    )
    // Nearly every sign-in ends here.
    if (before?.state !== 'issued') return
    const { deviceId } = before
    await this.#database.transaction(async (query) => {
      await query.run(sql`select from device where id = ${deviceId} for no key update`)
      const activated = await query.first<{ readonly organizationId: string; readonly createdAt: Instant }>(sql`
        update device_psk set state = 'active', first_signed_in_at = now()
        where identity_sha256 = ${identitySha256} and state = 'issued'
        returning organization_id as "organizationId", created_at as "createdAt"`)
      if (activated === undefined) return
      const superseded = await query.rows<{ readonly identitySha256: string }>(sql`
        update device_psk set state = 'superseded', sealed_key = null, ended_at = now()
        where device_id = ${deviceId} and state in ('issued', 'active') and identity_sha256 <> ${identitySha256}
          and created_at <= ${time(activated.createdAt)}
        returning identity_sha256 as "identitySha256"`)
      await this.#record.audit(query, act, {
        type: 'psk.activated',
        organizationId: activated.organizationId,
        subjectId: deviceId,
        details: { pskIdentitySha256: identitySha256, superseded: superseded.map((row) => row.identitySha256) },
      })
    })
  }

  async #insert(
    query: Query,
    device: {
      readonly organizationId: string
      readonly deviceId: string
      readonly groupId: string
      /** Of the code that is made with the key. */
      readonly codeExpiresAt?: Instant
    },
    psk: NewPsk,
    act: ActContext,
  ): Promise<void> {
    const { organizationId, deviceId, groupId, codeExpiresAt } = device
    await query.run(sql`
      insert into device_psk (id, identity_sha256, organization_id, device_id, state, sealed_key)
      values (${psk.id}, ${psk.identitySha256}, ${organizationId}, ${deviceId}, 'issued', ${psk.sealedKey})`)
    await this.#record.audit(query, act, {
      type: 'psk.created',
      organizationId,
      subjectId: deviceId,
      details: {
        groupId,
        pskIdentitySha256: psk.identitySha256,
        ...(codeExpiresAt === undefined ? {} : { codeExpiresAt: toRfc3339(codeExpiresAt) }),
      },
    })
  }
}

async function insertCode(
  query: Query,
  { organizationId, deviceId }: { readonly organizationId: string; readonly deviceId: string },
  { codeHash, expiresAt }: NewPskCode,
): Promise<void> {
  await query.run(sql`
    insert into onboarding_code (code_hash, organization_id, device_id, expires_at)
    values (${codeHash}, ${organizationId}, ${deviceId},
      least(${time(expiresAt)}::timestamptz(3), now() + make_interval(secs => ${inSeconds(longestOnboardingCodeLifetime)})))`)
}

interface GroupRow {
  readonly state: EnrollmentGroupState
  readonly allowsPsk: boolean
}

/** @throws CodedError `enrollment-disabled`, `psk-not-allowed`. */
function requirePsk({ state, allowsPsk }: GroupRow): void {
  requireEnrolling(state)
  if (!allowsPsk) throw new CodedError('psk-not-allowed', 'The enrollment group does not allow pre-shared keys.')
}

/** A device that came with a pre-shared key: one with a manufacturer's certificate never gets a weaker way in beside it. */
async function lockPskDevice(
  query: Query,
  organizationId: string,
  deviceId: string,
): Promise<{ readonly groupId: string }> {
  const device = await query.first<GroupRow & { readonly groupId: string }>(sql`
    select d.group_id as "groupId", g.state, g.allows_psk as "allowsPsk"
    from device d join enrollment_group g on g.id = d.group_id
    where d.id = ${deviceId} and d.organization_id = ${organizationId} and d.state = 'active' and d.record_id is null
    for no key update of d`)
  if (device === undefined) throw new CodedError('not-found', 'There is no such device with a pre-shared key.')
  requirePsk(device)
  return device
}

const recordedColumns = sql`p.id, p.device_id as "deviceId", p.organization_id as "organizationId", p.state,
  d.state as "deviceState", g.allows_psk as "groupAllowsPsk"`
const recordedFrom = sql`from device_psk p join device d on d.id = p.device_id join enrollment_group g on g.id = d.group_id`

interface PskRow extends Omit<PskRecord, 'firstSignedInAt' | 'endedAt'> {
  readonly firstSignedInAt: Instant | null
  readonly endedAt: Instant | null
}

async function psksWhere(query: Query, condition: Sql, limit: number): Promise<readonly PskRecord[]> {
  const rows = await query.rows<PskRow>(sql`
    select p.id, p.organization_id as "organizationId", p.device_id as "deviceId", d.name as "deviceName",
      d.group_id as "groupId", p.state, p.created_at as "createdAt", p.first_signed_in_at as "firstSignedInAt",
      p.ended_at as "endedAt"
    from device_psk p join device d on d.id = p.device_id
    where ${condition} order by p.created_at desc, p.id desc limit ${limit}`)
  return rows.map(({ firstSignedInAt, endedAt, ...row }) => ({ ...row, ...present({ firstSignedInAt, endedAt }) }))
}

async function readOne(query: Query, organizationId: string, id: string): Promise<PskRecord> {
  const [row] = await psksWhere(query, sql`p.id = ${id} and p.organization_id = ${organizationId}`, 1)
  if (row === undefined) throw new CodedError('internal', 'a key that was just written is not there')
  return row
}
