/**
 * One service calling another over mutual TLS (design §11).
 *
 * The other side is known by its SAN URI under the services' CA, not by a host name: an address proves nothing here.
 */

import type { PeerCertificate } from 'node:tls'
import type { Clock, Duration } from '@sallyport/clock'
import { seconds } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import { CodedError, errorCatalogue } from '@sallyport/errors'
import { Agent, request as send } from 'undici'
import { serviceNameIn } from './caller-service.ts'
import { CircuitBreaker, type CircuitState } from './circuit-breaker.ts'
import { correlationHeader } from './correlation-id.ts'
import type { MutualTls } from './mutual-tls.ts'

export interface ServiceClientOptions {
  readonly baseUrl: string
  /** Whom the other side's certificate must name. Default `control-plane`. */
  readonly service?: string
  readonly mutualTls: MutualTls
  readonly clock: Clock
  /** For a whole call. Default 5 s. */
  readonly timeout?: Duration
}

export interface ServiceRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
  readonly correlationId?: string
}

export interface ServiceResponse {
  readonly status: number
  /** The parsed body; nothing about it has been checked. Undefined when it is empty. */
  readonly body: unknown
}

export interface ServiceClient {
  /**
   * Resolves for 2xx. A refusal with one of our codes rejects with that code.
   * @throws CodedError `dependency-unavailable` when there is no answer, no sensible one, or the circuit is open.
   */
  request(request: ServiceRequest): Promise<ServiceResponse>
  readonly circuit: CircuitState
  close(): Promise<void>
}

const maxResponseBytes = 1_048_576

export function serviceClient(options: ServiceClientOptions): ServiceClient {
  const service = options.service ?? 'control-plane'
  const timeout = options.timeout ?? seconds(5)
  const breaker = new CircuitBreaker({ clock: options.clock, threshold: 5, pause: seconds(2) })
  let agent = openAgent(options.mutualTls, service, timeout)
  options.mutualTls.onChanged(() => {
    const old = agent
    agent = openAgent(options.mutualTls, service, timeout)
    void old.close()
  })

  const unavailable = (message: string, cause?: unknown): CodedError => {
    breaker.failed()
    return new CodedError('dependency-unavailable', message, { cause })
  }

  return {
    async request(request) {
      if (!breaker.admit()) {
        throw new CodedError('dependency-unavailable', `${service} keeps failing; not asked again yet.`)
      }
      const { headers, body } = encode(request)
      let status: number
      let text: string
      try {
        const response = await send(new URL(request.path, options.baseUrl), {
          dispatcher: agent,
          method: request.method,
          headers,
          body,
          signal: AbortSignal.timeout(timeout),
        })
        status = response.statusCode
        text = await response.body.text()
      } catch (cause) {
        throw unavailable(`${service} does not answer.`, cause)
      }
      const parsed = parse(text)
      if (status >= 200 && status < 300) {
        breaker.succeeded()
        return { status, body: parsed }
      }
      const code = codeIn(parsed)
      if (code === undefined || status >= 500) throw unavailable(`${service} answered ${status}.`)
      breaker.succeeded()
      throw new CodedError(code, `${service}: ${errorCatalogue[code].title}`)
    },
    get circuit() {
      return breaker.state
    },
    close: () => agent.close(),
  }
}

function openAgent(mutualTls: MutualTls, service: string, timeout: Duration): Agent {
  const { cert, key, issuers } = mutualTls.current()
  return new Agent({
    connect: {
      cert,
      key,
      ca: [...issuers],
      allowPartialTrustChain: true,
      minVersion: 'TLSv1.3',
      timeout,
      checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
        serviceNameIn(certificate.subjectaltname) === service
          ? undefined
          : new Error(`the server's certificate does not name the service ${service}`),
    },
    connections: 8,
    headersTimeout: timeout,
    bodyTimeout: timeout,
    maxResponseSize: maxResponseBytes,
  })
}

function encode(request: ServiceRequest): { headers: Record<string, string>; body: string | null } {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (request.correlationId !== undefined) headers[correlationHeader] = request.correlationId
  if (request.form !== undefined) {
    headers['content-type'] = 'application/x-www-form-urlencoded'
    return { headers, body: new URLSearchParams(request.form).toString() }
  }
  if (request.json === undefined) return { headers, body: null }
  headers['content-type'] = 'application/json'
  return { headers, body: JSON.stringify(request.json) }
}

function parse(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function codeIn(body: unknown): ErrorCode | undefined {
  if (typeof body !== 'object' || body === null || !('code' in body)) return undefined
  const { code } = body
  return typeof code === 'string' && isErrorCode(code) ? code : undefined
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCatalogue, code)
