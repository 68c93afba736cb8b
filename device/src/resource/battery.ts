/** A battery: its charge in percent falls by one in a minute, and a charger fills it again from 20. */

import type { ValueRecord } from '@sallyport/representation'
import { DeviceResource } from './device-resource.ts'

const secondsPerPercent = 60
const rechargedBelow = 20

export class Battery extends DeviceResource {
  #charge: number

  /** @param charge 20 to 100 */
  constructor(charge: number, href = '/battery/1') {
    super({ href, types: ['oic.r.energy.battery'], interfaces: ['oic.if.s', 'oic.if.baseline'] })
    this.#charge = charge
  }

  get charge(): number {
    return Math.round(this.#charge)
  }

  override representation(): ValueRecord {
    return { charge: this.charge }
  }

  override tick(elapsedSeconds: number): void {
    const before = this.charge
    this.#charge -= elapsedSeconds / secondsPerPercent
    if (this.#charge < rechargedBelow) this.#charge = 100
    if (this.charge !== before) this.changed()
  }
}
