/** The figures of the control plane. */

import type { Metrics } from '@sallyport/diagnostics'
import type { ServedRequest } from '@sallyport/http'

export interface ControlPlaneMetrics {
  requestServed(listener: 'public' | 'internal', request: ServedRequest): void
  login(outcome: string): void
  refresh(outcome: string): void
  tokensIssued(kind: 'person' | 'device'): void
  feedOpened(): void
  feedClosed(): void
}

export function controlPlaneMetrics(metrics: Metrics): ControlPlaneMetrics {
  const requests = metrics.histogram({
    name: 'sallyport_http_request_duration_seconds',
    help: 'Time to answer an HTTP request, by the pattern of its route.',
    labels: ['listener', 'method', 'route', 'status'],
  })
  const problems = metrics.counter({
    name: 'sallyport_http_problems_total',
    help: 'Requests that were answered with a problem document, by its code.',
    labels: ['listener', 'code'],
  })
  const logins = metrics.counter({
    name: 'sallyport_logins_total',
    help: 'Attempts to log in, by outcome (succeeded, or the error code).',
    labels: ['outcome'],
  })
  const refreshes = metrics.counter({
    name: 'sallyport_session_refreshes_total',
    help: "Refreshes of people's sessions, by outcome.",
    labels: ['outcome'],
  })
  const tokens = metrics.counter({
    name: 'sallyport_access_tokens_issued_total',
    help: 'Access tokens issued.',
    labels: ['holder'],
  })
  const feeds = metrics.gauge({ name: 'sallyport_event_feeds', help: 'Live event feeds that are open.' })
  return {
    requestServed(listener, { method, route, status, duration, errorCode }) {
      requests.observe({ listener, method: knownMethod(method), route, status: String(status) }, duration / 1000)
      if (errorCode !== undefined) problems.inc({ listener, code: errorCode })
    },
    login: (outcome) => logins.inc({ outcome }),
    refresh: (outcome) => refreshes.inc({ outcome }),
    tokensIssued: (holder) => tokens.inc({ holder }),
    feedOpened: () => feeds.inc(),
    feedClosed: () => feeds.dec(),
  }
}

/** A label is a closed set: a peer may send any method. */
const knownMethod = (method: string): string =>
  ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].includes(method) ? method : 'other'
