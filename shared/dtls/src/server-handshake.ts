/**
 * The server's side of a full handshake with mutual certificates (RFC 5246 section 7.3, RFC 6347 section 4.2.4).
 *
 *        Client                                        Server
 *    1   ClientHello                      -------->
 *    2                                    <--------    HelloVerifyRequest       (stateless: dtls-server.ts, cookie.ts)
 *    3   ClientHello (cookie)             -------->                             begins here
 *                                                      makeKeyShare, sign
 *    4                                    <--------    ServerHello, Certificate, ServerKeyExchange,
 *                                                      CertificateRequest, ServerHelloDone
 *    5   Certificate, ClientKeyExchange,
 *        CertificateVerify                -------->    verifySignature, agree, verifyPeer
 *        [ChangeCipherSpec], Finished     -------->
 *    6                                    <--------    NewSessionTicket*, [ChangeCipherSpec], Finished
 *
 *        * for a client that knows tickets (RFC 5077 section 3.1); an empty one where the peer may not come back by it
 *
 * Each state takes exactly one thing; anything else is unexpected_message. There is no way past a state: a client
 * without certificate, without CertificateVerify, without ChangeCipherSpec has no path to Finished. Nothing is derived
 * from the client's key share before the client has proven its certificate's key, nobody is asked about a chain before
 * that either, and our Finished is sent only to a peer that `verifyPeer` accepted.
 *
 * It does not judge chains, does not resume (`server-resumption.ts`), does not renegotiate.
 */

import type { KeyObject } from 'node:crypto'
import { type CertificateKeyKind, requireUsableKey } from './certificate-key.ts'
import { readCertificate, readCertificateVerify } from './certificate-messages.ts'
import { requireFinished, sendFinished } from './finished.ts'
import type { FlightPart } from './flight.ts'
import { HandshakeFault } from './handshake-fault.ts'
import {
  agreeOnConnectionIds,
  compose,
  type Handshake,
  type HandshakeContext,
  type HandshakeLayer,
} from './handshake-layer.ts'
import { type HandshakeMessage, handshakeTypes } from './handshake-message.ts'
import {
  readClientKeyExchange,
  signedKeyParameters,
  writeKeyParameters,
  writeServerKeyExchange,
} from './key-exchange-messages.ts'
import { type AssociationKeys, deriveKeys, extendedMasterSecret } from './key-schedule.ts'
import { composeServerHello } from './negotiated-hello.ts'
import type { CertificateNegotiated, ServerIdentity } from './negotiation.ts'
import { writeNewSessionTicket } from './new-session-ticket.ts'
import type { Answer } from './output.ts'
import { sessionIdFrom } from './server-sessions.ts'
import type { Session } from './session.ts'
import { requireValidSignature } from './signature-check.ts'
import { fitsKey, requestedSignatureSchemes, signatureSchemeByNumber } from './signature-scheme.ts'
import { append, transcriptBytes, transcriptHash } from './transcript.ts'

interface Exchange {
  readonly serverRandom: Uint8Array
  readonly privateKey: KeyObject
}

interface Presented extends Exchange {
  readonly chain: readonly Uint8Array[]
  readonly leaf: Uint8Array
  readonly leafKey: CertificateKeyKind
}

interface Exchanged extends Presented {
  readonly clientPublicKey: Uint8Array
  /** Through ClientKeyExchange (RFC 7627 section 3). */
  readonly sessionHash: Uint8Array
}

interface Keyed {
  readonly chain: readonly Uint8Array[]
  readonly serverRandom: Uint8Array
  readonly masterSecret: Uint8Array
  readonly keys: AssociationKeys
}

interface Accepted extends Keyed {
  /** Undefined: the peer is to prove itself anew each time. */
  readonly resumable: Uint8Array | undefined
}

export type ServerState =
  | { readonly name: 'making-key-share' }
  | ({ readonly name: 'signing'; readonly parameters: Uint8Array } & Exchange)
  | ({ readonly name: 'expecting-certificate' } & Exchange)
  | ({ readonly name: 'expecting-client-key-exchange' } & Presented)
  | ({ readonly name: 'expecting-certificate-verify' } & Exchanged)
  | ({ readonly name: 'verifying-signature' } & Exchanged)
  | ({ readonly name: 'agreeing' } & Exchanged)
  | ({ readonly name: 'verifying-peer' } & Keyed)
  | ({ readonly name: 'expecting-change-cipher-spec' } & Accepted)
  | ({ readonly name: 'expecting-finished' } & Accepted)
  | { readonly name: 'connected' }

const expectations: Readonly<Record<ServerState['name'], Handshake['expects']>> = {
  'making-key-share': 'answer',
  signing: 'answer',
  'expecting-certificate': 'message',
  'expecting-client-key-exchange': 'message',
  'expecting-certificate-verify': 'message',
  'verifying-signature': 'answer',
  agreeing: 'answer',
  'verifying-peer': 'answer',
  'expecting-change-cipher-spec': 'change-cipher-spec',
  'expecting-finished': 'message',
  connected: 'answer',
}

export class ServerHandshake implements Handshake {
  readonly layer: HandshakeLayer
  readonly negotiated: CertificateNegotiated
  state: ServerState = { name: 'making-key-share' }
  readonly #identity: ServerIdentity

  /** @param hello the message with the good cookie, in a buffer of its own */
  constructor(
    layer: HandshakeLayer,
    negotiated: CertificateNegotiated,
    identity: ServerIdentity,
    hello: HandshakeMessage,
  ) {
    this.layer = layer
    this.negotiated = negotiated
    this.#identity = identity
    append(layer.transcript, hello)
  }

  get unverifiedChain(): readonly Uint8Array[] | undefined {
    return 'chain' in this.state ? this.state.chain : undefined
  }

  get expects(): Handshake['expects'] {
    return expectations[this.state.name]
  }

  /** A client that lacks our flight repeats its hello, which dtls-server.ts sees; its other repetitions say nothing. */
  readonly answersRepetition = false

  begin(context: HandshakeContext): void {
    context.ask(this.layer, { kind: 'makeKeyShare', group: this.negotiated.group.name })
  }

  receiveAnswer(answer: Answer, context: HandshakeContext): void {
    const { state } = this
    if (state.name === 'making-key-share' && answer.kind === 'makeKeyShare') {
      this.#haveKeyShare(answer, context)
    } else if (state.name === 'signing' && answer.kind === 'sign') {
      this.#sendFlight4(state, answer.signature, context)
    } else if (state.name === 'verifying-signature' && answer.kind === 'verifySignature') {
      this.#haveSignatureVerdict(state, answer.verdict, context)
    } else if (state.name === 'agreeing' && answer.kind === 'agree') {
      this.#haveSharedSecret(state, answer.sharedSecret, context)
    } else if (state.name === 'verifying-peer' && answer.kind === 'verifyPeer' && answer.decision.accepted) {
      this.state = { ...state, name: 'expecting-change-cipher-spec', resumable: answer.decision.resumable }
    } else {
      throw new Error(`a ${answer.kind} answer in state ${state.name}`)
    }
  }

  receiveMessage(message: HandshakeMessage, context: HandshakeContext): void {
    const { state } = this
    if (state.name === 'expecting-certificate' && message.type === handshakeTypes.certificate) {
      this.#haveCertificate(state, message)
    } else if (state.name === 'expecting-client-key-exchange' && message.type === handshakeTypes.clientKeyExchange) {
      this.#haveClientKeyExchange(state, message)
    } else if (state.name === 'expecting-certificate-verify' && message.type === handshakeTypes.certificateVerify) {
      this.#haveCertificateVerify(state, message, context)
    } else if (state.name === 'expecting-finished' && message.type === handshakeTypes.finished) {
      this.#haveFinished(state, message, context)
    } else {
      throw new HandshakeFault('message-unexpected', `a message of type ${message.type} while ${state.name}`)
    }
  }

  receiveChangeCipherSpec(): void {
    const { state } = this
    if (state.name !== 'expecting-change-cipher-spec') throw new Error(`change_cipher_spec while ${state.name}`)
    this.layer.records.installReadKeys(state.keys.client, this.layer.connectionIds.read)
    this.state = { ...state, name: 'expecting-finished' }
  }

  #haveKeyShare(answer: Answer & { kind: 'makeKeyShare' }, context: HandshakeContext): void {
    const { group, scheme, clientRandom } = this.negotiated
    agreeOnConnectionIds(this.layer, this.negotiated, answer.connectionId, context)
    const parameters = writeKeyParameters(group, answer.keyShare.publicKey)
    this.state = {
      name: 'signing',
      serverRandom: answer.random,
      privateKey: answer.keyShare.privateKey,
      parameters,
    }
    const content = signedKeyParameters(clientRandom, answer.random, parameters)
    context.ask(this.layer, { kind: 'sign', scheme: scheme.name, content })
  }

  #sendFlight4(state: ServerState & { name: 'signing' }, signature: Uint8Array, context: HandshakeContext): void {
    const { layer, negotiated } = this
    const { serverRandom, privateKey, parameters } = state
    const hello = composeServerHello(layer, negotiated, {
      random: serverRandom,
      cipherSuite: negotiated.suite.number,
      sessionId: negotiated.resumption === 'session-id' ? sessionIdFrom(serverRandom) : undefined,
      sessionTicket: negotiated.resumption === 'ticket',
    })
    const keyExchange = writeServerKeyExchange(parameters, { scheme: negotiated.scheme.number, signature })
    this.state = { name: 'expecting-certificate', serverRandom, privateKey }
    context.sendFlight(layer, [
      hello,
      compose(layer, handshakeTypes.certificate, this.#identity.certificateMessage),
      compose(layer, handshakeTypes.serverKeyExchange, keyExchange),
      compose(layer, handshakeTypes.certificateRequest, this.#identity.certificateRequestMessage),
      compose(layer, handshakeTypes.serverHelloDone, new Uint8Array(0)),
    ])
  }

  #haveCertificate(state: ServerState & { name: 'expecting-certificate' }, message: HandshakeMessage): void {
    const chain = readCertificate(message.body)
    const [leaf] = chain
    if (leaf === undefined) throw new HandshakeFault('certificate-missing', 'the client sent no certificate')
    const leafKey = requireUsableKey(leaf, ['P-256', 'P-384', 'Ed25519', 'RSA'])
    append(this.layer.transcript, message)
    this.state = { ...state, name: 'expecting-client-key-exchange', chain, leaf, leafKey }
  }

  #haveClientKeyExchange(
    state: ServerState & { name: 'expecting-client-key-exchange' },
    message: HandshakeMessage,
  ): void {
    const clientPublicKey = readClientKeyExchange(message.body, this.negotiated.group)
    append(this.layer.transcript, message)
    const sessionHash = transcriptHash(this.layer.transcript, this.negotiated.suite.hash)
    this.state = { ...state, name: 'expecting-certificate-verify', clientPublicKey, sessionHash }
  }

  #haveCertificateVerify(
    state: ServerState & { name: 'expecting-certificate-verify' },
    message: HandshakeMessage,
    context: HandshakeContext,
  ): void {
    const { scheme: number, signature } = readCertificateVerify(message.body)
    const scheme = requestedSignatureSchemes.includes(number) ? signatureSchemeByNumber.get(number) : undefined
    if (scheme === undefined) {
      throw new HandshakeFault('signature-scheme-not-offered', `signature scheme ${number.toString(16)}`)
    }
    if (!fitsKey(scheme, state.leafKey)) {
      throw new HandshakeFault('signature-scheme-unfit', `${scheme.name} with a key of ${state.leafKey}`)
    }
    // Signed is everything before this message (RFC 5246 section 7.4.8), so it is entered after.
    const content = transcriptBytes(this.layer.transcript)
    append(this.layer.transcript, message)
    this.state = { ...state, name: 'verifying-signature' }
    context.ask(this.layer, {
      kind: 'verifySignature',
      scheme: scheme.name,
      certificate: state.leaf,
      content,
      signature,
    })
  }

  #haveSignatureVerdict(
    state: ServerState & { name: 'verifying-signature' },
    verdict: (Answer & { kind: 'verifySignature' })['verdict'],
    context: HandshakeContext,
  ): void {
    requireValidSignature(verdict, 'client')
    const { privateKey, clientPublicKey: peerPublicKey } = state
    this.state = { ...state, name: 'agreeing' }
    context.ask(this.layer, { kind: 'agree', group: this.negotiated.group.name, privateKey, peerPublicKey })
  }

  #haveSharedSecret(
    state: ServerState & { name: 'agreeing' },
    sharedSecret: Uint8Array | undefined,
    context: HandshakeContext,
  ): void {
    if (sharedSecret === undefined) {
      throw new HandshakeFault('public-key-invalid', "the client's public key is not a point of the group")
    }
    const { suite, clientRandom } = this.negotiated
    const { chain, serverRandom } = state
    const masterSecret = extendedMasterSecret(suite, sharedSecret, state.sessionHash)
    context.logKeys(clientRandom, masterSecret)
    const keys = deriveKeys(suite, masterSecret, clientRandom, serverRandom)
    this.state = { name: 'verifying-peer', chain, serverRandom, masterSecret, keys }
    context.ask(this.layer, { kind: 'verifyPeer', chain, peer: this.layer.peer })
  }

  #haveFinished(
    state: ServerState & { name: 'expecting-finished' },
    message: HandshakeMessage,
    context: HandshakeContext,
  ): void {
    const { layer } = this
    const { suite, clientRandom, resumption } = this.negotiated
    const { masterSecret, keys, serverRandom } = state
    requireFinished(layer, 'client', { suite, masterSecret }, message)
    append(layer.transcript, message)
    const session = this.#sessionOf(state, context)
    const parts: FlightPart[] = []
    if (resumption === 'ticket') {
      const ticket = this.#identity.sessions.ticketFor(session, serverRandom, context.now)
      parts.push(compose(layer, handshakeTypes.newSessionTicket, writeNewSessionTicket(ticket)))
    }
    this.state = { name: 'connected' }
    sendFinished(layer, 'server', { suite, masterSecret, keys }, parts, context)
    const sessionId = resumption === 'session-id' && session !== undefined ? sessionIdFrom(serverRandom) : undefined
    if (sessionId !== undefined && session !== undefined) this.#identity.sessions.remember(sessionId, session)
    context.complete(layer, { suite, clientRandom, peerFinished: message, lastFlight: layer.flight, sessionId })
  }

  #sessionOf({ masterSecret, resumable }: Accepted, context: HandshakeContext): Session | undefined {
    if (resumable === undefined) return undefined
    // Not `slice`: of a Buffer that is a view of what its owner may use again.
    const kept = Uint8Array.from(resumable)
    return { suite: this.negotiated.suite, masterSecret, establishedAt: context.now, resumable: kept }
  }
}
