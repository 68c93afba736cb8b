/**
 * A server that has no time for us now, and says when it will (5.03 with Max-Age, RFC 7252 section 5.9.3.4): we wait on the
 * association that we have and ask again. To leave and come back would cost both a handshake, at the worst of times.
 */

import { type Duration, milliseconds, seconds } from '@sallyport/clock'
import type { CoapLink } from './coap-link.ts'
import { isDeviceFailure } from './device-failure.ts'
import { pause } from './pause.ts'

const mostTries = 5
/** RFC 7252 section 5.10.5: what a missing Max-Age stands for; and no server keeps us from trying for longer. */
const longestWait = seconds(60)

/** Does it again as often as it is told to wait, while the association lives. @throws what the last try throws */
export async function asOftenAsAskedToWait<T>(
  link: CoapLink,
  random: () => number,
  work: () => Promise<T>,
): Promise<T> {
  const closed = new AbortController()
  void link.closed.then(() => closed.abort())
  for (let left = mostTries - 1; ; left -= 1) {
    try {
      return await work()
    } catch (error) {
      if (!isDeviceFailure(error) || error.coapCode !== '5.03' || left === 0 || closed.signal.aborted) throw error
      await pause(waitFor(error.retryAfter ?? longestWait, random), closed.signal)
    }
  }
}

/** Not before it was told to, and up to half as late again: others were told the same. */
const waitFor = (told: Duration, random: () => number): Duration =>
  milliseconds(Math.min(told, longestWait) * (1 + random() / 2))
