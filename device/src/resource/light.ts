/** A lamp: `state` on or off, `power` in percent. It changes when it is told to. */

import { CodedError } from '@sallyport/errors'
import { optionalBooleanAt, optionalIntegerAt, type ValueRecord } from '@sallyport/representation'
import { DeviceResource } from './device-resource.ts'

export class Light extends DeviceResource {
  #state = false
  #power = 50

  constructor(href = '/light/1') {
    super({ href, types: ['core.light'], interfaces: ['oic.if.a', 'oic.if.baseline'] })
  }

  override get writable(): boolean {
    return true
  }

  override representation(): ValueRecord {
    return { state: this.#state, power: this.#power }
  }

  override update(changes: ValueRecord): void {
    const state = optionalBooleanAt(changes, 'state') ?? this.#state
    const power = optionalIntegerAt(changes, 'power') ?? this.#power
    if (power < 0 || power > 100) throw new CodedError('validation-failed', "'power' is from 0 to 100")
    if (state === this.#state && power === this.#power) return
    this.#state = state
    this.#power = power
    this.changed()
  }
}
