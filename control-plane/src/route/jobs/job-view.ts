/** A job as operators see it: everything but its payload, which may hold codes. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import type { JobRecord } from '@sallyport/store'
import { presentTime, Time, TimeOrNull } from '../../presented-time.ts'

const NullableText = Type.Union([Type.String(), Type.Null()])

export const JobStateView = Type.Union([
  Type.Literal('queued'),
  Type.Literal('running'),
  Type.Literal('waiting'),
  Type.Literal('done'),
  Type.Literal('dead'),
  Type.Literal('dropped'),
])

export const JobView = Type.Object({
  id: Type.String({ format: 'uuid' }),
  kind: Type.String(),
  about: Type.String({ description: 'What it does to whom.' }),
  state: JobStateView,
  attempts: Type.Integer({ description: 'Tries begun since it was added, or retried by hand.' }),
  lastErrorCode: NullableText,
  lastError: NullableText,
  correlationId: Type.String({ description: 'Of the request or datagram that caused it.' }),
  createdAt: Time,
  lastAttemptAt: TimeOrNull,
  finishedAt: TimeOrNull,
})
export type JobView = Static<typeof JobView>

export const presentJob = (job: JobRecord): JobView => ({
  id: job.id,
  kind: job.kind,
  about: job.about,
  state: job.state,
  attempts: job.attempts,
  lastErrorCode: job.lastErrorCode ?? null,
  lastError: job.lastError ?? null,
  correlationId: job.correlationId,
  createdAt: toRfc3339(job.createdAt),
  lastAttemptAt: presentTime(job.lastAttemptAt),
  finishedAt: presentTime(job.finishedAt),
})
