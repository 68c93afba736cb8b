/** The key ring with its figures: how old the key is that signs, and whether what is due was done. */

import { type Clock, inSeconds } from '@sallyport/clock'
import type { Metrics } from '@sallyport/diagnostics'
import { keyStates } from '@sallyport/keys'
import { type KeyRing, type KeyRingOptions, openKeyRing } from './key-ring.ts'

export async function openMeasuredKeyRing(
  options: Omit<KeyRingOptions, 'observer'>,
  metrics: Metrics,
  clock: Clock,
): Promise<KeyRing> {
  const looks = metrics.counter({
    name: 'sallyport_jwt_key_checks_total',
    help: 'How often it was looked what is due with the JWT keys; failed: what was due could not be done, the old key goes on.',
    labels: ['outcome'],
  })
  const ring = await openKeyRing({ ...options, observer: { looked: (outcome) => looks.inc({ outcome }) } })
  const activatedAt = (): number | undefined =>
    ring.records.find(({ state }) => state === 'active')?.activatedAt ?? undefined
  metrics.gauge({
    name: 'sallyport_jwt_keys',
    help: 'JWT keys that are believed, by state; an alert belongs to no active one.',
    labels: ['state'],
    collect(gauge) {
      for (const state of keyStates) {
        if (state !== 'retired') gauge.set({ state }, ring.records.filter((key) => key.state === state).length)
      }
    },
  })
  metrics.gauge({
    name: 'sallyport_jwt_key_active_since_timestamp_seconds',
    help: 'Since when the present JWT key signs, in seconds since the epoch.',
    collect: (gauge) => gauge.set((activatedAt() ?? 0) / 1000),
  })
  metrics.gauge({
    name: 'sallyport_jwt_key_overdue_seconds',
    help: 'For how long the present JWT key signs beyond its period, as it does while the HSM is away: an alert belongs to more than an hour.',
    collect(gauge) {
      const since = activatedAt()
      const overdue = since === undefined ? 0 : clock.now() - since - options.policy.activeFor
      gauge.set(overdue > 0 ? inSeconds(overdue as typeof options.policy.activeFor) : 0)
    },
  })
  return ring
}
