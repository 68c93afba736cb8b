/**
 * A DTLS server on a UDP socket: joins the sans-I/O server of @sallyport/dtls to node:dgram, the clock, node:crypto and
 * the caller's judgement of peers.
 */

import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:dgram'
import {
  type AssociationHandle,
  type CipherSuiteName,
  DtlsServer,
  type DtlsServerConfiguration,
  type NamedGroupName,
  type Output,
} from '@sallyport/dtls'
import type { Association, DtlsCredentials, DtlsEvents, VerifyPeer } from './association.ts'
import { answerWithNodeCrypto, requireCurve } from './dtls-answers.ts'
import { DtlsAssociation } from './dtls-association.ts'
import { handshakeFailure } from './dtls-failure.ts'
import { bindSocket, DatagramSender, MachineTimer, monotonicClock } from './dtls-socket.ts'
import { judge } from './dtls-verdict.ts'

export interface ListenDtlsOptions<Identity> {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly credentials: DtlsCredentials
  readonly verifyPeer: VerifyPeer<Identity>
  readonly events: DtlsEvents<Identity>
  /** Bytes of UDP payload of a handshake's datagrams. Default 1200. */
  readonly mtu?: number
  /** In order of preference. */
  readonly cipherSuites?: readonly CipherSuiteName[]
  /** For the key exchange, in order of preference. */
  readonly groups?: readonly NamedGroupName[]
  /** 0 to 255, default 0: the first byte of the connection IDs that clients get which ask for them. */
  readonly shard?: number
  /**
   * Gets the secrets of every association, a line each, in the format of NSS key logs. For tests alone, which record
   * datagrams and read them; a service that set it would have no confidentiality left.
   */
  readonly dangerouslyLogKeys?: (line: string) => void
  /** Limits and times of the machine; its defaults are documented there. */
  readonly limits?: Pick<
    DtlsServerConfiguration,
    | 'maxHalfOpen'
    | 'maxHalfOpenPerHost'
    | 'maxHalfOpenPerNetwork'
    | 'maxHandshakesPerSecond'
    | 'maxHandshakesPerSecondPerHost'
    | 'maxHandshakesPerSecondPerNetwork'
    | 'maxAssociations'
    | 'staleAfter'
    | 'handshakeTimeout'
    | 'idleTimeout'
    | 'cookieSecretLifetime'
  >
}

export interface DtlsListener<Identity> {
  readonly address: { readonly address: string; readonly port: number }
  readonly associations: Iterable<Association<Identity>>
  readonly counts: { readonly live: number; readonly halfOpen: number }
  /** Sends close_notify to all and closes the socket. */
  close(): Promise<void>
}

/** @throws CodedError `configuration-invalid` for credentials that do not fit; the system's error when it cannot bind */
export async function listenDtls<Identity>(options: ListenDtlsOptions<Identity>): Promise<DtlsListener<Identity>> {
  const curve = requireCurve(options.credentials)
  const machine = new DtlsServer(
    {
      chain: options.credentials.chain,
      curve,
      cookieSecret: randomBytes(32),
      ...(options.mtu === undefined ? {} : { mtu: options.mtu }),
      ...(options.cipherSuites === undefined ? {} : { cipherSuites: options.cipherSuites }),
      ...(options.groups === undefined ? {} : { groups: options.groups }),
      ...(options.shard === undefined ? {} : { shard: options.shard }),
      dangerouslyLogKeys: options.dangerouslyLogKeys !== undefined,
      ...options.limits,
    },
    monotonicClock.now(),
  )
  return new Listener(options, machine, await bindSocket(options.host, options.port))
}

class Listener<Identity> implements DtlsListener<Identity> {
  readonly address: DtlsListener<Identity>['address']
  readonly #options: ListenDtlsOptions<Identity>
  readonly #machine: DtlsServer
  readonly #sender: DatagramSender
  readonly #timer: MachineTimer
  readonly #associations = new Map<AssociationHandle, DtlsAssociation<Identity>>()
  /** Of peers that were accepted and have not finished yet. */
  readonly #identities = new Map<AssociationHandle, { readonly identity: Identity }>()
  #draining = false

  constructor(options: ListenDtlsOptions<Identity>, machine: DtlsServer, socket: Socket) {
    this.#options = options
    this.#machine = machine
    this.#sender = new DatagramSender(socket)
    this.#timer = new MachineTimer(() => {
      machine.handleTimeout(monotonicClock.now())
      this.#drain()
    })
    const { address, port } = socket.address()
    this.address = { address, port }
    socket.on('message', (datagram, from) => {
      machine.handleDatagram(datagram, from, monotonicClock.now())
      this.#drain()
    })
    this.#drain()
  }

  get associations(): Iterable<Association<Identity>> {
    return this.#associations.values()
  }

  get counts(): DtlsListener<Identity>['counts'] {
    return this.#machine.counts
  }

  async close(): Promise<void> {
    this.#machine.shutDown(monotonicClock.now())
    this.#drain()
    this.#timer.set(undefined)
    await this.#sender.close()
  }

  /** Handles what the machine says until it says no more. What handlers cause in between is handled in the same run. */
  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    try {
      for (let output = this.#machine.takeOutput(); output !== undefined; output = this.#machine.takeOutput()) {
        this.#handle(output)
      }
    } finally {
      this.#draining = false
    }
  }

  #handle(output: Output): void {
    const { events } = this.#options
    switch (output.kind) {
      case 'send':
        this.#sender.send(output.datagram, output.peer)
        return
      case 'setTimeout':
        this.#timer.set(output.at)
        return
      case 'ask':
        this.#answer(output)
        return
      case 'makeCookieSecret':
        this.#machine.rotateCookieSecret(randomBytes(32))
        return
      case 'connected':
        this.#open(output)
        return
      case 'moved':
        this.#associations.get(output.association)?.moveTo(output.peer)
        return
      case 'data': {
        const association = this.#associations.get(output.association)
        if (association !== undefined) events.data(association, output.plaintext)
        return
      }
      case 'closed': {
        const association = this.#associations.get(output.association)
        if (association === undefined) return
        this.#associations.delete(output.association)
        association.markClosed()
        events.closed?.(association, output.reason)
        return
      }
      case 'handshakeFailed':
        this.#identities.delete(output.association)
        events.handshakeFailed?.(handshakeFailure(output))
        return
      case 'discarded':
        events.discarded?.(output.reason)
        return
      case 'keyLog':
        this.#options.dangerouslyLogKeys?.(output.line)
    }
  }

  #answer({ question, handle, association }: Output & { kind: 'ask' }): void {
    const { credentials, verifyPeer } = this.#options
    if (question.kind !== 'verifyPeer') {
      this.#machine.answer(handle, answerWithNodeCrypto(question, credentials.privateKey), monotonicClock.now())
      return
    }
    judge(verifyPeer, question.chain, question.peer).then((judgement) => {
      const answer = { kind: 'verifyPeer', decision: judgement.decision } as const
      const awaited = this.#machine.answer(handle, answer, monotonicClock.now())
      // The handshake may have expired meanwhile: then nothing may be kept for it.
      if (awaited && 'identity' in judgement) this.#identities.set(association, judgement)
      this.#drain()
    })
  }

  #open({ association: handle, peer: remote, cipherSuite, connectionId }: Output & { kind: 'connected' }): void {
    const accepted = this.#identities.get(handle)
    if (accepted === undefined) throw new Error('an association of a peer that nobody accepted')
    this.#identities.delete(handle)
    const association = new DtlsAssociation<Identity>({
      handle,
      identity: accepted.identity,
      remote,
      cipherSuite,
      connectionId,
      send: (plaintext) => {
        this.#machine.send(handle, plaintext)
        this.#drain()
      },
      close: () => {
        this.#machine.close(handle)
        this.#drain()
      },
    })
    this.#associations.set(handle, association)
    this.#options.events.opened?.(association)
  }
}
