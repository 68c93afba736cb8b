/**
 * Echo, server side (RFC 9175 section 2): is a request as new as its resource demands?
 *
 * DTLS proves who sent a request and that it comes once, not when it was sent: whoever sits on the path may hold "open
 * the door" back until tomorrow. A resource that asks for freshness answers a request without a recent Echo value by 4.01
 * and a new one; the peer repeats the request with it. Values are random, of one association, and few are kept.
 */

import type { Duration, Instant } from '@sallyport/clock'
import type { CoapAssociation } from './coap-association.ts'
import type { CoapMethod } from './code-registry.ts'
import { isSafe } from './code-registry.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { ResourceTraits } from './exchange.ts'

export interface EchoChallenge {
  readonly value: Uint8Array
  readonly at: Instant
}

const valueBytes = 8
/** More than one, so that requests under way at once do not make each other's values worthless. */
const keptChallenges = 4

export class EchoChallenges<Peer, Resource extends ResourceTraits> {
  readonly #context: EndpointContext<Peer, Resource>

  constructor(context: EndpointContext<Peer, Resource>) {
    this.#context = context
  }

  /** True where the resource does not ask, where nothing is changed, and where `echo` is recent enough. */
  isFreshEnough(
    association: CoapAssociation<Peer, Resource>,
    { freshWithin }: Resource,
    method: CoapMethod,
    echo: Uint8Array | undefined,
    now: Instant,
  ): boolean {
    if (freshWithin === undefined || isSafe(method)) return true
    if (echo === undefined) return false
    const challenge = association.echoChallenges?.find(({ value }) => Buffer.compare(value, echo) === 0)
    return challenge !== undefined && now - challenge.at <= freshWithin
  }

  /** The value to be repeated; one that was given out is given again while it has more than half its time. */
  challenge(association: CoapAssociation<Peer, Resource>, freshWithin: Duration, now: Instant): Uint8Array {
    association.echoChallenges ??= []
    const challenges = association.echoChallenges
    const newest = challenges.at(-1)
    if (newest !== undefined && 2 * (now - newest.at) < freshWithin) return newest.value
    const value = this.#context.randomBytes(valueBytes)
    challenges.push({ value, at: now })
    if (challenges.length > keptChallenges) challenges.shift()
    return value
  }
}
