/**
 * The client's side of an abbreviated handshake (RFC 5246 section 7.3, RFC 5077 section 3.1), from the ServerHello on that
 * repeats the session id which our hello has offered.
 *
 *        Client                                        Server
 *    3   ClientHello (cookie, ticket or
 *        session id)                      -------->
 *    4                                    <--------    ServerHello, NewSessionTicket*, [ChangeCipherSpec], Finished
 *        verifyPeer
 *    5   [ChangeCipherSpec], Finished     -------->
 *
 * The server's Finished proves that it has the session's master secret, and so is who it was; the chain of then is judged
 * again, since meanwhile it may have expired. We speak last: our flight is sent again when the server repeats its Finished.
 */

import type { CipherSuite } from './cipher-suite.ts'
import { type ClientSession, sessionIdOfTicket } from './client-session.ts'
import { requireFinished, sendFinished } from './finished.ts'
import { HandshakeFault } from './handshake-fault.ts'
import type { Handshake, HandshakeContext, HandshakeLayer } from './handshake-layer.ts'
import { type HandshakeMessage, handshakeTypes } from './handshake-message.ts'
import { type AssociationKeys, deriveKeys } from './key-schedule.ts'
import { readNewSessionTicket } from './new-session-ticket.ts'
import type { Answer } from './output.ts'
import type { ServerHello } from './server-hello.ts'
import { append } from './transcript.ts'

export interface ResumedSession {
  readonly suite: CipherSuite
  readonly session: ClientSession
  readonly clientRandom: Uint8Array
  /** In the transcript already. */
  readonly serverHello: ServerHello
}

type ClientResumptionState =
  | { readonly name: 'expecting-new-session-ticket' }
  | { readonly name: 'expecting-change-cipher-spec' }
  | { readonly name: 'expecting-finished' }
  | { readonly name: 'verifying-peer'; readonly peerFinished: HandshakeMessage }
  | { readonly name: 'connected' }

const expectations: Readonly<Record<ClientResumptionState['name'], Handshake['expects']>> = {
  'expecting-new-session-ticket': 'message',
  'expecting-change-cipher-spec': 'change-cipher-spec',
  'expecting-finished': 'message',
  'verifying-peer': 'answer',
  connected: 'answer',
}

export class ClientResumption {
  readonly layer: HandshakeLayer
  state: ClientResumptionState
  readonly #resumed: ResumedSession
  readonly #keys: AssociationKeys
  /** With a newer ticket, once the server has sent one. */
  #session: ClientSession

  constructor(layer: HandshakeLayer, resumed: ResumedSession) {
    const { suite, session, clientRandom, serverHello } = resumed
    this.layer = layer
    this.#resumed = resumed
    this.#session = session
    this.#keys = deriveKeys(suite, session.masterSecret, clientRandom, serverHello.random)
    this.state = { name: serverHello.sessionTicket ? 'expecting-new-session-ticket' : 'expecting-change-cipher-spec' }
  }

  get expects(): Handshake['expects'] {
    return expectations[this.state.name]
  }

  receiveMessage(message: HandshakeMessage, context: HandshakeContext): void {
    const { state } = this
    if (state.name === 'expecting-new-session-ticket' && message.type === handshakeTypes.newSessionTicket) {
      this.#haveNewSessionTicket(message)
    } else if (state.name === 'expecting-finished' && message.type === handshakeTypes.finished) {
      this.#haveFinished(message, context)
    } else {
      throw new HandshakeFault('message-unexpected', `a message of type ${message.type} while ${state.name}`)
    }
  }

  receiveChangeCipherSpec(): void {
    const { state, layer } = this
    if (state.name !== 'expecting-change-cipher-spec') throw new Error(`change_cipher_spec while ${state.name}`)
    layer.records.installReadKeys(this.#keys.server, layer.connectionIds.read)
    this.state = { name: 'expecting-finished' }
  }

  receiveAnswer(answer: Answer, context: HandshakeContext): void {
    const { state } = this
    if (state.name !== 'verifying-peer' || answer.kind !== 'verifyPeer' || !answer.decision.accepted) {
      throw new Error(`a ${answer.kind} answer in state ${state.name}`)
    }
    this.#sendFlight5(state.peerFinished, context)
  }

  /** The session is as old as it was: a newer ticket makes it no younger. */
  #haveNewSessionTicket(message: HandshakeMessage): void {
    const { ticket } = readNewSessionTicket(message.body)
    append(this.layer.transcript, message)
    // An empty one: the server gives none, and the old one stays (RFC 5077 section 3.3).
    if (ticket.length > 0) {
      this.#session = { ...this.#session, ticket: ticket.slice(), sessionId: sessionIdOfTicket(ticket) }
    }
    this.state = { name: 'expecting-change-cipher-spec' }
  }

  #haveFinished(message: HandshakeMessage, context: HandshakeContext): void {
    const { suite, session } = this.#resumed
    const { masterSecret } = session
    requireFinished(this.layer, 'server', { suite, masterSecret }, message)
    append(this.layer.transcript, message)
    this.layer.flight = undefined
    this.state = { name: 'verifying-peer', peerFinished: message }
    context.ask(this.layer, { kind: 'verifyPeer', chain: session.chain, peer: this.layer.peer })
  }

  #sendFlight5(peerFinished: HandshakeMessage, context: HandshakeContext): void {
    const { layer } = this
    const { suite, session, clientRandom } = this.#resumed
    const { masterSecret } = session
    this.state = { name: 'connected' }
    sendFinished(layer, 'client', { suite, masterSecret, keys: this.#keys }, [], context)
    const lastFlight = layer.flight
    context.complete(layer, { suite, clientRandom, peerFinished, lastFlight, resumed: true, session: this.#session })
  }
}
