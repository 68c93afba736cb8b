/**
 * A DTLS server on a UDP socket: joins the sans-I/O server of @sallyport/dtls to node:dgram, the clock, node:crypto and
 * the caller's judgement of peers.
 */

import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:dgram'
import type { Instant } from '@sallyport/clock'
import {
  type AssociationHandle,
  type CipherSuiteName,
  DtlsServer,
  type DtlsServerConfiguration,
  type ImportRefusal,
  type NamedGroupName,
  type Output,
  type Question,
  type QuestionHandle,
  type SealingKeys,
} from '@sallyport/dtls'
import type { Association, DtlsCredentials, DtlsEvents, ResumePeer, VerifyPeer } from './association.ts'
import { answerWithNodeCrypto, requireCurve } from './dtls-answers.ts'
import { type AssociationMachine, DtlsAssociation, type DtlsAssociationStart } from './dtls-association.ts'
import { handshakeFailure } from './dtls-failure.ts'
import { adoptSocket, bindSocket, DatagramSender, MachineTimer, monotonicClock, stopReading } from './dtls-socket.ts'
import { judge, judgeResumption } from './dtls-verdict.ts'
import { ProvenKeys } from './proven-keys.ts'
import { type FindPsk, lookUpPsk } from './psk-lookup.ts'

export interface ListenDtlsOptions<Identity> {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /**
   * A UDP socket that this process inherited, bound already: taken instead of binding `host` and `port`, and closed at the
   * end like one of our own. Whoever else holds it keeps the port open in between.
   */
  readonly descriptor?: number | undefined
  readonly credentials: DtlsCredentials
  readonly verifyPeer: VerifyPeer<Identity>
  /** Present: peers may authenticate with a pre-shared key in place of a certificate. Absent: certificates only. */
  readonly findPsk?: FindPsk<Identity>
  /** Lets peers come back with the session of a former handshake, for a third of its cost. Absent: none may. */
  readonly resumePeer?: ResumePeer<Identity>
  /**
   * Seal the tickets in which clients keep their sessions. Absent: no tickets; clients that know only session ids can
   * resume all the same. Whoever has them reads what a resumed association says.
   */
  readonly sealingKeys?: SealingKeys
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
  /** Public keys of peers that are kept imported after a handshake, for when they come back. Default 1024. */
  readonly maxProvenKeys?: number
  /** Runs before the socket is read: what is imported here is there when the first datagram comes. */
  readonly beforeReading?: (importer: AssociationImporter<Identity>) => Promise<void>
  /** False: whoever begins a handshake now is not heard, and tries again. Default: everybody is. */
  readonly hearsNewcomers?: () => boolean
  /** Limits and times of the machine; its defaults are documented there. */
  readonly limits?: Pick<
    DtlsServerConfiguration,
    | 'maxHalfOpen'
    | 'maxHalfOpenPerHost'
    | 'maxHalfOpenPerNetwork'
    | 'maxHandshakesPerSecond'
    | 'maxHandshakesPerSecondPerHost'
    | 'maxHandshakesPerSecondPerNetwork'
    | 'handshakeRate'
    | 'maxAssociations'
    | 'staleAfter'
    | 'handshakeTimeout'
    | 'idleTimeout'
    | 'cookieSecretLifetime'
    | 'sessionLifetime'
    | 'maxCachedSessions'
  >
}

/** An association of another process, as its listener exported it, and what that process knew of it. */
export interface ImportedState<Identity> {
  readonly state: Uint8Array
  readonly id: string
  readonly openedAt: Instant
  /** Whoever imports has looked again whether this peer may come in. */
  readonly identity: Identity
  /** See `AssociationImport` of @sallyport/dtls. */
  readonly generation: number
  readonly recordMark: number
  /** Nobody has had the association between its exporter and us: what was exported as final is what it says. */
  readonly isNext: boolean
}

export interface AssociationImporter<Identity> {
  /** The association, which goes on without a word; or why not. */
  importAssociation(imported: ImportedState<Identity>): Association<Identity> | ImportRefusal
}

export interface DtlsListener<Identity> {
  readonly address: { readonly address: string; readonly port: number }
  readonly associations: Iterable<Association<Identity>>
  readonly counts: { readonly live: number; readonly halfOpen: number }
  /** With its keys: to be sealed before it leaves the process. Undefined when it is closed. */
  exportAssociation(association: Association<Identity>): Uint8Array | undefined
  /**
   * For a successor on the same socket: ends handshakes, reads no more, sends on. False where Node does not let us leave
   * datagrams in the kernel: then they are dropped, and their peers send again.
   */
  stopReading(): boolean
  /** Closes our descriptor of the socket without a word to anyone: associations live on elsewhere. */
  abandon(): Promise<void>
  /** Replaces those that seal tickets: what both of the new ones do not open leads to a full handshake. */
  setSealingKeys(keys: SealingKeys): void
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
      ...(options.findPsk === undefined ? {} : { psk: {} }),
      ...(options.shard === undefined ? {} : { shard: options.shard }),
      ...(options.hearsNewcomers === undefined ? {} : { hearsNewcomers: options.hearsNewcomers }),
      dangerouslyLogKeys: options.dangerouslyLogKeys !== undefined,
      ...options.limits,
      ...resumption(options),
    },
    monotonicClock.now(),
  )
  const listener = new Listener(options, machine)
  await options.beforeReading?.(listener)
  const { host, port, descriptor } = options
  const socket = await (descriptor === undefined ? bindSocket(host, port) : adoptSocket(descriptor, host))
  listener.read(socket)
  return listener
}

const defaultMaxCachedSessions = 10_000
const defaultMaxProvenKeys = 1024

/** Nothing is promised to clients that nobody would let in again. */
function resumption<Identity>({
  resumePeer,
  sealingKeys,
  limits,
}: ListenDtlsOptions<Identity>): Pick<DtlsServerConfiguration, 'sealingKeys' | 'maxCachedSessions'> {
  if (resumePeer === undefined) return { maxCachedSessions: 0 }
  const maxCachedSessions = limits?.maxCachedSessions ?? defaultMaxCachedSessions
  return { maxCachedSessions, ...(sealingKeys === undefined ? {} : { sealingKeys }) }
}

/** A socket that is read, or, before that, what is to be sent by it. */
type Reading =
  | { readonly socket: undefined; readonly unsent: (Output & { kind: 'send' })[] }
  | { readonly socket: Socket; readonly address: Address; readonly sender: DatagramSender; drops: boolean }

type Address = DtlsListener<unknown>['address']

class Listener<Identity> implements DtlsListener<Identity>, AssociationImporter<Identity>, AssociationMachine {
  readonly #options: ListenDtlsOptions<Identity>
  readonly #machine: DtlsServer
  #reading: Reading = { socket: undefined, unsent: [] }
  readonly #timer: MachineTimer
  readonly #provenKeys: ProvenKeys
  readonly #associations = new Map<AssociationHandle, DtlsAssociation<Identity>>()
  /** Of peers that were accepted and have not finished yet. */
  readonly #identities = new Map<AssociationHandle, { readonly identity: Identity }>()
  #draining = false

  constructor(options: ListenDtlsOptions<Identity>, machine: DtlsServer) {
    this.#options = options
    this.#machine = machine
    this.#provenKeys = new ProvenKeys(options.maxProvenKeys ?? defaultMaxProvenKeys)
    this.#timer = new MachineTimer(() => {
      machine.handleTimeout(monotonicClock.now())
      this.#drain()
    })
  }

  read(socket: Socket): void {
    const before = this.#reading
    const { address, port } = socket.address()
    const reading = { socket, address: { address, port }, sender: new DatagramSender(socket), drops: false }
    this.#reading = reading
    socket.on('message', (datagram, from) => {
      if (reading.drops) return
      this.#machine.handleDatagram(datagram, from, monotonicClock.now())
      this.#drain()
    })
    if (before.socket === undefined) for (const { datagram, peer } of before.unsent) reading.sender.send(datagram, peer)
    this.#drain()
  }

  get address(): Address {
    if (this.#reading.socket === undefined) throw new Error('the listener has no address yet')
    return this.#reading.address
  }

  get associations(): Iterable<Association<Identity>> {
    return this.#associations.values()
  }

  get counts(): DtlsListener<Identity>['counts'] {
    return this.#machine.counts
  }

  importAssociation(imported: ImportedState<Identity>): Association<Identity> | ImportRefusal {
    const { state, generation, recordMark, identity, id, openedAt } = imported
    const outcome = this.#machine.importAssociation(state, { generation, recordMark }, monotonicClock.now())
    if (!outcome.imported) return outcome.reason
    const { association: handle, peer: remote, cipherSuite, connectionId, maxMessageBytes } = outcome
    const former = { id, openedAt }
    const names = { handle, remote, cipherSuite, connectionId, maxMessageBytes }
    const association = this.#associate({ ...names, identity, former })
    this.#drain()
    return association
  }

  exportAssociation(association: Association<Identity>): Uint8Array | undefined {
    return association instanceof DtlsAssociation ? this.#machine.exportAssociation(association.handle) : undefined
  }

  stopReading(): boolean {
    this.#machine.endHandshakes(monotonicClock.now())
    this.#drain()
    const reading = this.#reading
    if (reading.socket === undefined) return true
    const stopped = stopReading(reading.socket)
    reading.drops = !stopped
    return stopped
  }

  async abandon(): Promise<void> {
    this.#timer.set(undefined)
    if (this.#reading.socket !== undefined) await this.#reading.sender.close()
  }

  setSealingKeys(keys: SealingKeys): void {
    if (this.#options.resumePeer !== undefined) this.#machine.setSealingKeys(keys)
  }

  async close(): Promise<void> {
    this.#machine.shutDown(monotonicClock.now())
    this.#drain()
    await this.abandon()
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
        if (this.#reading.socket === undefined) this.#reading.unsent.push(output)
        else this.#reading.sender.send(output.datagram, output.peer)
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
        {
          const association = this.#associations.get(output.association)
          association?.moveTo(output.peer)
          if (association !== undefined) events.moved?.(association)
        }
        return
      case 'data': {
        const association = this.#associations.get(output.association)
        if (association !== undefined) events.data(association, output.plaintext, output.recordSequence)
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
    const { credentials, verifyPeer, findPsk } = this.#options
    if (question.kind === 'findPsk') {
      if (findPsk === undefined) throw new Error('a key is asked for where none is looked up')
      lookUpPsk(findPsk, question.identity, question.peer).then(({ answer, found }) => {
        const awaited = this.#machine.answer(handle, answer, monotonicClock.now())
        if (awaited && found !== undefined) this.#identities.set(association, found)
        this.#drain()
      })
      return
    }
    if (question.kind === 'resumePeer') {
      this.#answerResumption(question, handle, association)
      return
    }
    if (question.kind !== 'verifyPeer') {
      this.#machine.answer(
        handle,
        answerWithNodeCrypto(question, credentials.privateKey, this.#provenKeys),
        monotonicClock.now(),
      )
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

  #answerResumption(
    { resumable, peer }: Question & { kind: 'resumePeer' },
    handle: QuestionHandle,
    association: AssociationHandle,
  ): void {
    judgeResumption(this.#options.resumePeer, resumable, peer).then((judgement) => {
      const accepted = judgement !== undefined
      const answer = { kind: 'resumePeer', accepted, random: randomBytes(32), connectionId: randomBytes(7) } as const
      const awaited = this.#machine.answer(handle, answer, monotonicClock.now())
      if (awaited && accepted) this.#identities.set(association, judgement)
      this.#drain()
    })
  }

  #open(connected: Output & { kind: 'connected' }): void {
    const { association: handle, peer: remote, cipherSuite, connectionId, maxMessageBytes, resumed } = connected
    const accepted = this.#identities.get(handle)
    if (accepted === undefined) throw new Error('an association of a peer that nobody accepted')
    this.#identities.delete(handle)
    const { identity } = accepted
    const start = { handle, remote, cipherSuite, connectionId, maxMessageBytes, resumed, identity }
    const association = this.#associate(start)
    this.#options.events.opened?.(association)
  }

  #associate(start: Omit<DtlsAssociationStart<Identity>, 'machine'>): DtlsAssociation<Identity> {
    const association = new DtlsAssociation<Identity>({ ...start, machine: this })
    this.#associations.set(start.handle, association)
    return association
  }

  // AssociationMachine

  sendFor(association: AssociationHandle, plaintext: Uint8Array): void {
    this.#machine.send(association, plaintext)
    this.#drain()
  }

  closeFor(association: AssociationHandle): void {
    this.#machine.close(association)
    this.#drain()
  }
}
