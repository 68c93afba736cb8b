/**
 * The running of jobs, by any number of processes.
 *
 * 1. A runner claims what is due, each row for itself alone (`FOR UPDATE SKIP LOCKED`), under a lease, and counts the try.
 * 2. The handler works outside of any transaction, for so long as its kind allows; the lease is renewed meanwhile.
 * 3. The outcome is written if the try is still this runner's: done, dead, or to be tried again after a pause.
 *
 * A lease that lapsed means that its runner is gone, and the job is due again. So a process that dies over a payload does so
 * only as often as the kind has tries.
 */

import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type Duration, milliseconds, minutes } from '@sallyport/clock'
import { CodedError, type ErrorCode, isCodedError } from '@sallyport/errors'
import { checkJobPayload, isJobKind, type JobKind, jobKinds } from '../job-kinds.ts'
import type { JobHandlers, JobObserver, JobOutcome, JobRunner, JobRunnerOptions } from '../jobs.ts'
import type { Database } from './database.ts'
import { type Sql, sql } from './sql.ts'
import { tellAudience } from './tell-people.ts'
import type { TransactionRecord } from './transaction-record.ts'

interface Options extends JobRunnerOptions {
  readonly database: Database
  readonly record: TransactionRecord
  /** Calls back when jobs may have been added; returns how to stop it. */
  readonly wake: (nudge: () => void) => Promise<() => Promise<void>>
}

const lease = sql`clock_timestamp() + interval '15 seconds'`
const renewEvery = 4000
const lookEvery = 1000
const longestGrace = 10_000
/** How long an outcome is kept that the database does not take: less would do again what was done. */
const outcomeKept = minutes(5)

interface ClaimedJob {
  readonly id: string
  readonly kind: string
  readonly organizationId: string | null
  readonly payload: unknown
  readonly attempt: number
  readonly correlationId: string
}

export async function startJobRunner(options: Options): Promise<JobRunner> {
  const runner = new Runner(options)
  // A runner that cannot be woken still looks.
  const stopListening = await options.wake(() => runner.nudge()).catch(() => async () => undefined)
  const finished = runner.runUntilClosed()
  return {
    async close() {
      // At once: nothing more is taken while the rest comes to its end.
      runner.close()
      await stopListening().catch(() => undefined)
      await finished
    },
  }
}

class Runner {
  readonly #options: Options
  readonly #id = randomUUID()
  readonly #closing = new AbortController()
  /** Ends handlers that outlast the grace of a stop. */
  readonly #stopping = new AbortController()
  readonly #held = new Map<string, Promise<void>>()
  #renewAt = 0
  #wake = (): void => {}
  #nudged = false

  constructor(options: Options) {
    this.#options = options
  }

  nudge(): void {
    this.#nudged = true
    this.#wake()
  }

  async runUntilClosed(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      // The database may be away: jobs under way go on, and the next round looks again.
      const claimed = await this.#round().catch(() => 0)
      if (claimed === 0 || this.#free() === 0) await this.#sleep()
    }
    const held = () => Promise.all(this.#held.values())
    const grace = setTimeout(() => this.#stopping.abort(), longestGrace)
    const renewal = setInterval(() => void this.#renew().catch(() => undefined), renewEvery)
    await held()
    clearTimeout(grace)
    clearInterval(renewal)
  }

  close(): void {
    this.#closing.abort()
    this.#wake()
  }

  async #round(): Promise<number> {
    if (performance.now() >= this.#renewAt) {
      this.#renewAt = performance.now() + renewEvery
      await this.#renew()
    }
    const free = this.#free()
    if (free === 0) return 0
    this.#nudged = false
    const jobs = await claim(this.#options.database, this.#id, free)
    for (const job of jobs) {
      const attempt = this.#attempt(job).finally(() => {
        this.#held.delete(job.id)
        this.nudge()
      })
      this.#held.set(job.id, attempt)
    }
    return jobs.length
  }

  #free(): number {
    return this.#options.concurrency - this.#held.size
  }

  async #renew(): Promise<void> {
    if (this.#held.size === 0) return
    await this.#options.database.read((query) =>
      query.run(sql`
        update job set lease_until = ${lease}
        where id = any(${[...this.#held.keys()]}::uuid[]) and runner = ${this.#id} and state = 'running'`),
    )
  }

  async #sleep(): Promise<void> {
    if (this.#nudged && this.#free() > 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, lookEvery)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = () => {}
  }

  async #attempt(job: ClaimedJob): Promise<void> {
    const { kind } = job
    if (!isJobKind(kind)) return
    const began = performance.now()
    const outcome = await work(job, kind, this.#options.handlers, this.#stopping.signal)
    const result = await this.#keepOutcome(job, kind, outcome)
    const observer: JobObserver | undefined = this.#options.observer
    observer?.attempted({
      id: job.id,
      kind,
      attempt: job.attempt,
      correlationId: job.correlationId,
      result,
      duration: milliseconds(Math.round(performance.now() - began)),
      ...(outcome.outcome === 'done' ? {} : { code: outcome.code }),
    })
  }

  async #keepOutcome(job: ClaimedJob, kind: JobKind, outcome: JobOutcome) {
    const { database, record } = this.#options
    const until = performance.now() + outcomeKept
    for (;;) {
      try {
        return await finish(database, record, this.#id, job, kind, outcome)
      } catch {
        if (performance.now() > until || this.#stopping.signal.aborted) return 'lost'
        await pause(lookEvery)
      }
    }
  }
}

async function claim(database: Database, runner: string, limit: number): Promise<readonly ClaimedJob[]> {
  return database.read((query) =>
    query.rows<ClaimedJob>(sql`
      update job set state = 'running', attempts = attempts + 1, runner = ${runner}, lease_until = ${lease},
        last_attempt_at = clock_timestamp()
      where id in (
        select id from job
        where kind = any(${Object.keys(jobKinds)}::text[]) and run_at <= clock_timestamp()
          and (state in ('queued', 'waiting') or state = 'running' and lease_until < clock_timestamp())
        order by run_at limit ${limit} for update skip locked)
      returning id, kind, organization_id as "organizationId", payload, attempts as attempt,
        correlation_id as "correlationId"`),
  )
}

async function work(job: ClaimedJob, kind: JobKind, handlers: JobHandlers, stopping: AbortSignal): Promise<JobOutcome> {
  const { mostAttempts, longestRunSeconds } = jobKinds[kind]
  if (job.attempt > mostAttempts) {
    return failed('internal', `Its process ended in the middle, for the last of ${mostAttempts} tries.`, true)
  }
  const tooLong = new AbortController()
  const timer = setTimeout(() => tooLong.abort(), longestRunSeconds * 1000)
  const signal = AbortSignal.any([tooLong.signal, stopping])
  try {
    const outcome = await Promise.race([handle(job, kind, handlers, signal), abortOf(signal)])
    return outcome.outcome === 'failed' && job.attempt >= mostAttempts ? { ...outcome, forGood: true } : outcome
  } catch (error) {
    // The message of an unknown error may hold anything.
    const [code, message] = isCodedError(error)
      ? [error.code, error.message]
      : (['internal', 'The handler failed.'] as const)
    return failed(code, message, job.attempt >= mostAttempts)
  } finally {
    clearTimeout(timer)
  }
}

async function handle(job: ClaimedJob, kind: JobKind, handlers: JobHandlers, signal: AbortSignal): Promise<JobOutcome> {
  const payload = payloadOf(job, kind)
  if (payload === undefined) return failed('internal', 'Its payload does not fit its kind.', true)
  const { id, attempt, correlationId } = job
  return handlers[kind]({
    id,
    organizationId: job.organizationId ?? undefined,
    payload,
    attempt,
    correlationId,
    signal,
  })
}

/** Undefined for one that another version of the program wrote otherwise. */
function payloadOf(job: ClaimedJob, kind: JobKind) {
  try {
    return checkJobPayload(kind, job.payload)
  } catch (error) {
    if (error instanceof CodedError) return undefined
    throw error
  }
}

async function finish(
  database: Database,
  record: TransactionRecord,
  runner: string,
  job: ClaimedJob,
  kind: JobKind,
  outcome: JobOutcome,
): Promise<'done' | 'waiting' | 'dead' | 'lost'> {
  const state = outcome.outcome === 'done' ? 'done' : outcome.forGood ? 'dead' : 'waiting'
  const [code, message] = outcome.outcome === 'done' ? [null, null] : [outcome.code, outcome.message.slice(0, 500)]
  return database.transaction(async (query) => {
    const kept = await query.first<{ readonly about: string }>(sql`
      update job set state = ${state}, lease_until = null, last_error_code = ${code}, last_error = ${message}, ${after(state, job.attempt)}
      where id = ${job.id} and state = 'running' and runner = ${runner} and attempts = ${job.attempt}
      returning about`)
    if (kept === undefined) return 'lost'
    if (state === 'dead' && code !== null) {
      const act = { actor: { kind: 'system', id: 'jobs' }, correlationId: job.correlationId } as const
      await record.audit(query, act, {
        type: 'job.failed',
        organizationId: job.organizationId ?? undefined,
        subjectId: job.id,
        outcome: 'failed',
        details: { kind, reason: code, attempts: job.attempt },
      })
      if (job.organizationId !== null) {
        await tellAudience(query, record, act, {
          kind: 'job-dead',
          organizationId: job.organizationId,
          data: { jobId: job.id, kind, about: kept.about, errorCode: code },
        })
      }
    }
    return state
  })
}

function after(state: 'done' | 'dead' | 'waiting', attempt: number): Sql {
  switch (state) {
    case 'done':
      return sql`payload = null, finished_at = clock_timestamp()`
    case 'dead':
      return sql`finished_at = clock_timestamp()`
    case 'waiting':
      return sql`run_at = clock_timestamp() + make_interval(secs => ${pauseAfter(attempt) / 1000})`
  }
}

/** e^attempt seconds: 3 s, 7 s, 20 s, 55 s, … at most 6 h. */
export const pauseAfter = (attempt: number): Duration =>
  milliseconds(Math.min(Math.round(1000 * Math.exp(attempt)), 21_600_000))

const failed = (code: ErrorCode, message: string, forGood: boolean): JobOutcome => ({
  outcome: 'failed',
  code,
  message,
  forGood,
})

function abortOf(signal: AbortSignal): Promise<JobOutcome> {
  return new Promise((resolve) => {
    const end = (): void => resolve(failed('timed-out', 'The try took too long, or was stopped.', false))
    signal.addEventListener('abort', end, { once: true })
  })
}
