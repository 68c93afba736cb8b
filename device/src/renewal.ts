/** When an identity certificate is renewed: at two thirds of what remains of its life, sooner the nearer its end is. */

import { between, type Duration, type Instant, later, milliseconds, minutes, seconds } from '@sallyport/clock'

/**
 * The next moment to renew, as stock devices reckon it.
 *
 * @param remainingSince when the remaining life is counted from: when the certificate was read or issued
 */
export function renewalTime(notAfter: Instant, remainingSince: Instant): Instant {
  const remaining = between(remainingSince, notAfter)
  if (remaining >= minutes(6)) return later(remainingSince, milliseconds(Math.floor((remaining * 2) / 3)))
  return later(remainingSince, floorFor(remaining))
}

function floorFor(remaining: Duration): Duration {
  if (remaining < minutes(1)) return seconds(10)
  return remaining < minutes(3) ? minutes(1) : minutes(2)
}
