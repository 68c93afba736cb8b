/** What the dps counts and times. Labels are closed sets: outcomes, error codes, steps. */

import type { Duration, Instant } from '@sallyport/clock'
import type { Transport } from '@sallyport/coaps'
import type { Metrics } from '@sallyport/diagnostics'
import type { ErrorCode } from '@sallyport/errors'
import type { ProvisioningStep } from '@sallyport/fleet'

export interface DpsMetrics {
  handshakeSucceeded(kind: 'manufacturer' | 'identity', transport: Transport): void
  handshakeFailed(reason: ErrorCode, transport: Transport): void
  discarded(reason: string): void
  step(step: ProvisioningStep, coapCode: string): void
  requestServed(path: string, code: string, duration: Duration): void
  certificateIssued(duration: Duration): void
  orphansWithdrawn(count: number): void
  tokenUp(up: boolean): void
  auditSealed(events: number): void
  auditHeadSigned(at: Instant): void
}

export interface DpsGauges {
  associations(): Readonly<Record<Transport, { readonly live: number; readonly halfOpen: number }>>
  issuancesWaiting(): number
}

export function createDpsMetrics(metrics: Metrics, gauges: DpsGauges): DpsMetrics {
  const handshakes = metrics.counter({
    name: 'sallyport_dps_handshakes_total',
    help: 'Handshakes by outcome: manufacturer or identity for those that succeeded, else the error code.',
    labels: ['outcome', 'reason', 'transport'],
  })
  const discards = metrics.counter({
    name: 'sallyport_dps_datagrams_discarded_total',
    help: 'Datagrams and records that were noise.',
    labels: ['reason'],
  })
  const steps = metrics.counter({
    name: 'sallyport_dps_steps_total',
    help: 'Provisioning steps by CoAP code.',
    labels: ['step', 'code'],
  })
  const requests = metrics.histogram({
    name: 'sallyport_dps_request_duration_seconds',
    help: 'Time from a CoAP request to its response.',
    labels: ['path', 'code'],
  })
  const issuance = metrics.histogram({
    name: 'sallyport_dps_issuance_duration_seconds',
    help: 'Time to issue a new identity certificate, from the serial number to its row.',
  })
  const issued = metrics.counter({
    name: 'sallyport_dps_certificates_issued_total',
    help: 'Identity certificates issued; repeats of one do not count.',
  })
  const orphans = metrics.counter({
    name: 'sallyport_dps_orphaned_issuances_total',
    help: 'Issuances that were begun and never completed, withdrawn by the reconciler.',
  })
  const token = metrics.gauge({
    name: 'sallyport_dps_hsm_up',
    help: '1 while the HSM token with the authority keys is open, else 0.',
  })
  const sealed = metrics.counter({
    name: 'sallyport_dps_audit_events_sealed_total',
    help: 'Audit events that got their place in the chain.',
  })
  const headSigned = metrics.gauge({
    name: 'sallyport_dps_audit_head_signed_timestamp_seconds',
    help: 'When the last head of the audit chain was signed, since the Unix epoch.',
  })
  metrics.gauge({
    name: 'sallyport_dps_associations',
    help: 'Associations, by state.',
    labels: ['state', 'transport'],
    collect(gauge) {
      for (const [transport, { live, halfOpen }] of Object.entries(gauges.associations())) {
        gauge.set({ state: 'live', transport }, live)
        gauge.set({ state: 'half-open', transport }, halfOpen)
      }
    },
  })
  metrics.gauge({
    name: 'sallyport_dps_issuances_waiting',
    help: 'Certificate requests that wait for the HSM.',
    collect: (gauge) => gauge.set(gauges.issuancesWaiting()),
  })
  return {
    handshakeSucceeded: (kind, transport) => handshakes.inc({ outcome: kind, reason: 'none', transport }),
    handshakeFailed: (reason, transport) => handshakes.inc({ outcome: 'failed', reason, transport }),
    discarded: (reason) => discards.inc({ reason }),
    step: (step, code) => steps.inc({ step, code }),
    requestServed: (path, code, duration) => requests.observe({ path, code }, duration / 1000),
    certificateIssued(duration) {
      issuance.observe(duration / 1000)
      issued.inc()
    },
    orphansWithdrawn: (count) => orphans.inc(count),
    tokenUp: (up) => token.set(up ? 1 : 0),
    auditSealed: (events) => sealed.inc(events),
    auditHeadSigned: (at) => headSigned.set(at / 1000),
  }
}
