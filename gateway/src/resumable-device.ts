/**
 * What a session keeps of its device, so that the device can be judged again without its chain: which certificate it has
 * proven, until when that holds, and which of our authorities it led to. No name of a person, no right: those are looked up.
 *
 *   version(1) device id(16) SHA-256 of the certificate(32) of its authority(32) end of validity(6, milliseconds)
 *
 * Nobody but us has written it: it comes out of a sealed ticket or out of our own memory.
 */

import { ByteReader, ByteWriter, fromHex, toHex } from '@sallyport/bytes'
import { type Instant, instant } from '@sallyport/clock'
import { hasCode } from '@sallyport/errors'

const currentVersion = 1

export interface ResumableDevice {
  /** Lower-case UUID. */
  readonly deviceId: string
  /** Lower-case hexadecimal. */
  readonly certificateSha256: string
  readonly certificateNotAfter: Instant
  /** Of the identity CA that the chain led to. */
  readonly authoritySha256: string
}

export function encodeResumableDevice(device: ResumableDevice): Uint8Array {
  return new ByteWriter(87)
    .u8(currentVersion)
    .bytes(fromHex(device.deviceId.replaceAll('-', '')))
    .bytes(fromHex(device.certificateSha256))
    .bytes(fromHex(device.authoritySha256))
    .u48(Math.min(device.certificateNotAfter, 2 ** 48 - 1))
    .finish()
}

/** Undefined for what another version of the gateway has written. */
export function decodeResumableDevice(bytes: Uint8Array): ResumableDevice | undefined {
  try {
    const reader = new ByteReader(bytes)
    if (reader.u8() !== currentVersion) return undefined
    const id = toHex(reader.bytes(16))
    const deviceId = id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    const certificateSha256 = toHex(reader.bytes(32))
    const authoritySha256 = toHex(reader.bytes(32))
    const certificateNotAfter = instant(reader.u48())
    reader.expectEnd()
    return { deviceId, certificateSha256, certificateNotAfter, authoritySha256 }
  } catch (error) {
    if (hasCode(error, 'malformed-bytes')) return undefined
    throw error
  }
}
