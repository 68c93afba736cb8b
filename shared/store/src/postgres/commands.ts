import type { Instant } from '@sallyport/clock'
import { CodedError, type ErrorCode } from '@sallyport/errors'
import {
  type CommandMethod,
  type CommandState,
  type FinishedCommandState,
  type JsonValue,
  predecessorsOf,
  stateWithoutAnswer,
} from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { CommandRecord, Commands } from '../commands.ts'
import type { Page, PageRequest } from '../page.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { leaseAlive, online, presenceJoins } from './presence-condition.ts'
import { present } from './row.ts'
import { allOf, json, sql, time } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

interface CommandRow {
  readonly id: string
  readonly organizationId: string
  readonly deviceId: string
  readonly href: string
  readonly method: CommandMethod
  readonly payload: JsonValue
  readonly state: CommandState
  readonly correlationId: string
  readonly createdAt: Instant
  readonly expiresAt: Instant
  readonly finishedAt: Instant | null
  readonly coapCode: string | null
  /** Of the column: JSON's null is an answer too. */
  readonly answered: boolean
  readonly representation: JsonValue
  readonly errorCode: ErrorCode | null
}

const columns = sql`c.id, c.organization_id as "organizationId", c.device_id as "deviceId", c.href, c.method, c.payload,
  c.state, c.correlation_id as "correlationId", c.created_at as "createdAt", c.expires_at as "expiresAt",
  c.finished_at as "finishedAt", c.coap_code as "coapCode", c.representation is not null as answered, c.representation,
  c.error_code as "errorCode"`

type Outcome = Parameters<Commands['complete']>[1]

export class PostgresCommands implements Commands {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  create(
    organizationId: string,
    command: Parameters<Commands['create']>[1],
    act: ActContext,
  ): Promise<CommandRecord & { readonly gatewayId?: string }> {
    const { deviceId, href, method, payload, expiresAt } = command
    return this.#database.of(organizationId).transaction(async (query) => {
      const device = await query.first<{ readonly gatewayId: string | null }>(sql`
        select case when ${online} then s.gateway_id end as "gatewayId"
        from device d ${presenceJoins}
        where d.id = ${deviceId} and d.organization_id = ${organizationId} and d.registered_at is not null
        for share of d`)
      if (device === undefined) throw new CodedError('not-found', 'There is no such device.')
      const id = this.#record.newId()
      const row = await query.first<CommandRow>(sql`
        insert into command as c (id, organization_id, device_id, href, method, payload, state, correlation_id, expires_at)
        values (${id}, ${organizationId}, ${deviceId}, ${href}, ${method}, ${json(payload)}, 'pending',
          ${act.correlationId}, ${time(expiresAt)})
        returning ${columns}`)
      if (row === undefined) throw new CodedError('internal', 'a command that was just written is not there')
      await this.#record.audit(query, act, {
        type: 'command.created',
        organizationId,
        subjectId: id,
        details: { deviceId, href, method },
      })
      await this.#record.announce(query, act, {
        topic: 'command.pending',
        organizationId,
        deviceId,
        data: { commandId: id, href, method },
      })
      const { gatewayId } = device
      if (gatewayId !== null) {
        await this.#record.notify(query, 'command_created', { gatewayId, commandId: id, deviceId })
      }
      return { ...toRecord(row), ...present({ gatewayId }) }
    })
  }

  async claim(commandId: string, gatewayId: string): Promise<CommandRecord | undefined> {
    const row = await this.#database.read((query) =>
      query.first<CommandRow>(sql`
        update command c set state = 'sent', sent_at = now(), gateway_id = ${gatewayId}
        where c.id = ${commandId} and c.state = 'pending' and c.expires_at > now()
          and exists (select from device_session s
            where s.device_id = c.device_id and s.gateway_id = ${gatewayId} and s.ended_at is null)
        returning ${columns}`),
    )
    return row === undefined ? undefined : toRecord(row)
  }

  async complete(commandId: string, outcome: Outcome, act: ActContext): Promise<void> {
    await this.#database.transaction((query) => this.#finish(query, commandId, outcome, act))
  }

  async pendingFor(deviceId: string): Promise<readonly CommandRecord[]> {
    const rows = await this.#database.read((query) =>
      query.rows<CommandRow>(sql`
        select ${columns} from command c where c.device_id = ${deviceId} and c.state = 'pending' and c.expires_at > now()
        order by c.created_at, c.id limit 1000`),
    )
    return rows.map(toRecord)
  }

  async pendingForGateway(gatewayId: string, limit: number): Promise<readonly CommandRecord[]> {
    const rows = await this.#database.read((query) =>
      query.rows<CommandRow>(sql`
        select ${columns} from command c join device_session s on s.device_id = c.device_id
        where s.gateway_id = ${gatewayId} and s.ended_at is null and c.state = 'pending' and c.expires_at > now()
        order by c.created_at, c.id limit ${limit}`),
    )
    return rows.map(toRecord)
  }

  async read(organizationId: string, id: string): Promise<CommandRecord | undefined> {
    const row = await this.#database
      .of(organizationId)
      .read((query) =>
        query.first<CommandRow>(
          sql`select ${columns} from command c where c.id = ${id} and c.organization_id = ${organizationId}`,
        ),
      )
    return row === undefined ? undefined : toRecord(row)
  }

  async list(organizationId: string, deviceId: string, request: PageRequest): Promise<Page<CommandRecord>> {
    const window = pageWindow(request)
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<CommandRow>(sql`
        select ${columns} from command c
        where ${allOf([
          sql`c.organization_id = ${organizationId} and c.device_id = ${deviceId}`,
          beforeCursor(window, { at: sql`c.created_at`, id: sql`c.id` }),
        ])}
        order by c.created_at desc, c.id desc limit ${window.limit + 1}`),
    )
    return toPage(rows, window, (row) => ({ at: row.createdAt, id: row.id }), toRecord)
  }

  async expireDue(act: ActContext): Promise<number> {
    // What was sent gets a while longer: its gateway may be about to write the answer.
    const due = await this.#database.read((query) =>
      query.rows<{ readonly id: string; readonly state: CommandState; readonly method: CommandMethod }>(sql`
        select c.id, c.state, c.method from command c left join gateway_instance i on i.id = c.gateway_id
        where (c.state = 'pending' and c.expires_at <= now())
          or (c.state = 'sent' and c.expires_at <= now() - interval '1 minute')
          or (c.state = 'sent' and c.sent_at < now() - interval '1 minute' and not ${leaseAlive})
        order by c.expires_at limit 500`),
    )
    for (const { id, state, method } of due) {
      const outcome: Outcome =
        state === 'pending'
          ? { state: 'expired', errorCode: 'device-offline' }
          : { state: stateWithoutAnswer(method), errorCode: 'device-not-responding' }
      // It may have been claimed since: then it is not overdue as it was found, and the next sweep looks again.
      await this.#database.transaction((query) => this.#finish(query, id, outcome, act, [state]))
    }
    return due.length
  }

  async #finish(
    query: Query,
    commandId: string,
    outcome: Outcome,
    act: ActContext,
    from: readonly CommandState[] = predecessorsOf(outcome.state),
  ): Promise<void> {
    const { state, coapCode, representation, errorCode } = outcome
    const row = await query.first<CommandRow>(sql`
      update command c set state = ${state satisfies FinishedCommandState}, finished_at = clock_timestamp(),
        coap_code = ${coapCode}, representation = ${representation === undefined ? sql`null` : json(representation)},
        error_code = ${errorCode}
      where c.id = ${commandId} and c.state = any(${from}::text[])
      returning ${columns}`)
    if (row === undefined) return
    const { organizationId, deviceId, href, method } = row
    const told = {
      href,
      method,
      state,
      ...(coapCode === undefined ? {} : { coapCode }),
      ...(errorCode === undefined ? {} : { errorCode }),
    }
    await this.#record.audit(query, act, {
      type: 'command.finished',
      organizationId,
      subjectId: commandId,
      outcome: state === 'succeeded' ? 'succeeded' : 'failed',
      details: { deviceId, ...told },
    })
    await this.#record.announce(query, act, {
      topic: 'command.finished',
      organizationId,
      deviceId,
      data: { commandId, ...told },
    })
    await this.#record.notify(query, 'command_finished', { commandId, deviceId })
  }
}

const toRecord = ({
  answered,
  representation,
  finishedAt,
  coapCode,
  errorCode,
  ...row
}: CommandRow): CommandRecord => ({
  ...row,
  ...present({ finishedAt, coapCode, errorCode }),
  ...(answered ? { representation } : {}),
})
