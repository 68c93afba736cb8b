/**
 * node-coap over one DTLS association: requests to the server, and the server's requests to us, on the same association.
 *
 * One request is outstanding at a time (NSTART = 1, RFC 7252 section 4.7, which node-coap declares and does not keep), each
 * with a time limit of its own: node-coap waits for ever once an empty acknowledgement has come.
 */

import type { Duration } from '@sallyport/clock'
import { seconds } from '@sallyport/clock'
import {
  type Association,
  type AssociationCloseReason,
  type ClientSession,
  connectDtls,
  type DtlsCredentials,
  type VerifyPeer,
} from '@sallyport/coaps'
import { isCodedError } from '@sallyport/errors'
import type { Certificate } from '@sallyport/pki'
import { decode, encode, type Value } from '@sallyport/representation'
import { Agent, createServer, type IncomingMessage, type ObserveWriteStream, type OutgoingMessage } from 'coap'
import { answerCacheBytes } from './coap-timing.ts'
import type { CoapsAddress } from './coaps-uri.ts'
import { formatNumber } from './content-formats.ts'
import { DeviceFailure, type Step } from './device-failure.ts'
import { dtlsSockets } from './dtls-socket.ts'
import { describeProblem } from './problem-details.ts'

export type LinkMethod = 'GET' | 'POST' | 'PUT' | 'DELETE'

export interface LinkRequest {
  readonly method: LinkMethod
  readonly path: string
  /** `name=value&name=value`. */
  readonly query?: string
  readonly payload?: Uint8Array
  readonly contentFormat?: number
  readonly accept?: number
  /** Default 20 s. */
  readonly timeout?: Duration
}

export interface LinkAnswer {
  /** `2.05`. */
  readonly code: string
  readonly contentFormat: number | undefined
  readonly maxAge?: Duration | undefined
  readonly payload: Uint8Array
}

/** A handler of the server's requests, as node-coap calls it. */
export type RequestListener = (request: IncomingMessage, response: OutgoingMessage | ObserveWriteStream) => void

export interface ConnectLinkOptions {
  readonly address: CoapsAddress
  readonly credentials?: DtlsCredentials
  readonly verifyPeer: VerifyPeer<Certificate>
  readonly onRequest?: RequestListener
  /** To be resumed. */
  readonly session?: ClientSession | undefined
  /** As of `connectDtls`. */
  readonly onSession?: (session: ClientSession | undefined) => void
  readonly handshakeTimeout?: Duration
  /** Makes the association; DTLS over UDP by default. */
  readonly connect?: typeof connectDtls<Certificate>
}

/** CBOR of OCF, as devices speak it. */
const ocfCbor = 10000
const defaultTimeout = seconds(20)

export class CoapLink {
  readonly association: Association<Certificate>
  /** Settles with the reason once the association has ended, whoever ended it. */
  readonly closed: Promise<AssociationCloseReason>
  readonly #agent: Agent
  readonly #failAll = new Set<(failure: DeviceFailure) => void>()
  #queue: Promise<unknown> = Promise.resolve()

  /** @throws DeviceFailure of step `connect`, which says what refused or did not answer. */
  static async connect(options: ConnectLinkOptions): Promise<CoapLink> {
    let association: Association<Certificate> | undefined
    const sockets = dtlsSockets((message) => association?.send(message))
    const closed = Promise.withResolvers<AssociationCloseReason>()
    // Before the handshake ends: the server may ask in the very datagram that finishes it.
    const server = createServer({ cacheSize: answerCacheBytes }, options.onRequest ?? refuseRequests)
    server.listen(sockets.server)
    server.on('error', () => undefined)
    try {
      association = await (options.connect ?? connectDtls<Certificate>)({
        ...options.address,
        verifyPeer: options.verifyPeer,
        // A sleepy device's NAT forgets it: with a CID the server knows it again wherever it comes from (RFC 9146).
        connectionId: true,
        ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
        session: options.session,
        ...(options.onSession === undefined ? {} : { onSession: options.onSession }),
        ...(options.handshakeTimeout === undefined ? {} : { handshakeTimeout: options.handshakeTimeout }),
        onData: sockets.receive,
        onClosed: (reason) => closed.resolve(reason),
      })
    } catch (error) {
      server.close()
      throw connectFailure(options.address, error)
    }
    const agent = new Agent({ socket: sockets.client })
    const link = new CoapLink(association, agent, closed.promise)
    void closed.promise.then((reason) => {
      server.close()
      link.#end(reason)
    })
    return link
  }

  private constructor(association: Association<Certificate>, agent: Agent, closed: Promise<AssociationCloseReason>) {
    this.association = association
    this.closed = closed
    this.#agent = agent
  }

  /** @throws DeviceFailure of that step when no answer came; an answer of any code is an answer. */
  request(step: Step, request: LinkRequest): Promise<LinkAnswer> {
    const turn = this.#queue.then(() => this.#exchange(step, request))
    this.#queue = turn.catch(() => undefined)
    return turn
  }

  /** A request with and for OCF CBOR. @throws DeviceFailure for no answer, and for an answer that is not 2.xx or does not decode. */
  async call(step: Step, request: Omit<LinkRequest, 'payload' | 'contentFormat'> & { body?: Value }): Promise<Value> {
    const { body, ...rest } = request
    const answer = await this.request(step, {
      accept: ocfCbor,
      ...rest,
      ...(body === undefined ? {} : { payload: encode(ocfCbor, body), contentFormat: ocfCbor }),
    })
    if (!answer.code.startsWith('2.')) throw refusal(step, answer)
    if (answer.payload.length === 0) return null
    try {
      return decode(answer.contentFormat ?? ocfCbor, answer.payload)
    } catch (cause) {
      throw new DeviceFailure(step, `${step}: the answer does not decode`, { cause, errorCode: 'malformed-answer' })
    }
  }

  /** Sends close_notify; `closed` settles. */
  close(): void {
    this.association.close()
  }

  #exchange(step: Step, request: LinkRequest): Promise<LinkAnswer> {
    if (this.association.closed) return Promise.reject(lost(step, 'the association is closed'))
    const { promise, resolve, reject } = Promise.withResolvers<LinkAnswer>()
    const timeout = request.timeout ?? defaultTimeout
    const message = this.#agent.request({
      method: request.method,
      pathname: request.path,
      ...(request.query === undefined ? {} : { query: request.query }),
      ...(request.contentFormat === undefined ? {} : { contentFormat: request.contentFormat }),
      ...(request.accept === undefined ? {} : { accept: request.accept }),
    })
    const fail = (failure: DeviceFailure): void => {
      this.#agent.abort(message)
      reject(failure)
    }
    const timer = setTimeout(() => fail(lost(step, `no answer within ${Math.round(timeout / 1000)} s`)), timeout)
    this.#failAll.add(fail)
    message.on('response', (answer: IncomingMessage) => {
      if (answer.code === '0.00') reject(lost(step, 'the server reset the request'))
      else
        resolve({
          code: answer.code,
          contentFormat: formatNumber(answer.headers['Content-Format']),
          maxAge: typeof answer.headers['Max-Age'] === 'number' ? seconds(answer.headers['Max-Age']) : undefined,
          payload: answer.payload,
        })
    })
    message.on('error', (error: Error) => fail(lost(step, error.message)))
    message.on('timeout', () => fail(lost(step, 'no answer to any retransmission')))
    message.end(request.payload === undefined ? undefined : Buffer.from(request.payload))
    return promise.finally(() => {
      clearTimeout(timer)
      this.#failAll.delete(fail)
    })
  }

  #end(reason: AssociationCloseReason): void {
    for (const fail of this.#failAll) fail(lost('connect', `the association ended: ${reason}`))
    this.#agent.close()
  }
}

function refusal(step: Step, answer: LinkAnswer): DeviceFailure {
  const problem = describeProblem(answer)
  return new DeviceFailure(step, `${step} was refused with ${answer.code}: ${problem.text}`, {
    coapCode: answer.code,
    errorCode: problem.code,
    retryAfter: answer.maxAge,
  })
}

const lost = (step: Step, detail: string): DeviceFailure =>
  new DeviceFailure(step, `${step}: ${detail}`, { errorCode: 'no-answer' })

function connectFailure({ host, port }: CoapsAddress, error: unknown): unknown {
  const where = `coaps://${host.includes(':') ? `[${host}]` : host}:${port}`
  if (isHostUnknown(error)) {
    return new DeviceFailure('connect', `${where}: the name ${host} cannot be resolved (${error.code})`, {
      cause: error,
      errorCode: 'host-unknown',
    })
  }
  if (!isCodedError(error)) return error
  const { alert, direction, reason } = error.details
  const errorCode = typeof reason === 'string' ? reason : error.code
  const byUs = direction === 'sent'
  const advice = adviceFor(byUs ? errorCode : undefined, typeof alert === 'string' ? alert : undefined, error.code)
  const refused = byUs ? 'its certificate is refused here: ' : ''
  return new DeviceFailure('connect', `${where}: ${refused}${error.message}${advice}`, {
    cause: error,
    errorCode,
    ...(typeof alert === 'string' ? { alert } : {}),
  })
}

const isHostUnknown = (error: unknown): error is Error & { readonly code: string } =>
  error instanceof Error && 'syscall' in error && error.syscall === 'getaddrinfo' && 'code' in error

/** @param refusal the code for which we refused the server; undefined when it refused us, or nobody anybody */
function adviceFor(refusal: string | undefined, alert: string | undefined, code: string): string {
  if (code === 'handshake-timed-out') return ' (is the address right, and is the service up?)'
  if (refusal === 'certificate-authority-unknown' || refusal === 'certificate-self-signed') {
    return " (the server's chain does not lead to --trust-anchor: give the installation's trust-anchor.pem)"
  }
  if (refusal !== undefined) return ''
  switch (alert) {
    case 'unknown_ca':
      return " (the server does not know this device's CA: load it into an enrollment group)"
    case 'certificate_expired':
      return ' (a certificate has expired, or a clock is wrong)'
    case 'access_denied':
      return ' (the certificate is good, but this device is not enrolled, was deleted or is blocked)'
    case 'certificate_revoked':
      return ' (the certificate was revoked, as by deleting the device; to provision anew, empty the --state folder)'
    case 'handshake_failure':
      return ' (the server takes none of our cipher suites, or needs a certificate)'
    default:
      return ''
  }
}

/** What a link without resources answers. */
const refuseRequests: RequestListener = (_request, response) => {
  response.statusCode = '4.04'
  response.end()
}
