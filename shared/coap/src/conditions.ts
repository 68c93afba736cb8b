/** If-Match and If-None-Match: what must be true before a request is carried out (RFC 7252 section 5.10.8). */

export interface Conditions {
  /** One of these must be the target's ETag; an empty one is met by every target that exists. None: no condition. */
  readonly ifMatch: readonly Uint8Array[]
  /** The target must not exist. */
  readonly ifNoneMatch: boolean
}

/**
 * True when the request may be carried out; else its answer is 4.12.
 *
 * @param etag of the target as it is; empty for one that has none, undefined where there is no target
 */
export function meetsConditions(conditions: Conditions | undefined, etag: Uint8Array | undefined): boolean {
  if (conditions === undefined) return true
  if (conditions.ifNoneMatch && etag !== undefined) return false
  if (conditions.ifMatch.length === 0) return true
  if (etag === undefined) return false
  return conditions.ifMatch.some((wanted) => wanted.length === 0 || Buffer.compare(wanted, etag) === 0)
}
