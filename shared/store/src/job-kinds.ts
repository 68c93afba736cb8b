/**
 * The closed registry of job kinds: the shape of each payload, how often a job is tried, how long one try may take.
 *
 * A payload is checked when a job is added and again when it is run: another version of the program may have written it.
 * It holds no more than the work needs, and is gone once the work is done.
 */

import { CodedError } from '@sallyport/errors'
import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { describeMail, MailMessage } from './mail-message.ts'

interface JobKindDefinition<Payload extends TSchema> {
  readonly payload: Payload
  /** A job that failed for a while is dead after so many tries. */
  readonly mostAttempts: number
  /** What is not done by then is given up and tried again. */
  readonly longestRunSeconds: number
  /** One line for people who look at the list of jobs. */
  readonly describe: (payload: Static<Payload>) => string
}

const define = <Payload extends TSchema>(definition: JobKindDefinition<Payload>): JobKindDefinition<Payload> =>
  definition

export const jobKinds = {
  /** Pauses grow from 3 s to 6 h: 14 tries are a day and a quarter. */
  'send-mail': define({ payload: MailMessage, mostAttempts: 14, longestRunSeconds: 60, describe: describeMail }),
} as const

export type JobKind = keyof typeof jobKinds
export type JobPayload<Kind extends JobKind> = Static<(typeof jobKinds)[Kind]['payload']>

export const isJobKind = (name: string): name is JobKind => Object.hasOwn(jobKinds, name)

/** @throws CodedError `internal`: a payload that does not fit its kind is our mistake. */
export function checkJobPayload<Kind extends JobKind>(kind: Kind, payload: unknown): JobPayload<Kind> {
  const schema: TSchema = jobKinds[kind].payload
  if (Value.Check(schema, payload)) return payload as JobPayload<Kind>
  throw new CodedError('internal', `The payload of a job of kind ${kind} is not as it should be.`)
}
