/** What happens on the wire, as log lines, metrics and counts of failed handshakes. */

import type { CoapsObserver, HandshakeFailureCounts } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import type { DpsMetrics } from './dps-metrics.ts'
import type { DpsPeer } from './peer.ts'

/** Lines per network prefix and reason between two flushes of the counts: a flood must not fill the disk. */
const maxFailureLines = 5

export function transportObserver(options: {
  readonly log: Logger
  readonly metrics: DpsMetrics
  readonly failures: HandshakeFailureCounts
}): CoapsObserver<DpsPeer> {
  const { log, metrics, failures } = options
  return {
    associationOpened(association) {
      const peer = association.identity
      metrics.handshakeSucceeded(peer.kind, association.transport)
      log.info(
        {
          association: association.id,
          address: association.remote.address,
          transport: association.transport,
          peer: peer.kind,
          recordId: peer.recordId,
          enrollmentGroup: peer.group.id,
          ...(peer.kind === 'identity' ? { deviceId: peer.deviceId } : {}),
        },
        'association opened',
      )
    },
    associationClosed: (association, reason) => log.info({ association: association.id, reason }, 'association closed'),
    handshakeFailed({ remote, transport, code, alert, direction, detail }) {
      metrics.handshakeFailed(code, transport)
      if (failures.count(remote.address, code) > maxFailureLines) return
      log.warn({ address: remote.address, transport, code, alert, direction, detail }, 'handshake failed')
    },
    requestServed({ association, method, path, code, duration, correlationId, errorCode }) {
      metrics.requestServed(path, code, duration)
      log.info(
        {
          association: association.id,
          recordId: association.identity.recordId,
          correlationId,
          method,
          path,
          code,
          errorCode,
          milliseconds: Math.round(duration),
        },
        'request served',
      )
    },
    requestFailed: ({ association, correlationId, error }) =>
      log.error({ association: association.id, correlationId, err: error }, 'request failed'),
    discarded: (reason) => metrics.discarded(reason),
  }
}
