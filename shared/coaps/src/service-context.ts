/** What the halves of a CoAP service share: the endpoint, the peers, and what is told outside. */

import type { CoapEndpoint } from '@sallyport/coap'
import type { Association } from './association.ts'
import type { Peer } from './coap-peer.ts'
import type { CoapsObserver } from './coaps-observer.ts'
import type { ServedResource } from './served-resource.ts'

export interface ServiceContext<Identity> {
  readonly endpoint: CoapEndpoint<Peer<Identity>, ServedResource<Identity>>
  readonly observer: CoapsObserver<Identity> | undefined
  peerOf(association: Association<Identity>): Peer<Identity>
  /** Carries out what the endpoint wants: to be called after whatever it was told. */
  drain(): void
  /** Calls what is not ours: its fault is told, and the endpoint goes on. */
  guarded(peer: Peer<Identity>, call: () => void): void
  /** What `exportAssociation` gives is another from now on. */
  changed(association: Association<Identity>): void
  /** Its association is closed once what it is owed has been sent. */
  unwelcome(peer: Peer<Identity>): void
}
