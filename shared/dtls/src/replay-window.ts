/**
 * The window of 64 sequence numbers that tells new records from replayed ones (RFC 6347 section 4.1.2.6).
 *
 * Checked before a record is authenticated and committed after: a forged number must not move the window, or one
 * spoofed datagram would silence the genuine peer. The window is plain data: two 32-bit halves of a bitmap under `newest`.
 */

export interface ReplayWindow {
  /** The newest authenticated number, -1 before the first. */
  newest: number
  /** Bit n: number `newest - n` was seen, for n from 0 to 31. */
  low: number
  /** Bit n: number `newest - 32 - n` was seen. */
  high: number
}

export const createReplayWindow = (): ReplayWindow => ({ newest: -1, low: 0, high: 0 })

/** False for a number already seen, and for one too old to tell. Changes nothing. */
export function isFresh(window: ReplayWindow, sequence: number): boolean {
  const age = window.newest - sequence
  if (age < 0) return true
  if (age < 32) return (window.low & (1 << age)) === 0
  if (age < 64) return (window.high & (1 << (age - 32))) === 0
  return false
}

/** Marks an authenticated number as seen. */
export function commit(window: ReplayWindow, sequence: number): void {
  const advance = sequence - window.newest
  if (advance > 0) {
    shift(window, advance)
    window.newest = sequence
    window.low |= 1
    return
  }
  const age = -advance
  if (age < 32) window.low |= 1 << age
  else if (age < 64) window.high |= 1 << (age - 32)
}

/** Marks this number and all before it as seen, -1 for none: a window that is old must not let in what has had its effect. */
export function commitAllUpTo(window: ReplayWindow, sequence: number): void {
  if (sequence > window.newest) {
    window.newest = sequence
    window.low = -1
    window.high = -1
    return
  }
  if (sequence < 0) return
  const age = window.newest - sequence
  if (age < 32) {
    window.low |= -1 << age
    window.high = -1
  } else if (age < 64) window.high |= -1 << (age - 32)
}

/** Shifts of 32 and more are no-ops in JavaScript, so each range is written out. */
function shift(window: ReplayWindow, by: number): void {
  if (by < 32) {
    window.high = (window.high << by) | (window.low >>> (32 - by))
    window.low <<= by
  } else if (by < 64) {
    window.high = window.low << (by - 32)
    window.low = 0
  } else {
    window.high = 0
    window.low = 0
  }
}
