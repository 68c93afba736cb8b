/** What the dps did for each manufacturer key: the provisioning record with its steps, and who owns which device id. */

import type { Instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import type { DeviceState, ProvisioningStep } from '@sallyport/fleet'
import type { ActContext } from './act.ts'
import type { Page, PageRequest } from './page.ts'

/** The last outcome of a step. */
export interface ProvisioningStepRecord {
  readonly step: ProvisioningStep
  readonly at: Instant
  /** What the device was answered, as `2.05`. */
  readonly coapCode: string
  readonly errorCode?: ErrorCode
  readonly detail?: string
  /** How often it was asked for since the record was begun. */
  readonly attempts: number
}

export interface ProvisioningRecord {
  /** UUIDv5 of the manufacturer key. */
  readonly id: string
  readonly organizationId: string
  readonly groupId: string
  /** Absent until an id was claimed. */
  readonly deviceId?: string
  readonly manufacturer: {
    readonly spkiSha256: string
    readonly certificatePem: string
    readonly commonName?: string
  }
  /** Where the device was last seen. */
  readonly remote: string
  readonly createdAt: Instant
  readonly updatedAt: Instant
  readonly steps: readonly ProvisioningStepRecord[]
}

export interface ProvisioningAdmission {
  readonly deviceId?: string
  readonly deviceState: DeviceState | undefined
  readonly groupId: string
  readonly organizationId: string
  readonly manufacturerSpkiSha256: string
}

export interface Provisioning {
  /**
   * Idempotent: at each association of the manufacturer key. A record archived with its device begins anew.
   * @throws CodedError `ownership-mismatch` when the key has a device in another organization.
   */
  begin(
    record: {
      readonly recordId: string
      readonly groupId: string
      readonly organizationId: string
      readonly manufacturer: {
        readonly spkiSha256: string
        readonly certificatePem: string
        readonly commonName: string | undefined
      }
      readonly deviceId?: string | undefined
      readonly remote: string
    },
    act: ActContext,
  ): Promise<ProvisioningRecord>
  /** @throws CodedError `not-found` when the record was never begun. */
  recordStep(
    recordId: string,
    step: ProvisioningStep,
    outcome: {
      readonly coapCode: string
      readonly errorCode?: ErrorCode | undefined
      readonly detail?: string | undefined
    },
    act: ActContext,
  ): Promise<void>
  /**
   * The first manufacturer key to claim a device id owns it, also after the device was deleted. Idempotent.
   * @throws CodedError `device-id-claimed`, `device-blocked`, `device-id-mismatch` (the key has another device already),
   * `ownership-mismatch` (the device is another organization's), `not-found`.
   */
  claimDevice(
    claim: { readonly recordId: string; readonly deviceId: string; readonly manufacturerSpkiSha256: string },
    act: ActContext,
  ): Promise<void>
  /** Last begun first; archived ones are not listed. */
  list(
    organizationId: string,
    request: PageRequest & { readonly deviceId?: string | undefined; readonly groupId?: string | undefined },
  ): Promise<Page<ProvisioningRecord>>
  read(organizationId: string, id: string): Promise<ProvisioningRecord | undefined>
  /** Without a scope, at each handshake with the dps. */
  admission(recordId: string): Promise<ProvisioningAdmission | undefined>
}
