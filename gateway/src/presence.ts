/**
 * Declares devices online and offline, truthfully (design §11): online = signed in, heard of within the group's interval, and
 * this gateway's lease alive.
 *
 * Declarations about one association keep their order. One that the database does not take is logged, not retried: the control
 * plane's sweep sees overdue contacts and dead leases, and `declareAgain` repairs what a lease gap undid.
 */

import { randomUUID } from 'node:crypto'
import { type Clock, type Instant, milliseconds, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { isCodedError } from '@sallyport/errors'
import { namedCredential, type Store } from '@sallyport/store'
import { actOf, type DeviceAssociation, logFieldsOf } from './device-request.ts'
import type { LiveDevice, LiveDevices } from './live-devices.ts'

export type OfflineReason = 'signed-out' | 'association-closed' | 'no-contact' | 'token-expired'

export interface PresenceOptions {
  readonly store: { readonly devices: Pick<Store['devices'], 'declareOnline' | 'declareOffline' | 'contact'> }
  readonly devices: LiveDevices
  readonly gatewayId: string
  readonly clock: Clock
  readonly log: Logger
  /** Told when a session ended without the device asking for it. */
  readonly onSessionEnded: (live: LiveDevice) => void
}

/** Well below the shortest interval that a group may expect: a contact that is known but not written counts for nothing. */
const contactsWrittenEvery = seconds(1)
const sweptEvery = milliseconds(500)

export class Presence {
  readonly #options: PresenceOptions
  readonly #order = new WeakMap<DeviceAssociation, Promise<unknown>>()
  #contacts = new Map<string, Instant>()
  #contactsLost = false
  #timers: NodeJS.Timeout[] = []

  constructor(options: PresenceOptions) {
    this.#options = options
  }

  start(): void {
    this.#timers = [
      setInterval(() => void this.#writeContacts(), contactsWrittenEvery),
      setInterval(() => this.#sweep(), sweptEvery),
    ]
  }

  /** Ends the timers; the last contacts are written. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.#writeContacts()
  }

  /** @throws what the store throws: a sign-in that cannot be declared has not happened. */
  comesOnline(live: LiveDevice, correlationId: string): Promise<void> {
    const { association } = live
    return this.#inOrder(association, async () => {
      await this.#options.store.devices.declareOnline(
        {
          deviceId: association.identity.deviceId,
          gatewayId: this.#options.gatewayId,
          associationId: association.id,
          ...namedCredential(association.identity),
          remote: association.remote,
        },
        actOf(association, correlationId),
      )
    })
  }

  /** Resolves in any case. */
  async goesOffline(live: LiveDevice, reason: OfflineReason, correlationId: string = randomUUID()): Promise<void> {
    const { association } = live
    const { deviceId } = association.identity
    try {
      await this.#inOrder(association, () =>
        this.#options.store.devices.declareOffline(
          { deviceId, gatewayId: this.#options.gatewayId, associationId: association.id, reason },
          actOf(association, correlationId),
        ),
      )
      this.#options.log.info({ ...logFieldsOf(association), correlationId, reason }, 'device offline')
    } catch (error) {
      const code = isCodedError(error) ? error.code : 'internal'
      this.#options.log.warn({ ...logFieldsOf(association), reason, code, err: error }, 'offline could not be declared')
    }
  }

  /** The device was heard of. */
  contact(live: LiveDevice): void {
    const now = this.#options.clock.now()
    if (live.session.contact(now)) this.#declareQuietly(live)
    if (live.session.isSignedIn(now)) this.#contacts.set(live.association.identity.deviceId, now)
  }

  /** After a gap in the lease others may have declared our devices offline. */
  declareAgain(): void {
    for (const live of this.#options.devices.signedIn) {
      const { state } = live.session
      if (state.phase === 'signed-in' && state.presence === 'online') this.#declareQuietly(live)
    }
  }

  #declareQuietly(live: LiveDevice): void {
    this.comesOnline(live, randomUUID()).catch((error: unknown) => {
      this.#options.log.warn({ ...logFieldsOf(live.association), err: error }, 'online could not be declared again')
    })
  }

  #sweep(): void {
    const now = this.#options.clock.now()
    for (const live of this.#options.devices.signedIn) {
      if (live.session.hasExpired(now)) {
        live.session.ended()
        this.#options.devices.signOut(live)
        this.#options.onSessionEnded(live)
        void this.goesOffline(live, 'token-expired')
      } else if (live.session.fallsSilent(now, live.expectedInterval)) {
        void this.goesOffline(live, 'no-contact')
      }
    }
  }

  async #writeContacts(): Promise<void> {
    if (this.#contacts.size === 0 && !this.#contactsLost) return
    const entries = [...this.#contacts].map(([deviceId, at]) => ({ deviceId, at }))
    this.#contacts = new Map()
    try {
      await this.#options.store.devices.contact(entries)
    } catch (error) {
      if (!this.#contactsLost) this.#options.log.warn({ err: error }, 'contacts cannot be written')
      this.#contactsLost = true
      return
    }
    if (!this.#contactsLost) return
    // Meanwhile the sweep may have taken devices for silent that were not.
    this.#contactsLost = false
    this.declareAgain()
  }

  #inOrder<T>(association: DeviceAssociation, work: () => Promise<T>): Promise<T> {
    const before = this.#order.get(association) ?? Promise.resolve()
    const result = before.then(work, work)
    this.#order.set(
      association,
      result.catch(() => undefined),
    )
    return result
  }
}
