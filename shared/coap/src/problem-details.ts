/**
 * Concise problem details (RFC 9290) in CBOR: title, detail and our stable error code.
 *
 * The map has at most three text entries, so it is written by hand; nothing here decodes.
 */

import { ByteWriter, utf8 } from '@sallyport/bytes'
import type { ErrorCode } from '@sallyport/errors'
import { errorCatalogue } from '@sallyport/errors'

const titleKey = 0x20 // -1
const detailKey = 0x21 // -2
const maxDetailBytes = 500

/** @param detail what was wrong with this request; safe to show to the peer */
export function problemDetails(code: ErrorCode, detail: string): Uint8Array {
  const writer = new ByteWriter(128)
  writer.u8(0xa0 | (detail === '' ? 2 : 3))
  writer.u8(titleKey)
  writeText(writer, errorCatalogue[code].title)
  if (detail !== '') {
    writer.u8(detailKey)
    writeText(writer, detail)
  }
  writeText(writer, 'code')
  writeText(writer, code)
  return writer.finish()
}

function writeText(writer: ByteWriter, text: string): void {
  const bytes = utf8(text)
  // Cut at a character: a continuation byte must not be the first that is left out.
  let length = Math.min(bytes.length, maxDetailBytes)
  while (length < bytes.length && ((bytes[length] as number) & 0xc0) === 0x80) length--
  if (length < 24) writer.u8(0x60 | length)
  else if (length < 256) writer.u8(0x78).u8(length)
  else writer.u8(0x79).u16(length)
  writer.bytes(bytes.subarray(0, length))
}
