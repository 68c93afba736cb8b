/**
 * Ends associations whose right to be has gone: the device was deleted or blocked, its certificate or key revoked (< 1 s, by a
 * database notification; a poll behind it finds what a lost notification missed).
 */

import { milliseconds, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import type { Store } from '@sallyport/store'
import { logFieldsOf } from './device-request.ts'
import type { DeviceTokenVerifier } from './device-token-verifier.ts'
import type { LiveDevice, LiveDevices } from './live-devices.ts'
import { notificationFields } from './notification.ts'
import type { Presence } from './presence.ts'
import type { PskLookup } from './psk-lookup.ts'
import { type CredentialStore, withdrawnCredentials } from './withdrawn-credentials.ts'

export interface WithdrawalOptions {
  readonly store: Pick<Store, 'listen'> & CredentialStore
  readonly devices: LiveDevices
  readonly presence: Pick<Presence, 'goesOffline'>
  readonly tokens: Pick<DeviceTokenVerifier, 'forget'>
  readonly pskLookup: Pick<PskLookup, 'forget'>
  readonly log: Logger
}

const polledEvery = seconds(15)
const mostAtOnce = 1000
const answersLeaveWithin = milliseconds(100)

export interface WithdrawalWatch {
  /** Now, for associations that came when a notification about them had come already. */
  lookAgain(): void
  stop(): Promise<void>
}

export async function watchWithdrawals(options: WithdrawalOptions): Promise<WithdrawalWatch> {
  const poll = (): void => {
    closeWithdrawn(options).catch((error: unknown) => {
      options.log.warn({ err: error }, 'withdrawn certificates could not be looked for')
    })
  }
  const stopListening = await options.store.listen(
    'device_closed',
    (payload) => {
      const { deviceId, reason, pskIdentitySha256 } = notificationFields(payload)
      if (deviceId === undefined) return
      options.tokens.forget(deviceId)
      options.pskLookup.forget(deviceId)
      for (const live of options.devices.ofDevice(deviceId)) {
        const other =
          pskIdentitySha256 !== undefined && live.association.identity.pskIdentitySha256 !== pskIdentitySha256
        if (!other) close(options, live, reason ?? 'withdrawn')
      }
    },
    poll,
  )
  const timer = setInterval(poll, polledEvery)
  return {
    lookAgain: poll,
    async stop() {
      clearInterval(timer)
      await stopListening()
    },
  }
}

async function closeWithdrawn(options: WithdrawalOptions): Promise<void> {
  const all = [...options.devices.all]
  for (let start = 0; start < all.length; start += mostAtOnce) {
    const some = all.slice(start, start + mostAtOnce)
    const identities = some.map((live) => live.association.identity)
    const isWithdrawn = await withdrawnCredentials(options.store, identities)
    for (const live of some) {
      if (!isWithdrawn(live.association.identity)) continue
      options.tokens.forget(live.association.identity.deviceId)
      close(options, live, 'withdrawn')
    }
  }
}

/**
 * The session ends at once, and the device is offline, which whoever withdrew it may not have said; the association ends some
 * moments later, so that the answer to a sign-off still gets out.
 */
function close(options: WithdrawalOptions, live: LiveDevice, reason: string): void {
  const wasSignedIn = live.session.ended()
  options.devices.signOut(live)
  if (wasSignedIn) void options.presence.goesOffline(live, 'association-closed')
  options.log.info({ ...logFieldsOf(live.association), reason }, 'association closed: the device was withdrawn')
  setTimeout(() => live.association.close(), answersLeaveWithin)
}
