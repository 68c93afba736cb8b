/** Who is at the other end of an association: what admission proved and looked up, once, at the handshake. */

import type { Instant } from '@sallyport/clock'

export type DeviceIdentity = CertifiedDevice | PskDevice

/** It has proven the key of an identity certificate. */
export interface CertifiedDevice {
  /** Lower-case UUID from the certificate's common name. */
  readonly deviceId: string
  /** The organization that the device belongs to. */
  readonly organizationId: string
  /** Lower-case hexadecimal SHA-256 of the DER certificate. */
  readonly certificateSha256: string
  readonly certificateSerial: string
  readonly certificateNotAfter: Instant
  readonly pskIdentitySha256?: undefined
}

/** It has proven a pre-shared key. */
export interface PskDevice {
  /** As the key is recorded for. */
  readonly deviceId: string
  readonly organizationId: string
  /** Lower-case hexadecimal SHA-256 of the PSK identity. */
  readonly pskIdentitySha256: string
  readonly certificateSha256?: undefined
  readonly certificateSerial?: undefined
  readonly certificateNotAfter?: undefined
}
