/**
 * Hellos that come in pieces, of clients that have proven their address: on a path of 256 bytes even a usual hello does
 * not fit a datagram, and with the cookie it is 32 bytes longer still.
 *
 * Nothing is kept before the cookie (RFC 6347 section 4.2.1): a hello begins here with its first piece, which carries the
 * cookie; a piece that comes before that one is dropped, and comes again when the client repeats its flight. An address
 * has one hello, hosts and networks have a share (`half-open-quota.ts`), and one that is not whole soon is forgotten.
 *
 * The pieces that follow prove nothing: as with any message in the clear, whoever can write to the client's address could
 * spoil a hello in between. The Finished covers what the client has really sent.
 */

import { type Duration, type Instant, later, seconds } from '@sallyport/clock'
import { HalfOpenQuota } from './half-open-quota.ts'
import type { HandshakeFragment } from './handshake-message.ts'
import type { AssociationHandle, DiscardReason, PeerAddress } from './output.ts'
import {
  createReassembly,
  type Reassembly,
  type ReassemblyLimits,
  type ReceivedMessage,
  takeFragment,
  takeNextMessage,
} from './reassembly.ts'

/** A client sends the pieces together, and again after a second or after nine (RFC 7925 section 11). */
const lifetime: Duration = seconds(10)

/** At up to 8 kB each. */
const limits = { total: 1024, perHost: 64, perNetwork: 256 }

interface FragmentedHello {
  readonly handle: AssociationHandle
  readonly reassembly: Reassembly
}

export type FragmentOutcome =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'whole'; readonly message: ReceivedMessage }
  | { readonly kind: 'discarded'; readonly reason: DiscardReason }

const waiting: FragmentOutcome = { kind: 'waiting' }
const discarded = (reason: DiscardReason): FragmentOutcome => ({ kind: 'discarded', reason })

export class FragmentedHellos {
  readonly #limits: ReassemblyLimits
  readonly #quota = new HalfOpenQuota(limits)
  readonly #hellos = new Map<string, FragmentedHello>()
  readonly #addresses = new Map<AssociationHandle, string>()

  constructor(limits: ReassemblyLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#hellos.size
  }

  /**
   * The first piece, whose cookie has proven the address.
   *
   * @param handle a new one; `expire` is to be called with it at `expiresAt`
   */
  begin(
    address: string,
    peer: PeerAddress,
    fragment: HandshakeFragment,
    recordSequence: number,
    handle: AssociationHandle,
    now: Instant,
  ): FragmentOutcome {
    const known = this.#hellos.get(address)
    if (known !== undefined) {
      const outcome = this.#take(address, known, fragment, recordSequence)
      if (outcome.kind !== 'discarded') return outcome
      // Another hello of the same client, which has the address: the former is no more.
      this.#forget(address, known)
    }
    const room = this.#quota.roomFor(peer, now)
    if (room.kind === 'none') return discarded('hello-fragment-limit')
    if (room.kind === 'evict') this.expire(room.association)
    const hello: FragmentedHello = { handle, reassembly: createReassembly(fragment.messageSequence) }
    this.#hellos.set(address, hello)
    this.#addresses.set(handle, address)
    this.#quota.enter(handle, peer, now)
    const outcome = this.#take(address, hello, fragment, recordSequence)
    if (outcome.kind === 'discarded') this.#forget(address, hello)
    return outcome
  }

  /** A further piece; noise unless a first one is here. */
  goOn(address: string, fragment: HandshakeFragment, recordSequence: number): FragmentOutcome {
    const hello = this.#hellos.get(address)
    return hello === undefined ? discarded('hello-fragmented') : this.#take(address, hello, fragment, recordSequence)
  }

  /** Nothing happens for one that is not here. */
  expire(handle: AssociationHandle): void {
    const address = this.#addresses.get(handle)
    const hello = address === undefined ? undefined : this.#hellos.get(address)
    if (address !== undefined && hello !== undefined) this.#forget(address, hello)
  }

  #take(address: string, hello: FragmentedHello, fragment: HandshakeFragment, recordSequence: number): FragmentOutcome {
    const { reassembly } = hello
    // Of one message only: a client has nothing else to say before our answer.
    if (fragment.messageSequence !== reassembly.next) return discarded('fragment-refused')
    const verdict = takeFragment(reassembly, fragment, recordSequence, this.#limits)
    if (verdict !== 'taken') return discarded('fragment-refused')
    const message = takeNextMessage(reassembly)
    if (message === undefined) return waiting
    this.#forget(address, hello)
    return { kind: 'whole', message }
  }

  #forget(address: string, { handle }: FragmentedHello): void {
    this.#hellos.delete(address)
    this.#addresses.delete(handle)
    this.#quota.leave(handle)
  }
}

export const expiryOfFragmentedHello = (now: Instant): Instant => later(now, lifetime)
