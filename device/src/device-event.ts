/** What a device tells the one who watches it: an event for each step, and its line of text. */

import { type Duration, type Instant, inSeconds, toRfc3339 } from '@sallyport/clock'
import { toJsonValue, type ValueRecord } from '@sallyport/representation'
import type { DeviceFailure, Step } from './device-failure.ts'

export type DeviceEvent =
  | { readonly kind: 'step-done'; readonly step: Step; readonly took: Duration }
  | {
      readonly kind: 'provisioned'
      readonly gateway: string
      readonly owner: string
      readonly validUntil: Instant
      readonly clockOffset: number
      readonly took: Duration
    }
  | { readonly kind: 'signed-up'; readonly uid: string; readonly took: Duration }
  | {
      readonly kind: 'signed-in'
      readonly gateway: string
      readonly association: string
      readonly cipherSuite: string
      /** With the session of an earlier association. */
      readonly resumed: boolean
      readonly took: Duration
    }
  | { readonly kind: 'published'; readonly links: readonly string[]; readonly took: Duration }
  | { readonly kind: 'telemetry-stored'; readonly records: number; readonly took: Duration }
  | { readonly kind: 'resource-updated'; readonly href: string; readonly representation: ValueRecord }
  | { readonly kind: 'tokens-refreshed' }
  | { readonly kind: 'renewed'; readonly validUntil: Instant }
  | { readonly kind: 'renewal-failed'; readonly failure: DeviceFailure; readonly retryIn: Duration }
  | { readonly kind: 'gateway-changed'; readonly gateway: string }
  | { readonly kind: 'connection-lost'; readonly reason: string }
  | { readonly kind: 'attempt-failed'; readonly failure: DeviceFailure; readonly retryIn: Duration }
  | { readonly kind: 'signed-out' }

export type ReportEvent = (event: DeviceEvent) => void

/** One line for people; undefined for what only programs count. */
export function lineOf(deviceId: string, event: DeviceEvent): string | undefined {
  switch (event.kind) {
    case 'step-done':
      return undefined
    case 'provisioned':
      return `provisioned ${deviceId}: owner ${event.owner}, gateway ${event.gateway}, identity valid until ${toRfc3339(event.validUntil)}`
    case 'signed-up':
      return `signed up as a device of ${event.uid}`
    case 'signed-in':
      return `signed in at ${event.gateway} (${event.cipherSuite}${event.resumed ? ', session resumed' : ''})`
    case 'published':
      return `published ${event.links.join(' ')}`
    case 'telemetry-stored':
      return `telemetry stored: ${event.records} ${event.records === 1 ? 'record' : 'records'} in ${event.took} ms`
    case 'resource-updated':
      return updateLine(event.href, event.representation)
    case 'tokens-refreshed':
      return 'tokens refreshed'
    case 'renewed':
      return `certificate renewed: valid until ${toRfc3339(event.validUntil)}`
    case 'renewal-failed':
      return `the certificate could not be renewed (the old one stays): ${event.failure.message}; next try in ${inSeconds(event.retryIn)} s`
    case 'gateway-changed':
      return `the dps names another gateway: ${event.gateway}`
    case 'connection-lost':
      return `connection lost: ${event.reason}`
    case 'attempt-failed':
      return `${event.failure.message}; next try in ${inSeconds(event.retryIn)} s`
    case 'signed-out':
      return 'signed out'
  }
}

/** The event as one JSON object, for programs; holds no secret. */
export function jsonOf(deviceId: string, event: DeviceEvent): string {
  const { kind, ...fields } = event
  const entries = Object.entries(fields).map(([name, value]) => [name, jsonField(name, value)])
  return JSON.stringify({ event: kind, deviceId, ...Object.fromEntries(entries) })
}

function jsonField(name: string, value: unknown): unknown {
  if (name === 'validUntil' && typeof value === 'number') return new Date(value).toISOString()
  if (value instanceof Error) {
    return { message: value.message, ...('reason' in value ? { reason: value.reason } : {}) }
  }
  return value
}

function updateLine(href: string, representation: ValueRecord): string {
  const name = href.replace(/^\//, '')
  if (typeof representation.state !== 'boolean') return `${name} is now ${JSON.stringify(toJsonValue(representation))}`
  const power = typeof representation.power === 'number' ? ` (power ${representation.power} %)` : ''
  return `${name} is now ${representation.state ? 'on' : 'off'}${representation.state ? power : ''}`
}
