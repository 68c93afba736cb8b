/**
 * Points in time and lengths of time, both in milliseconds, kept apart by the compiler.
 *
 * Nothing here reads a clock: the composition root makes a `Clock` from the platform and hands it down.
 */

declare const instantBrand: unique symbol
declare const durationBrand: unique symbol

/** Milliseconds since the Unix epoch (or since any fixed origin, for a monotonic clock). */
export type Instant = number & { readonly [instantBrand]: true }

/** A length of time in milliseconds, never negative. */
export type Duration = number & { readonly [durationBrand]: true }

export interface Clock {
  now(): Instant
}

export const instant = (millisecondsSinceOrigin: number): Instant => millisecondsSinceOrigin as Instant

export const milliseconds = (count: number): Duration => count as Duration
export const seconds = (count: number): Duration => (count * 1000) as Duration
export const minutes = (count: number): Duration => (count * 60_000) as Duration
export const hours = (count: number): Duration => (count * 3_600_000) as Duration
export const days = (count: number): Duration => (count * 86_400_000) as Duration

export const later = (from: Instant, by: Duration): Instant => (from + by) as Instant
export const earlier = (from: Instant, by: Duration): Instant => (from - by) as Instant

/** Time from `start` to `end`; 0 where `end` is before `start`. */
export const between = (start: Instant, end: Instant): Duration => Math.max(0, end - start) as Duration

/** Whole seconds, rounded up: what `expires_in`, Max-Age and Retry-After carry. */
export const inSeconds = (duration: Duration): number => Math.ceil(duration / 1000)

/** A clock over a reader of milliseconds, such as the platform's. */
export function clockFrom(read: () => number): Clock {
  return { now: () => instant(read()) }
}

/** RFC 3339 in UTC with milliseconds. */
export const toRfc3339 = (at: Instant): string => new Date(at).toISOString()
