/**
 * How few successes of N trials still fit a promised rate: a test of few trials must not fail by chance, nor pass whatever
 * happens.
 */

/** A service that keeps the promise exactly shows fewer only once in a thousand runs. */
const falseAlarm = 1e-3

/** @param rate the promised share of successes, from 0 to 1 */
export function fewestSuccesses(trials: number, rate: number): number {
  if (rate >= 1) return trials
  // P(no failure), then each number of failures from the one before: from this side nothing underflows.
  let probability = rate ** trials
  let seen = probability
  let failures = 0
  while (1 - seen > falseAlarm && failures < trials) {
    probability *= ((trials - failures) / (failures + 1)) * ((1 - rate) / rate)
    failures += 1
    seen += probability
  }
  return trials - failures
}
