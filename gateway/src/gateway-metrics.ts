/** What the gateway counts and measures. Every label is from a closed set. */

import type { Transport } from '@sallyport/coaps'
import type { Metrics } from '@sallyport/diagnostics'

export interface GatewayCounts {
  readonly byTransport: Readonly<Record<Transport, { readonly live: number; readonly halfOpen: number }>>
  readonly devicesOnline: number
  readonly telemetryBuffered: number
  readonly observations: number
  readonly newcomers: number
  /** Seconds. */
  readonly snapshotDelay: number
}

export type GatewayMetrics = ReturnType<typeof gatewayMetrics>

/** @param counts read when the metrics are scraped. */
export function gatewayMetrics(metrics: Metrics, counts: () => GatewayCounts) {
  const gauge = (name: `sallyport_${string}`, help: string, key: Exclude<keyof GatewayCounts, 'byTransport'>): void => {
    metrics.gauge({ name, help, collect: (it) => it.set(counts()[key]) })
  }
  const perTransport = (name: `sallyport_${string}`, help: string, key: 'live' | 'halfOpen'): void => {
    metrics.gauge({
      name,
      help,
      labels: ['transport'],
      collect(it) {
        for (const [transport, count] of Object.entries(counts().byTransport)) it.set({ transport }, count[key])
      },
    })
  }
  perTransport('sallyport_gateway_associations', 'Live associations.', 'live')
  perTransport('sallyport_gateway_half_open_handshakes', 'Handshakes that are not finished.', 'halfOpen')
  gauge(
    'sallyport_gateway_devices_online',
    'Devices that are signed in here and were heard of in time.',
    'devicesOnline',
  )
  gauge('sallyport_gateway_telemetry_buffered_rows', 'Measurements that wait for their commit.', 'telemetryBuffered')
  gauge(
    'sallyport_gateway_newcomers',
    'Devices that are looked up or signed in, or wait for it, or have just come.',
    'newcomers',
  )
  gauge('sallyport_gateway_peer_observations', 'Registrations of devices at our resources.', 'observations')
  gauge(
    'sallyport_gateway_snapshot_delay_seconds',
    'How long the snapshot that waits longest to be written has been out of date.',
    'snapshotDelay',
  )
  return {
    takenOver: metrics.counter({
      name: 'sallyport_gateway_associations_taken_over_total',
      help: 'Associations of a former gateway: imported, or refused, by reason; refused devices shake hands again.',
      labels: ['outcome', 'reason'],
    }),
    handedOver: metrics.counter({
      name: 'sallyport_gateway_associations_handed_over_total',
      help: 'Associations left to a successor at a planned restart.',
    }),
    snapshots: metrics.counter({
      name: 'sallyport_gateway_snapshots_total',
      help: 'Snapshots of associations for a successor, by outcome.',
      labels: ['outcome'],
    }),
    handshakes: metrics.counter({
      name: 'sallyport_gateway_handshakes_total',
      help: 'Finished handshakes, full or resumed, and failed ones; reason is an error code.',
      labels: ['outcome', 'kind', 'reason', 'transport'],
    }),
    associationsClosed: metrics.counter({
      name: 'sallyport_gateway_associations_closed_total',
      help: 'Associations that ended, by reason.',
      labels: ['reason'],
    }),
    datagramsDiscarded: metrics.counter({
      name: 'sallyport_gateway_discarded_total',
      help: 'Datagrams, records and messages dropped as noise, by reason.',
      labels: ['reason'],
    }),
    requests: metrics.histogram({
      name: 'sallyport_gateway_request_duration_seconds',
      help: 'Requests of devices: time from the whole request to its answer.',
      labels: ['method', 'path', 'code'],
    }),
    signIns: metrics.counter({
      name: 'sallyport_gateway_sign_ins_total',
      help: 'Sign-ins by outcome; reason is an error code.',
      labels: ['outcome', 'reason'],
    }),
    commands: metrics.counter({
      name: 'sallyport_gateway_commands_total',
      help: 'Commands that ended, by state.',
      labels: ['state'],
    }),
    twinReports: metrics.counter({
      name: 'sallyport_gateway_twin_reports_total',
      help: 'Representations of resources that devices reported.',
      labels: ['outcome'],
    }),
    telemetryRows: metrics.counter({ name: 'sallyport_gateway_telemetry_rows_total', help: 'Measurements committed.' }),
    telemetryBatchRows: metrics.histogram({
      name: 'sallyport_gateway_telemetry_batch_rows',
      help: 'Measurements in one commit.',
      buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000],
    }),
  }
}
