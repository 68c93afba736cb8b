/**
 * The client's side of a full handshake with a pre-shared key (RFC 4279), alone or with ECDHE (RFC 5489).
 *
 *        Client                                        Server
 *    1   ClientHello                      -------->
 *    2                                    <--------    HelloVerifyRequest (cookie)
 *    3   ClientHello (cookie)             -------->
 *    4                                    <--------    ServerHello, ServerKeyExchange*, ServerHelloDone
 *        makeKeyShare*, agree*
 *    5   ClientKeyExchange (identity)
 *        [ChangeCipherSpec], Finished     -------->
 *    6                                    <--------    [ChangeCipherSpec], Finished
 *
 *        * with ECDHE; without it ServerKeyExchange is there only for a hint, which we ignore: we have one identity
 *
 * Each state takes exactly one thing (state 4 one of two). The server proves that it has the key by its Finished; who it
 * is follows from having the key, so nobody is asked.
 */

import type { CipherSuite, CipherSuiteName } from './cipher-suite.ts'
import { requireFinished, sendFinished } from './finished.ts'
import { HandshakeFault } from './handshake-fault.ts'
import { compose, type Handshake, type HandshakeContext, type HandshakeLayer } from './handshake-layer.ts'
import { type HandshakeMessage, handshakeTypes } from './handshake-message.ts'
import { type ExpectingServerHello, type HelloOffer, repeatHello, sendHello, settleHello } from './hello-exchange.ts'
import type { KeyParameters } from './key-exchange-messages.ts'
import { type AssociationKeys, deriveKeys, extendedMasterSecret } from './key-schedule.ts'
import type { NamedGroupName } from './named-group.ts'
import type { Answer, KeyShare } from './output.ts'
import { readPskServerKeyExchange, writePskClientKeyExchange } from './psk-messages.ts'
import { pskPremasterSecret } from './psk-premaster-secret.ts'
import type { RecordSizeExtensions } from './record-size.ts'
import { readServerHello } from './server-hello.ts'
import { append, transcriptHash } from './transcript.ts'

export interface ClientPskIdentity {
  readonly random: Uint8Array
  /** 1 to 128 bytes; the server, and whoever listens, sees them. */
  readonly identity: Uint8Array
  readonly key: Uint8Array
  readonly cipherSuites: readonly CipherSuiteName[]
  readonly groups: readonly NamedGroupName[]
  /** As for `ClientHandshake`. */
  readonly connectionId: Uint8Array | undefined
  /** What we ask for. */
  readonly recordSizes: RecordSizeExtensions
}

interface Chosen {
  readonly suite: CipherSuite
  readonly serverRandom: Uint8Array
}

interface Offered extends Chosen {
  /** Undefined without ECDHE. */
  readonly share: KeyParameters | undefined
}

interface Keyed {
  readonly suite: CipherSuite
  readonly masterSecret: Uint8Array
  readonly keys: AssociationKeys
}

export type ClientPskState =
  | ExpectingServerHello
  | ({ readonly name: 'expecting-server-key-exchange-or-done' } & Chosen)
  | ({ readonly name: 'expecting-server-hello-done' } & Offered)
  | ({ readonly name: 'making-key-share'; readonly share: KeyParameters } & Chosen)
  | ({ readonly name: 'agreeing'; readonly keyShare: KeyShare } & Chosen)
  | ({ readonly name: 'expecting-change-cipher-spec' } & Keyed)
  | ({ readonly name: 'expecting-finished' } & Keyed)
  | { readonly name: 'connected' }

const expectations: Readonly<Record<ClientPskState['name'], Handshake['expects']>> = {
  'expecting-server-hello': 'message',
  'expecting-server-key-exchange-or-done': 'message',
  'expecting-server-hello-done': 'message',
  'making-key-share': 'answer',
  agreeing: 'answer',
  'expecting-change-cipher-spec': 'change-cipher-spec',
  'expecting-finished': 'message',
  connected: 'answer',
}

export class ClientPskHandshake implements Handshake {
  readonly layer: HandshakeLayer
  readonly unverifiedChain = undefined
  state: ClientPskState = { name: 'expecting-server-hello', helloVerifyRequests: 0 }
  readonly #identity: ClientPskIdentity
  readonly #offer: HelloOffer

  constructor(layer: HandshakeLayer, identity: ClientPskIdentity) {
    this.layer = layer
    this.#identity = identity
    const { random, cipherSuites, groups, connectionId, recordSizes } = identity
    this.#offer = { random, cipherSuites, groups, connectionId, recordSizes }
  }

  get expects(): Handshake['expects'] {
    return expectations[this.state.name]
  }

  /** As in `client-handshake.ts`. */
  get answersRepetition(): boolean {
    return this.state.name === 'expecting-change-cipher-spec' || this.state.name === 'expecting-finished'
  }

  begin(context: HandshakeContext): void {
    sendHello(this.layer, this.#offer, new Uint8Array(0), context)
  }

  receiveAnswer(answer: Answer, context: HandshakeContext): void {
    const { state } = this
    if (state.name === 'making-key-share' && answer.kind === 'makeKeyShare') {
      const { suite, serverRandom, share } = state
      this.state = { name: 'agreeing', suite, serverRandom, keyShare: answer.keyShare }
      const { privateKey } = answer.keyShare
      context.ask(this.layer, { kind: 'agree', group: share.group.name, privateKey, peerPublicKey: share.publicKey })
    } else if (state.name === 'agreeing' && answer.kind === 'agree') {
      if (answer.sharedSecret === undefined) {
        throw new HandshakeFault('public-key-invalid', "the server's public key is not a point of the group")
      }
      this.#sendFlight5(state, { publicKey: state.keyShare.publicKey, sharedSecret: answer.sharedSecret }, context)
    } else {
      throw new Error(`a ${answer.kind} answer in state ${state.name}`)
    }
  }

  receiveMessage(message: HandshakeMessage, context: HandshakeContext): void {
    const { state } = this
    const { type } = message
    if (state.name === 'expecting-server-hello' && type === handshakeTypes.helloVerifyRequest) {
      this.state = repeatHello(this.layer, state, this.#offer, message, context)
    } else if (state.name === 'expecting-server-hello' && type === handshakeTypes.serverHello) {
      this.#haveServerHello(message)
    } else if (state.name === 'expecting-server-key-exchange-or-done' && type === handshakeTypes.serverKeyExchange) {
      append(this.layer.transcript, message)
      const { share } = readPskServerKeyExchange(message.body, state.suite.keyExchange === 'ecdhe_psk')
      if (share !== undefined && !this.#identity.groups.includes(share.group.name)) {
        throw new HandshakeFault('choice-not-offered', `group ${share.group.name} was not offered`)
      }
      this.state = { ...state, name: 'expecting-server-hello-done', share }
    } else if (
      state.name === 'expecting-server-key-exchange-or-done' &&
      state.suite.keyExchange === 'psk' &&
      type === handshakeTypes.serverHelloDone
    ) {
      this.#haveServerHelloDone({ ...state, share: undefined }, message, context)
    } else if (state.name === 'expecting-server-hello-done' && type === handshakeTypes.serverHelloDone) {
      this.#haveServerHelloDone(state, message, context)
    } else if (state.name === 'expecting-finished' && type === handshakeTypes.finished) {
      this.#haveFinished(state, message, context)
    } else {
      throw new HandshakeFault('message-unexpected', `a message of type ${type} while ${state.name}`)
    }
  }

  receiveChangeCipherSpec(): void {
    const { state } = this
    if (state.name !== 'expecting-change-cipher-spec') throw new Error(`change_cipher_spec while ${state.name}`)
    this.layer.records.installReadKeys(state.keys.server, this.layer.connectionIds.read)
    this.state = { ...state, name: 'expecting-finished' }
  }

  #haveServerHello(message: HandshakeMessage): void {
    const hello = readServerHello(message.body)
    const suite = settleHello(this.layer, hello, this.#offer)
    append(this.layer.transcript, message)
    this.state = { name: 'expecting-server-key-exchange-or-done', suite, serverRandom: hello.random }
  }

  #haveServerHelloDone(state: Offered, message: HandshakeMessage, context: HandshakeContext): void {
    if (message.body.length !== 0) throw new HandshakeFault('message-malformed', 'ServerHelloDone is not empty')
    append(this.layer.transcript, message)
    this.layer.flight = undefined
    const { suite, serverRandom, share } = state
    if (share === undefined) {
      this.#sendFlight5(state, undefined, context)
      return
    }
    this.state = { name: 'making-key-share', suite, serverRandom, share }
    context.ask(this.layer, { kind: 'makeKeyShare', group: share.group.name })
  }

  #sendFlight5(
    { suite, serverRandom }: Chosen,
    ecdhe: { readonly publicKey: Uint8Array; readonly sharedSecret: Uint8Array } | undefined,
    context: HandshakeContext,
  ): void {
    const { layer } = this
    const { identity, key, random } = this.#identity
    const body = writePskClientKeyExchange(identity, ecdhe?.publicKey)
    const keyExchange = compose(layer, handshakeTypes.clientKeyExchange, body)
    const sessionHash = transcriptHash(layer.transcript, suite.hash)
    const masterSecret = extendedMasterSecret(suite, pskPremasterSecret(key, ecdhe?.sharedSecret), sessionHash)
    const keys = deriveKeys(suite, masterSecret, random, serverRandom)
    const keyed = { suite, masterSecret, keys }
    this.state = { name: 'expecting-change-cipher-spec', ...keyed }
    sendFinished(layer, 'client', keyed, [keyExchange], context)
  }

  #haveFinished(
    state: ClientPskState & { name: 'expecting-finished' },
    message: HandshakeMessage,
    context: HandshakeContext,
  ): void {
    requireFinished(this.layer, 'server', state, message)
    this.state = { name: 'connected' }
    const { suite } = state
    const { random: clientRandom } = this.#identity
    context.complete(this.layer, { suite, clientRandom, peerFinished: message, lastFlight: undefined })
  }
}
