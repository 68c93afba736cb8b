/** Who is at the other end of an association: what admission proved and looked up, once, at the handshake. */

import type { Instant } from '@sallyport/clock'

export interface DeviceIdentity {
  /** Lower-case UUID from the certificate's common name. */
  readonly deviceId: string
  /** The organization that the device belongs to. */
  readonly organizationId: string
  /** Lower-case hexadecimal SHA-256 of the DER certificate. */
  readonly certificateSha256: string
  readonly certificateSerial: string
  readonly certificateNotAfter: Instant
}
