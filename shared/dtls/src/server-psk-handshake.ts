/**
 * The server's side of a full handshake with a pre-shared key (RFC 4279), alone or with ECDHE (RFC 5489).
 *
 *        Client                                        Server
 *    3   ClientHello (cookie)             -------->                             begins here
 *                                                      makeKeyShare or makeRandom
 *    4                                    <--------    ServerHello, ServerKeyExchange*, ServerHelloDone
 *    5   ClientKeyExchange (identity)     -------->    findPsk, agree*
 *        [ChangeCipherSpec], Finished     -------->
 *    6                                    <--------    [ChangeCipherSpec], Finished
 *
 *        * ServerKeyExchange with ECDHE or when there is a hint; agree with ECDHE
 *
 * Each state takes exactly one thing; a Certificate has no place in it. The client proves its key by its Finished, and
 * nothing is sent to it before that.
 *
 * Whether an identity exists is not told: one without a key goes on with a random key, through the same states and the
 * same work, and its Finished cannot be opened, as that of a peer with a wrong key. Both get decrypt_error then. Waiting
 * for a Finished that opens, as noise is waited out elsewhere, would leave a device with a wrong key to its timers; so
 * whoever can forge the address of a device within a handshake can end this one, as with an alert in the clear.
 *
 * It does not resume: no ticket, no session id. A session without extended master secret must not (RFC 7627), and what a
 * handshake without certificates costs is little.
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
import { writeKeyParameters } from './key-exchange-messages.ts'
import { type AssociationKeys, deriveKeys, extendedMasterSecret, plainMasterSecret } from './key-schedule.ts'
import type { NamedGroup } from './named-group.ts'
import { composeServerHello } from './negotiated-hello.ts'
import type { PskNegotiated, ServerIdentity } from './negotiation.ts'
import type { Answer, KeyShare, PskRefusal } from './output.ts'
import { readPskClientKeyExchange, writePskServerKeyExchange } from './psk-messages.ts'
import { pskPremasterSecret } from './psk-premaster-secret.ts'
import { append, transcriptHash } from './transcript.ts'

/** Our half of ECDHE. */
interface Share {
  readonly group: NamedGroup
  readonly privateKey: KeyShare['privateKey']
}

interface Exchange {
  readonly serverRandom: Uint8Array
  readonly share: Share | undefined
}

interface Named {
  readonly serverRandom: Uint8Array
  readonly identity: Uint8Array
  /** Our half and the client's; undefined without ECDHE. */
  readonly ecdhe: (Share & { readonly peerPublicKey: Uint8Array }) | undefined
  /** Through ClientKeyExchange (RFC 7627 section 3). */
  readonly sessionHash: Uint8Array
}

interface Looked extends Named {
  readonly key: Uint8Array
  readonly refusal: PskRefusal | undefined
}

interface Keyed {
  readonly identity: Uint8Array
  readonly refusal: PskRefusal | undefined
  readonly masterSecret: Uint8Array
  readonly keys: AssociationKeys
}

export type ServerPskState =
  | { readonly name: 'making-hello' }
  | ({ readonly name: 'expecting-client-key-exchange' } & Exchange)
  | ({ readonly name: 'finding-psk' } & Named)
  | ({ readonly name: 'agreeing' } & Looked)
  | ({ readonly name: 'expecting-change-cipher-spec' } & Keyed)
  | ({ readonly name: 'expecting-finished' } & Keyed)
  | { readonly name: 'connected' }

const expectations: Readonly<Record<ServerPskState['name'], Handshake['expects']>> = {
  'making-hello': 'answer',
  'expecting-client-key-exchange': 'message',
  'finding-psk': 'answer',
  agreeing: 'answer',
  'expecting-change-cipher-spec': 'change-cipher-spec',
  'expecting-finished': 'message',
  connected: 'answer',
}

export class ServerPskHandshake implements Handshake {
  readonly layer: HandshakeLayer
  readonly negotiated: PskNegotiated
  readonly unverifiedChain = undefined
  state: ServerPskState = { name: 'making-hello' }
  readonly #identityHint: Uint8Array | undefined

  /** @param hello the message with the good cookie, in a buffer of its own */
  constructor(layer: HandshakeLayer, negotiated: PskNegotiated, identity: ServerIdentity, hello: HandshakeMessage) {
    this.layer = layer
    this.negotiated = negotiated
    this.#identityHint = identity.pskIdentityHint
    append(layer.transcript, hello)
  }

  get unverifiedPskIdentity(): Uint8Array | undefined {
    return 'identity' in this.state ? this.state.identity : undefined
  }

  get expects(): Handshake['expects'] {
    return expectations[this.state.name]
  }

  /** As in `server-handshake.ts`. */
  readonly answersRepetition = false

  begin(context: HandshakeContext): void {
    const { group } = this.negotiated
    context.ask(this.layer, group === undefined ? { kind: 'makeRandom' } : { kind: 'makeKeyShare', group: group.name })
  }

  receiveAnswer(answer: Answer, context: HandshakeContext): void {
    const { state } = this
    const { group } = this.negotiated
    if (state.name === 'making-hello' && group === undefined && answer.kind === 'makeRandom') {
      this.#sendFlight4(answer, undefined, context)
    } else if (state.name === 'making-hello' && group !== undefined && answer.kind === 'makeKeyShare') {
      this.#sendFlight4(answer, { ...answer.keyShare, group }, context)
    } else if (state.name === 'finding-psk' && answer.kind === 'findPsk') {
      this.#haveKey({ ...state, key: answer.key, refusal: answer.refusal }, context)
    } else if (state.name === 'agreeing' && answer.kind === 'agree') {
      if (answer.sharedSecret === undefined) {
        throw new HandshakeFault('public-key-invalid', "the client's public key is not a point of the group")
      }
      this.#deriveKeys(state, answer.sharedSecret, context)
    } else {
      throw new Error(`a ${answer.kind} answer in state ${state.name}`)
    }
  }

  receiveMessage(message: HandshakeMessage, context: HandshakeContext): void {
    const { state } = this
    if (state.name === 'expecting-client-key-exchange' && message.type === handshakeTypes.clientKeyExchange) {
      this.#haveClientKeyExchange(state, message, context)
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

  /** The record where the Finished was due was sealed with other keys: the peer has another PSK than we, or we have none. */
  receiveForgery(): void {
    if (this.state.name === 'expecting-finished') throw keyWrong(this.state.refusal)
  }

  #sendFlight4(
    { random, connectionId }: { readonly random: Uint8Array; readonly connectionId: Uint8Array },
    share: (KeyShare & { readonly group: NamedGroup }) | undefined,
    context: HandshakeContext,
  ): void {
    const { layer, negotiated } = this
    agreeOnConnectionIds(layer, negotiated, connectionId, context)
    const hello = composeServerHello(layer, negotiated, {
      random,
      cipherSuite: negotiated.suite.number,
      extendedMasterSecret: negotiated.extendedMasterSecret,
    })
    const flight = [hello]
    const hint = this.#identityHint
    if (hint !== undefined || share !== undefined) {
      const parameters = share === undefined ? undefined : writeKeyParameters(share.group, share.publicKey)
      const keyExchange = writePskServerKeyExchange(hint ?? new Uint8Array(0), parameters)
      flight.push(compose(layer, handshakeTypes.serverKeyExchange, keyExchange))
    }
    flight.push(compose(layer, handshakeTypes.serverHelloDone, new Uint8Array(0)))
    this.state = { name: 'expecting-client-key-exchange', serverRandom: random, share }
    context.sendFlight(layer, flight)
  }

  #haveClientKeyExchange(
    state: ServerPskState & { name: 'expecting-client-key-exchange' },
    message: HandshakeMessage,
    context: HandshakeContext,
  ): void {
    const { serverRandom, share } = state
    const { identity, publicKey } = readPskClientKeyExchange(message.body, share?.group)
    append(this.layer.transcript, message)
    const sessionHash = transcriptHash(this.layer.transcript, this.negotiated.suite.hash)
    const ecdhe = share === undefined || publicKey === undefined ? undefined : { ...share, peerPublicKey: publicKey }
    this.state = { name: 'finding-psk', serverRandom, identity, ecdhe, sessionHash }
    context.ask(this.layer, { kind: 'findPsk', identity, peer: this.layer.peer })
  }

  #haveKey(looked: Looked, context: HandshakeContext): void {
    const { ecdhe } = looked
    if (ecdhe === undefined) {
      this.#deriveKeys(looked, undefined, context)
      return
    }
    const { group, privateKey, peerPublicKey } = ecdhe
    this.state = { ...looked, name: 'agreeing' }
    context.ask(this.layer, { kind: 'agree', group: group.name, privateKey, peerPublicKey })
  }

  #deriveKeys(looked: Looked, sharedSecret: Uint8Array | undefined, context: HandshakeContext): void {
    const { suite, clientRandom, extendedMasterSecret: extended } = this.negotiated
    const { serverRandom, identity, refusal, sessionHash } = looked
    const premaster = pskPremasterSecret(looked.key, sharedSecret)
    const masterSecret = extended
      ? extendedMasterSecret(suite, premaster, sessionHash)
      : plainMasterSecret(suite, premaster, clientRandom, serverRandom)
    context.logKeys(clientRandom, masterSecret)
    const keys = deriveKeys(suite, masterSecret, clientRandom, serverRandom)
    this.state = { name: 'expecting-change-cipher-spec', identity, refusal, masterSecret, keys }
  }

  #haveFinished(
    state: ServerPskState & { name: 'expecting-finished' },
    message: HandshakeMessage,
    context: HandshakeContext,
  ): void {
    const { layer } = this
    const { suite, clientRandom } = this.negotiated
    const { masterSecret, keys, refusal } = state
    const secrets = { suite, masterSecret, keys }
    // Nobody has the key that a refused identity was given; should somebody have guessed it, he is refused all the same.
    if (!coversHandshake(layer, 'client', secrets, message) || refusal !== undefined) throw keyWrong(refusal)
    append(layer.transcript, message)
    this.state = { name: 'connected' }
    sendFinished(layer, 'server', secrets, [], context)
    context.complete(layer, { suite, clientRandom, peerFinished: message, lastFlight: layer.flight })
  }
}

const keyWrong = (refusal: PskRefusal | undefined): HandshakeFault =>
  new HandshakeFault('psk-wrong', refusal?.detail ?? 'the client does not have the key of its identity', refusal?.code)
