/**
 * The server's side of an abbreviated handshake (RFC 5246 section 7.3, RFC 5077 section 3.1): a session goes on in another
 * association, with new keys from its master secret.
 *
 *        Client                                        Server
 *    3   ClientHello (cookie, ticket or
 *        session id)                      -------->    begins here; resumePeer
 *    4                                    <--------    ServerHello, NewSessionTicket*, [ChangeCipherSpec], Finished
 *    5   [ChangeCipherSpec], Finished     -------->
 *
 *        * when its ticket was sealed under a key that will soon be gone: it stays as old as it is
 *
 * The peer was accepted once; whether it may come in again is asked each time, before anything is sent. Where it may not,
 * the full handshake follows on the same hello (`server-handshake.ts`), which tells the peer what is wrong. It is open only
 * once the client's Finished has proven that the client holds the master secret: a ticket alone, seen by anyone who
 * listens, gets nobody in. CIDs are agreed on anew (RFC 9146 section 3).
 */

import { coversHandshake, sendFinished } from './finished.ts'
import { HandshakeFault } from './handshake-fault.ts'
import {
  agreeOnConnectionIds,
  compose,
  type Handshake,
  type HandshakeContext,
  type HandshakeLayer,
} from './handshake-layer.ts'
import { type HandshakeMessage, handshakeTypes } from './handshake-message.ts'
import { type AssociationKeys, deriveKeys } from './key-schedule.ts'
import { composeServerHello } from './negotiated-hello.ts'
import type { Negotiated } from './negotiation.ts'
import { writeNewSessionTicket } from './new-session-ticket.ts'
import type { Answer } from './output.ts'
import type { ServerHandshake } from './server-handshake.ts'
import type { ServerPskHandshake } from './server-psk-handshake.ts'
import type { FoundSession, ServerSessions } from './server-sessions.ts'
import { append } from './transcript.ts'

export type FullHandshake = ServerHandshake | ServerPskHandshake

export interface ServerResumptionStart {
  readonly negotiated: Negotiated
  readonly found: FoundSession
  readonly sessions: ServerSessions
  /** The message with the good cookie, in a buffer of its own. */
  readonly hello: HandshakeMessage
  /** Called at most once, when the peer may not resume: the flow that then answers the hello. */
  readonly handshakeInFull: () => FullHandshake
}

type ServerResumptionState =
  | { readonly name: 'asking-for-peer' }
  /** Refused: everything is for the full handshake from now on. */
  | { readonly name: 'handshaking-in-full'; readonly handshake: FullHandshake }
  | { readonly name: 'expecting-change-cipher-spec'; readonly keys: AssociationKeys }
  | { readonly name: 'expecting-finished' }
  | { readonly name: 'connected' }

const expectations: Readonly<Record<ServerResumptionState['name'], Handshake['expects']>> = {
  'asking-for-peer': 'answer',
  'handshaking-in-full': 'answer',
  'expecting-change-cipher-spec': 'change-cipher-spec',
  'expecting-finished': 'message',
  connected: 'answer',
}

export class ServerResumption implements Handshake {
  readonly layer: HandshakeLayer
  readonly negotiated: Negotiated
  state: ServerResumptionState = { name: 'asking-for-peer' }
  readonly #start: ServerResumptionStart

  constructor(layer: HandshakeLayer, start: ServerResumptionStart) {
    this.layer = layer
    this.negotiated = start.negotiated
    this.#start = start
  }

  get unverifiedChain(): readonly Uint8Array[] | undefined {
    return this.#full?.unverifiedChain
  }

  get unverifiedPskIdentity(): Uint8Array | undefined {
    const full: Handshake | undefined = this.#full
    return full?.unverifiedPskIdentity
  }

  get expects(): Handshake['expects'] {
    return this.#full?.expects ?? expectations[this.state.name]
  }

  /** A client that lacks our flight repeats its hello, which dtls-server.ts sees. */
  readonly answersRepetition = false

  get isSpokenToLast(): boolean {
    return this.state.name === 'expecting-finished'
  }

  begin(context: HandshakeContext): void {
    const { resumable } = this.#start.found.session
    context.ask(this.layer, { kind: 'resumePeer', resumable, peer: this.layer.peer })
  }

  receiveAnswer(answer: Answer, context: HandshakeContext): void {
    if (this.#full !== undefined) this.#full.receiveAnswer(answer, context)
    else if (this.state.name !== 'asking-for-peer' || answer.kind !== 'resumePeer') {
      throw new Error(`a ${answer.kind} answer in state ${this.state.name}`)
    } else if (answer.accepted) this.#sendFlight4(answer, context)
    else this.#handshakeInFull(context)
  }

  receiveMessage(message: HandshakeMessage, context: HandshakeContext): void {
    if (this.#full !== undefined) this.#full.receiveMessage(message, context)
    else if (this.state.name === 'expecting-finished' && message.type === handshakeTypes.finished) {
      this.#haveFinished(message, context)
    } else {
      throw new HandshakeFault('message-unexpected', `a message of type ${message.type} while ${this.state.name}`)
    }
  }

  receiveChangeCipherSpec(): void {
    const { state, layer } = this
    if (state.name === 'handshaking-in-full') {
      state.handshake.receiveChangeCipherSpec()
      return
    }
    if (state.name !== 'expecting-change-cipher-spec') throw new Error(`change_cipher_spec while ${state.name}`)
    layer.records.installReadKeys(state.keys.client, layer.connectionIds.read)
    this.state = { name: 'expecting-finished' }
  }

  /** Of an abbreviated handshake it is noise: it proves neither that the client has the keys nor that it has not. */
  receiveForgery(): void {
    const full: Handshake | undefined = this.#full
    full?.receiveForgery?.()
  }

  get #full(): FullHandshake | undefined {
    return this.state.name === 'handshaking-in-full' ? this.state.handshake : undefined
  }

  #handshakeInFull(context: HandshakeContext): void {
    const { found, sessions, handshakeInFull } = this.#start
    // Refused once, it must not be asked for again each time.
    if (found.from === 'cache') sessions.forget(found.sessionId)
    const handshake = handshakeInFull()
    this.state = { name: 'handshaking-in-full', handshake }
    handshake.begin(context)
  }

  #sendFlight4(answer: Answer & { kind: 'resumePeer' }, context: HandshakeContext): void {
    const { layer, negotiated } = this
    const { session, sessionId, wantsNewTicket } = this.#start.found
    const { suite, masterSecret } = session
    const { clientRandom } = negotiated
    agreeOnConnectionIds(layer, negotiated, answer.connectionId, context)
    append(layer.transcript, this.#start.hello)
    const { random } = answer
    const hello = composeServerHello(layer, negotiated, {
      random,
      cipherSuite: suite.number,
      sessionId,
      sessionTicket: wantsNewTicket,
    })
    const parts = [hello]
    if (wantsNewTicket) {
      const ticket = this.#start.sessions.ticketFor(session, random, context.now)
      parts.push(compose(layer, handshakeTypes.newSessionTicket, writeNewSessionTicket(ticket)))
    }
    context.logKeys(clientRandom, masterSecret)
    const keys = deriveKeys(suite, masterSecret, clientRandom, random)
    this.state = { name: 'expecting-change-cipher-spec', keys }
    sendFinished(layer, 'server', { suite, masterSecret, keys }, parts, context)
  }

  #haveFinished(message: HandshakeMessage, context: HandshakeContext): void {
    const { layer, negotiated } = this
    const { session, sessionId: foundId, from } = this.#start.found
    const { suite, masterSecret } = session
    const sessionId = from === 'cache' ? foundId : undefined
    if (!coversHandshake(layer, 'client', { suite, masterSecret }, message)) {
      // Its record was authentic, so this is the client: its session has failed (RFC 5246 section 7.2.2).
      if (sessionId !== undefined) this.#start.sessions.forget(sessionId)
      throw new HandshakeFault('finished-wrong', "the client's Finished does not cover this handshake")
    }
    this.state = { name: 'connected' }
    const { clientRandom } = negotiated
    context.complete(layer, {
      suite,
      clientRandom,
      peerFinished: message,
      lastFlight: undefined,
      resumed: true,
      sessionId,
    })
  }
}
