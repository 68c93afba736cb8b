/** The associations of this gateway with their sessions, and which of them is a device's signed-in one: at most one each. */

import { type Clock, type Duration, minutes } from '@sallyport/clock'
import type { DeviceAssociation } from './device-request.ts'
import { DeviceSession } from './device-session.ts'

export interface LiveDevice {
  readonly association: DeviceAssociation
  readonly session: DeviceSession
  /** How long the device's group lets it be silent before it counts as offline. */
  expectedInterval: Duration
}

const defaultInterval = minutes(1)

export class LiveDevices {
  readonly #clock: Clock
  readonly #byAssociation = new Map<string, LiveDevice>()
  readonly #signedIn = new Map<string, LiveDevice>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get all(): Iterable<LiveDevice> {
    return this.#byAssociation.values()
  }

  get signedIn(): Iterable<LiveDevice> {
    return this.#signedIn.values()
  }

  /** Devices that are signed in here and were heard of in time. */
  get onlineCount(): number {
    let count = 0
    for (const { session } of this.#signedIn.values()) {
      if (session.state.phase === 'signed-in' && session.state.presence === 'online') count += 1
    }
    return count
  }

  /** The state of an association; made at the first look, so that no order of events is assumed. */
  of(association: DeviceAssociation): LiveDevice {
    const known = this.#byAssociation.get(association.id)
    if (known !== undefined) return known
    const live = {
      association,
      session: new DeviceSession(this.#clock.now()),
      expectedInterval: defaultInterval,
    }
    if (!association.closed) this.#byAssociation.set(association.id, live)
    return live
  }

  /** The association over which the device is signed in. */
  signedInAs(deviceId: string): LiveDevice | undefined {
    return this.#signedIn.get(deviceId)
  }

  /** Makes this the device's signed-in association. Returns the one that was it before, if another. */
  signIn(live: LiveDevice): LiveDevice | undefined {
    const { deviceId } = live.association.identity
    const before = this.#signedIn.get(deviceId)
    this.#signedIn.set(deviceId, live)
    return before === live ? undefined : before
  }

  signOut(live: LiveDevice): void {
    const { deviceId } = live.association.identity
    if (this.#signedIn.get(deviceId) === live) this.#signedIn.delete(deviceId)
  }

  /** Forgets a closed association. */
  closed(association: DeviceAssociation): LiveDevice {
    const live = this.of(association)
    this.#byAssociation.delete(association.id)
    this.signOut(live)
    return live
  }

  ofDevice(deviceId: string): readonly LiveDevice[] {
    return [...this.#byAssociation.values()].filter((live) => live.association.identity.deviceId === deviceId)
  }
}
