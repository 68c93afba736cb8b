/** Names that certificates give to devices, and the record that a manufacturer key gives to its device. */

import { createHash } from 'node:crypto'
import { concat, fromHex, toHex } from '@sallyport/bytes'

const deviceName = /^uuid:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/i
const nilUuid = '00000000-0000-0000-0000-000000000000'

/** The lower-case UUID of `uuid:<UUID>` (OCF Security Specification); undefined for any other name and for the nil UUID. */
export function deviceIdFromCommonName(commonName: string | undefined): string | undefined {
  const id = deviceName.exec(commonName ?? '')?.[1]?.toLowerCase()
  return id === nilUuid ? undefined : id
}

/** RFC 9562 section 6.6, NameSpace_X500. */
const x500Namespace = fromHex('6ba7b8149dad11d180b400c04fd430c8')

/** The provisioning record of a manufacturer key: UUIDv5 (RFC 9562 section 5.5) of its DER SubjectPublicKeyInfo. */
export function provisioningRecordId(manufacturerSpki: Uint8Array): string {
  const hash = new Uint8Array(createHash('sha1').update(concat(x500Namespace, manufacturerSpki)).digest()).subarray(
    0,
    16,
  )
  hash[6] = ((hash[6] as number) & 0x0f) | 0x50
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80
  return toHex(hash).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
