/**
 * A DTLS 1.2 server endpoint (RFC 6347), sans-I/O: many associations behind one socket.
 *
 * It owns what happens before a handshake exists: hellos are answered without state until a cookie has proven the
 * address, with never more bytes than came in. An address has at most one live association and one handshake beside
 * it: a new ClientHello never harms the live one, which is replaced only once the new handshake is finished
 * (RFC 6347 section 4.2.8). An association with a CID (RFC 9146) is found by that alone and wherever its peer is: it
 * loses its address to whoever has it now, and lives on. Noise is counted and dropped.
 */

import { createSecretKey } from 'node:crypto'
import { type Duration, hours, type Instant, later, minutes, seconds } from '@sallyport/clock'
import { encodeAlert } from './alert.ts'
import { type AssociationState, decodeAssociationState, encodeAssociationState } from './association-state.ts'
import { writeCertificate, writeCertificateRequest } from './certificate-messages.ts'
import { type CipherSuiteName, cipherSuites, defaultCipherSuites, defaultPskCipherSuites } from './cipher-suite.ts'
import { findCookie, type HelloCookie, readClientHello } from './client-hello.ts'
import type { Connection } from './connection.ts'
import { connectionIdLength, requireShard } from './connection-id.ts'
import { CookieSecrets } from './cookie.ts'
import { Endpoint } from './endpoint.ts'
import { maxGeneration } from './epoch.ts'
import { maxMtu, minMtu, resumeFlight } from './flight.ts'
import { expiryOfFragmentedHello, FragmentedHellos } from './fragmented-hellos.ts'
import { HalfOpenQuota } from './half-open-quota.ts'
import { describeFault } from './handshake-fault.ts'
import { createHandshakeLayer, type HandshakeLayer } from './handshake-layer.ts'
import {
  type HandshakeFragment,
  type HandshakeMessage,
  handshakeHeaderLength,
  handshakeTypes,
  readHandshakeFragment,
  writeHandshakeFragment,
} from './handshake-message.ts'
import { HandshakeRate, type HandshakeRateLimits, handshakeRatesOf } from './handshake-rate.ts'
import { defaultNamedGroups, type NamedGroupName } from './named-group.ts'
import { type Negotiated, negotiate, type ServerIdentity } from './negotiation.ts'
import type { Answer, AssociationHandle, CloseReason, Output, PeerAddress, QuestionHandle } from './output.ts'
import { defaultReassemblyLimits, type ReassemblyLimits } from './reassembly.ts'
import {
  connectionIdRecordType,
  contentTypes,
  datagramView,
  type RecordView,
  readRecord,
  recordHeaderLength,
  writeRecordHeader,
} from './record.ts'
import { RecordLayer } from './record-layer.ts'
import { type ProtectRecords, protectWithNodeCrypto } from './record-protection.ts'
import type { SealingKeys } from './sealing.ts'
import { ServerHandshake } from './server-handshake.ts'
import { writeHelloVerifyRequest } from './server-hello.ts'
import { ServerPskHandshake } from './server-psk-handshake.ts'
import { type FullHandshake, ServerResumption } from './server-resumption.ts'
import { type FoundSession, ServerSessions } from './server-sessions.ts'
import type { CurveName } from './signature-scheme.ts'
import { defaultStaleAfter, StaleAssociations } from './stale-associations.ts'

export interface DtlsServerConfiguration extends HandshakeRateLimits {
  /** DER, leaf first. The machine does not read it: `curve` says what its key is. */
  readonly chain: readonly Uint8Array[]
  readonly curve: CurveName
  /** At least 32 random bytes; new ones are asked for by `makeCookieSecret`. */
  readonly cookieSecret: Uint8Array
  /** In order of preference. Default: certificates before pre-shared keys, GCM before CCM, 128 bits before 256. */
  readonly cipherSuites?: readonly CipherSuiteName[]
  readonly groups?: readonly NamedGroupName[]
  /** Present: clients may prove a pre-shared key, which `findPsk` asks for. Absent: certificates only. */
  readonly psk?: {
    /** Tells the client which of its identities to use (RFC 4279 section 5.2). Default: no hint. */
    readonly identityHint?: Uint8Array
  }
  /** Bytes of UDP payload. Default 1200, at least 228: the smallest datagram that takes a fragment with its headers. */
  readonly mtu?: number
  readonly reassembly?: ReassemblyLimits
  /**
   * Handshakes at a time, the cookie proven. Default 10 000: at some 10 kB each, 100 MB. Beyond this and the next two, a
   * hello takes the place of a handshake that has stood still, or is dropped unheard.
   */
  readonly maxHalfOpen?: number
  /** From one IPv4 address or IPv6 /64, which may be the NAT of a whole fleet. Default a tenth of `maxHalfOpen`. */
  readonly maxHalfOpenPerHost?: number
  /** From one IPv4 /24 or IPv6 /48. Default a quarter of `maxHalfOpen`. */
  readonly maxHalfOpenPerNetwork?: number
  /** In place of rates of its own: what this server begins, its cookie proven, counts together with what others begin. */
  readonly handshakeRate?: HandshakeRate
  /** False while there is no time for newcomers: their hellos are dropped unheard, and sent again. Default: there always is. */
  readonly hearsNewcomers?: () => boolean
  /**
   * Associations at a time. Default 150 000. A newcomer beyond it takes the place of the association that was not heard of
   * for longest, if that is longer than `staleAfter`; otherwise its hello is dropped unheard.
   */
  readonly maxAssociations?: number
  /** Default 30 min. */
  readonly staleAfter?: Duration
  /** Without progress. Default 60 s: the timers of a constrained client go 9, 18, 36 s (RFC 7925 section 11). */
  readonly handshakeTimeout?: Duration
  /** Default 24 h. */
  readonly idleTimeout?: Duration
  /** Default 5 min; a cookie is good for one to two of them. */
  readonly cookieSecretLifetime?: Duration
  readonly protectRecords?: ProtectRecords
  /** Seal session tickets; `setSealingKeys` replaces them. Absent: no tickets. */
  readonly sealingKeys?: SealingKeys
  /** From its full handshake on, a session may go on in other associations. Default 24 h. */
  readonly sessionLifetime?: Duration
  /** Sessions that we keep, for clients that know no tickets. Default 0: such a client handshakes in full each time. */
  readonly maxCachedSessions?: number
  /** 0 to 255, default 0: the first byte of the CIDs that we give to clients that ask for them. */
  readonly shard?: number
  /** Tells the secrets of every association as `keyLog`. For tests only: never set in a service. */
  readonly dangerouslyLogKeys?: boolean
}

/** What an import needs to know beside the state. */
export interface AssociationImport {
  /** 1 to 65 535, above every generation in which the association has written; by an authority that gives none twice. */
  readonly generation: number
  /** Records of the peer up to this number have had their effect: they are refused. -1: none has. */
  readonly recordMark: number
}

export type ImportRefusal =
  | 'malformed'
  | 'version-unknown'
  | 'generation-not-newer'
  | 'generation-exhausted'
  | 'connection-id-foreign'
  | 'connection-id-taken'
  | 'address-taken'
  | 'association-limit'
  | 'idle'

export type ImportOutcome =
  | {
      readonly imported: true
      readonly association: AssociationHandle
      readonly peer: PeerAddress
      readonly cipherSuite: CipherSuiteName
      /** That we read in the peer's records; empty: none. */
      readonly connectionId: Uint8Array
      /** Longest plaintext of one record, either way. */
      readonly maxMessageBytes: number
    }
  | { readonly imported: false; readonly reason: ImportRefusal }

/** Of a hello with a good cookie: what to speak, and what to go on with. */
interface Settled {
  readonly negotiated: Negotiated
  readonly found: FoundSession | undefined
}

/** What one address has. */
interface Slot {
  /** The association whose peer is here, so that its repeated hello is known. */
  live: Connection | undefined
  halfOpen: FullHandshake | ServerResumption | undefined
}

/** A client's hellos count up: one for each cookie that it was asked for. */
const maxHelloMessageSequence = 10

/** Our records continue the number of the hello, so it must leave room; a client has sent few records by then. */
const maxHelloRecordSequence = 2 ** 32

export class DtlsServer {
  readonly #endpoint: Endpoint
  readonly #slots = new Map<string, Slot>()
  readonly #identity: ServerIdentity
  readonly #cookies: CookieSecrets
  readonly #cookieTimer: AssociationHandle
  readonly #cookieSecretLifetime: Duration
  readonly #handshakeTimeout: Duration
  readonly #handshakeRate: HandshakeRate
  readonly #hearsNewcomers: () => boolean
  readonly #halfOpenQuota: HalfOpenQuota
  readonly #reassembly: ReassemblyLimits
  readonly #fragmentedHellos: FragmentedHellos
  readonly #maxAssociations: number
  readonly #staleAssociations: StaleAssociations<Connection>
  readonly #protectRecords: ProtectRecords
  readonly #shard: number

  constructor(configuration: DtlsServerConfiguration, now: Instant) {
    this.#identity = {
      certificateMessage: writeCertificate(configuration.chain),
      certificateRequestMessage: writeCertificateRequest(),
      curve: configuration.curve,
      cipherSuites: usableCipherSuites(configuration),
      pskIdentityHint: configuration.psk?.identityHint,
      groups: configuration.groups ?? defaultNamedGroups,
      sessions: new ServerSessions(
        { lifetime: configuration.sessionLifetime ?? hours(24), maxCached: configuration.maxCachedSessions ?? 0 },
        configuration.sealingKeys,
      ),
    }
    this.#handshakeTimeout = configuration.handshakeTimeout ?? seconds(60)
    this.#cookieSecretLifetime = configuration.cookieSecretLifetime ?? minutes(5)
    this.#handshakeRate = configuration.handshakeRate ?? new HandshakeRate(handshakeRatesOf(configuration))
    this.#hearsNewcomers = configuration.hearsNewcomers ?? (() => true)
    const total = configuration.maxHalfOpen ?? 10_000
    this.#halfOpenQuota = new HalfOpenQuota({
      total,
      perHost: configuration.maxHalfOpenPerHost ?? Math.ceil(total / 10),
      perNetwork: configuration.maxHalfOpenPerNetwork ?? Math.ceil(total / 4),
    })
    this.#maxAssociations = configuration.maxAssociations ?? 150_000
    this.#staleAssociations = new StaleAssociations(configuration.staleAfter ?? defaultStaleAfter)
    this.#protectRecords = configuration.protectRecords ?? protectWithNodeCrypto
    this.#cookies = new CookieSecrets(configuration.cookieSecret)
    this.#shard = requireShard(configuration.shard ?? 0)
    this.#reassembly = configuration.reassembly ?? defaultReassemblyLimits
    this.#fragmentedHellos = new FragmentedHellos(this.#reassembly)
    const options = {
      mtu: requireMtu(configuration.mtu ?? defaultMtu),
      reassembly: this.#reassembly,
      handshakeTimeout: this.#handshakeTimeout,
      progressExtendsHandshake: true,
      idleTimeout: configuration.idleTimeout ?? hours(24),
      shard: this.#shard,
      pathSecret: createSecretKey(configuration.cookieSecret),
      dangerouslyLogKeys: configuration.dangerouslyLogKeys ?? false,
    }
    this.#endpoint = new Endpoint(
      options,
      {
        connected: (connection) => this.#connected(connection),
        progressed: (association) => this.#halfOpenQuota.progress(association, this.#endpoint.now),
        moved: (connection, from) => this.#moved(connection, from),
        failed: ({ sessionId }) => this.#forgetSession(sessionId),
        ended: (association, peer) => this.#ended(association, peer),
      },
      now,
    )
    this.#cookieTimer = this.#endpoint.newHandle()
    this.#endpoint.setTimer(this.#cookieTimer, later(now, this.#cookieSecretLifetime))
  }

  get counts(): { readonly live: number; readonly halfOpen: number } {
    return { live: this.#endpoint.connections.size, halfOpen: this.#endpoint.handshakes.size }
  }

  /** Hellos of which the beginning is here, and not the rest. */
  get fragmentedHelloCount(): number {
    return this.#fragmentedHellos.size
  }

  /** CIDs that name an association or a handshake. */
  get connectionIdCount(): number {
    return this.#endpoint.connectionIds.size
  }

  /** @param view of a receive buffer that may be used again after the call */
  handleDatagram(view: Uint8Array, from: PeerAddress, now: Instant): void {
    this.#endpoint.now = now
    const datagram = datagramView(view)
    let address: string | undefined
    let answersHello = true
    let offset = 0
    while (offset < datagram.length) {
      const record = readRecord(datagram, offset, connectionIdLength)
      if (record === undefined) {
        this.#endpoint.discard('not-a-record')
        return
      }
      offset += record.whole.length
      if (record.type === connectionIdRecordType) {
        this.#receiveByConnectionId(record, from)
        continue
      }
      address ??= slotKey(from)
      if (!isClientHello(record)) {
        this.#receive(record, this.#slots.get(address))
      } else if (answersHello || !beginsMessage(record)) {
        // One hello of a datagram is answered: a datagram of many must not bring many answers. Further pieces bring none.
        if (beginsMessage(record)) answersHello = false
        this.#receiveHello(record, from, address)
      }
    }
  }

  handleTimeout(now: Instant): void {
    this.#endpoint.now = now
    for (const due of this.#endpoint.runTimers()) {
      if (due !== this.#cookieTimer) {
        this.#fragmentedHellos.expire(due)
        continue
      }
      this.#endpoint.emit({ kind: 'makeCookieSecret' })
      this.#endpoint.setTimer(this.#cookieTimer, later(now, this.#cookieSecretLifetime))
    }
  }

  /** The answer to `makeCookieSecret`. */
  rotateCookieSecret(secret: Uint8Array): void {
    this.#cookies.rotate(secret)
  }

  /** For the tickets from now on; those under a key that is in neither place are worth nothing any more. */
  setSealingKeys(keys: SealingKeys | undefined): void {
    this.#identity.sessions.setKeys(keys)
  }

  /** Sessions that we keep for clients without tickets. */
  get cachedSessionCount(): number {
    return this.#identity.sessions.cached
  }

  /** False when nobody waits for it any more. */
  answer(question: QuestionHandle, answer: Answer, now: Instant): boolean {
    this.#endpoint.now = now
    return this.#endpoint.answer(question, answer)
  }

  /** One record of application data; false when the association is no more. */
  send(association: AssociationHandle, plaintext: Uint8Array): boolean {
    return this.#endpoint.send(association, plaintext)
  }

  /** Sends close_notify. Nothing happens when the association is no more. */
  close(association: AssociationHandle, reason: CloseReason = 'local'): void {
    const connection = this.#endpoint.connections.get(association)
    if (connection !== undefined) this.#endpoint.closeConnection(connection, reason)
  }

  /** Ends what is half open, with an alert: its peers begin anew. */
  endHandshakes(now: Instant): void {
    this.#endpoint.now = now
    for (const handshake of [...this.#endpoint.handshakes.values()]) {
      this.#endpoint.failHandshake(handshake, 'user_canceled', 'shutting-down', 'the server is stopping')
    }
  }

  /** Says good-bye to all and drops what is half open. */
  shutDown(now: Instant): void {
    this.endHandshakes(now)
    for (const connection of [...this.#endpoint.connections.values()]) {
      this.#endpoint.closeConnection(connection, 'shutdown')
    }
  }

  /** The association as bytes, keys included; it goes on here meanwhile. Undefined when it is no more. */
  exportAssociation(association: AssociationHandle): Uint8Array | undefined {
    const connection = this.#endpoint.connections.get(association)
    return connection === undefined ? undefined : encodeAssociationState(connection)
  }

  /**
   * Goes on with an association of another process, or of this one's former life. Its records are numbered from
   * generation · 2^32, so that whoever else still writes under its keys never uses a number of ours. Nothing is sent, and
   * no output tells of it.
   *
   * @throws RangeError for a generation or a mark that is none: a mistake of the caller
   */
  importAssociation(bytes: Uint8Array, { generation, recordMark }: AssociationImport, now: Instant): ImportOutcome {
    const endpoint = this.#endpoint
    endpoint.now = now
    if (!Number.isSafeInteger(generation) || generation < 0) throw new RangeError(`generation ${generation}`)
    if (!Number.isSafeInteger(recordMark) || recordMark < -1) throw new RangeError(`record mark ${recordMark}`)
    if (generation > maxGeneration) return { imported: false, reason: 'generation-exhausted' }
    const read = decodeAssociationState(bytes)
    if (!read.decoded) return { imported: false, reason: read.reason }
    const { state } = read
    const association = endpoint.newHandle()
    const reason = this.#refusalOf(state, generation) ?? this.#claimFor(association, state)
    if (reason !== undefined) return { imported: false, reason }
    const { peer, clientRandom, peerFinished, lastFlight } = state
    const { cipherSuite } = state.write.keys
    const connection: Connection = {
      association,
      peer,
      cipherSuite,
      records: RecordLayer.resume(this.#protectRecords, state, generation, recordMark),
      clientRandom,
      peerFinished,
      lastFlight: lastFlight.length === 0 ? undefined : resumeFlight(lastFlight),
      // Another clock may be ahead of ours: what has not happened yet has happened now.
      lastHeardAt: state.lastHeardAt > now ? now : state.lastHeardAt,
      refusedRenegotiations: 0,
      answersInTheClear: 0,
      checksPaths: state.checksPaths,
      pathCheck: undefined,
    }
    endpoint.adopt(connection)
    const address = slotKey(peer)
    const slot = this.#slots.get(address)
    if (slot === undefined) this.#slots.set(address, { live: connection, halfOpen: undefined })
    else slot.live ??= connection
    const { maxMessageBytes } = connection.records
    return { imported: true, association, peer, cipherSuite, connectionId: state.read.connectionId, maxMessageBytes }
  }

  #refusalOf(state: AssociationState, generation: number): ImportRefusal | undefined {
    if (generation <= state.generation) return 'generation-not-newer'
    if (this.#endpoint.connections.size >= this.#maxAssociations) return 'association-limit'
    return this.#endpoint.isOverdue(state.lastHeardAt) ? 'idle' : undefined
  }

  /** What finds the association, which no other may have: its CID, or its address where it has none. */
  #claimFor(association: AssociationHandle, state: AssociationState): ImportRefusal | undefined {
    const { connectionId } = state.read
    if (connectionId.length === 0) {
      return this.#slots.get(slotKey(state.peer))?.live === undefined ? undefined : 'address-taken'
    }
    if (connectionId.length !== connectionIdLength || connectionId[0] !== this.#shard) return 'connection-id-foreign'
    return this.#endpoint.connectionIds.claim(connectionId, association) ? undefined : 'connection-id-taken'
  }

  /** To be called after each input until it answers undefined. */
  takeOutput(): Output | undefined {
    return this.#endpoint.takeOutput()
  }

  /** An unknown CID is noise, and so is one in epoch 0, which has no keys (RFC 9146 section 3). */
  #receiveByConnectionId(record: RecordView, from: PeerAddress): void {
    const endpoint = this.#endpoint
    const association = endpoint.connectionIds.find(record.connectionId)
    const connection = association === undefined ? undefined : endpoint.connections.get(association)
    const handshake = association === undefined ? undefined : endpoint.handshakes.get(association)
    if (record.epoch === 0) endpoint.discard('unexpected-epoch')
    else if (connection !== undefined) endpoint.receiveForConnection(connection, record, from)
    else if (handshake === undefined) endpoint.discard('unknown-association')
    else if (!endpoint.receiveForHandshake(handshake, record)) endpoint.judgeForgeries(handshake)
  }

  #receive(record: RecordView, slot: Slot | undefined): void {
    if (slot === undefined) {
      this.#endpoint.discard('unknown-association')
      return
    }
    const { halfOpen, live } = slot
    if (record.epoch === 0) {
      if (halfOpen !== undefined) this.#endpoint.receiveForHandshake(halfOpen, record)
      else if (live !== undefined) this.#endpoint.receiveInTheClear(live, record)
      else this.#endpoint.discard('plaintext-in-association')
      return
    }
    // A handshake beside a live association: a record is whose key opens it, and kept for the new keys otherwise.
    if (halfOpen?.layer.records.reads === true && this.#endpoint.receiveForHandshake(halfOpen, record)) return
    if (live !== undefined && this.#endpoint.receiveForConnection(live, record)) return
    if (halfOpen === undefined || slot.halfOpen !== halfOpen) return
    if (halfOpen.layer.records.reads) this.#endpoint.judgeForgeries(halfOpen)
    else this.#endpoint.receiveForHandshake(halfOpen, record)
  }

  // Before a handshake

  #receiveHello(record: RecordView, from: PeerAddress, address: string): void {
    const fragment = readHandshakeFragment(record.fragment, 0)
    if (
      fragment === undefined ||
      fragment.messageSequence > maxHelloMessageSequence ||
      record.sequence > maxHelloRecordSequence
    ) {
      this.#endpoint.discard('hello-malformed')
      return
    }
    if (fragment.bytes.length !== fragment.length) {
      this.#receiveHelloFragment(record, fragment, from, address)
      return
    }
    const cookie = findCookie(fragment.bytes)
    if (cookie === undefined) this.#endpoint.discard('hello-malformed')
    else if (this.#cookies.isGood(from, cookie)) this.#receiveProvenHello(record, fragment, from, address)
    else this.#askForCookie(record, fragment, cookie, from)
  }

  /** The first piece of a hello is answered as a whole one is; no piece is kept before it has shown a cookie. */
  #receiveHelloFragment(record: RecordView, fragment: HandshakeFragment, from: PeerAddress, address: string): void {
    const endpoint = this.#endpoint
    const isFirst = fragment.offset === 0
    if (isFirst) {
      const hello = findCookie(fragment.bytes, fragment.length)
      if (hello === undefined || fragment.length > this.#reassembly.maxMessageBytes) {
        endpoint.discard('hello-fragmented')
        return
      }
      if (!this.#cookies.provesAddress(from, hello)) {
        this.#askForCookie(record, fragment, hello, from)
        return
      }
    }
    const handle = endpoint.newHandle()
    const outcome = isFirst
      ? this.#fragmentedHellos.begin(address, from, fragment, record.sequence, handle, endpoint.now)
      : this.#fragmentedHellos.goOn(address, fragment, record.sequence)
    if (outcome.kind === 'discarded') endpoint.discard(outcome.reason)
    else if (outcome.kind === 'waiting' && isFirst) endpoint.setTimer(handle, expiryOfFragmentedHello(endpoint.now))
    else if (outcome.kind === 'whole') {
      const { type, messageSequence, body } = outcome.message
      const whole = { type, length: body.length, messageSequence, offset: 0, bytes: body }
      const hello = findCookie(body)
      if (hello !== undefined && this.#cookies.isGood(from, hello))
        this.#receiveProvenHello(record, whole, from, address)
      else endpoint.discard('hello-malformed')
    }
  }

  /** 60 bytes for at least 61: whatever has room for a cookie's length is larger than our answer. */
  #askForCookie(record: RecordView, fragment: HandshakeFragment, hello: HelloCookie, peer: PeerAddress): void {
    const body = writeHelloVerifyRequest(this.#cookies.cookieFor(peer, hello))
    const length = handshakeHeaderLength + body.length
    const datagram = new Uint8Array(recordHeaderLength + length)
    const { sequence } = record
    writeRecordHeader(datagram, 0, { type: contentTypes.handshake, epoch: 0, sequence, length })
    writeHandshakeFragment(datagram, recordHeaderLength, {
      type: handshakeTypes.helloVerifyRequest,
      length: body.length,
      messageSequence: fragment.messageSequence,
      offset: 0,
      bytes: body,
    })
    this.#endpoint.emit({ kind: 'send', peer, datagram })
  }

  #receiveProvenHello(record: RecordView, fragment: HandshakeFragment, peer: PeerAddress, address: string): void {
    const endpoint = this.#endpoint
    const slot = this.#slots.get(address)
    // A good cookie has come after 32 bytes of random: they are there.
    const random = fragment.bytes.subarray(2, 34)
    if (slot?.live !== undefined && Buffer.compare(slot.live.clientRandom, random) === 0) {
      endpoint.discard('hello-repeated')
      return
    }
    const halfOpen = slot?.halfOpen
    if (halfOpen !== undefined && Buffer.compare(halfOpen.negotiated.clientRandom, random) === 0) {
      endpoint.repeatFlight(halfOpen)
      return
    }
    if (!this.#hearsNewcomers()) {
      endpoint.discard('newcomers-held-back')
      return
    }
    if (!this.#handshakeRate.admit(peer.address, endpoint.now)) {
      endpoint.discard('handshake-rate-limit')
      return
    }
    const settled = this.#negotiate(record, fragment.bytes, peer)
    if (settled === undefined) return
    if (halfOpen !== undefined) {
      endpoint.dropHandshake(halfOpen, 'handshake-failed', 'the client started another handshake')
    }
    if (slot?.live === undefined && this.#isFull && this.#longestSilent === undefined) {
      endpoint.discard('association-limit')
      return
    }
    if (!this.#makeRoom(peer)) {
      endpoint.discard('half-open-limit')
      return
    }
    this.#begin(record, fragment, settled, peer, address)
  }

  get #isFull(): boolean {
    return this.#endpoint.connections.size >= this.#maxAssociations
  }

  get #longestSilent(): Connection | undefined {
    const { connections, now } = this.#endpoint
    return this.#staleAssociations.longestSilent(connections.values(), (held) => connections.has(held.association), now)
  }

  #makeRoom(peer: PeerAddress): boolean {
    const endpoint = this.#endpoint
    const room = this.#halfOpenQuota.roomFor(peer, endpoint.now)
    const stalled = room.kind === 'evict' ? endpoint.handshakes.get(room.association) : undefined
    if (stalled !== undefined) endpoint.dropHandshake(stalled, 'overloaded', 'it stood still and gave way to another')
    return room.kind !== 'none'
  }

  /** What the two sides settle on; otherwise the client has been told why not, and nothing is kept of it. */
  #negotiate(record: RecordView, body: Uint8Array, peer: PeerAddress): Settled | undefined {
    try {
      const hello = readClientHello(body)
      const negotiated = negotiate(hello, this.#identity)
      const { sessions, cipherSuites } = this.#identity
      return { negotiated, found: sessions.find(hello, cipherSuites, this.#endpoint.now) }
    } catch (error) {
      const { alert, code, detail } = describeFault(error)
      const records = new RecordLayer(this.#protectRecords, record.sequence)
      const datagram = records.seal(contentTypes.alert, encodeAlert('fatal', alert))
      this.#endpoint.emit({ kind: 'send', peer, datagram })
      this.#endpoint.emit({
        kind: 'handshakeFailed',
        association: this.#endpoint.newHandle(),
        peer,
        code,
        alert,
        direction: 'sent',
        detail,
        chain: undefined,
      })
      return undefined
    }
  }

  #begin(
    record: RecordView,
    fragment: HandshakeFragment,
    { negotiated, found }: Settled,
    from: PeerAddress,
    address: string,
  ): void {
    const { messageSequence, type } = fragment
    const layer = createHandshakeLayer({
      association: this.#endpoint.newHandle(),
      peer: { address: from.address, port: from.port },
      // RFC 6347 section 4.2.1: the ServerHello continues the numbers of the hello that it answers.
      records: new RecordLayer(this.#protectRecords, record.sequence, negotiated.recordSizes),
      nextMessageSequence: messageSequence,
      nextPeerMessageSequence: messageSequence + 1,
      expiresAt: later(this.#endpoint.now, this.#handshakeTimeout),
    })
    const hello = { type, messageSequence, body: fragment.bytes.slice() }
    const handshake =
      found === undefined
        ? this.#fullHandshake(layer, negotiated, hello)
        : new ServerResumption(layer, {
            negotiated,
            found,
            sessions: this.#identity.sessions,
            hello,
            handshakeInFull: () => this.#fullHandshake(layer, negotiated, hello),
          })
    const slot = this.#slots.get(address)
    if (slot === undefined) this.#slots.set(address, { live: undefined, halfOpen: handshake })
    else slot.halfOpen = handshake
    this.#halfOpenQuota.enter(layer.association, layer.peer, this.#endpoint.now)
    this.#endpoint.begin(handshake, (context) => handshake.begin(context))
  }

  #fullHandshake(layer: HandshakeLayer, negotiated: Negotiated, hello: HandshakeMessage): FullHandshake {
    return negotiated.flow === 'psk'
      ? new ServerPskHandshake(layer, negotiated, this.#identity, hello)
      : new ServerHandshake(layer, negotiated, this.#identity, hello)
  }

  // The slot of an address

  #connected(connection: Connection): void {
    const slot = this.#slots.get(slotKey(connection.peer))
    if (slot === undefined) throw new Error('a handshake without a slot')
    const replaced = slot.live
    slot.live = connection
    slot.halfOpen = undefined
    this.#halfOpenQuota.leave(connection.association)
    // With a CID its peer may be elsewhere by now: a NAT has given this address to another, who proves nothing about it.
    if (replaced?.records.connectionId.length === 0) this.#endpoint.closeConnection(replaced, 'replaced')
    // Only a peer that has been accepted takes a place: one that merely asks costs nobody his. Where nobody is stale any
    // more, there are some too many, of those that were half open when the last place was taken.
    const silent = this.#endpoint.connections.size > this.#maxAssociations ? this.#longestSilent : undefined
    if (silent !== undefined) this.#endpoint.closeConnection(silent, 'evicted')
  }

  /** The new address is taken only when it is free: an association with a CID is found without. */
  #moved(connection: Connection, from: PeerAddress): void {
    this.#vacate(connection.association, from)
    const address = slotKey(connection.peer)
    const slot = this.#slots.get(address)
    if (slot === undefined) this.#slots.set(address, { live: connection, halfOpen: undefined })
    else slot.live ??= connection
  }

  /** RFC 5246 section 7.2.2; a ticket of the session, which its client has, cannot be taken back. */
  #forgetSession(sessionId: Uint8Array | undefined): void {
    if (sessionId !== undefined) this.#identity.sessions.forget(sessionId)
  }

  #ended(association: AssociationHandle, peer: PeerAddress): void {
    this.#halfOpenQuota.leave(association)
    this.#vacate(association, peer)
  }

  /** Nothing of this association is at the address any more. */
  #vacate(association: AssociationHandle, peer: PeerAddress): void {
    const address = slotKey(peer)
    const slot = this.#slots.get(address)
    if (slot === undefined) return
    if (slot.halfOpen?.layer.association === association) slot.halfOpen = undefined
    if (slot.live?.association === association) slot.live = undefined
    if (slot.halfOpen === undefined && slot.live === undefined) this.#slots.delete(address)
  }
}

const defaultMtu = 1200

/** @throws RangeError */
export function requireMtu(mtu: number): number {
  if (!Number.isInteger(mtu) || mtu < minMtu || mtu > maxMtu) {
    throw new RangeError(`an MTU of ${mtu} bytes is not between ${minMtu} and ${maxMtu}`)
  }
  return mtu
}

function usableCipherSuites({ cipherSuites: chosen, psk }: DtlsServerConfiguration): readonly CipherSuiteName[] {
  if (psk !== undefined) return chosen ?? [...defaultCipherSuites, ...defaultPskCipherSuites]
  return (chosen ?? defaultCipherSuites).filter((name) => cipherSuites[name].keyExchange === 'ecdhe_ecdsa')
}

const slotKey = (peer: PeerAddress): string => `${peer.address}|${peer.port}`

const isClientHello = (record: RecordView): boolean =>
  record.epoch === 0 && record.type === contentTypes.handshake && record.fragment[0] === handshakeTypes.clientHello

/** False for a further piece of a message: its fragment_offset is not 0. */
const beginsMessage = ({ fragment }: RecordView): boolean =>
  ((fragment[6] ?? 0) | (fragment[7] ?? 0) | (fragment[8] ?? 0)) === 0
