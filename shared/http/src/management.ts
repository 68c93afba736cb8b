/**
 * The management port of a service: `/metrics` (Prometheus text), `/healthz` (the process serves), `/readyz` (it can do its
 * work). Not for the outside: it says what the service depends on and what is wrong with it.
 */

import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Duration } from '@sallyport/clock'
import { seconds } from '@sallyport/clock'
import { isCodedError } from '@sallyport/errors'

/** The figures of a service, as text. */
export interface MetricsExposition {
  readonly contentType: string
  metrics(): Promise<string>
}

export interface ReadinessCheck {
  /** Rejects when the dependency cannot be used. */
  check(): Promise<void>
  /** The service does its work without it, less well: shown, and does not make the service unready. */
  readonly soft?: boolean
}

export interface ManagementOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** A port that another process has is waited for, so long. Default: not at all. */
  readonly portFreeWithin?: Duration
  readonly metrics: MetricsExposition
  readonly readiness: Readonly<Record<string, ReadinessCheck>>
  /** For each check. Default 2 s. */
  readonly checkTimeout?: Duration
}

export interface Management {
  readonly url: string
  /** From now on `/readyz` answers 503: called first when the service stops. */
  becomeUnready(): void
  close(): Promise<void>
}

interface Readiness {
  readonly ready: boolean
  readonly checks: Readonly<Record<string, string>>
}

/** Milliseconds. */
const portAskedForEvery = 50

export async function startManagement(options: ManagementOptions): Promise<Management> {
  let stopping = false
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
    const answer = async (): Promise<void> => {
      const path = request.url?.split('?', 1)[0]
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.writeHead(405, { allow: 'GET, HEAD' }).end()
      } else if (path === '/metrics') {
        response.writeHead(200, { 'content-type': options.metrics.contentType }).end(await options.metrics.metrics())
      } else if (path === '/healthz') {
        sendJson(response, 200, { status: 'ok' })
      } else if (path === '/readyz') {
        const readiness = stopping ? { ready: false, checks: { service: 'stopping' } } : await readinessOf(options)
        sendJson(response, readiness.ready ? 200 : 503, readiness)
      } else {
        response.writeHead(404).end()
      }
    }
    answer().catch(() => {
      if (!response.headersSent) response.writeHead(500)
      response.end()
    })
  })
  await listen(server, options)
  const { address, port, family } = server.address() as AddressInfo
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    becomeUnready: () => {
      stopping = true
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function listen(server: Server, { port, host, portFreeWithin = seconds(0) }: ManagementOptions): Promise<void> {
  const deadline = performance.now() + portFreeWithin
  for (;;) {
    try {
      const listening = once(server, 'listening')
      server.listen(port, host)
      await listening
      return
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      if (!isTaken || performance.now() >= deadline) throw error
      await pause(portAskedForEvery)
    }
  }
}

async function readinessOf(options: ManagementOptions): Promise<Readiness> {
  const timeout = options.checkTimeout ?? seconds(2)
  const results = await Promise.all(
    Object.entries(options.readiness).map(async ([name, { check, soft }]) => {
      const failure = await failureOf(check, timeout)
      return { name, failure, hard: soft !== true }
    }),
  )
  return {
    ready: results.every(({ failure, hard }) => failure === undefined || !hard),
    checks: Object.fromEntries(results.map(({ name, failure }) => [name, failure ?? 'ok'])),
  }
}

/** The code alone: a driver's message may name users and addresses. */
async function failureOf(check: () => Promise<void>, timeout: Duration): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('timed-out'), timeout)
  })
  try {
    return await Promise.race([check().then(() => undefined), late])
  } catch (error) {
    return isCodedError(error) ? error.code : 'failed'
  } finally {
    clearTimeout(timer)
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}
