/**
 * How many requests one association may send in a time (RFC 8516): a bucket that fills evenly.
 *
 * Each message with a request counts, blocks too; duplicates do not, for they are answered from memory.
 */

import type { Duration, Instant } from '@sallyport/clock'
import { milliseconds } from '@sallyport/clock'

export interface RequestQuota {
  readonly requests: number
  readonly per: Duration
}

export interface QuotaLeft {
  /** Not a whole number: the bucket fills all the time. */
  requests: number
  at: Instant
}

export interface QuotaTaken {
  readonly left: QuotaLeft
  /** How long until there is one again; undefined when this one was allowed. */
  readonly wait: Duration | undefined
}

/** Takes one request from the quota. @param left of the association, undefined at its first request */
export function takeFromQuota(quota: RequestQuota, left: QuotaLeft | undefined, now: Instant): QuotaTaken {
  const perRequest = quota.per / quota.requests
  const filled = left === undefined ? quota.requests : left.requests + (now - left.at) / perRequest
  const requests = Math.min(quota.requests, filled)
  if (requests >= 1) return { left: { requests: requests - 1, at: now }, wait: undefined }
  return { left: { requests, at: now }, wait: milliseconds((1 - requests) * perRequest) }
}
