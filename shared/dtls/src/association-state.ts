/**
 * An association as bytes, so that it can go on in another process (design: takeover): keys of both directions, numbers,
 * window, CIDs, where the peer is, and our last flight while the peer may still lack it.
 *
 * The bytes hold keys: whoever stores them seals them first (`sealing.ts`). The decoder trusts nothing all the same: it
 * is bounded, consumes all or refuses, and never throws.
 *
 *   version(1) cipher suite(2) generation(2)
 *   address<0..255> port(2) client random(32) last heard(6, milliseconds of the exporter's clock)
 *   write: key<0..255> salt(4) CID<0..255>          read: the same, newest + 1 (6) low(4) high(4) forgeries(6)
 *   record sizes: plain(2) write(2) read(2)          return routability checks(1): 0 or 1
 *   epoch 0: next number(6)                         Finished of the peer: message_seq(2) verify_data(12)
 *   last flight<0..2^16-1>: parts, each 0, or 1 type(1) message_seq(2) body<0..2^16-1>
 */

import { ByteReader, ByteWriter, fromUtf8, utf8 } from '@sallyport/bytes'
import { type Instant, instant } from '@sallyport/clock'
import { hasCode } from '@sallyport/errors'
import { cipherSuiteByNumber, cipherSuites } from './cipher-suite.ts'
import type { Connection } from './connection.ts'
import { generationOf } from './epoch.ts'
import type { FlightPart } from './flight.ts'
import { type TrafficKeys, verifyDataLength } from './key-schedule.ts'
import type { PeerAddress } from './output.ts'
import type { RecordLayerState } from './record-layer.ts'
import { minRecordSizeLimit, type RecordSizes } from './record-size.ts'
import type { ReplayWindow } from './replay-window.ts'

const currentVersion = 3

/** No association's state is longer: a ticket in the last flight is the largest part. */
export const maxAssociationStateBytes = 8192

const randomLength = 32
const maxLastFlightParts = 4

export interface AssociationDirection {
  readonly keys: TrafficKeys
  readonly connectionId: Uint8Array
}

export interface AssociationState {
  /** Of the exporter's numbers. The importer's must be higher. */
  readonly generation: number
  readonly peer: PeerAddress
  readonly clientRandom: Uint8Array
  /** By a clock that stands near the time of day, as that of every exporter and importer must. */
  readonly lastHeardAt: Instant
  readonly write: AssociationDirection
  readonly read: AssociationDirection & { readonly window: ReplayWindow; readonly forgeries: number }
  readonly nextPlainSequence: number
  readonly sizes: RecordSizes
  readonly checksPaths: boolean
  readonly peerFinished: Connection['peerFinished']
  /** Empty once the peer has shown that it has it. */
  readonly lastFlight: readonly FlightPart[]
}

export type DecodedAssociationState =
  | { readonly decoded: true; readonly state: AssociationState }
  | { readonly decoded: false; readonly reason: 'malformed' | 'version-unknown' }

/** @throws Error for an association that has no keys, which no connection is */
export function encodeAssociationState(connection: Connection): Uint8Array {
  const { peer, records, clientRandom, peerFinished, lastFlight } = connection
  const { write, read, plain, sizes }: RecordLayerState = records.state
  if (write === undefined || read === undefined) throw new Error('an association without keys')
  const { window } = read
  const writer = new ByteWriter(256)
    .u8(currentVersion)
    .u16(cipherSuites[connection.cipherSuite].number)
    .u16(generationOf(write))
    .vector8((to) => to.bytes(utf8(peer.address)))
    .u16(peer.port)
    .bytes(clientRandom)
    .u48(Math.max(0, Math.floor(connection.lastHeardAt)))
  for (const { keys, connectionId } of [write, read]) {
    writer
      .vector8((to) => to.bytes(keys.key))
      .u32(keys.salt)
      .vector8((to) => to.bytes(connectionId))
  }
  return writer
    .u48(window.newest + 1)
    .u32(window.low >>> 0)
    .u32(window.high >>> 0)
    .u48(read.forgeries)
    .u16(sizes.plain)
    .u16(sizes.write)
    .u16(sizes.read)
    .u8(connection.checksPaths ? 1 : 0)
    .u48(plain.nextSequence)
    .u16(peerFinished.messageSequence)
    .bytes(peerFinished.verifyData)
    .vector16((to) => {
      for (const part of lastFlight?.parts ?? []) writePart(to, part)
    })
    .finish()
}

function writePart(to: ByteWriter, part: FlightPart): void {
  if (part.kind === 'change-cipher-spec') {
    to.u8(0)
    return
  }
  const { type, messageSequence, body } = part.message
  to.u8(1)
    .u8(type)
    .u16(messageSequence)
    .vector16((into) => into.bytes(body))
}

/** What it gives shares nothing with `bytes`. */
export function decodeAssociationState(bytes: Uint8Array): DecodedAssociationState {
  if (bytes.length > maxAssociationStateBytes) return { decoded: false, reason: 'malformed' }
  if (bytes[0] !== currentVersion) return { decoded: false, reason: 'version-unknown' }
  try {
    const state = readState(new ByteReader(bytes.slice(), 1))
    return state === undefined ? { decoded: false, reason: 'malformed' } : { decoded: true, state }
  } catch (error) {
    if (!hasCode(error, 'malformed-bytes')) throw error
    return { decoded: false, reason: 'malformed' }
  }
}

function readState(reader: ByteReader): AssociationState | undefined {
  const suite = cipherSuiteByNumber.get(reader.u16())
  if (suite === undefined) return undefined
  const generation = reader.u16()
  const address = fromUtf8(reader.vector8().rest())
  const port = reader.u16()
  const clientRandom = reader.bytes(randomLength)
  const lastHeardAt = instant(reader.u48())
  const direction = (): AssociationDirection => ({
    keys: { cipherSuite: suite.name, key: reader.vector8().rest(), salt: reader.u32() },
    connectionId: reader.vector8().rest(),
  })
  const write = direction()
  const read = direction()
  // Bitmaps are signed here, as the shifts leave them.
  const window = { newest: reader.u48() - 1, low: reader.u32() | 0, high: reader.u32() | 0 }
  const forgeries = reader.u48()
  const sizes = { plain: reader.u16(), write: reader.u16(), read: reader.u16() }
  const checksPaths = reader.u8()
  const nextPlainSequence = reader.u48()
  const peerFinished = { messageSequence: reader.u16(), verifyData: reader.bytes(verifyDataLength) }
  const parts = reader.vector16()
  const lastFlight: FlightPart[] = []
  while (parts.remaining > 0) {
    const part = readPart(parts)
    if (part === undefined || lastFlight.length === maxLastFlightParts) return undefined
    lastFlight.push(part)
  }
  reader.expectEnd()
  if (checksPaths > 1) return undefined
  if (Math.min(sizes.plain, sizes.write, sizes.read) < minRecordSizeLimit) return undefined
  if (write.keys.key.length !== suite.keyLength || read.keys.key.length !== suite.keyLength) return undefined
  return {
    generation,
    peer: { address, port },
    clientRandom,
    lastHeardAt,
    write,
    read: { ...read, window, forgeries },
    nextPlainSequence,
    sizes,
    checksPaths: checksPaths === 1,
    peerFinished,
    lastFlight,
  }
}

function readPart(reader: ByteReader): FlightPart | undefined {
  const kind = reader.u8()
  if (kind === 0) return { kind: 'change-cipher-spec' }
  if (kind !== 1) return undefined
  const type = reader.u8()
  const messageSequence = reader.u16()
  return { kind: 'message', message: { type, messageSequence, body: reader.vector16().rest() } }
}
