/**
 * Declares devices online and offline, truthfully (design §11): online = signed in, heard of within the group's interval, and
 * this gateway's lease alive.
 *
 * Declarations about one association keep their order. Those that no device waits for are made a few at a time: a whole fleet that
 * falls silent, or is heard of again, would otherwise keep its own sign-ins and measurements from the database. One that the database does not take is logged, not retried: the control
 * plane's sweep sees overdue contacts and dead leases, and `declareAgain` repairs what a lease gap undid.
 */

import { randomUUID } from 'node:crypto'
import { type Clock, type Instant, milliseconds, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { isCodedError } from '@sallyport/errors'
import { namedCredential, type Store } from '@sallyport/store'
import { actOf, type DeviceAssociation, logFieldsOf } from './device-request.ts'
import type { LiveDevice, LiveDevices } from './live-devices.ts'
import { WorkQueue } from './work-queue.ts'

export type OfflineReason = 'signed-out' | 'association-closed' | 'no-contact' | 'token-expired'

export interface PresenceOptions {
  readonly store: {
    readonly devices: Pick<Store['devices'], 'declareOnline' | 'declareOffline' | 'contact'>
    readonly gateways: Pick<Store['gateways'], 'adoptSessions'>
  }
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
const askedAtOnce = 1000
const declaredAtOnce = 3

const isOnline = ({ session: { state } }: LiveDevice): boolean =>
  state.phase === 'signed-in' && state.presence === 'online'

export class Presence {
  readonly #options: PresenceOptions
  readonly #quietly = new WorkQueue(declaredAtOnce)
  readonly #order = new WeakMap<DeviceAssociation, Promise<unknown>>()
  #contacts = new Map<string, Instant>()
  #contactsLost = false
  #declaringAgain = false
  #declareAgainWanted = false
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
    return this.#inOrder(live.association, () => this.#declareOnline(live, correlationId))
  }

  /** Resolves in any case. */
  async goesOffline(live: LiveDevice, reason: OfflineReason, correlationId: string = randomUUID()): Promise<void> {
    const { association } = live
    const { deviceId } = association.identity
    try {
      await this.#inOrder(association, () =>
        this.#quietly.run(() =>
          this.#options.store.devices.declareOffline(
            { deviceId, gatewayId: this.#options.gatewayId, associationId: association.id, reason },
            actOf(association, correlationId),
          ),
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

  /**
   * After a gap in the lease, or in what we wrote, others may have declared our devices offline: those are declared online again, one
   * after the other. Whoever is online in the database still is left alone: a database that has just come back is not to be
   * buried by a declaration for each device.
   */
  async declareAgain(): Promise<void> {
    this.#declareAgainWanted = true
    if (this.#declaringAgain) return
    this.#declaringAgain = true
    try {
      while (this.#declareAgainWanted) {
        this.#declareAgainWanted = false
        await this.#declareLost()
      }
    } catch (error) {
      this.#options.log.warn({ err: error }, 'online could not be declared again')
      // Tried again when contacts can be written.
      this.#contactsLost = true
    } finally {
      this.#declaringAgain = false
    }
  }

  async #declareLost(): Promise<void> {
    const { devices, store, gatewayId } = this.#options
    const online = [...devices.signedIn].filter(isOnline)
    for (let start = 0; start < online.length; start += askedAtOnce) {
      const some = online.slice(start, start + askedAtOnce)
      const asked = some.map(({ association: { id, identity } }) => ({
        deviceId: identity.deviceId,
        associationId: id,
      }))
      const { current } = await store.gateways.adoptSessions(gatewayId, asked)
      for (const live of some) {
        if (!current.has(live.association.id)) await this.#declareLostOne(live)
      }
    }
  }

  async #declareLostOne(live: LiveDevice): Promise<void> {
    try {
      await this.#comesOnlineAgain(live)
    } catch (error) {
      // A device that may not be online is its own case; a database that is away again is everybody's.
      if (isCodedError(error) && error.blame === 'environment') throw error
      this.#options.log.warn({ ...logFieldsOf(live.association), err: error }, 'online could not be declared again')
    }
  }

  #declareQuietly(live: LiveDevice): void {
    this.#comesOnlineAgain(live).catch((error: unknown) => {
      this.#options.log.warn({ ...logFieldsOf(live.association), err: error }, 'online could not be declared again')
    })
  }

  /** In order first, then in the queue: whoever had a place in that and waited for another's would keep it from the other. */
  #comesOnlineAgain(live: LiveDevice): Promise<void> {
    return this.#inOrder(live.association, () =>
      this.#quietly.run(async () => {
        if (!live.association.closed && isOnline(live)) await this.#declareOnline(live, randomUUID())
      }),
    )
  }

  async #declareOnline({ association }: LiveDevice, correlationId: string): Promise<void> {
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
    void this.declareAgain()
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
