/** The device id that a message names beside the one its certificate proves. */

import { CodedError } from '@sallyport/errors'
import type { DeviceIdentity } from './device-identity.ts'

/** @throws CodedError `device-id-mismatch` unless it is the id of the certificate; case does not matter. */
export function assertOwnDevice(claimedId: string, identity: DeviceIdentity): void {
  if (claimedId.toLowerCase() === identity.deviceId) return
  throw new CodedError('device-id-mismatch', 'di is not the device id of the certificate.')
}
