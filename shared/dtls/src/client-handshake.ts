/**
 * The client's side of a full handshake (RFC 5246 section 7.3, RFC 6347 section 4.2.4).
 *
 *        Client                                        Server
 *    1   ClientHello                      -------->
 *    2                                    <--------    HelloVerifyRequest (cookie)
 *    3   ClientHello (cookie)             -------->
 *    4                                    <--------    ServerHello, Certificate, ServerKeyExchange,
 *                                                      CertificateRequest*, ServerHelloDone
 *        verifySignature, verifyPeer, makeKeyShare, agree, sign*
 *    5   Certificate*, ClientKeyExchange,
 *        CertificateVerify*
 *        [ChangeCipherSpec], Finished     -------->
 *    6                                    <--------    NewSessionTicket**, [ChangeCipherSpec], Finished
 *
 *        * when the server asks for a certificate; CertificateVerify when we have one
 *
 *        ** when the server's hello has promised it
 *
 * A ServerHello that repeats the session id of our hello goes on with that session: `client-resumption.ts` takes over.
 * Each state takes exactly one thing (state 4 one of two). Nothing of ours but hellos is sent before the server has
 * proven its key and `verifyPeer` has accepted it.
 */

import { hours, type Instant, later, seconds } from '@sallyport/clock'
import { requireUsableKey } from './certificate-key.ts'
import {
  type CertificateRequest,
  readCertificate,
  readCertificateRequest,
  writeCertificate,
  writeCertificateVerify,
} from './certificate-messages.ts'
import type { CipherSuite, CipherSuiteName } from './cipher-suite.ts'
import { ClientResumption } from './client-resumption.ts'
import { type ClientSession, sessionIdOfTicket } from './client-session.ts'
import { requireFinished, sendFinished } from './finished.ts'
import type { FlightPart } from './flight.ts'
import { HandshakeFault } from './handshake-fault.ts'
import { compose, type Handshake, type HandshakeContext, type HandshakeLayer } from './handshake-layer.ts'
import { type HandshakeMessage, handshakeTypes } from './handshake-message.ts'
import { type ExpectingServerHello, type HelloOffer, repeatHello, sendHello, settleHello } from './hello-exchange.ts'
import {
  readServerKeyExchange,
  type ServerKeyExchange,
  signedKeyParameters,
  writeClientKeyExchange,
} from './key-exchange-messages.ts'
import { type AssociationKeys, deriveKeys, extendedMasterSecret } from './key-schedule.ts'
import type { NamedGroupName } from './named-group.ts'
import { type NewSessionTicket, readNewSessionTicket } from './new-session-ticket.ts'
import type { Answer, KeyShare } from './output.ts'
import type { RecordSizeExtensions } from './record-size.ts'
import { readServerHello } from './server-hello.ts'
import { requireValidSignature } from './signature-check.ts'
import {
  announcedSignatureSchemes,
  type CurveName,
  chooseSignatureScheme,
  type SignatureScheme,
  signatureSchemeByNumber,
} from './signature-scheme.ts'
import { append, transcriptBytes, transcriptHash } from './transcript.ts'

export interface ClientIdentity {
  readonly random: Uint8Array
  /** Absent: an empty Certificate is sent when one is asked for. */
  readonly certificate: { readonly chain: readonly Uint8Array[]; readonly curve: CurveName } | undefined
  readonly cipherSuites: readonly CipherSuiteName[]
  readonly groups: readonly NamedGroupName[]
  /** What the server is to write in its records; empty: nothing, but we write its CID. Undefined: no CIDs. */
  readonly connectionId: Uint8Array | undefined
  /** What we ask for. */
  readonly recordSizes: RecordSizeExtensions
  /** Offered while it lasts. */
  readonly session: ClientSession | undefined
  /** Whether to ask for one. */
  readonly wantsSession: boolean
}

/** How the server lets us come back, if it does. */
interface Comeback {
  /** Empty: none. */
  readonly sessionId: Uint8Array
  readonly promisesTicket: boolean
}

interface Chosen {
  readonly suite: CipherSuite
  readonly serverRandom: Uint8Array
  readonly comeback: Comeback
}

interface Presented extends Chosen {
  readonly chain: readonly Uint8Array[]
  readonly leaf: Uint8Array
}

interface Offered extends Presented {
  readonly keyExchange: ServerKeyExchange
}

/** The server's flight is whole; `request` is its CertificateRequest, if it sent one. */
interface Answered extends Offered {
  readonly request: CertificateRequest | undefined
}

interface Keyed {
  readonly suite: CipherSuite
  readonly comeback: Comeback
  readonly chain: readonly Uint8Array[]
  readonly masterSecret: Uint8Array
  readonly keys: AssociationKeys
}

export type ClientState =
  | ExpectingServerHello
  /** Everything is for the abbreviated handshake from now on. */
  | { readonly name: 'resuming'; readonly resumption: ClientResumption }
  | ({ readonly name: 'expecting-certificate' } & Chosen)
  | ({ readonly name: 'expecting-server-key-exchange' } & Presented)
  | ({ readonly name: 'expecting-certificate-request-or-done' } & Offered)
  | ({ readonly name: 'expecting-server-hello-done' } & Answered)
  | ({ readonly name: 'verifying-signature' } & Answered)
  | ({ readonly name: 'verifying-peer' } & Answered)
  | ({ readonly name: 'making-key-share' } & Answered)
  | ({ readonly name: 'agreeing'; readonly keyShare: KeyShare } & Answered)
  | ({ readonly name: 'signing'; readonly parts: readonly FlightPart[]; readonly scheme: SignatureScheme } & Keyed)
  | ({ readonly name: 'expecting-new-session-ticket' } & Keyed)
  | ({ readonly name: 'expecting-change-cipher-spec'; readonly newTicket: NewSessionTicket | undefined } & Keyed)
  | ({ readonly name: 'expecting-finished'; readonly newTicket: NewSessionTicket | undefined } & Keyed)
  | { readonly name: 'connected' }

const expectations: Readonly<Record<Exclude<ClientState['name'], 'resuming'>, Handshake['expects']>> = {
  'expecting-server-hello': 'message',
  'expecting-certificate': 'message',
  'expecting-server-key-exchange': 'message',
  'expecting-certificate-request-or-done': 'message',
  'expecting-server-hello-done': 'message',
  'verifying-signature': 'answer',
  'verifying-peer': 'answer',
  'making-key-share': 'answer',
  agreeing: 'answer',
  signing: 'answer',
  'expecting-new-session-ticket': 'message',
  'expecting-change-cipher-spec': 'change-cipher-spec',
  'expecting-finished': 'message',
  connected: 'answer',
}

/** RFC 5246 section F.1.4 advises at most a day. */
const longestSessionLifetime = hours(24)

export class ClientHandshake implements Handshake {
  readonly layer: HandshakeLayer
  state: ClientState = { name: 'expecting-server-hello', helloVerifyRequests: 0 }
  readonly #identity: ClientIdentity
  /** In each of our hellos. */
  #offered: ClientSession | undefined

  constructor(layer: HandshakeLayer, identity: ClientIdentity) {
    this.layer = layer
    this.#identity = identity
  }

  get unverifiedChain(): readonly Uint8Array[] | undefined {
    return 'chain' in this.state ? this.state.chain : undefined
  }

  get expects(): Handshake['expects'] {
    return this.state.name === 'resuming' ? this.state.resumption.expects : expectations[this.state.name]
  }

  /** Once flight 5 is out, a server that repeats flight 4 has not got it. */
  get answersRepetition(): boolean {
    switch (this.state.name) {
      case 'expecting-new-session-ticket':
      case 'expecting-change-cipher-spec':
      case 'expecting-finished':
        return true
      default:
        return false
    }
  }

  begin(context: HandshakeContext): void {
    this.#offered = usableSession(this.#identity, context.now)
    sendHello(this.layer, this.#offer, new Uint8Array(0), context)
  }

  receiveAnswer(answer: Answer, context: HandshakeContext): void {
    const { state } = this
    if (state.name === 'resuming') {
      state.resumption.receiveAnswer(answer, context)
    } else if (state.name === 'verifying-signature' && answer.kind === 'verifySignature') {
      this.#haveSignatureVerdict(state, answer.verdict, context)
    } else if (state.name === 'verifying-peer' && answer.kind === 'verifyPeer' && answer.decision.accepted) {
      this.state = { ...state, name: 'making-key-share' }
      context.ask(this.layer, { kind: 'makeKeyShare', group: state.keyExchange.group.name })
    } else if (state.name === 'making-key-share' && answer.kind === 'makeKeyShare') {
      const { group, publicKey: peerPublicKey } = state.keyExchange
      this.state = { ...state, name: 'agreeing', keyShare: answer.keyShare }
      const { privateKey } = answer.keyShare
      context.ask(this.layer, { kind: 'agree', group: group.name, privateKey, peerPublicKey })
    } else if (state.name === 'agreeing' && answer.kind === 'agree') {
      this.#haveSharedSecret(state, answer.sharedSecret, context)
    } else if (state.name === 'signing' && answer.kind === 'sign') {
      const { scheme, parts, ...keyed } = state
      const body = writeCertificateVerify({ scheme: scheme.number, signature: answer.signature })
      const verify = compose(this.layer, handshakeTypes.certificateVerify, body)
      this.#sendFlight5(keyed, [...parts, verify], context)
    } else {
      throw new Error(`a ${answer.kind} answer in state ${state.name}`)
    }
  }

  receiveMessage(message: HandshakeMessage, context: HandshakeContext): void {
    const { state } = this
    const { type } = message
    if (state.name === 'resuming') {
      state.resumption.receiveMessage(message, context)
    } else if (state.name === 'expecting-server-hello' && type === handshakeTypes.helloVerifyRequest) {
      this.state = repeatHello(this.layer, state, this.#offer, message, context)
    } else if (state.name === 'expecting-server-hello' && type === handshakeTypes.serverHello) {
      this.#haveServerHello(message)
    } else if (state.name === 'expecting-certificate' && type === handshakeTypes.certificate) {
      this.#haveCertificate(state, message)
    } else if (state.name === 'expecting-server-key-exchange' && type === handshakeTypes.serverKeyExchange) {
      this.#haveServerKeyExchange(state, message)
    } else if (state.name === 'expecting-certificate-request-or-done' && type === handshakeTypes.certificateRequest) {
      append(this.layer.transcript, message)
      const request = readCertificateRequest(message.body)
      this.state = { ...state, name: 'expecting-server-hello-done', request }
    } else if (state.name === 'expecting-certificate-request-or-done' && type === handshakeTypes.serverHelloDone) {
      this.#haveServerHelloDone({ ...state, request: undefined }, message, context)
    } else if (state.name === 'expecting-server-hello-done' && type === handshakeTypes.serverHelloDone) {
      this.#haveServerHelloDone(state, message, context)
    } else if (state.name === 'expecting-new-session-ticket' && type === handshakeTypes.newSessionTicket) {
      this.#haveNewSessionTicket(state, message)
    } else if (state.name === 'expecting-finished' && type === handshakeTypes.finished) {
      this.#haveFinished(state, message, context)
    } else {
      throw new HandshakeFault('message-unexpected', `a message of type ${type} while ${state.name}`)
    }
  }

  receiveChangeCipherSpec(): void {
    const { state } = this
    if (state.name === 'resuming') {
      state.resumption.receiveChangeCipherSpec()
      return
    }
    if (state.name !== 'expecting-change-cipher-spec') throw new Error(`change_cipher_spec while ${state.name}`)
    this.layer.records.installReadKeys(state.keys.server, this.layer.connectionIds.read)
    this.state = { ...state, name: 'expecting-finished' }
  }

  get #offer(): HelloOffer {
    const { random, cipherSuites, groups, connectionId, recordSizes, wantsSession } = this.#identity
    const offered = this.#offered
    return {
      random,
      cipherSuites,
      groups,
      connectionId,
      recordSizes,
      sessionId: offered?.sessionId,
      // An empty ticket asks for one (RFC 5077 section 3.2).
      sessionTicket: wantsSession || offered !== undefined ? (offered?.ticket ?? new Uint8Array(0)) : undefined,
    }
  }

  #haveServerHello(message: HandshakeMessage): void {
    const hello = readServerHello(message.body)
    const suite = settleHello(this.layer, hello, this.#identity)
    const offered = this.#offered
    if (hello.sessionTicket && offered === undefined && !this.#identity.wantsSession) {
      throw new HandshakeFault('extension-unsolicited', 'session tickets were not offered')
    }
    append(this.layer.transcript, message)
    const { random: serverRandom, sessionId, sessionTicket: promisesTicket } = hello
    if (offered !== undefined && sameBytes(offered.sessionId, sessionId)) {
      if (offered.cipherSuite !== suite.name) {
        throw new HandshakeFault('choice-not-offered', `the session goes on with ${suite.name}, not its own suite`)
      }
      const { random: clientRandom } = this.#identity
      const resumed = { suite, session: offered, clientRandom, serverHello: hello }
      this.state = { name: 'resuming', resumption: new ClientResumption(this.layer, resumed) }
      return
    }
    this.state = { name: 'expecting-certificate', suite, serverRandom, comeback: { sessionId, promisesTicket } }
  }

  #haveCertificate(state: ClientState & { name: 'expecting-certificate' }, message: HandshakeMessage): void {
    const chain = readCertificate(message.body)
    const [leaf] = chain
    if (leaf === undefined) throw new HandshakeFault('certificate-missing', 'the server sent no certificate')
    requireUsableKey(leaf, ['P-256', 'P-384'])
    append(this.layer.transcript, message)
    this.state = { ...state, name: 'expecting-server-key-exchange', chain, leaf }
  }

  #haveServerKeyExchange(
    state: ClientState & { name: 'expecting-server-key-exchange' },
    message: HandshakeMessage,
  ): void {
    const keyExchange = readServerKeyExchange(message.body)
    if (!this.#identity.groups.includes(keyExchange.group.name)) {
      throw new HandshakeFault('choice-not-offered', `group ${keyExchange.group.name} was not offered`)
    }
    append(this.layer.transcript, message)
    this.state = { ...state, name: 'expecting-certificate-request-or-done', keyExchange }
  }

  #haveServerHelloDone(state: Answered, message: HandshakeMessage, context: HandshakeContext): void {
    if (message.body.length !== 0) throw new HandshakeFault('message-malformed', 'ServerHelloDone is not empty')
    append(this.layer.transcript, message)
    this.layer.flight = undefined
    const { signed, parameters } = state.keyExchange
    const scheme = announcedSignatureSchemes.includes(signed.scheme)
      ? signatureSchemeByNumber.get(signed.scheme)
      : undefined
    // The suites are ECDSA's: the other schemes are announced for the chain alone.
    if (scheme?.algorithm !== 'ecdsa') {
      throw new HandshakeFault('signature-scheme-not-offered', `signature scheme ${signed.scheme.toString(16)}`)
    }
    this.state = { ...state, name: 'verifying-signature' }
    context.ask(this.layer, {
      kind: 'verifySignature',
      scheme: scheme.name,
      certificate: state.leaf,
      content: signedKeyParameters(this.#identity.random, state.serverRandom, parameters),
      signature: signed.signature,
    })
  }

  #haveSignatureVerdict(
    state: ClientState & { name: 'verifying-signature' },
    verdict: (Answer & { kind: 'verifySignature' })['verdict'],
    context: HandshakeContext,
  ): void {
    requireValidSignature(verdict, 'server')
    this.state = { ...state, name: 'verifying-peer' }
    context.ask(this.layer, { kind: 'verifyPeer', chain: state.chain, peer: this.layer.peer })
  }

  #haveSharedSecret(
    state: ClientState & { name: 'agreeing' },
    sharedSecret: Uint8Array | undefined,
    context: HandshakeContext,
  ): void {
    if (sharedSecret === undefined) {
      throw new HandshakeFault('public-key-invalid', "the server's public key is not a point of the group")
    }
    const { layer } = this
    const { suite, serverRandom, request, chain, comeback } = state
    const ours = this.#identity.certificate
    const parts: FlightPart[] = []
    // Chosen before anything is sent: without a scheme in common we have, for this server, no certificate.
    const scheme =
      ours !== undefined && request?.allowsEcdsa === true
        ? chooseSignatureScheme(ours.curve, request.signatureSchemes)
        : undefined
    if (request !== undefined) {
      const body = writeCertificate(ours === undefined || scheme === undefined ? [] : ours.chain)
      parts.push(compose(layer, handshakeTypes.certificate, body))
    }
    const keyExchange = writeClientKeyExchange(state.keyShare.publicKey)
    parts.push(compose(layer, handshakeTypes.clientKeyExchange, keyExchange))
    const sessionHash = transcriptHash(layer.transcript, suite.hash)
    const masterSecret = extendedMasterSecret(suite, sharedSecret, sessionHash)
    const keys = deriveKeys(suite, masterSecret, this.#identity.random, serverRandom)
    const keyed = { suite, comeback, chain, masterSecret, keys }
    if (scheme === undefined) {
      this.#sendFlight5(keyed, parts, context)
      return
    }
    this.state = { ...keyed, name: 'signing', parts, scheme }
    context.ask(layer, { kind: 'sign', scheme: scheme.name, content: transcriptBytes(layer.transcript) })
  }

  #sendFlight5(keyed: Keyed, parts: readonly FlightPart[], context: HandshakeContext): void {
    this.state = keyed.comeback.promisesTicket
      ? { ...keyed, name: 'expecting-new-session-ticket' }
      : { ...keyed, name: 'expecting-change-cipher-spec', newTicket: undefined }
    sendFinished(this.layer, 'client', keyed, parts, context)
  }

  #haveNewSessionTicket(
    state: ClientState & { name: 'expecting-new-session-ticket' },
    message: HandshakeMessage,
  ): void {
    const newTicket = readNewSessionTicket(message.body)
    append(this.layer.transcript, message)
    this.state = { ...state, name: 'expecting-change-cipher-spec', newTicket }
  }

  #haveFinished(
    state: ClientState & { name: 'expecting-finished' },
    message: HandshakeMessage,
    context: HandshakeContext,
  ): void {
    const { suite } = state
    requireFinished(this.layer, 'server', state, message)
    const session = this.#newSession(state, context)
    this.state = { name: 'connected' }
    const { random: clientRandom } = this.#identity
    context.complete(this.layer, { suite, clientRandom, peerFinished: message, lastFlight: undefined, session })
  }

  #newSession(
    { suite, chain, masterSecret, comeback, newTicket }: ClientState & { name: 'expecting-finished' },
    context: HandshakeContext,
  ): ClientSession | undefined {
    if (!this.#identity.wantsSession) return undefined
    const ticket = newTicket?.ticket.slice() ?? new Uint8Array(0)
    // With a ticket the server's session id says nothing (RFC 5077 section 3.4).
    const sessionId = ticket.length > 0 ? sessionIdOfTicket(ticket) : comeback.sessionId.slice()
    if (sessionId.length === 0) return undefined
    const hint = newTicket?.lifetime ?? seconds(0)
    const lifetime = hint > 0 && hint < longestSessionLifetime ? hint : longestSessionLifetime
    const expiresAt = later(context.now, lifetime)
    return { cipherSuite: suite.name, masterSecret, chain, sessionId, ticket, expiresAt }
  }
}

/** While it lasts, and its suite is one that we still offer. */
function usableSession({ session, cipherSuites }: ClientIdentity, now: Instant): ClientSession | undefined {
  if (session === undefined || now >= session.expiresAt) return undefined
  return cipherSuites.includes(session.cipherSuite) ? session : undefined
}

/** Compares names: both have travelled in the clear. */
const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
