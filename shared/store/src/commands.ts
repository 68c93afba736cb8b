/** Requests of customers to devices: a row each, carried by the gateway that has the device. */

import type { Instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import type { CommandMethod, CommandState, JsonValue } from '@sallyport/fleet'
import type { ActContext } from './act.ts'
import type { Page, PageRequest } from './page.ts'

export interface CommandRecord {
  readonly id: string
  readonly organizationId: string
  readonly deviceId: string
  readonly href: string
  readonly method: CommandMethod
  readonly payload: JsonValue
  readonly state: CommandState
  readonly correlationId: string
  readonly createdAt: Instant
  readonly expiresAt: Instant
  readonly finishedAt?: Instant
  /** What the device answered. */
  readonly coapCode?: string
  readonly representation?: JsonValue
  readonly errorCode?: ErrorCode
}

export interface Commands {
  /**
   * `gatewayId` when the device is online; that gateway is told (`command_created`).
   * @throws CodedError `not-found` when the organization has no such device.
   */
  create(
    organizationId: string,
    command: {
      readonly deviceId: string
      readonly href: string
      readonly method: CommandMethod
      readonly payload: JsonValue
      readonly expiresAt: Instant
    },
    act: ActContext,
  ): Promise<CommandRecord & { readonly gatewayId?: string }>
  /** pending → sent, for one winner: undefined for all others, and when the device is not at that gateway. */
  claim(commandId: string, gatewayId: string): Promise<CommandRecord | undefined>
  /** Does nothing when it is finished already. Wakes who waits (`command_finished`). */
  complete(
    commandId: string,
    outcome: {
      readonly state: 'succeeded' | 'refused' | 'outcome-unknown' | 'expired'
      readonly coapCode?: string | undefined
      readonly representation?: JsonValue | undefined
      readonly errorCode?: ErrorCode | undefined
    },
    act: ActContext,
  ): Promise<void>
  /** Oldest first. */
  pendingFor(deviceId: string): Promise<readonly CommandRecord[]>
  /** Of the devices whose current session is at that gateway, oldest first. */
  pendingForGateway(gatewayId: string, limit: number): Promise<readonly CommandRecord[]>
  read(organizationId: string, id: string): Promise<CommandRecord | undefined>
  /** Newest first. */
  list(organizationId: string, deviceId: string, request: PageRequest): Promise<Page<CommandRecord>>
  /** Ends what is overdue: expired where it was not sent, and what was sent to a gateway that is gone. @returns how many. */
  expireDue(act: ActContext): Promise<number>
}
