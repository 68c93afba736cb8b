/** What there is once, or once per process of the installation: hub, gateways, authorities. */

import type { Instant } from '@sallyport/clock'
import type { AuthorityRole, OfflineReason } from '@sallyport/fleet'
import type { ActContext } from './act.ts'

export interface Hub {
  /** @throws CodedError `configuration-invalid` when the installation has another hub id. */
  ensure(hubId: string): Promise<void>
  read(): Promise<{ readonly hubId: string } | undefined>
}

export interface OfflineDevice {
  readonly deviceId: string
  readonly organizationId: string
  readonly gatewayId: string
  readonly reason: OfflineReason
}

export interface Gateways {
  /**
   * Begins the lease, or begins it again. With another `startedAt` than before it is another process under the same id: the
   * sessions of the one before it are ended.
   */
  register(gateway: {
    readonly id: string
    readonly coapsUri: string
    /** By TLS; absent where it does not serve that. */
    readonly coapsTcpUri?: string | undefined
    readonly startedAt: Instant
    /** Associations of the one before it that live on in this process: their sessions are not ended. */
    readonly keeps?: readonly string[]
  }): Promise<void>
  /**
   * The sessions of these associations, whichever gateway had them, are this gateway's from now on: nobody is told, since the
   * devices never left. @returns those that are current, and why the others ended; what is in neither has no session any more.
   */
  adoptSessions(
    id: string,
    associations: readonly { readonly deviceId: string; readonly associationId: string }[],
  ): Promise<{ readonly current: ReadonlySet<string>; readonly ended: ReadonlyMap<string, OfflineReason> }>
  /** @throws CodedError `not-found` when it was never registered or has retired. */
  renewLease(id: string): Promise<void>
  /** The lease ends, and the sessions of its devices with it. */
  retire(id: string): Promise<void>
  live(): Promise<readonly { readonly id: string; readonly coapsUri: string; readonly coapsTcpUri: string | null }[]>
  /** Declares offline the devices of dead gateways and those not heard of in time. */
  sweepExpired(act: ActContext): Promise<readonly OfflineDevice[]>
}

export interface AuthorityRecord {
  readonly role: AuthorityRole
  readonly certificateDer: Uint8Array
  /** Lower-case hexadecimal SHA-256 of the DER. */
  readonly sha256: string
  readonly keyId?: string
  readonly recordedAt: Instant
}

export interface Authorities {
  /** Idempotent. */
  record(authority: {
    readonly role: AuthorityRole
    readonly certificateDer: Uint8Array
    readonly keyId?: string | undefined
  }): Promise<void>
  /** Newest first. */
  byRole(role: AuthorityRole): Promise<readonly AuthorityRecord[]>
}
