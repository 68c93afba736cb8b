/** What the parts of one endpoint share: limits, random bytes, deadlines and the outputs to drain. */

import type { TimerQueue } from '@sallyport/clock'
import type { EndpointLimits } from './endpoint-limits.ts'
import type {
  Confirmable,
  IncomingRequest,
  OutgoingRequest,
  Output,
  Ping,
  ResourceLookup,
  ResourceTraits,
} from './exchange.ts'
import type { StreamBudget } from './message-stream.ts'
import type { ReliableConnection } from './reliable-layer.ts'
import type { ServedBody } from './served-bodies.ts'
import type { Upload } from './uploads.ts'

/** Everything that has a deadline is its own key. */
export type Timed<Peer, Resource extends ResourceTraits> =
  | Confirmable<Peer, Resource>
  | IncomingRequest<Peer, Resource>
  | OutgoingRequest<Peer, Resource>
  | Ping<Peer, Resource>
  | Upload<Peer, Resource>
  | ServedBody<Peer, Resource>
  | ReliableConnection<Peer, Resource>

export interface EndpointContext<Peer, Resource extends ResourceTraits> {
  readonly limits: EndpointLimits
  readonly resources: ResourceLookup<Resource>
  /** Unpredictable bytes: tokens, the first Message ID, the spread of retransmission. */
  readonly randomBytes: (count: number) => Uint8Array
  readonly timers: TimerQueue<Timed<Peer, Resource>>
  /** Beginnings of messages on reliable transports. */
  readonly streamBudget: StreamBudget
  readonly outputs: Output<Peer, Resource>[]
}
