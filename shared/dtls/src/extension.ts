/**
 * Extensions of the hellos (RFC 5246 section 7.4.1.4): the registry of those we know, and the block they stand in.
 */

import { ByteReader, type ByteWriter } from '@sallyport/bytes'
import { HandshakeFault } from './handshake-fault.ts'

export const extensionTypes = {
  /** RFC 6066 section 3 */
  serverName: 0,
  /** RFC 6066 section 4 */
  maxFragmentLength: 1,
  /** RFC 8422 section 5.1.1 */
  supportedGroups: 10,
  /** RFC 8422 section 5.1.2 */
  ecPointFormats: 11,
  /** RFC 5246 section 7.4.1.4.1 */
  signatureAlgorithms: 13,
  /** RFC 7627 */
  extendedMasterSecret: 23,
  /** RFC 8449 */
  recordSizeLimit: 28,
  /** RFC 5077 section 3.2 */
  sessionTicket: 35,
  /** RFC 9146 section 3; 53, which drafts used, is somebody else's. */
  connectionId: 54,
  /** RFC 9853 */
  returnRoutability: 61,
  /** RFC 5746 */
  renegotiationInfo: 0xff01,
} as const

export type Extensions = ReadonlyMap<number, Uint8Array>

const maxExtensions = 64

/**
 * Reads the rest of a hello as its extensions: views into the message. No bytes at all is no extensions.
 *
 * @throws HandshakeFault for a doubled extension, which RFC 5246 forbids and parsers differ on
 */
export function readExtensions(reader: ByteReader): Extensions {
  const extensions = new Map<number, Uint8Array>()
  if (reader.remaining === 0) return extensions
  const block = reader.vector16()
  reader.expectEnd()
  while (block.remaining > 0) {
    const type = block.u16()
    const body = block.bytes(block.u16())
    if (extensions.has(type)) throw new HandshakeFault('message-malformed', `extension ${type} stands twice`)
    if (extensions.size === maxExtensions) throw new HandshakeFault('message-malformed', 'too many extensions')
    extensions.set(type, body)
  }
  return extensions
}

export function writeExtension(writer: ByteWriter, type: number, write: (body: ByteWriter) => void): void {
  writer.u16(type).vector16(write)
}

/** A list of 16-bit numbers under a 16-bit length, at least one: groups and signature algorithms. */
export function readNumberList(body: Uint8Array): readonly number[] {
  const reader = new ByteReader(body)
  const list = reader.vector16()
  reader.expectEnd()
  const numbers: number[] = []
  while (list.remaining > 0) numbers.push(list.u16())
  if (numbers.length === 0) throw new HandshakeFault('message-malformed', 'an empty list')
  return numbers
}

/** connection_id: the CID that the sender wants to read (RFC 9146 section 3). A view. */
export function readConnectionId(body: Uint8Array): Uint8Array {
  const reader = new ByteReader(body)
  const connectionId = reader.vector8().rest()
  reader.expectEnd()
  return connectionId
}

export function writeConnectionId(writer: ByteWriter, connectionId: Uint8Array): void {
  writeExtension(writer, extensionTypes.connectionId, (body) => body.vector8((cid) => cid.bytes(connectionId)))
}

/** renegotiation_info of a first handshake (RFC 5746 section 3.2): one empty vector. */
export const isEmptyRenegotiationInfo = (body: Uint8Array): boolean => body.length === 1 && body[0] === 0

/** An extension that says all by being there. @throws HandshakeFault when it has a body */
export function isPresent(extensions: Extensions, type: number): boolean {
  const body = extensions.get(type)
  if (body !== undefined && body.length > 0) {
    throw new HandshakeFault('message-malformed', `extension ${type} is not empty`)
  }
  return body !== undefined
}
