/** Measurements, appended and read; their own record: neither audited nor announced. */

import type { Instant } from '@sallyport/clock'
import type { Page, PageRequest } from './page.ts'
import type { AssociationMark, ShardClaim } from './takeover.ts'

export type TelemetryValue = number | string | boolean | Uint8Array

export interface TelemetryRow {
  readonly deviceId: string
  readonly organizationId: string
  readonly name: string
  readonly at: Instant
  readonly value: TelemetryValue
  readonly unit?: string
}

export interface TelemetryPoint {
  readonly name: string
  readonly at: Instant
  readonly value: TelemetryValue
  readonly unit?: string
}

export interface Telemetry {
  /**
   * All or none, committed when it resolves. A device, name and time that is there already is left as it is.
   * @param under the claim of who writes, and the marks of the records that brought the rows: committed with them.
   * @throws CodedError `shard-lost` when the claim is another's.
   */
  append(
    rows: readonly TelemetryRow[],
    under?: { readonly marks: readonly AssociationMark[]; readonly claim: ShardClaim },
  ): Promise<void>
  /** The newest point of each name, by name. */
  last(organizationId: string, deviceId: string): Promise<readonly TelemetryPoint[]>
  /** Newest first; `from` inclusive, `to` exclusive. */
  range(
    organizationId: string,
    deviceId: string,
    request: PageRequest & {
      readonly name: string
      readonly from?: Instant | undefined
      readonly to?: Instant | undefined
    },
  ): Promise<Page<TelemetryPoint>>
}
