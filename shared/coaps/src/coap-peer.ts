/** What the service keeps for one association, and the endpoint's types with it. */

import type { Instant } from '@sallyport/clock'
import { instant } from '@sallyport/clock'
import type { CoapAssociation, CoapEndpoint, IncomingRequest, Observation, OutgoingRequest } from '@sallyport/coap'
import type { Association } from './association.ts'
import type { ServedResource } from './served-resource.ts'

export class Peer<Identity> {
  readonly association: Association<Identity>
  readonly coap: CoapAssociation<Peer<Identity>, ServedResource<Identity>>
  abort: AbortController | undefined
  unauthorized = 0
  unauthorizedSince: Instant = instant(0)

  constructor(
    association: Association<Identity>,
    endpoint: CoapEndpoint<Peer<Identity>, ServedResource<Identity>>,
    now: Instant,
  ) {
    this.association = association
    const { transport, maxMessageBytes } = association
    this.coap = endpoint.associate(this, transport === 'tls' ? { reliableSince: now } : { maxMessageBytes })
  }
}

export type Incoming<Identity> = IncomingRequest<Peer<Identity>, ServedResource<Identity>>
export type Outgoing<Identity> = OutgoingRequest<Peer<Identity>, ServedResource<Identity>>
export type Observed<Identity> = Observation<Peer<Identity>, ServedResource<Identity>>
