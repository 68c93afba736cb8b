/**
 * Which failed attempts are made again, and after how long.
 *
 * Again goes what cannot be done twice: reads, what carries an `Idempotency-Key`, what was refused before it began (429), and
 * what never reached the server. A change without a key whose answer was lost is told, not repeated.
 */

import { isApiProblem, isServerUnreachable } from './api-problem.ts'
import type { OperationDefinition } from './operations.ts'

const firstPause = 250

/** Milliseconds until the next attempt; undefined when there is to be none. `chance` is at least 0 and below 1. */
export function pauseBefore(
  attempt: number,
  error: unknown,
  definition: Pick<OperationDefinition, 'method' | 'once'>,
  chance: number,
): number | undefined {
  if (!mayBeRepeated(error, definition)) return undefined
  const asked = isApiProblem(error) ? (error.retryAfterSeconds ?? 0) * 1000 : 0
  // Half of it by chance, so that clients that failed together do not come back together.
  const backOff = firstPause * 2 ** (attempt - 1) * (0.5 + chance / 2)
  return Math.max(asked, backOff)
}

function mayBeRepeated(error: unknown, { method, once }: Pick<OperationDefinition, 'method' | 'once'>): boolean {
  const harmless = method === 'GET' || once
  if (isServerUnreachable(error)) return error.neverSent || harmless
  if (!isApiProblem(error)) return false
  if (error.status === 429) return true
  if (!harmless) return false
  if (error.status === 503 || error.code === 'idempotency-in-progress') return true
  // A proxy's; what the product itself says with them is about a device.
  return error.code === 'unexpected-answer' && (error.status === 502 || error.status === 504)
}

/** Seconds of a `Retry-After` (RFC 9110 section 10.2.3), which may be a date. */
export function retryAfterSeconds(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header)
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000))
}
