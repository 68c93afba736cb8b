/** Which of two notifications is the newer (RFC 7641 section 3.4). */

import type { Instant } from '@sallyport/clock'

export interface NotificationPosition {
  /** 24 bits. */
  readonly sequence: number
  readonly at: Instant
}

const half = 2 ** 23
const reorderingWindowMilliseconds = 128_000

/** True when `incoming` is newer than the newest one `known`: by its number, or because so much time has passed. */
export const isFresher = (known: NotificationPosition, incoming: NotificationPosition): boolean =>
  (known.sequence < incoming.sequence && incoming.sequence - known.sequence < half) ||
  (known.sequence > incoming.sequence && known.sequence - incoming.sequence > half) ||
  incoming.at > known.at + reorderingWindowMilliseconds
