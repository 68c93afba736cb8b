/** The figures of the control plane. */

import type { Metrics } from '@sallyport/diagnostics'
import type { ServedRequest } from '@sallyport/http'

export type StreamKind = 'feed' | 'socket'

/** Why a live stream ended, or was not opened. */
export type StreamEnd =
  | 'client'
  | 'too-slow'
  | 'silent'
  | 'token-expired'
  | 'session-ended'
  | 'permission-lost'
  | 'shutting-down'
  | 'unavailable'
  | 'too-many-messages'
  | 'broken-message'
  | 'origin-refused'
  | 'ticket-refused'
  | 'too-many-streams'

export interface ControlPlaneMetrics {
  requestServed(listener: 'public' | 'internal', request: ServedRequest): void
  connectionRefused(listener: 'public' | 'internal'): void
  login(outcome: string): void
  refresh(outcome: string): void
  apiKeyPresented(outcome: string): void
  tokensIssued(kind: 'person' | 'device'): void
  /** A server-sent feed, or a web socket. */
  streamOpened(kind: StreamKind): void
  streamClosed(kind: StreamKind, reason: StreamEnd): void
  eventsSent(kind: StreamKind, count: number): void
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
  const refusedConnections = metrics.counter({
    name: 'sallyport_http_connections_refused_total',
    help: 'Connections that were closed at once: their network has as many as it may.',
    labels: ['listener'],
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
  const apiKeys = metrics.counter({
    name: 'sallyport_api_key_requests_total',
    help: 'Requests that came with an API key, by outcome of looking at the key (accepted, or the error code).',
    labels: ['outcome'],
  })
  const tokens = metrics.counter({
    name: 'sallyport_access_tokens_issued_total',
    help: 'Access tokens issued.',
    labels: ['holder'],
  })
  const streams = metrics.gauge({
    name: 'sallyport_live_streams',
    help: 'Live streams that are open: server-sent feeds and web sockets.',
    labels: ['kind'],
  })
  const ends = metrics.counter({
    name: 'sallyport_live_streams_closed_total',
    help: 'Live streams that were closed or refused, by reason.',
    labels: ['kind', 'reason'],
  })
  const sent = metrics.counter({
    name: 'sallyport_live_events_sent_total',
    help: 'Events written to live streams.',
    labels: ['kind'],
  })
  return {
    requestServed(listener, { method, route, status, duration, errorCode }) {
      requests.observe({ listener, method: knownMethod(method), route, status: String(status) }, duration / 1000)
      if (errorCode !== undefined) problems.inc({ listener, code: errorCode })
    },
    connectionRefused: (listener) => refusedConnections.inc({ listener }),
    login: (outcome) => logins.inc({ outcome }),
    refresh: (outcome) => refreshes.inc({ outcome }),
    apiKeyPresented: (outcome) => apiKeys.inc({ outcome }),
    tokensIssued: (holder) => tokens.inc({ holder }),
    streamOpened: (kind) => streams.inc({ kind }),
    streamClosed(kind, reason) {
      if (!refusals.has(reason)) streams.dec({ kind })
      ends.inc({ kind, reason })
    },
    eventsSent: (kind, count) => sent.inc({ kind }, count),
  }
}

/** These never were open. */
const refusals: ReadonlySet<StreamEnd> = new Set(['origin-refused', 'ticket-refused', 'too-many-streams'])

/** A label is a closed set: a peer may send any method. */
const knownMethod = (method: string): string =>
  ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].includes(method) ? method : 'other'
