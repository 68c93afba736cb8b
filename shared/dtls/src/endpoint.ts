/**
 * What server and client endpoints share: handshakes and connections by handle and by CID, the outputs to drain,
 * questions and their answers, timers, alerts. It does not look for addresses and knows no hellos: those are
 * `dtls-server.ts` and `dtls-client.ts`.
 *
 * A fault of the peer ends its handshake here, at one door (`#guard`); noise is counted and dropped, never answered
 * (RFC 6347 section 4.1.2.7).
 */

import { createHmac, type KeyObject } from 'node:crypto'
import { type Duration, type Instant, instant, later, TimerQueue } from '@sallyport/clock'
import { CodedError, type ErrorCode } from '@sallyport/errors'
import { type AlertName, decodeAlert, encodeAlert } from './alert.ts'
import { asksInTheClear, type Connection, readMeaning } from './connection.ts'
import { ConnectionIdIndex, makeConnectionId } from './connection-id.ts'
import { backOff, createFlight, type Flight, type FlightPart, mayRepeat, mtuFor, packFlight } from './flight.ts'
import { describeFault, HandshakeFault } from './handshake-fault.ts'
import {
  type Completion,
  type Handshake,
  type HandshakeContext,
  type HandshakeLayer,
  maxEarlyBytes,
  maxEarlyRecords,
} from './handshake-layer.ts'
import { handshakeHeaderLength, readHandshakeFragment } from './handshake-message.ts'
import { keyLogLine } from './key-log.ts'
import type {
  Answer,
  AssociationHandle,
  CloseReason,
  DiscardReason,
  Output,
  PeerAddress,
  Question,
  QuestionHandle,
} from './output.ts'
import {
  beginPathCheck,
  isProvenBy,
  isSameAddress,
  mayReceive,
  nextChallenge,
  type PathCheck,
  pathCookieLength,
  pathResponse,
} from './path-check.ts'
import { isWholeMessageReady, type ReassemblyLimits, takeFragment, takeNextMessage } from './reassembly.ts'
import { type ContentType, contentTypes, copyRecord, type RecordView } from './record.ts'
import { protectedEpoch, type RecordLayer, SequenceExhausted } from './record-layer.ts'

export interface EndpointOptions {
  /** Bytes of UDP payload a datagram of a handshake may have. */
  readonly mtu: number
  readonly reassembly: ReassemblyLimits
  /** A handshake without progress for so long is forgotten. */
  readonly handshakeTimeout: Duration
  /** False: `handshakeTimeout` counts from the start. */
  readonly progressExtendsHandshake: boolean
  /** An association from which nothing authentic came for so long is closed. */
  readonly idleTimeout: Duration
  /** Stands in the CIDs that we give out. */
  readonly shard: number
  /** What the cookies of path challenges are made from; undefined: the peer's address never moves. */
  readonly pathSecret: KeyObject | undefined
  readonly dangerouslyLogKeys: boolean
}

export interface EndpointEvents {
  connected(connection: Connection): void
  /** The connection has a new address. */
  moved(connection: Connection, from: PeerAddress): void
  /** The peer has said something new, or was answered. */
  progressed(association: AssociationHandle): void
  /** The peer ended the connection with a fatal alert. */
  failed(connection: Connection): void
  /** The handshake or the connection of this handle is no more. */
  ended(association: AssociationHandle, peer: PeerAddress): void
}

export class Endpoint implements HandshakeContext {
  readonly handshakes = new Map<AssociationHandle, Handshake>()
  readonly connections = new Map<AssociationHandle, Connection>()
  readonly connectionIds = new ConnectionIdIndex()
  /** The time of the input that is being handled. */
  now: Instant
  readonly #options: EndpointOptions
  readonly #events: EndpointEvents
  #outputs: Output[] = []
  #drained = 0
  readonly #questions = new Map<QuestionHandle, AssociationHandle>()
  readonly #timers = new TimerQueue<AssociationHandle>()
  #announcedTimeout: Instant | undefined
  #lastHandle = 0

  constructor(options: EndpointOptions, events: EndpointEvents, now: Instant) {
    this.#options = options
    this.#events = events
    this.now = now
  }

  newHandle(): number {
    this.#lastHandle += 1
    return this.#lastHandle
  }

  emit(output: Output): void {
    this.#outputs.push(output)
  }

  discard(reason: DiscardReason): void {
    this.#outputs.push({ kind: 'discarded', reason })
  }

  /** The next output; undefined when all is said. A timer is announced last, once for a whole batch. */
  takeOutput(): Output | undefined {
    if (this.#drained < this.#outputs.length) {
      const output = this.#outputs[this.#drained]
      this.#drained += 1
      return output
    }
    if (this.#drained > 0) {
      this.#outputs = []
      this.#drained = 0
    }
    const at = this.#timers.next()
    if (at === this.#announcedTimeout) return undefined
    this.#announcedTimeout = at
    return { kind: 'setTimeout', at }
  }

  /** A timer of the caller's own, told apart by a handle from `newHandle`. */
  setTimer(handle: AssociationHandle, at: Instant): void {
    this.#timers.set(handle, at)
  }

  /** Runs what is due; answers the handles that are the caller's own. */
  runTimers(): AssociationHandle[] {
    this.#announcedTimeout = undefined
    const others: AssociationHandle[] = []
    for (let due = this.#timers.takeExpired(this.now); due !== undefined; due = this.#timers.takeExpired(this.now)) {
      const handshake = this.handshakes.get(due)
      const connection = this.connections.get(due)
      if (handshake !== undefined) this.#handshakeIsDue(handshake)
      else if (connection !== undefined) this.#connectionIsDue(connection)
      else others.push(due)
    }
    return others
  }

  // Handshakes

  begin(handshake: Handshake, start: (context: HandshakeContext) => void): void {
    this.handshakes.set(handshake.layer.association, handshake)
    this.#guard(handshake, () => start(this))
  }

  /** A record for a handshake. Returns false when it is protected and not authentic: it may be someone else's. */
  receiveForHandshake(handshake: Handshake, record: RecordView): boolean {
    const { layer } = handshake
    if (record.epoch === 0) {
      this.#guard(handshake, () => this.#receivePlain(handshake, record))
      return true
    }
    if (!layer.records.reads) {
      this.#keepEarly(layer, record)
      return true
    }
    const opened = layer.records.open(record)
    if (!opened.accepted) {
      this.discard(opened.reason)
      return false
    }
    this.#guard(handshake, () => this.#receiveProtected(handshake, opened.type, opened.plaintext, record.sequence))
    return true
  }

  /** To be called for a record that neither this handshake nor a connection beside it could open. */
  judgeForgeries(handshake: Handshake): void {
    if (this.handshakes.has(handshake.layer.association)) this.#guard(handshake, () => judgeForgeries(handshake))
  }

  /** The peer repeats itself because it has not got our flight. */
  repeatFlight(handshake: Handshake): void {
    const { flight } = handshake.layer
    if (flight === undefined || !mayRepeat(flight, this.now)) return
    this.#transmit(handshake.layer.records, handshake.layer.peer, flight)
    this.#schedule(handshake)
  }

  /** False when the handshake ended while the answer was being found. */
  answer(handle: QuestionHandle, answer: Answer): boolean {
    const association = this.#questions.get(handle)
    const handshake = association === undefined ? undefined : this.handshakes.get(association)
    if (handshake === undefined || handshake.layer.question !== handle) return false
    this.#questions.delete(handle)
    handshake.layer.question = undefined
    if (answer.kind === 'failed') {
      this.failHandshake(handshake, 'internal_error', 'internal', answer.detail)
      return true
    }
    if (answer.kind === 'verifyPeer' && !answer.decision.accepted) {
      const { alert, code, detail } = answer.decision
      this.failHandshake(handshake, alert, code, detail)
      return true
    }
    this.#guard(handshake, () => {
      this.#progress(handshake)
      handshake.receiveAnswer(answer, this)
      this.#advance(handshake)
    })
    return true
  }

  /** Ends a handshake with an alert. */
  failHandshake(handshake: Handshake, alert: AlertName, code: ErrorCode, detail: string): void {
    const { records, peer } = handshake.layer
    this.#sendAlert(records, peer, 'fatal', alert)
    this.#forget(handshake, { code, alert, direction: 'sent', detail })
  }

  /** Ends a handshake without a word. */
  dropHandshake(handshake: Handshake, code: ErrorCode, detail: string): void {
    this.#forget(handshake, { code, alert: undefined, direction: 'none', detail })
  }

  // HandshakeContext

  ask(layer: HandshakeLayer, question: Question): void {
    const handle = this.newHandle()
    layer.question = handle
    this.#questions.set(handle, layer.association)
    this.emit({ kind: 'ask', association: layer.association, handle, question })
  }

  sendFlight(layer: HandshakeLayer, parts: readonly FlightPart[]): void {
    layer.flight = createFlight(parts, this.now)
    this.#transmit(layer.records, layer.peer, layer.flight)
  }

  complete(layer: HandshakeLayer, completion: Completion): void {
    const { association, peer, records } = layer
    const { suite, clientRandom, peerFinished, lastFlight, sessionId, session, resumed = false } = completion
    this.handshakes.delete(association)
    const connection: Connection = {
      association,
      peer,
      records,
      cipherSuite: suite.name,
      clientRandom,
      peerFinished: { messageSequence: peerFinished.messageSequence, verifyData: peerFinished.body.slice() },
      lastFlight,
      lastHeardAt: this.now,
      refusedRenegotiations: 0,
      answersInTheClear: 0,
      checksPaths: layer.connectionIds.checksPaths,
      pathCheck: undefined,
      sessionId,
    }
    this.connections.set(association, connection)
    this.#timers.set(association, later(this.now, this.#options.idleTimeout))
    this.#events.connected(connection)
    const { connectionId, maxMessageBytes } = records
    const agreed = { cipherSuite: suite.name, connectionId, maxMessageBytes }
    this.emit({ kind: 'connected', association, peer, ...agreed, resumed, session })
    for (const early of layer.earlyData.splice(0)) this.emit({ kind: 'data', association, ...early })
  }

  claimConnectionId(layer: HandshakeLayer, random: Uint8Array): Uint8Array | undefined {
    const connectionId = makeConnectionId(this.#options.shard, random)
    return this.connectionIds.claim(connectionId, layer.association) ? connectionId : undefined
  }

  logKeys(clientRandom: Uint8Array, masterSecret: Uint8Array): void {
    if (!this.#options.dangerouslyLogKeys) return
    this.emit({ kind: 'keyLog', line: keyLogLine(clientRandom, masterSecret) })
  }

  // Connections

  /** A connection that another process has had; nobody is told. Its CID has been claimed. */
  adopt(connection: Connection): void {
    this.connections.set(connection.association, connection)
    this.#timers.set(connection.association, later(connection.lastHeardAt, this.#options.idleTimeout))
  }

  /** True when it would end for want of records before it began. */
  isOverdue(lastHeardAt: Instant): boolean {
    return later(lastHeardAt, this.#options.idleTimeout) <= this.now
  }

  /**
   * A record for a connection. Returns false when it is not authentic: it may belong to a newer handshake.
   *
   * @param from where a record that was found by its CID came from; absent: from where the peer is
   */
  receiveForConnection(connection: Connection, record: RecordView, from?: PeerAddress): boolean {
    const opened = connection.records.open(record)
    if (!opened.accepted) {
      this.discard(opened.reason)
      if (connection.records.forgeryLimitReached) this.closeConnection(connection, 'forgery-limit')
      return false
    }
    connection.lastHeardAt = this.now
    if (from !== undefined && opened.isNewest) this.#heardFrom(connection, from, record.whole.length)
    const meaning = readMeaning(connection, opened.type, opened.plaintext)
    switch (meaning.kind) {
      case 'data':
        // The peer could not send this without our last flight.
        connection.lastFlight = undefined
        this.emit({
          kind: 'data',
          association: connection.association,
          plaintext: meaning.plaintext,
          recordSequence: record.sequence,
        })
        break
      case 'close-notify':
        this.closeConnection(connection, 'close-notify')
        break
      case 'fatal-alert':
        this.closeConnection(connection, 'fatal-alert')
        break
      case 'repeat-last-flight':
        this.#repeatLastFlight(connection)
        break
      case 'refuse-renegotiation':
        this.#sendAlert(connection.records, connection.peer, 'warning', 'no_renegotiation')
        break
      case 'path-challenge':
        // To where it came from, whoever is there: the record was our peer's.
        this.#sendSealed(connection, contentTypes.returnRoutabilityCheck, pathResponse(meaning.cookie), from)
        break
      case 'path-response':
        this.#haveProof(connection, meaning.cookie, from)
        break
      case 'nothing':
        this.discard('unexpected-content')
    }
    return true
  }

  /** The newest record of the peer tells where it is, or where somebody wants us to think it is. */
  #heardFrom(connection: Connection, from: PeerAddress, bytes: number): void {
    const { pathCheck } = connection
    if (isSameAddress(connection.peer, from)) {
      connection.pathCheck = undefined
    } else if (!connection.checksPaths) {
      this.#follow(connection, from)
    } else if (pathCheck !== undefined && isSameAddress(pathCheck.address, from)) {
      pathCheck.receivedBytes += bytes
    } else {
      connection.pathCheck = beginPathCheck({ address: from.address, port: from.port }, bytes, this.now)
      this.#challenge(connection, connection.pathCheck)
    }
  }

  #challenge(connection: Connection, check: PathCheck): void {
    const challenge = nextChallenge(check, this.#pathCookie(), this.now)
    if (challenge === undefined) {
      connection.pathCheck = undefined
      return
    }
    this.#timers.set(connection.association, check.dueAt)
    const bytes = connection.records.overhead(protectedEpoch) + challenge.length
    if (!mayReceive(check, bytes)) return
    this.#sendSealed(connection, contentTypes.returnRoutabilityCheck, challenge, check.address)
  }

  #haveProof(connection: Connection, cookie: Uint8Array, from: PeerAddress | undefined): void {
    const { pathCheck } = connection
    if (pathCheck === undefined || from === undefined || !isProvenBy(pathCheck, cookie, from)) {
      this.discard('unexpected-content')
      return
    }
    connection.pathCheck = undefined
    this.#follow(connection, from)
  }

  /** Unpredictable to whoever lacks the secret, and never the same twice. */
  #pathCookie(): Uint8Array {
    const { pathSecret } = this.#options
    if (pathSecret === undefined) throw new Error('no secret for path challenges')
    return createHmac('sha256', pathSecret).update(`path|${this.newHandle()}`).digest().subarray(0, pathCookieLength)
  }

  #sendSealed(connection: Connection, type: ContentType, plaintext: Uint8Array, to = connection.peer): void {
    try {
      this.emit({ kind: 'send', peer: to, datagram: connection.records.seal(type, plaintext) })
    } catch (error) {
      if (!(error instanceof SequenceExhausted)) throw error
      this.closeConnection(connection, 'sequence-exhausted')
    }
  }

  /**
   * RFC 9146 section 6: only after a record that is authentic and newer than all before it. One that somebody held back,
   * or sends again from elsewhere, must not draw our answers to where its sender wants them.
   */
  #follow(connection: Connection, { address, port }: PeerAddress): void {
    const former = connection.peer
    if (former.port === port && former.address === address) return
    connection.peer = { address, port }
    this.#events.moved(connection, former)
    this.emit({ kind: 'moved', association: connection.association, peer: connection.peer })
  }

  /** A record in the clear from where the peer of a connection is: nothing but the sign that it lacks our last flight. */
  receiveInTheClear(connection: Connection, record: RecordView): void {
    if (record.type !== contentTypes.handshake || !asksInTheClear(connection, record.fragment)) {
      this.discard('plaintext-in-association')
    } else if (this.#repeatLastFlight(connection)) {
      connection.answersInTheClear += 1
    }
  }

  /** False when it was sent a moment ago. */
  #repeatLastFlight(connection: Connection): boolean {
    const { lastFlight, records, peer } = connection
    if (lastFlight === undefined || !mayRepeat(lastFlight, this.now)) return false
    try {
      this.#transmit(records, peer, lastFlight)
    } catch (error) {
      if (!(error instanceof SequenceExhausted)) throw error
      this.closeConnection(connection, 'sequence-exhausted')
    }
    return true
  }

  /**
   * Seals one record of application data; false when the association is no more.
   *
   * @throws CodedError `message-too-long` for more than the peer takes in a record, and nothing else has happened
   */
  send(association: AssociationHandle, plaintext: Uint8Array): boolean {
    const connection = this.connections.get(association)
    if (connection === undefined) return false
    const most = connection.records.maxPlaintext(protectedEpoch)
    if (plaintext.length > most) {
      throw new CodedError('message-too-long', `${plaintext.length} bytes do not fit a record of at most ${most}`)
    }
    try {
      const datagram = connection.records.seal(contentTypes.applicationData, plaintext)
      this.emit({ kind: 'send', peer: connection.peer, datagram })
      const { pathCheck } = connection
      if (pathCheck !== undefined && mayReceive(pathCheck, datagram.length)) {
        this.emit({ kind: 'send', peer: pathCheck.address, datagram })
      }
      return true
    } catch (error) {
      if (!(error instanceof SequenceExhausted)) throw error
      this.closeConnection(connection, 'sequence-exhausted')
      return false
    }
  }

  /** Says good-bye where the peer can hear it, and forgets. */
  closeConnection(connection: Connection, reason: CloseReason): void {
    const { association, peer, records } = connection
    // After a fatal alert nobody listens, and a replaced peer has lost the keys.
    if (reason !== 'fatal-alert' && reason !== 'replaced' && reason !== 'sequence-exhausted') {
      this.#sendAlert(records, peer, 'warning', 'close_notify')
    }
    this.connections.delete(association)
    this.connectionIds.release(records.connectionId)
    this.#timers.cancel(association)
    if (reason === 'fatal-alert') this.#events.failed(connection)
    this.#events.ended(association, peer)
    this.emit({ kind: 'closed', association, reason })
  }

  // Records of a handshake

  #receivePlain(handshake: Handshake, record: RecordView): void {
    const { layer } = handshake
    switch (record.type) {
      case contentTypes.handshake:
        this.#receiveFragments(handshake, record.fragment, record.sequence, !layer.records.reads)
        return
      case contentTypes.changeCipherSpec:
        if (record.fragment.length !== 1 || record.fragment[0] !== 1) {
          this.discard('unexpected-content')
          return
        }
        // Remembered by its number: in the order of sending it must come after the last message before it.
        layer.changeCipherSpecRecord = Math.max(layer.changeCipherSpecRecord, record.sequence)
        this.#advance(handshake)
        return
      case contentTypes.alert:
        // Once the peer has changed to protected records, an alert in the clear is somebody else's.
        if (layer.records.reads) this.discard('alert-ignored')
        else this.#receiveAlert(handshake, record.fragment)
        return
      case contentTypes.applicationData:
        this.discard('plaintext-in-association')
        return
      default:
        this.discard('unexpected-content')
    }
  }

  #receiveProtected(handshake: Handshake, type: number, plaintext: Uint8Array, recordSequence: number): void {
    switch (type) {
      case contentTypes.handshake:
        this.#receiveFragments(handshake, plaintext, -1, true)
        return
      case contentTypes.alert:
        this.#receiveAlert(handshake, plaintext)
        return
      case contentTypes.applicationData:
        // Before its Finished, or overtaking it: not to be believed yet.
        if (handshake.isSpokenToLast === true) this.#keepEarlyData(handshake.layer, plaintext, recordSequence)
        else this.discard('unexpected-content')
        return
      default:
        throw new HandshakeFault('message-unexpected', `a protected record of type ${type}`)
    }
  }

  /** @param taking false when messages of this epoch are past: then only repetitions count */
  #receiveFragments(handshake: Handshake, content: Uint8Array, recordSequence: number, taking: boolean): void {
    const { layer } = handshake
    for (let offset = 0; offset < content.length; ) {
      const fragment = readHandshakeFragment(content, offset)
      if (fragment === undefined) {
        this.discard('fragment-malformed')
        break
      }
      offset += handshakeHeaderLength + fragment.bytes.length
      if (!taking && fragment.messageSequence >= layer.reassembly.next) {
        this.discard('plaintext-in-association')
        continue
      }
      const verdict = takeFragment(layer.reassembly, fragment, recordSequence, this.#options.reassembly)
      if (verdict === 'repeated') {
        if (handshake.answersRepetition) this.repeatFlight(handshake)
      } else if (verdict !== 'taken') {
        this.discard('fragment-refused')
      }
    }
    this.#advance(handshake)
  }

  #receiveAlert(handshake: Handshake, fragment: Uint8Array): void {
    const alert = decodeAlert(fragment)
    if (alert === undefined || (alert.level === 'warning' && alert.name !== 'close_notify')) {
      this.discard('alert-ignored')
      return
    }
    const name = alert.name ?? `number ${alert.number}`
    this.#forget(handshake, {
      code: 'handshake-failed',
      alert: alert.name,
      direction: 'received',
      detail: `the peer ended the handshake with alert ${name}`,
    })
  }

  #keepEarlyData({ earlyData }: HandshakeLayer, plaintext: Uint8Array, recordSequence: number): void {
    const held = earlyData.reduce((sum, early) => sum + early.plaintext.length, 0)
    if (earlyData.length === maxEarlyRecords || held + plaintext.length > maxEarlyBytes) {
      this.discard('early-record-limit')
      return
    }
    earlyData.push({ plaintext, recordSequence })
  }

  #keepEarly(layer: HandshakeLayer, record: RecordView): void {
    const held = layer.early.reduce((sum, early) => sum + early.whole.length, 0)
    if (layer.early.length === maxEarlyRecords || held + record.whole.length > maxEarlyBytes) {
      this.discard('early-record-limit')
      return
    }
    layer.early.push(copyRecord(record))
  }

  /** Hands on what is whole and in order, as far as the state machine goes without an answer. */
  #advance(handshake: Handshake): void {
    const { layer } = handshake
    while (this.handshakes.has(layer.association) && layer.question === undefined) {
      if (handshake.expects === 'change-cipher-spec') {
        // A message where only change_cipher_spec may come: a Finished in the clear, a second CertificateVerify.
        if (isWholeMessageReady(layer.reassembly)) {
          throw new HandshakeFault('message-unexpected', 'a message where change_cipher_spec was due')
        }
        if (layer.changeCipherSpecRecord <= layer.lastMessageRecord) return
        // What came in the clear for later message numbers must not become the protected message's beginning.
        layer.reassembly.partial.clear()
        layer.reassembly.bufferedBytes = 0
        handshake.receiveChangeCipherSpec(this)
        this.#receiveEarly(handshake)
        continue
      }
      const message = handshake.expects === 'message' ? takeNextMessage(layer.reassembly) : undefined
      if (message === undefined) return
      layer.lastMessageRecord = message.recordSequence
      this.#progress(handshake)
      handshake.receiveMessage(message, this)
    }
  }

  #receiveEarly(handshake: Handshake): void {
    const { layer } = handshake
    for (const record of layer.early.splice(0)) {
      const connection = this.connections.get(layer.association)
      if (connection !== undefined) {
        this.receiveForConnection(connection, record)
      } else if (this.handshakes.has(layer.association)) {
        const opened = layer.records.open(record)
        if (opened.accepted) this.#receiveProtected(handshake, opened.type, opened.plaintext, record.sequence)
        else this.discard(opened.reason)
      }
    }
    if (this.handshakes.has(layer.association)) judgeForgeries(handshake)
  }

  #progress(handshake: Handshake): void {
    this.#events.progressed(handshake.layer.association)
    if (!this.#options.progressExtendsHandshake) return
    handshake.layer.expiresAt = later(this.now, this.#options.handshakeTimeout)
  }

  // Time

  #handshakeIsDue(handshake: Handshake): void {
    const { layer } = handshake
    if (this.now >= layer.expiresAt) {
      this.dropHandshake(handshake, 'handshake-timed-out', 'the peer made no progress in time')
      return
    }
    if (layer.flight !== undefined && this.now >= layer.flight.retransmitAt) {
      backOff(layer.flight, this.now)
      this.#transmit(layer.records, layer.peer, layer.flight)
    }
    this.#schedule(handshake)
  }

  #connectionIsDue(connection: Connection): void {
    const { pathCheck } = connection
    if (pathCheck !== undefined && this.now >= pathCheck.dueAt) {
      this.#challenge(connection, pathCheck)
      if (!this.connections.has(connection.association)) return
    }
    const deadline = later(connection.lastHeardAt, this.#options.idleTimeout)
    const dueAt = connection.pathCheck?.dueAt ?? deadline
    if (deadline > this.now) this.#timers.set(connection.association, instant(Math.min(dueAt, deadline)))
    else this.closeConnection(connection, 'idle')
  }

  /** A flight is not sent again while we ourselves are what the peer waits for. */
  #schedule(handshake: Handshake): void {
    const { association, flight, question, expiresAt } = handshake.layer
    if (!this.handshakes.has(association)) return
    const repeats = flight !== undefined && question === undefined && flight.retransmitAt < expiresAt
    this.#timers.set(association, repeats ? flight.retransmitAt : expiresAt)
  }

  // Sending

  #transmit(records: RecordLayer, peer: PeerAddress, flight: Flight): void {
    const mtu = mtuFor(flight, this.#options.mtu, records.maxPlaintext(0))
    for (const datagram of packFlight(flight, 0, mtu, records)) {
      this.emit({ kind: 'send', peer, datagram })
    }
  }

  #sendAlert(records: RecordLayer, peer: PeerAddress, level: 'warning' | 'fatal', name: AlertName): void {
    try {
      this.emit({ kind: 'send', peer, datagram: records.seal(contentTypes.alert, encodeAlert(level, name)) })
    } catch (error) {
      // An alert that has no number left is not sent: the association ends all the same.
      if (!(error instanceof SequenceExhausted)) throw error
    }
  }

  // Ending

  /** The one door at which a fault of the peer becomes the end of its handshake. */
  #guard(handshake: Handshake, work: () => void): void {
    try {
      work()
    } catch (error) {
      const { alert, code, detail } = describeFault(error)
      this.failHandshake(handshake, alert, code, detail)
    }
    this.#schedule(handshake)
  }

  #forget(
    handshake: Handshake,
    failure: Pick<Output & { kind: 'handshakeFailed' }, 'code' | 'alert' | 'direction' | 'detail'>,
  ): void {
    const { association, peer, question, connectionIds } = handshake.layer
    if (!this.handshakes.delete(association)) return
    this.connectionIds.release(connectionIds.read)
    if (question !== undefined) this.#questions.delete(question)
    this.#timers.cancel(association)
    this.#events.ended(association, peer)
    const { unverifiedChain: chain, unverifiedPskIdentity: pskIdentity } = handshake
    this.emit({ kind: 'handshakeFailed', association, peer, ...failure, chain, pskIdentity })
  }
}

/** Only what failed authentication counts: a replayed record, or one of another epoch, says nothing about the keys. */
function judgeForgeries(handshake: Handshake): void {
  if ((handshake.layer.records.state.read?.forgeries ?? 0) > 0) handshake.receiveForgery?.()
}
