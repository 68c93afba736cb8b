/**
 * A device under load that keeps books: each measurement is sent until it is acknowledged, over new associations where the old
 * one failed, and what was acknowledged is remembered.
 */

import { seconds } from '@sallyport/clock'
import { type CoapLink, isDeviceFailure } from '@sallyport/device'
import { pause } from './effort.ts'
import type { LiveDevice } from './live-device.ts'

export interface TelemetryLoad {
  readonly deviceId: string
  /** Numbers that were answered with 2.04, in order. */
  readonly acknowledged: readonly number[]
  /** Numbers that were sent, whether answered or not. */
  readonly sent: number
  readonly reconnections: number
  /** Longest time between two acknowledgements, in milliseconds. */
  readonly longestGap: number
  stop(): Promise<void>
}

/** SenML in JSON (RFC 8428 section 12.3). */
const senmlJson = 110
export const measurementName = 'sequence'

export function startTelemetryLoad(device: LiveDevice): TelemetryLoad {
  const acknowledged: number[] = []
  const startedAt = Date.now()
  let sent = 0
  let reconnections = -1
  let longestGap = 0
  let lastAt = performance.now()
  let stopping = false
  let link: CoapLink | undefined

  const sendOne = async (number: number): Promise<boolean> => {
    try {
      if (link === undefined || link.association.closed) {
        link = await device.signIn()
        reconnections += 1
      }
      const answer = await link.request('telemetry', {
        method: 'POST',
        path: '/api/v1/telemetry',
        contentFormat: senmlJson,
        payload: Buffer.from(JSON.stringify([{ n: measurementName, t: (startedAt + number) / 1000, v: number }])),
        timeout: seconds(3),
      })
      if (answer.code === '2.04') return true
      // A new gateway does not know the session of the old one.
      if (answer.code.startsWith('4.')) link.close()
    } catch (error) {
      if (!isDeviceFailure(error)) throw error
      link?.close()
      link = undefined
    }
    await pause(200)
    return false
  }

  const work = (async () => {
    while (!stopping) {
      sent += 1
      while (!(await sendOne(sent))) if (stopping) return
      acknowledged.push(sent)
      longestGap = Math.max(longestGap, performance.now() - lastAt)
      lastAt = performance.now()
      await pause(10)
    }
  })()
  // It is awaited at the end; until then its failure must not end the process.
  work.catch(() => undefined)

  return {
    deviceId: device.id,
    acknowledged,
    get sent() {
      return sent
    },
    get reconnections() {
      return Math.max(0, reconnections)
    },
    get longestGap() {
      return longestGap
    },
    stop: async () => {
      stopping = true
      await work
      link?.close()
    },
  }
}
