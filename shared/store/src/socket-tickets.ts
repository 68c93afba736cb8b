/** Tickets that open one web socket each, once, within seconds. */

import type { Duration } from '@sallyport/clock'
import type { JsonValue } from '@sallyport/fleet'
import type { ActContext } from './act.ts'

export interface NewSocketTicket {
  /** Of the ticket, in hex: the ticket itself is nowhere. */
  readonly sha256: string
  readonly userId: string
  /** Who may open the socket, as the control plane wrote it. */
  readonly caller: JsonValue
  readonly lifetime: Duration
}

export interface SocketTickets {
  create(organizationId: string, ticket: NewSocketTicket, act: ActContext): Promise<void>
  /** Who may open the socket; undefined for what is no ticket, no longer one, or was used: of parallel calls one gets it. */
  redeem(sha256: string): Promise<JsonValue | undefined>
}
