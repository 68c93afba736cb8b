import { CodedError } from '@sallyport/errors'
import type { OfflineReason } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { Gateways, OfflineDevice } from '../installation.ts'
import type { Database, Query } from './database.ts'
import { contactInTime, leaseAlive } from './presence-condition.ts'
import { endSessions, reasonOf } from './session-end.ts'
import { sql, time } from './sql.ts'
import { tellAudience } from './tell-people.ts'
import type { TransactionRecord } from './transaction-record.ts'

/** Sessions that one transaction of the sweep ends. */
const mostAtOnce = 500

export class PostgresGateways implements Gateways {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async register({
    id,
    coapsUri,
    coapsTcpUri,
    startedAt,
    keeps = [],
  }: Parameters<Gateways['register']>[0]): Promise<void> {
    const act = this.#actOf(id)
    await this.#database.transaction(async (query) => {
      const before = await query.first<{ readonly startedAt: number; readonly retired: boolean }>(sql`
        select started_at as "startedAt", retired_at is not null as retired from gateway_instance where id = ${id} for update`)
      await query.run(sql`
        insert into gateway_instance (id, coaps_uri, coaps_tcp_uri, started_at)
        values (${id}, ${coapsUri}, ${coapsTcpUri ?? null}, ${time(startedAt)})
        on conflict (id) do update set coaps_uri = excluded.coaps_uri, coaps_tcp_uri = excluded.coaps_tcp_uri, started_at = excluded.started_at,
          lease_renewed_at = clock_timestamp(), retired_at = null`)
      if (before?.startedAt === startedAt && !before.retired) return
      // Associations end with their process, unless this one goes on with them.
      await endSessions(query, this.#record, act, {
        reason: reasonOf('gateway-lost'),
        condition: sql`s.gateway_id = ${id} and not s.association_id = any(${keeps}::text[])`,
      })
      await this.#record.audit(query, act, {
        type: 'gateway.registered',
        organizationId: undefined,
        subjectId: id,
        details: { coapsUri, ...(coapsTcpUri === undefined ? {} : { coapsTcpUri }) },
      })
    })
  }

  async renewLease(id: string): Promise<void> {
    const renewed = await this.#database.read((query) =>
      query.run(sql`
        update gateway_instance set lease_renewed_at = clock_timestamp() where id = ${id} and retired_at is null`),
    )
    if (renewed === 0) throw new CodedError('not-found', 'The gateway is not registered.')
  }

  async retire(id: string): Promise<void> {
    const act = this.#actOf(id)
    await this.#database.transaction(async (query) => {
      const retired = await query.run(
        sql`update gateway_instance set retired_at = now() where id = ${id} and retired_at is null`,
      )
      if (retired === 0) return
      const devices = await this.#endSessionsOf(query, id, 'gateway-stopped', act)
      await this.#record.audit(query, act, {
        type: 'gateway.retired',
        organizationId: undefined,
        subjectId: id,
        details: { devices: devices.length },
      })
    })
  }

  async adoptSessions(id: string, associations: Parameters<Gateways['adoptSessions']>[1]) {
    const asked = sql`unnest(${associations.map((one) => one.deviceId)}::uuid[],
      ${associations.map((one) => one.associationId)}::text[]) as a (device_id, association_id)`
    const rows = await this.#database.transaction(async (query) => {
      // Locked in one order: other gateways may write contacts of the same devices.
      await query.rows(sql`
        select from device_session s join ${asked} on a.device_id = s.device_id and a.association_id = s.association_id
        order by s.device_id for no key update of s`)
      await query.run(sql`
        update device_session s set gateway_id = ${id} from ${asked}
        where a.device_id = s.device_id and a.association_id = s.association_id and s.ended_at is null`)
      return query.rows<{ readonly associationId: string; readonly reason: OfflineReason | null }>(sql`
        select s.association_id as "associationId", s.end_reason as reason
        from device_session s join ${asked} on a.device_id = s.device_id and a.association_id = s.association_id`)
    })
    const ended = rows.flatMap(({ associationId, reason }) =>
      reason === null ? [] : [[associationId, reason] as const],
    )
    const current = rows.filter(({ reason }) => reason === null).map(({ associationId }) => associationId)
    return { current: new Set(current), ended: new Map(ended) }
  }

  live() {
    return this.#database.read((query) =>
      query.rows<{ readonly id: string; readonly coapsUri: string; readonly coapsTcpUri: string | null }>(sql`
        select i.id, i.coaps_uri as "coapsUri", i.coaps_tcp_uri as "coapsTcpUri"
        from gateway_instance i where ${leaseAlive} order by i.started_at desc, i.id`),
    )
  }

  async sweepExpired(act: ActContext): Promise<readonly OfflineDevice[]> {
    const all: OfflineDevice[] = []
    for (;;) {
      const ended = await this.#database.transaction((query) => this.#sweep(query, act))
      all.push(...ended)
      if (ended.length < mostAtOnce) return all
    }
  }

  async #sweep(query: Query, act: ActContext): Promise<readonly OfflineDevice[]> {
    const ended = await endSessions(query, this.#record, act, {
      reason: sql`case when ${leaseAlive} then 'no-contact' else 'gateway-lost' end`,
      from: sql`gateway_instance i, device d, enrollment_group g`,
      // The rows are locked first: a contact that is written meanwhile is waited for and looked at, not overwritten.
      condition: sql`i.id = s.gateway_id and d.id = s.device_id and g.id = d.group_id
        and not (${leaseAlive} and ${contactInTime})
        and s.device_id in (
          select s.device_id from device_session s
            join gateway_instance i on i.id = s.gateway_id
            join device d on d.id = s.device_id
            join enrollment_group g on g.id = d.group_id
          where s.ended_at is null and not (${leaseAlive} and ${contactInTime})
          order by s.device_id limit ${mostAtOnce} for update of s skip locked)`,
    })
    for (const [organizationId, devices] of Map.groupBy(ended, (device) => device.organizationId)) {
      await tellAudience(query, this.#record, act, {
        kind: 'devices-offline',
        organizationId,
        data: { count: devices.length, deviceIds: devices.slice(0, 10).map(({ deviceId }) => deviceId) },
      })
    }
    return ended
  }

  #endSessionsOf(query: Query, id: string, reason: 'gateway-lost' | 'gateway-stopped', act: ActContext) {
    return endSessions(query, this.#record, act, { reason: reasonOf(reason), condition: sql`s.gateway_id = ${id}` })
  }

  #actOf(id: string): ActContext {
    return { actor: { kind: 'service', id: 'gateway', name: id }, correlationId: this.#record.newId() }
  }
}
