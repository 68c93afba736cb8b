import type { Clock, Instant } from '@sallyport/clock'
import { between, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { DeviceState } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import { namedCredential } from '../device-credential.ts'
import type { DeviceFilter, DevicePatch, DeviceRecord, Devices, GatewayDevice } from '../devices.ts'
import type { Page, PageRequest } from '../page.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { revokeFamilies } from './device-tokens.ts'
import { online, presenceJoins } from './presence-condition.ts'
import { present } from './row.ts'
import { endSessions, reasonOf } from './session-end.ts'
import { allOf, json, type Sql, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

interface DeviceRow {
  readonly id: string
  readonly organizationId: string
  readonly groupId: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly state: 'active' | 'blocked'
  readonly online: boolean
  readonly lastSeenAt: Instant | null
  readonly signedInAt: Instant | null
  readonly gatewayId: string | null
  readonly registeredAt: Instant
  readonly version: number
}

export class PostgresDevices implements Devices {
  readonly #database: Database
  readonly #record: TransactionRecord
  readonly #clock: Clock

  constructor(database: Database, record: TransactionRecord, clock: Clock) {
    this.#database = database
    this.#record = record
    this.#clock = clock
  }

  async list(organizationId: string, request: PageRequest & DeviceFilter): Promise<Page<DeviceRecord>> {
    const window = pageWindow(request)
    const { name, groupId, q, label = [] } = request
    const rows = await this.#database
      .of(organizationId)
      .read((query) =>
        devicesWhere(
          query,
          allOf([
            sql`d.organization_id = ${organizationId} and d.registered_at is not null`,
            request.online === undefined ? undefined : sql`coalesce(${online}, false) = ${request.online}::boolean`,
            name === undefined ? undefined : sql`position(lower(${name}) in lower(d.name)) > 0`,
            groupId === undefined ? undefined : sql`d.group_id = ${groupId}`,
            q === undefined
              ? undefined
              : sql`(position(lower(${q}) in lower(d.name)) > 0 or position(lower(${q}) in d.id::text) > 0)`,
            ...label.map(({ key, value }) => sql`d.labels @> ${json({ [key]: value })}`),
            beforeCursor(window, { at: sql`d.registered_at`, id: sql`d.id` }),
          ]),
          window.limit + 1,
        ),
      )
    return toPage(rows, window, (row) => ({ at: row.registeredAt, id: row.id }), toRecord)
  }

  async read(organizationId: string, id: string): Promise<DeviceRecord | undefined> {
    const [row] = await this.#database.of(organizationId).read((query) => readOne(query, organizationId, id))
    return row === undefined ? undefined : toRecord(row)
  }

  async readForGateway(deviceId: string): Promise<GatewayDevice | undefined> {
    interface Row extends Omit<GatewayDevice, 'expectedInterval'> {
      readonly expectedIntervalSeconds: number
    }
    const row = await this.#database.read((query) =>
      query.first<Row>(sql`
        select d.id as "deviceId", d.organization_id as "organizationId", d.registered_at is not null as registered,
          d.state = 'blocked' as blocked, g.expected_interval_seconds as "expectedIntervalSeconds"
        from device d join enrollment_group g on g.id = d.group_id
        where d.id = ${deviceId} and d.state <> 'deleted'`),
    )
    if (row === undefined) return undefined
    const { expectedIntervalSeconds, ...device } = row
    return { ...device, expectedInterval: seconds(expectedIntervalSeconds) }
  }

  change(
    organizationId: string,
    id: string,
    patch: DevicePatch,
    expectedVersion: number | undefined,
    act: ActContext,
  ): Promise<DeviceRecord> {
    return this.#database.of(organizationId).transaction(async (query) => {
      const before = await query.first<{ readonly version: number }>(sql`
        select version from device
        where id = ${id} and organization_id = ${organizationId} and registered_at is not null for no key update`)
      if (before === undefined) throw new CodedError('not-found', 'There is no such device.')
      if (expectedVersion !== undefined && before.version !== expectedVersion) {
        throw new CodedError('precondition-failed', `The device has version ${before.version}, not ${expectedVersion}.`)
      }
      await query.run(sql`
        update device set name = coalesce(${patch.name}, name),
          labels = coalesce(${patch.labels === undefined ? sql`null` : json(patch.labels)}, labels),
          version = version + 1, updated_at = now()
        where id = ${id}`)
      const [row] = await readOne(query, organizationId, id)
      if (row === undefined) throw new CodedError('internal', 'a device that was just changed is not there')
      const fields = Object.entries(patch).flatMap(([name, value]) => (value === undefined ? [] : [name]))
      await this.#record.audit(query, act, {
        type: 'device.changed',
        organizationId,
        subjectId: id,
        details: { fields, version: row.version },
      })
      await this.#record.announce(query, act, {
        topic: 'device.changed',
        organizationId,
        deviceId: id,
        data: { name: row.name, labels: row.labels, version: row.version },
      })
      return toRecord(row)
    })
  }

  async delete(organizationId: string, id: string, act: ActContext): Promise<void> {
    await this.#database.of(organizationId).transaction(async (query) => {
      const device = await query.first<{ readonly state: DeviceState }>(sql`
        select state from device
        where id = ${id} and organization_id = ${organizationId}
          and (state = 'active' or (state = 'blocked' and registered_at is not null)) for update`)
      if (device === undefined) throw new CodedError('not-found', 'There is no such device.')
      const revoked = await query.rows<{ readonly sha256: string }>(sql`
        update certificate set state = 'revoked', ended_at = now()
        where device_id = ${id} and state in ('issued', 'active', 'superseded') returning sha256`)
      await query.run(sql`
        update certificate set state = 'failed', failure_code = 'certificate-revoked', ended_at = now()
        where device_id = ${id} and state = 'intent'`)
      const psks = await query.rows<{ readonly identitySha256: string }>(sql`
        update device_psk set state = 'revoked', sealed_key = null, ended_at = now()
        where device_id = ${id} and state in ('issued', 'active') returning identity_sha256 as "identitySha256"`)
      await query.run(sql`delete from onboarding_code where device_id = ${id}`)
      const families = await revokeFamilies(query, id)
      await endSessions(query, this.#record, act, { reason: reasonOf('deleted'), condition: sql`s.device_id = ${id}` })
      await query.run(sql`delete from command where device_id = ${id}`)
      await query.run(sql`delete from twin_resource where device_id = ${id}`)
      await query.run(sql`delete from resource_link where device_id = ${id}`)
      await query.run(sql`
        update provisioning_record set archived_at = now(), updated_at = now()
        where device_id = ${id} and archived_at is null`)
      // What is left is the claim: which key may provision this id anew. A block outlives it: only an active device is forgotten.
      await query.run(sql`
        update device set state = case when state = 'blocked' then 'blocked' else 'deleted' end, registered_at = null, forgotten_at = clock_timestamp(), labels = '{}',
          name = id::text, version = version + 1, updated_at = now()
        where id = ${id}`)
      await this.#record.audit(query, act, {
        type: 'device.deleted',
        organizationId,
        subjectId: id,
        details: {
          revokedCertificates: revoked.map((row) => row.sha256),
          revokedFamilies: families,
          ...(psks.length === 0 ? {} : { revokedPsks: psks.map((row) => row.identitySha256) }),
        },
      })
      await this.#record.announce(query, act, { topic: 'device.deleted', organizationId, deviceId: id, data: {} })
      await this.#record.notify(query, 'device_closed', { deviceId: id, reason: 'deleted' })
    })
  }

  declareOnline(
    session: Parameters<Devices['declareOnline']>[0],
    act: ActContext,
  ): Promise<{ readonly sequence: number }> {
    const { deviceId, gatewayId, associationId, remote } = session
    return this.#database.transaction(async (query) => {
      // Sent together, carried out in this order: a fleet that comes back waits for each round trip.
      const [device, before] = await Promise.all([
        query.first<{
          readonly organizationId: string
          readonly state: DeviceState
          readonly registered: boolean
        }>(sql`
          select organization_id as "organizationId", state, registered_at is not null as registered
          from device where id = ${deviceId} for share`),
        query.first<CurrentSession>(sql`
          select gateway_id as "gatewayId", association_id as "associationId", sequence, ended_at is not null as ended
          from device_session where device_id = ${deviceId} for update`),
      ])
      if (device?.state === 'blocked') throw new CodedError('device-blocked', 'The device is blocked.')
      if (device?.registered !== true) throw new CodedError('device-not-registered', 'The device is not registered.')
      const { organizationId } = device
      const same = before?.gatewayId === gatewayId && before.associationId === associationId
      if (same && !before.ended) {
        await query.run(
          sql`update device_session set last_contact_at = clock_timestamp() where device_id = ${deviceId}`,
        )
        return { sequence: before.sequence }
      }
      const row = await query.first<{ readonly sequence: number }>(sql`
        insert into device_session (device_id, organization_id, gateway_id, association_id, certificate_sha256,
          psk_identity_sha256, remote,
          sequence, signed_in_at, last_contact_at)
        values (${deviceId}, ${organizationId}, ${gatewayId}, ${associationId}, ${session.certificateSha256},
          ${session.pskIdentitySha256},          ${`${remote.address} ${remote.port}`}, 1, clock_timestamp(), clock_timestamp())
        on conflict (device_id) do update set organization_id = excluded.organization_id, gateway_id = excluded.gateway_id,
          association_id = excluded.association_id, certificate_sha256 = excluded.certificate_sha256,
          psk_identity_sha256 = excluded.psk_identity_sha256,
          remote = excluded.remote, sequence = device_session.sequence + 1,
          signed_in_at = case when ${same}::boolean then device_session.signed_in_at else excluded.signed_in_at end,
          last_contact_at = excluded.last_contact_at, ended_at = null, end_reason = null
        returning sequence`)
      if (row === undefined) throw new CodedError('internal', 'a session that was just written is not there')
      const { sequence } = row
      await Promise.all([
        this.#record.audit(query, act, {
          type: 'device.online',
          organizationId,
          subjectId: deviceId,
          details: { gatewayId, associationId, sequence, ...namedCredential(session) },
        }),
        this.#record.announce(query, act, {
          topic: 'device.online',
          organizationId,
          deviceId,
          data: { gatewayId, sequence },
        }),
      ])
      return row
    })
  }

  async declareOffline(session: Parameters<Devices['declareOffline']>[0], act: ActContext): Promise<void> {
    const { deviceId, gatewayId, associationId, reason } = session
    await this.#database.transaction((query) =>
      endSessions(query, this.#record, act, {
        reason: reasonOf(reason),
        condition: sql`s.device_id = ${deviceId} and s.gateway_id = ${gatewayId} and s.association_id = ${associationId}`,
      }),
    )
  }

  async contact(entries: readonly { readonly deviceId: string; readonly at: Instant }[]): Promise<void> {
    if (entries.length === 0) return
    const now = this.#clock.now()
    const latest = new Map<string, number>()
    for (const { deviceId, at } of entries) {
      const age = between(at, now)
      latest.set(deviceId, Math.min(age, latest.get(deviceId) ?? age))
    }
    // Ages, not times: the clocks of a gateway and of the database need not agree. Sorted, so that two batches lock in order.
    const ages = [...latest].sort(([a], [b]) => (a < b ? -1 : 1))
    await this.#database.transaction((query) =>
      query.run(sql`
        with heard as (
          select s.device_id, clock_timestamp() - make_interval(secs => c.age / 1000.0) as at
          from unnest(${ages.map(([id]) => id)}::uuid[], ${ages.map(([, age]) => age)}::double precision[]) as c (device_id, age)
            join device_session s on s.device_id = c.device_id
          where s.ended_at is null
          order by s.device_id for no key update of s
        )
        update device_session s set last_contact_at = greatest(s.last_contact_at, heard.at)
        from heard where heard.device_id = s.device_id and s.ended_at is null`),
    )
  }
}

interface CurrentSession {
  readonly gatewayId: string
  readonly associationId: string
  readonly sequence: number
  readonly ended: boolean
}

const readOne = (query: Query, organizationId: string, id: string): Promise<readonly DeviceRow[]> =>
  devicesWhere(query, sql`d.id = ${id} and d.organization_id = ${organizationId} and d.registered_at is not null`, 1)

const devicesWhere = (query: Query, condition: Sql, limit: number): Promise<readonly DeviceRow[]> =>
  query.rows<DeviceRow>(sql`
    select d.id, d.organization_id as "organizationId", d.group_id as "groupId", d.name, d.labels, d.state,
      coalesce(${online}, false) as online, s.last_contact_at as "lastSeenAt", s.signed_in_at as "signedInAt",
      s.gateway_id as "gatewayId", d.registered_at as "registeredAt", d.version
    from device d ${presenceJoins}
    where ${condition}
    order by d.registered_at desc, d.id desc limit ${limit}`)

const toRecord = ({ lastSeenAt, signedInAt, gatewayId, ...row }: DeviceRow): DeviceRecord => ({
  ...row,
  ...present({ lastSeenAt, signedInAt, gatewayId }),
})
