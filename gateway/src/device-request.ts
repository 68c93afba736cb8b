/** The CoAP request of an admitted device, and who it is for log and audit. */

import type { Association, CoapRequest, CoapResource } from '@sallyport/coaps'
import type { ActContext } from '@sallyport/store'
import type { DeviceIdentity } from './device-identity.ts'

export type DeviceAssociation = Association<DeviceIdentity>
export type DeviceRequest = CoapRequest<DeviceIdentity>
export type DeviceResource = CoapResource<DeviceIdentity>

/** The device as the author of an act. */
export function actOf(association: DeviceAssociation, correlationId: string): ActContext {
  return {
    actor: { kind: 'device', id: association.identity.deviceId },
    correlationId,
    address: association.remote.address,
  }
}

/** The fields that every log line about a device carries. */
export function logFieldsOf(association: DeviceAssociation): Readonly<Record<string, string>> {
  return {
    association: association.id,
    deviceId: association.identity.deviceId,
    address: association.remote.address,
    transport: association.transport,
    cipherSuite: association.cipherSuite,
    ...(association.identity.pskIdentitySha256 === undefined
      ? { certificateSerial: association.identity.certificateSerial }
      : { pskIdentitySha256: association.identity.pskIdentitySha256 }),
  }
}
