/** Waiting that a signal can end early. */

import type { Duration } from '@sallyport/clock'

/** Resolves after the time, or at once when the signal is or becomes aborted. */
export function pause(duration: Duration, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, Math.min(duration, longestTimer))
    signal.addEventListener('abort', finish, { once: true })
  })
}

/** Milliseconds; above it a timer of the platform fires at once. Waits for longer come up early and must look at the time. */
const longestTimer = 2 ** 31 - 1
