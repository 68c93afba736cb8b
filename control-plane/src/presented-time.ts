/** Instants as the API writes them: RFC 3339 in UTC, or null where there is none. */

import { Type } from '@fastify/type-provider-typebox'
import { type Instant, instant, toRfc3339 } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'

export const Time = Type.String({ format: 'date-time' })
export const TimeOrNull = Type.Union([Time, Type.Null()])

export const presentTime = (at: Instant | undefined): string | null => (at === undefined ? null : toRfc3339(at))

/** A time in a query. @throws CodedError `validation-failed`. */
export function readTime(text: string): Instant {
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new CodedError('validation-failed', `${text.slice(0, 40)} is not an RFC 3339 time.`)
  return instant(at)
}
