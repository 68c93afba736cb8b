/**
 * Work that is done later and must not be lost: rows, written in the transaction of what they are about, run by any control
 * plane there is.
 *
 * - A job is run at least once. It is run again when its runner died in the middle: handlers bear that.
 * - A try that failed is repeated after 3 s, 7 s, 20 s … at most 6 h. What cannot succeed, or was tried too often, is dead: it
 *   stays until somebody retries or drops it.
 */

import type { Duration, Instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import type { ActContext } from './act.ts'
import type { JobKind, JobPayload } from './job-kinds.ts'
import type { Page, PageRequest } from './page.ts'

/** `waiting`: it failed and is tried again. The last three are final, but for a dead one that is retried. */
export const jobStates = ['queued', 'running', 'waiting', 'done', 'dead', 'dropped'] as const
export type JobState = (typeof jobStates)[number]

export interface JobRecord {
  readonly id: string
  readonly kind: JobKind
  /** One line: what it does to whom. */
  readonly about: string
  readonly state: JobState
  /** Tries begun since it was added, or retried by hand. */
  readonly attempts: number
  readonly lastErrorCode?: string
  readonly lastError?: string
  readonly correlationId: string
  readonly createdAt: Instant
  readonly lastAttemptAt?: Instant
  readonly finishedAt?: Instant
}

export type NewJob = {
  readonly [Kind in JobKind]: {
    readonly kind: Kind
    /** Whose operators see it; undefined: the installation's own. */
    readonly organizationId: string | undefined
    readonly payload: JobPayload<Kind>
  }
}[JobKind]

export interface JobFilter extends PageRequest {
  readonly state?: JobState | undefined
  readonly kind?: JobKind | undefined
}

export interface Jobs {
  /** By itself; where it belongs to a change, the change's own transaction adds it. @returns its id. */
  add(job: NewJob, act: ActContext): Promise<string>
  list(organizationId: string, filter: JobFilter): Promise<Page<JobRecord>>
  read(organizationId: string, id: string): Promise<JobRecord | undefined>
  /** A dead job is tried anew, as if it had just been added. @throws CodedError `not-found`, `conflict` when it is not dead. */
  retry(organizationId: string, id: string, act: ActContext): Promise<JobRecord>
  /** It will not be done. @throws CodedError `not-found`, `conflict` when it is running or finished. */
  drop(organizationId: string, id: string, act: ActContext): Promise<void>
  figures(): Promise<readonly JobFigures[]>
  /** Runs jobs until it is closed, through every outage of the database. */
  run(options: JobRunnerOptions): Promise<JobRunner>
}

/** Of one kind, over all organizations. */
export interface JobFigures {
  readonly kind: JobKind
  readonly queued: number
  readonly running: number
  readonly waiting: number
  readonly dead: number
  /** How long the oldest that is neither finished nor dead has been there; 0 without one. */
  readonly oldest: Duration
}

/** What came of one try. A handler that throws has failed for a while. */
export type JobOutcome =
  | { readonly outcome: 'done' }
  | {
      readonly outcome: 'failed'
      readonly code: ErrorCode
      /** Shown to operators: without secrets. */
      readonly message: string
      /** Trying again cannot help. */
      readonly forGood: boolean
    }

export interface RunningJob<Kind extends JobKind> {
  /** The same for every try. */
  readonly id: string
  readonly organizationId: string | undefined
  readonly payload: JobPayload<Kind>
  readonly attempt: number
  readonly correlationId: string
  /** Aborted when the try took too long. */
  readonly signal: AbortSignal
}

export type JobHandlers = {
  readonly [Kind in JobKind]: (job: RunningJob<Kind>) => Promise<JobOutcome>
}

export interface JobRunnerOptions {
  readonly handlers: JobHandlers
  /** Jobs at the same time in this process. */
  readonly concurrency: number
  readonly observer?: JobObserver
}

export interface JobObserver {
  /** A try ended. `lost`: its outcome was not kept, since another runner had taken the job over. */
  attempted(attempt: {
    readonly id: string
    readonly kind: JobKind
    readonly attempt: number
    readonly correlationId: string
    readonly result: 'done' | 'waiting' | 'dead' | 'lost'
    readonly duration: Duration
    readonly code?: ErrorCode
  }): void
}

export interface JobRunner {
  /** Takes no more jobs and ends with those under way. */
  close(): Promise<void>
}
