/** A thermometer, in degrees Celsius: a slow swing around a comfortable room, in steps of a tenth. */

import type { ValueRecord } from '@sallyport/representation'
import { DeviceResource } from './device-resource.ts'

const swingSeconds = 600
const meanCelsius = 21
const swingCelsius = 2.5

export class Temperature extends DeviceResource {
  #phase: number
  #shown: number

  /** @param phase 0 to 1: where in its swing it begins, so that the thermometers of a fleet differ. */
  constructor(phase: number, href = '/temperature/1') {
    super({ href, types: ['oic.r.temperature'], interfaces: ['oic.if.s', 'oic.if.baseline'] })
    this.#phase = phase
    this.#shown = this.#measure()
  }

  get celsius(): number {
    return this.#shown
  }

  override representation(): ValueRecord {
    return { temperature: this.#shown, units: 'C' }
  }

  override tick(elapsedSeconds: number): void {
    this.#phase += elapsedSeconds / swingSeconds
    const measured = this.#measure()
    if (measured === this.#shown) return
    this.#shown = measured
    this.changed()
  }

  #measure(): number {
    return Math.round((meanCelsius + swingCelsius * Math.sin(2 * Math.PI * this.#phase)) * 10) / 10
  }
}
