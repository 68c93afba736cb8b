/**
 * What the endpoint keeps for one association: nothing at first, then only what is in use.
 *
 * Message IDs, tokens, observations and transfers live here and nowhere else, so that none of them can ever match
 * a message of another peer (RFC 7252 section 9.1).
 */

import type { EchoChallenge } from './echo-challenges.ts'
import type { Confirmable, IncomingRequest, Observation, OutgoingRequest, ResourceTraits } from './exchange.ts'
import type { MessageSizes } from './message-sizes.ts'
import type { RecentExchanges } from './recent-exchanges.ts'
import type { ReliableConnection } from './reliable-layer.ts'
import type { QuotaLeft } from './request-quota.ts'
import type { ServedBody } from './served-bodies.ts'
import type { Upload } from './uploads.ts'

export class CoapAssociation<Peer, Resource extends ResourceTraits> {
  readonly peer: Peer
  closed = false
  /** What the peer takes at a time. */
  sizes: MessageSizes
  /** On a transport that is reliable in itself; everything of Message IDs is unused then. */
  reliable: ReliableConnection<Peer, Resource> | undefined
  /** Of the record that brought the message which is being handled; undefined where the transport numbers none. */
  recordSequence: number | undefined
  /** Of the next message of ours; undefined until one is sent. */
  nextMessageId: number | undefined
  recent: RecentExchanges | undefined
  /** What is left of its quota; undefined where there is none. */
  quotaLeft: QuotaLeft | undefined
  openRequests: Set<IncomingRequest<Peer, Resource>> | undefined
  outstanding: Confirmable<Peer, Resource>[] | undefined
  waiting: Confirmable<Peer, Resource>[] | undefined
  /** By token. */
  requests: Map<string, OutgoingRequest<Peer, Resource>> | undefined
  /** By token. */
  observations: Map<string, Observation<Peer, Resource>> | undefined
  /** By key; in order of last use. */
  uploads: Map<string, Upload<Peer, Resource>> | undefined
  /** In order of last use. */
  servedBodies: Set<ServedBody<Peer, Resource>> | undefined
  /** How many Request-Tags of ours have been used; none is used twice (RFC 9175 section 3.5.1). */
  requestTags = 0
  /** What the peer was given to prove that a request is new; in order of time. */
  echoChallenges: EchoChallenge[] | undefined
  /** What the peer gave with a response that was no challenge: our next message carries it (RFC 9175 section 2.3). */
  echoForNext: Uint8Array | undefined

  constructor(peer: Peer, sizes: MessageSizes) {
    this.peer = peer
    this.sizes = sizes
  }
}
