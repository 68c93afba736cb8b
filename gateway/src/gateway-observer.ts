/**
 * What happens on the wire, as log lines, metrics and audit events.
 *
 * One line for each thing a person asks about (came, went, was refused); a refusal of a stranger is logged once per network,
 * reason and minute.
 */

import { randomUUID } from 'node:crypto'
import type { CoapsObserver, HandshakeFailureCounts } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import type { ErrorCode } from '@sallyport/errors'
import type { AuthenticationRecord } from './authentication-record.ts'
import type { DeviceIdentity } from './device-identity.ts'
import { type DeviceAssociation, logFieldsOf } from './device-request.ts'
import type { GatewayMetrics } from './gateway-metrics.ts'
import type { LiveDevice, LiveDevices } from './live-devices.ts'
import type { Presence } from './presence.ts'

export interface GatewayObserverOptions {
  readonly devices: LiveDevices
  readonly presence: Pick<Presence, 'contact'>
  readonly failures: HandshakeFailureCounts
  readonly authentication: AuthenticationRecord
  readonly metrics: () => GatewayMetrics
  readonly log: Logger
  /** What a successor would have to know of it has changed. */
  readonly onChanged: (association: DeviceAssociation) => void
  /** It was heard of. */
  readonly onHeard: (association: DeviceAssociation) => void
  readonly onOpened: (association: DeviceAssociation) => void
  readonly onClosed: (live: LiveDevice, wasSignedIn: boolean) => void
}

/** Refusals of a chain that is good in itself: admission has told of each, with the device's name. */
const knownDeviceRefusals: ReadonlySet<ErrorCode> = new Set([
  'certificate-not-recorded',
  'certificate-revoked',
  'device-blocked',
])

export function gatewayObserver(options: GatewayObserverOptions): CoapsObserver<DeviceIdentity> {
  const { devices, log } = options
  return {
    associationOpened(association) {
      devices.of(association)
      options.onOpened(association)
      const { transport, resumed = false } = association
      const kind = resumed ? 'resumed' : 'full'
      options.metrics().handshakes.inc({ outcome: 'finished', kind, reason: '', transport })
      const correlationId = randomUUID()
      options.authentication.succeeded(association, correlationId)
      log.info({ ...logFieldsOf(association), resumed, correlationId }, 'association opened')
      options.onChanged(association)
    },
    associationChanged(association) {
      options.onChanged(association)
    },
    associationClosed(association, reason) {
      options.metrics().associationsClosed.inc({ reason })
      const live = devices.closed(association)
      const wasSignedIn = live.session.ended()
      log.info({ ...logFieldsOf(association), reason, wasSignedIn }, 'association closed')
      options.onClosed(live, wasSignedIn)
    },
    handshakeFailed({ remote, transport, code, alert, direction, detail, pskIdentity }) {
      options.metrics().handshakes.inc({ outcome: 'failed', kind: '', reason: code, transport })
      if (knownDeviceRefusals.has(code) || options.failures.count(remote.address, code) > 1) return
      const named = pskIdentity === undefined ? {} : { pskIdentity: printable(pskIdentity) }
      log.warn(
        { address: remote.address, transport, reason: code, alert, direction, detail, ...named },
        'handshake failed',
      )
    },
    pinged(association) {
      options.presence.contact(devices.of(association))
    },
    requestServed({ association, method, path, code, duration, correlationId, errorCode }) {
      options.metrics().requests.observe({ method, path, code }, duration / 1000)
      options.presence.contact(devices.of(association))
      options.onHeard(association)
      if (errorCode === undefined) return
      log.info({ ...logFieldsOf(association), correlationId, method, path, code, reason: errorCode }, 'request refused')
    },
    requestFailed({ association, correlationId, error }) {
      log.error({ ...logFieldsOf(association), correlationId, err: error }, 'request failed')
    },
    discarded(reason) {
      options.metrics().datagramsDiscarded.inc({ reason })
    },
  }
}

/** What a peer named itself with: anything at all. */
const printable = (identity: Uint8Array): string =>
  Buffer.from(identity)
    .toString('latin1')
    .replaceAll(/[^\x21-\x7e]/g, '?')
