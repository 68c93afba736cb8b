/**
 * A TLS server for CoAP (RFC 8323 section 8.2): joins node:tls to the caller's judgement of peers.
 *
 *   1. A connection is counted before anything of it is read: rates, half-open shares and live places, per host and network.
 *   2. The TLS handshake, by OpenSSL, in bounded time. It proves who holds the key; nothing else is taken from it.
 *   3. `verifyPeer` judges the chain as it was presented. Nothing that the peer sends is read before that.
 *   4. Accepted: an association. Refused: the connection ends, with the reason in an Abort message.
 *
 * What node:tls cannot do: send an alert of our choice. The judgement comes after the handshake, of which the peer knows, so
 * that it sees close_notify where DTLS says `unknown_ca`; the Abort (RFC 8323 section 5.6) carries the alert's name instead.
 * An alert of TLS's own (version, suite, signature) is OpenSSL's.
 */

import { createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import { type Duration, minutes, seconds } from '@sallyport/clock'
import { encodeRefusal } from '@sallyport/coap'
import { defaultStaleAfter, HalfOpenQuota, type HandshakeRate, StaleAssociations } from '@sallyport/dtls'
import type {
  Association,
  DtlsCredentials,
  DtlsEvents,
  PeerVerdictRefused,
  RemoteAddress,
  VerifyPeer,
} from './association.ts'
import { monotonicClock } from './dtls-socket.ts'
import { judge } from './dtls-verdict.ts'
import { networkPrefix } from './handshake-failure-counts.ts'
import { presentedChain } from './presented-chain.ts'
import { endStream, TlsAssociation } from './tls-association.ts'
import { tlsFailure } from './tls-failure.ts'
import { alpnProtocol, tlsSettings } from './tls-settings.ts'

export interface TlsLimits {
  /** Connections whose handshake is not finished or whose peer is not judged yet. Default 2000. */
  readonly maxHalfOpen?: number
  /** From one IPv4 address or IPv6 /64. Default a tenth of `maxHalfOpen`. */
  readonly maxHalfOpenPerHost?: number
  /** From one IPv4 /24 or IPv6 /48. Default a quarter of `maxHalfOpen`. */
  readonly maxHalfOpenPerNetwork?: number
  /**
   * Live connections. Default 20 000: each costs some 50 kB, most of it OpenSSL's. A newcomer beyond takes the place of the
   * one that was not heard of for longest, if that is longer than `staleAfter`; otherwise it is refused.
   */
  readonly maxAssociations?: number
  /** Default 30 min. */
  readonly staleAfter?: Duration
  /** Live connections from one IPv4 /24 or IPv6 /48. Default half of `maxAssociations`. */
  readonly maxAssociationsPerNetwork?: number
  /** From the connection to the end of the handshake. Default 60 s: a constrained peer takes its time. */
  readonly handshakeTimeout?: Duration
  /** Bytes that may wait for one peer to read them. Default 1 MiB. */
  readonly maxQueuedBytes?: number
  /** Without a byte in either direction for so long, `idle` is told. Default 10 min. */
  readonly idleAfter?: Duration
}

export interface TlsEvents<Identity> extends DtlsEvents<Identity> {
  /** Nothing has come or gone for a while: is the peer still there? Told again after each further while. */
  idle?(association: Association<Identity>): void
}

export interface ListenTlsOptions<Identity> {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** An inherited socket that listens already; then host and port are its own. */
  readonly descriptor?: number | undefined
  readonly credentials: DtlsCredentials
  readonly verifyPeer: VerifyPeer<Identity>
  readonly events: TlsEvents<Identity>
  /** Counts handshakes; the listener over DTLS may count by the same. */
  readonly handshakeRate: HandshakeRate
  /** False: who connects now is refused, and tries again. Default: nobody is. */
  readonly hearsNewcomers?: (() => boolean) | undefined
  readonly limits?: TlsLimits
}

export interface TlsListener<Identity> {
  readonly address: { readonly address: string; readonly port: number }
  readonly associations: Iterable<Association<Identity>>
  readonly counts: { readonly live: number; readonly halfOpen: number }
  /** Says close_notify to all and closes the socket. */
  close(): Promise<void>
}

/** @throws CodedError `configuration-invalid` for credentials that do not fit; the system's error when it cannot bind */
export async function listenTls<Identity>(options: ListenTlsOptions<Identity>): Promise<TlsListener<Identity>> {
  const listener = new Listener(options)
  await listener.listen()
  return listener
}

/** A connection that is not an association yet. */
interface HalfOpen {
  readonly handle: number
  readonly remote: RemoteAddress
  readonly raw: Socket
}

class Listener<Identity> implements TlsListener<Identity> {
  readonly #options: ListenTlsOptions<Identity>
  readonly #limits: Required<TlsLimits>
  readonly #tcp: TcpServer
  readonly #tls: TlsServer
  readonly #quota: HalfOpenQuota
  /** By both ends of the connection. */
  readonly #halfOpen = new Map<string, HalfOpen>()
  readonly #halfOpenByHandle = new Map<number, HalfOpen>()
  readonly #associations = new Set<TlsAssociation<Identity>>()
  readonly #staleAssociations: StaleAssociations<TlsAssociation<Identity>>
  readonly #liveByNetwork = new Map<string, number>()
  #nextHandle = 1
  #closing = false

  constructor(options: ListenTlsOptions<Identity>) {
    this.#options = options
    this.#limits = withDefaults(options.limits)
    const limits = this.#limits
    this.#staleAssociations = new StaleAssociations(limits.staleAfter)
    this.#quota = new HalfOpenQuota({
      total: limits.maxHalfOpen,
      perHost: limits.maxHalfOpenPerHost,
      perNetwork: limits.maxHalfOpenPerNetwork,
    })
    this.#tls = createTlsServer({
      ...tlsSettings(options.credentials),
      requestCert: true,
      // OpenSSL knows no authority here; whom to trust is decided in `#secured`.
      rejectUnauthorized: false,
      handshakeTimeout: limits.handshakeTimeout,
      // A client that names protocols must name ours (RFC 7301 section 3.2); one that names none has the port to say it.
      ALPNCallback: ({ protocols }) => (protocols.includes(alpnProtocol) ? alpnProtocol : undefined),
    })
    this.#tls.on('secureConnection', (socket) => this.#secured(socket))
    this.#tls.on('tlsClientError', (error, socket) => this.#failed(error, socket))
    this.#tcp = createTcpServer((raw) => this.#connected(raw))
  }

  async listen(): Promise<void> {
    const { host, port, descriptor } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#tcp.once('error', reject)
      this.#tcp.listen(descriptor === undefined ? { host, port, backlog } : { fd: descriptor }, () => {
        this.#tcp.off('error', reject)
        // Out of descriptors, most likely: those who are there are served, those who knock try again.
        this.#tcp.on('error', () => this.#options.events.discarded?.('connection not accepted'))
        resolve()
      })
    })
  }

  get address(): TlsListener<Identity>['address'] {
    const bound = this.#tcp.address()
    if (bound === null || typeof bound === 'string') throw new Error('a TLS listener without an address')
    return { address: bound.address, port: bound.port }
  }

  get associations(): Iterable<Association<Identity>> {
    return this.#associations
  }

  get counts(): TlsListener<Identity>['counts'] {
    return { live: this.#associations.size, halfOpen: this.#halfOpenByHandle.size }
  }

  async close(): Promise<void> {
    this.#closing = true
    const closed = new Promise<void>((resolve) => this.#tcp.close(() => resolve()))
    for (const { raw } of [...this.#halfOpenByHandle.values()]) raw.destroy()
    for (const association of [...this.#associations]) association.end('shutdown')
    await closed
  }

  #connected(raw: Socket): void {
    const { remoteAddress: address, remotePort: port } = raw
    // Of a connection that is gone already, nothing is known.
    if (address === undefined || port === undefined) return void raw.destroy()
    raw.on('error', () => undefined)
    const refused = this.#refusalOf(address, port)
    if (refused !== undefined) {
      this.#options.events.discarded?.(refused)
      raw.resetAndDestroy()
      return
    }
    const halfOpen: HalfOpen = { handle: this.#nextHandle++, remote: { address, port }, raw }
    const key = keyOf(raw)
    this.#quota.enter(halfOpen.handle, halfOpen.remote, monotonicClock.now())
    this.#halfOpen.set(key, halfOpen)
    this.#halfOpenByHandle.set(halfOpen.handle, halfOpen)
    raw.once('close', () => this.#settle(key, halfOpen))
    this.#tls.emit('connection', raw)
  }

  get #longestSilent(): TlsAssociation<Identity> | undefined {
    return this.#staleAssociations.longestSilent(this.#associations, (held) => !held.closed, monotonicClock.now())
  }

  /** Undefined when there is room, which another may have had to make. */
  #refusalOf(address: string, port: number): string | undefined {
    const { maxAssociations, maxAssociationsPerNetwork } = this.#limits
    if (this.#closing) return 'connection while closing'
    if (this.#associations.size >= maxAssociations && this.#longestSilent === undefined) return 'too many connections'
    if ((this.#liveByNetwork.get(networkPrefix(address)) ?? 0) >= maxAssociationsPerNetwork) {
      return 'too many connections of a network'
    }
    if (this.#options.hearsNewcomers?.() === false) return 'newcomers held back'
    const now = monotonicClock.now()
    if (!this.#options.handshakeRate.admit(address, now)) return 'too many handshakes'
    const room = this.#quota.roomFor({ address, port }, now)
    if (room.kind === 'none') return 'too many half-open connections'
    if (room.kind === 'evict') {
      const stalled = this.#halfOpenByHandle.get(room.association)
      this.#quota.leave(room.association)
      stalled?.raw.destroy()
    }
    return undefined
  }

  /** It has become an association, or nothing. */
  #settle(key: string, halfOpen: HalfOpen): void {
    if (!this.#halfOpenByHandle.delete(halfOpen.handle)) return
    if (this.#halfOpen.get(key) === halfOpen) this.#halfOpen.delete(key)
    this.#quota.leave(halfOpen.handle)
  }

  #failed(error: Error, socket: TLSSocket): void {
    const { remoteAddress: address, remotePort: port } = socket
    socket.destroy()
    const { events } = this.#options
    const failure = address === undefined || port === undefined ? undefined : tlsFailure(error, { address, port })
    if (failure === undefined) events.discarded?.('connection closed in the handshake')
    else events.handshakeFailed?.(failure)
  }

  /** The handshake is finished: who is it? */
  #secured(socket: TLSSocket): void {
    const key = keyOf(socket)
    const halfOpen = this.#halfOpen.get(key)
    socket.on('error', () => undefined)
    // Nothing is resumed; were it so all the same, the peer would not have been asked for its key.
    if (halfOpen === undefined || socket.isSessionReused()) return void socket.destroy()
    const { remote } = halfOpen
    const chain = presentedChain(socket)
    const refuse = (refused: Omit<PeerVerdictRefused, 'accepted'>) => {
      this.#settle(key, halfOpen)
      this.#options.events.handshakeFailed?.({
        remote,
        transport: 'tls',
        code: refused.code,
        direction: 'none',
        detail: refused.detail,
        ...(chain === undefined || chain.length === 0 ? {} : { chain }),
      })
      socket.write(encodeRefusal(refused.alert))
      endStream(socket)
    }
    if (chain === undefined) {
      // OpenSSL takes up to 100 KB of certificates, and reading them costs as much as several handshakes: they count so.
      const now = monotonicClock.now()
      for (let more = 0; more < longChainCounts; more++) this.#options.handshakeRate.admit(remote.address, now)
      return refuse({ alert: 'bad_certificate', code: 'certificate-malformed', detail: 'the chain is too long' })
    }
    if (chain.length === 0) {
      return refuse({ alert: 'handshake_failure', code: 'certificate-missing', detail: 'no certificate was presented' })
    }
    judge(this.#options.verifyPeer, chain, remote).then((judgement) => {
      if (socket.destroyed || this.#closing) return
      if (!judgement.decision.accepted) return refuse(judgement.decision)
      if ('identity' in judgement) this.#open(socket, judgement.identity, remote)
      this.#settle(key, halfOpen)
    })
  }

  #open(socket: TLSSocket, identity: Identity, remote: RemoteAddress): void {
    const { events } = this.#options
    const network = networkPrefix(remote.address)
    const association = new TlsAssociation<Identity>({
      socket,
      identity,
      remote,
      maxQueuedBytes: this.#limits.maxQueuedBytes,
      data: (from, chunk) => events.data(from, chunk),
      closed: (closed, reason) => {
        this.#associations.delete(closed)
        const left = (this.#liveByNetwork.get(network) ?? 1) - 1
        if (left === 0) this.#liveByNetwork.delete(network)
        else this.#liveByNetwork.set(network, left)
        events.closed?.(closed, reason)
      },
    })
    // Only a peer that has been accepted takes a place: one that merely asks costs nobody his.
    if (this.#associations.size >= this.#limits.maxAssociations) this.#longestSilent?.end('evicted')
    this.#associations.add(association)
    this.#liveByNetwork.set(network, (this.#liveByNetwork.get(network) ?? 0) + 1)
    socket.setTimeout(this.#limits.idleAfter, () => {
      if (!association.closed) events.idle?.(association)
    })
    events.opened?.(association)
    association.begin()
  }
}

const backlog = 1024
/** Handshakes that a chain which is too long stands for, besides its own. */
const longChainCounts = 10

/** The same for the TCP socket and the TLS socket over it. */
const keyOf = (socket: Socket): string =>
  `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`

function withDefaults(limits: TlsLimits = {}): Required<TlsLimits> {
  const maxHalfOpen = limits.maxHalfOpen ?? 2000
  const maxAssociations = limits.maxAssociations ?? 20_000
  return {
    maxHalfOpen,
    maxHalfOpenPerHost: limits.maxHalfOpenPerHost ?? Math.ceil(maxHalfOpen / 10),
    maxHalfOpenPerNetwork: limits.maxHalfOpenPerNetwork ?? Math.ceil(maxHalfOpen / 4),
    maxAssociations,
    staleAfter: limits.staleAfter ?? defaultStaleAfter,
    maxAssociationsPerNetwork: limits.maxAssociationsPerNetwork ?? Math.ceil(maxAssociations / 2),
    handshakeTimeout: limits.handshakeTimeout ?? seconds(60),
    maxQueuedBytes: limits.maxQueuedBytes ?? 1024 * 1024,
    idleAfter: limits.idleAfter ?? minutes(10),
  }
}
