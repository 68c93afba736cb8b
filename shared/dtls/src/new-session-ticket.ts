/** NewSessionTicket (RFC 5077 section 3.3): what the server wants to see in the client's next hello. */

import { ByteReader, ByteWriter } from '@sallyport/bytes'
import { type Duration, seconds } from '@sallyport/clock'

export interface NewSessionTicket {
  /** A hint; zero says nothing. */
  readonly lifetime: Duration
  /** A view when read. Empty: the server has thought better of it. */
  readonly ticket: Uint8Array
}

export function writeNewSessionTicket({ lifetime, ticket }: NewSessionTicket): Uint8Array {
  return new ByteWriter(6 + ticket.length)
    .u32(Math.floor(lifetime / seconds(1)))
    .vector16((body) => body.bytes(ticket))
    .finish()
}

/** @throws CodedError `malformed-bytes` */
export function readNewSessionTicket(body: Uint8Array): NewSessionTicket {
  const reader = new ByteReader(body)
  const lifetime = seconds(reader.u32())
  const ticket = reader.vector16().rest()
  reader.expectEnd()
  return { lifetime, ticket }
}
