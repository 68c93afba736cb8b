import { type Duration, type Instant, milliseconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { ActContext } from '../act.ts'
import { isJobKind, type JobKind } from '../job-kinds.ts'
import type { JobFigures, JobFilter, JobRecord, JobRunner, JobRunnerOptions, Jobs, NewJob } from '../jobs.ts'
import type { Page } from '../page.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { startJobRunner } from './job-runner.ts'
import type { Notifications } from './notifications.ts'
import { present } from './row.ts'
import { allOf, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

interface Row {
  readonly id: string
  readonly kind: string
  readonly about: string
  readonly state: JobRecord['state']
  readonly attempts: number
  readonly lastErrorCode: string | null
  readonly lastError: string | null
  readonly correlationId: string
  readonly createdAt: Instant
  readonly lastAttemptAt: Instant | null
  readonly finishedAt: Instant | null
}

const columns = sql`id, kind, about, state, attempts, last_error_code as "lastErrorCode", last_error as "lastError",
  correlation_id as "correlationId", created_at as "createdAt", last_attempt_at as "lastAttemptAt",
  finished_at as "finishedAt"`

export class PostgresJobs implements Jobs {
  readonly #database: Database
  readonly #record: TransactionRecord
  readonly #notifications: Notifications

  constructor(database: Database, record: TransactionRecord, notifications: Notifications) {
    this.#database = database
    this.#record = record
    this.#notifications = notifications
  }

  add(job: NewJob, act: ActContext): Promise<string> {
    return this.#database.transaction(async (query) => {
      const [id] = await this.#record.enqueue(query, act, job)
      if (id === undefined) throw new CodedError('internal', 'a job that was added has no id')
      return id
    })
  }

  async list(organizationId: string, filter: JobFilter): Promise<Page<JobRecord>> {
    const window = pageWindow(filter)
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<Row>(sql`
        select ${columns} from job
        where ${allOf([
          sql`organization_id = ${organizationId}`,
          filter.state === undefined ? undefined : sql`state = ${filter.state}`,
          filter.kind === undefined ? undefined : sql`kind = ${filter.kind}`,
          beforeCursor(window, { at: sql`created_at`, id: sql`id` }),
        ])}
        order by created_at desc, id desc limit ${window.limit + 1}`),
    )
    return toPage(rows, window, (row) => ({ at: row.createdAt, id: row.id }), toRecord)
  }

  async read(organizationId: string, id: string): Promise<JobRecord | undefined> {
    const row = await this.#database
      .of(organizationId)
      .read((query) =>
        query.first<Row>(sql`select ${columns} from job where id = ${id} and organization_id = ${organizationId}`),
      )
    return row === undefined ? undefined : toRecord(row)
  }

  retry(organizationId: string, id: string, act: ActContext): Promise<JobRecord> {
    return this.#database.of(organizationId).transaction(async (query) => {
      const before = await lock(query, organizationId, id)
      if (before.state !== 'dead') throw new CodedError('conflict', `The job is ${before.state}, not dead.`)
      const row = await query.first<Row>(sql`
        update job set state = 'queued', attempts = 0, run_at = clock_timestamp(), runner = null, finished_at = null
        where id = ${id} returning ${columns}`)
      if (row === undefined) throw new CodedError('internal', 'a locked job was gone')
      query.wake('jobs')
      await this.#record.audit(query, act, {
        type: 'job.retried',
        organizationId,
        subjectId: id,
        details: { kind: row.kind },
      })
      return toRecord(row)
    })
  }

  async drop(organizationId: string, id: string, act: ActContext): Promise<void> {
    await this.#database.of(organizationId).transaction(async (query) => {
      const before = await lock(query, organizationId, id)
      if (!['queued', 'waiting', 'dead'].includes(before.state)) {
        throw new CodedError('conflict', `The job is ${before.state}.`)
      }
      await query.run(sql`
        update job set state = 'dropped', payload = null, finished_at = clock_timestamp() where id = ${id}`)
      await this.#record.audit(query, act, {
        type: 'job.dropped',
        organizationId,
        subjectId: id,
        details: { kind: before.kind },
      })
    })
  }

  async figures(): Promise<readonly JobFigures[]> {
    const rows = await this.#database.read((query) =>
      query.rows<Omit<JobFigures, 'kind' | 'oldest'> & { readonly kind: string; readonly oldest: number }>(sql`
        select kind,
          count(*) filter (where state = 'queued') as queued,
          count(*) filter (where state = 'running') as running,
          count(*) filter (where state = 'waiting') as waiting,
          count(*) filter (where state = 'dead') as dead,
          coalesce(max(extract(epoch from clock_timestamp() - created_at) * 1000)
            filter (where state <> 'dead'), 0)::float8 as oldest
        from job where state in ('queued', 'running', 'waiting', 'dead') group by kind`),
    )
    return rows.flatMap(({ kind, oldest, ...counts }) =>
      isJobKind(kind) ? [{ kind, ...counts, oldest: ageOf(oldest) }] : [],
    )
  }

  run(options: JobRunnerOptions): Promise<JobRunner> {
    return startJobRunner({
      ...options,
      database: this.#database,
      record: this.#record,
      wake: (nudge) => this.#notifications.listen('jobs', nudge, nudge),
    })
  }
}

const ageOf = (age: number): Duration => milliseconds(Math.max(0, Math.round(age)))

async function lock(query: Query, organizationId: string, id: string) {
  const row = await query.first<Pick<Row, 'state' | 'kind'>>(sql`
    select state, kind from job where id = ${id} and organization_id = ${organizationId} for update`)
  if (row === undefined) throw new CodedError('not-found', 'There is no such job.')
  return row
}

/** @throws CodedError `conflict` for a kind that this version of the program does not know. */
function kindOf({ kind }: Pick<Row, 'kind'>): JobKind {
  if (isJobKind(kind)) return kind
  throw new CodedError('conflict', `This version of the program knows no jobs of kind ${kind}.`)
}

const toRecord = ({ kind, lastErrorCode, lastError, lastAttemptAt, finishedAt, ...row }: Row): JobRecord => ({
  ...row,
  kind: kindOf({ kind }),
  ...present({ lastErrorCode, lastError, lastAttemptAt, finishedAt }),
})
