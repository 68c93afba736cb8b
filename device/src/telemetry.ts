/**
 * Telemetry: SenML in CBOR to `/api/v1/telemetry`, confirmable; 2.04 means stored.
 *
 * Records that were not acknowledged are kept, at most 256 of them, the oldest given up first, and go out with the next ones.
 */

import { between, type Clock, seconds } from '@sallyport/clock'
import { encodeSenml, type SenmlRecord, senmlCbor } from '@sallyport/representation'
import type { CoapLink } from './coap-link.ts'
import type { ReportEvent } from './device-event.ts'
import { DeviceFailure } from './device-failure.ts'
import { describeProblem } from './problem-details.ts'
import { Battery } from './resource/battery.ts'
import type { DeviceResource } from './resource/device-resource.ts'
import { Light } from './resource/light.ts'
import { Temperature } from './resource/temperature.ts'

const mostKept = 256
/** Records in one message: well below what one datagram carries. */
const mostSent = 16

export class Telemetry {
  readonly #clock: Clock
  readonly #report: ReportEvent
  #waiting: SenmlRecord[] = []

  constructor(clock: Clock, report: ReportEvent) {
    this.#clock = clock
    this.#report = report
  }

  get waiting(): number {
    return this.#waiting.length
  }

  measure(resources: readonly DeviceResource[]): void {
    const time = this.#clock.now()
    for (const resource of resources) this.#waiting.push(...recordsOf(resource, time))
    this.#waiting = this.#waiting.slice(-mostKept)
  }

  /** Sends all that waits. @throws DeviceFailure of step `telemetry`; what was not stored still waits. */
  async send(link: CoapLink): Promise<void> {
    while (this.#waiting.length > 0) {
      const records = this.#waiting.slice(0, mostSent)
      const asked = this.#clock.now()
      const answer = await link.request('telemetry', {
        method: 'POST',
        path: '/api/v1/telemetry',
        payload: encodeSenml(senmlCbor, records),
        contentFormat: senmlCbor,
        timeout: seconds(8),
      })
      if (!answer.code.startsWith('2.')) {
        // What the gateway calls wrong would be wrong the next time too; after another sign-in it is taken.
        if (answer.code.startsWith('4.') && answer.code !== '4.01') this.#forget(records)
        const problem = describeProblem(answer)
        throw new DeviceFailure('telemetry', `telemetry was refused with ${answer.code}: ${problem.text}`, {
          coapCode: answer.code,
          errorCode: problem.code,
        })
      }
      this.#forget(records)
      this.#report({ kind: 'telemetry-stored', records: records.length, took: between(asked, this.#clock.now()) })
    }
  }

  #forget(records: readonly SenmlRecord[]): void {
    this.#waiting = this.#waiting.filter((record) => !records.includes(record))
  }
}

function recordsOf(resource: DeviceResource, time: SenmlRecord['time']): readonly SenmlRecord[] {
  if (resource instanceof Temperature) return [{ name: 'temperature', time, unit: 'Cel', value: resource.celsius }]
  if (resource instanceof Battery) return [{ name: 'battery', time, unit: '%EL', value: resource.charge }]
  if (resource instanceof Light)
    return [{ name: 'light', time, booleanValue: resource.representation().state === true }]
  return []
}
