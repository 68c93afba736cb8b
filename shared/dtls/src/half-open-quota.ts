/**
 * Who may hold how many half-open handshakes: in all, from one host, and from one network.
 *
 * A cookie proves an address, not good will: whoever has a network could stall handshakes until nobody else gets in. So
 * each host and each network has a share, and where a share is full, a handshake that has stood still gives way to the
 * newcomer. Only then: one that goes on within `stalledAfter` keeps its place however many others knock, and nobody
 * loses a place to another network while that holds less than his own.
 */

import { type Duration, type Instant, later, seconds } from '@sallyport/clock'
import { type Origin, originOf } from './origin.ts'
import type { AssociationHandle, PeerAddress } from './output.ts'

export interface HalfOpenLimits {
  readonly total: number
  /** An IPv4 address or an IPv6 /64, of which one customer has all. */
  readonly perHost: number
  /** An IPv4 /24 or an IPv6 /48. */
  readonly perNetwork: number
}

export type Room =
  | { readonly kind: 'free' }
  /** Once this one is gone. */
  | { readonly kind: 'evict'; readonly association: AssociationHandle }
  | { readonly kind: 'none' }

/** Longer than a round trip; what lives answers, and answers are progress. */
const stalledAfter: Duration = seconds(2)

/** Handshakes and when each last went on, the longest still first. */
type Host = Map<AssociationHandle, Instant>

interface Network {
  size: number
  readonly hosts: Map<string, Host>
}

export class HalfOpenQuota {
  readonly #limits: HalfOpenLimits
  readonly #origins = new Map<AssociationHandle, Origin>()
  readonly #networks = new Map<string, Network>()

  constructor(limits: HalfOpenLimits) {
    this.#limits = limits
  }

  get counts(): { readonly handshakes: number; readonly networks: number } {
    return { handshakes: this.#origins.size, networks: this.#networks.size }
  }

  roomFor(peer: PeerAddress, now: Instant): Room {
    const { total, perHost, perNetwork } = this.#limits
    const origin = originOf(peer.address)
    const network = this.#networks.get(origin.network)
    const host = network?.hosts.get(origin.host)
    if (host !== undefined && host.size >= perHost) return giveWay(host, now)
    if (network !== undefined && network.size >= perNetwork) return giveWay(largestHost(network), now)
    if (this.#origins.size < total) return { kind: 'free' }
    const largest = largestOf(this.#networks.values())
    if (largest === undefined) return { kind: 'none' }
    return (network?.size ?? 0) + 1 > largest.size && network !== largest
      ? { kind: 'none' }
      : giveWay(largestHost(largest), now)
  }

  enter(association: AssociationHandle, peer: PeerAddress, now: Instant): void {
    const origin = originOf(peer.address)
    const network = this.#networks.get(origin.network) ?? { size: 0, hosts: new Map<string, Host>() }
    const host = network.hosts.get(origin.host) ?? new Map<AssociationHandle, Instant>()
    this.#origins.set(association, origin)
    this.#networks.set(origin.network, network)
    network.hosts.set(origin.host, host)
    network.size += 1
    host.set(association, now)
  }

  /** The handshake has gone on: it is now the last of its host to give way. */
  progress(association: AssociationHandle, now: Instant): void {
    const origin = this.#origins.get(association)
    if (origin === undefined) return
    const host = this.#networks.get(origin.network)?.hosts.get(origin.host)
    host?.delete(association)
    host?.set(association, now)
  }

  /** Nothing happens for one that is not here. */
  leave(association: AssociationHandle): void {
    const origin = this.#origins.get(association)
    if (origin === undefined) return
    this.#origins.delete(association)
    const network = this.#networks.get(origin.network)
    const host = network?.hosts.get(origin.host)
    if (network === undefined || host === undefined) return
    host.delete(association)
    network.size -= 1
    if (host.size === 0) network.hosts.delete(origin.host)
    if (network.size === 0) this.#networks.delete(origin.network)
  }
}

function giveWay(host: Host | undefined, now: Instant): Room {
  const [longestStill] = host ?? []
  if (longestStill === undefined) return { kind: 'none' }
  const [association, since] = longestStill
  return now >= later(since, stalledAfter) ? { kind: 'evict', association } : { kind: 'none' }
}

const largestHost = (network: Network): Host | undefined => largestOf(network.hosts.values())

/** Looked for only when a share is full, and among no more than a share has. */
function largestOf<Group extends { readonly size: number }>(groups: Iterable<Group>): Group | undefined {
  let largest: Group | undefined
  for (const group of groups) {
    if (largest === undefined || group.size > largest.size) largest = group
  }
  return largest
}
