/**
 * ClientHello (RFC 5246 section 7.4.1.2, RFC 6347 section 4.2.1).
 *
 * Parsing checks the form. What is offered is judged by the server, after the cookie.
 */

import { ByteReader, ByteWriter } from '@sallyport/bytes'
import { type CipherSuiteName, cipherSuites, renegotiationScsv } from './cipher-suite.ts'
import {
  type Extensions,
  extensionTypes,
  isEmptyRenegotiationInfo,
  isPresent,
  readConnectionId,
  readExtensions,
  readNumberList,
  writeConnectionId,
  writeExtension,
} from './extension.ts'
import { HandshakeFault } from './handshake-fault.ts'
import { type NamedGroupName, namedGroups } from './named-group.ts'
import { versions } from './record.ts'
import { type RecordSizeExtensions, readRecordSizes, writeRecordSizes } from './record-size.ts'
import { announcedSignatureSchemes } from './signature-scheme.ts'

/** Views into the message. */
export interface ClientHello {
  readonly version: number
  readonly random: Uint8Array
  /** At most 32 bytes; empty: none. */
  readonly sessionId: Uint8Array
  readonly cipherSuites: readonly number[]
  readonly offersNullCompression: boolean
  /** Undefined when the extension is absent. */
  readonly groups: readonly number[] | undefined
  readonly signatureSchemes: readonly number[]
  /** Undefined when the extension is absent: then uncompressed is taken for granted. */
  readonly pointFormats: Uint8Array | undefined
  readonly extendedMasterSecret: boolean
  /** Empty: the client knows tickets and has none. Undefined: it does not know them. */
  readonly sessionTicket: Uint8Array | undefined
  /** What the client wants to read in our records. Empty: nothing, but it will write ours. Undefined: no CIDs. */
  readonly connectionId: Uint8Array | undefined
  readonly recordSizes: RecordSizeExtensions
  /** Return routability checks (RFC 9853); means nothing without a connection ID. */
  readonly returnRoutability: boolean
  readonly renegotiation: 'absent' | 'initial' | 'wrong'
}

/** What can be said of a hello before its sender's address is proven: where its cookie is. Views. */
export interface HelloCookie {
  readonly cookie: Uint8Array
  readonly beforeCookie: Uint8Array
  /** Of the first piece only as far as that goes. */
  readonly afterCookie: Uint8Array
  /** Bytes of the whole hello without its cookie: the same in both hellos of a client. */
  readonly lengthBeside: number
  readonly isWhole: boolean
}

/** version(2) random(32) */
const sessionIdOffset = 34

/**
 * Finds the cookie and reads nothing else, so that a spoofed hello meets little code and costs little.
 *
 * Undefined when the bytes end before the cookie does.
 *
 * @param length of the whole hello, when `body` is its first piece
 */
export function findCookie(body: Uint8Array, length = body.length): HelloCookie | undefined {
  const sessionIdLength = body[sessionIdOffset]
  if (sessionIdLength === undefined) return undefined
  const lengthOffset = sessionIdOffset + 1 + sessionIdLength
  const cookieLength = body[lengthOffset]
  if (cookieLength === undefined) return undefined
  const end = lengthOffset + 1 + cookieLength
  if (end > body.length) return undefined
  return {
    cookie: body.subarray(lengthOffset + 1, end),
    beforeCookie: body.subarray(0, lengthOffset),
    afterCookie: body.subarray(end),
    lengthBeside: length - cookieLength,
    isWhole: length === body.length,
  }
}

/** @throws CodedError `malformed-bytes`, HandshakeFault */
export function readClientHello(body: Uint8Array): ClientHello {
  const reader = new ByteReader(body)
  const version = reader.u16()
  const random = reader.bytes(32)
  const sessionId = reader.vector8().rest()
  if (sessionId.length > 32) throw new HandshakeFault('message-malformed', 'a session id of over 32 bytes')
  reader.vector8()
  const suites = reader.vector16()
  if (suites.remaining < 2 || suites.remaining % 2 !== 0) {
    throw new HandshakeFault('message-malformed', 'the list of cipher suites is empty or of odd length')
  }
  const offered: number[] = []
  while (suites.remaining > 0) offered.push(suites.u16())
  const compressions = reader.vector8().rest()
  if (compressions.length === 0) throw new HandshakeFault('message-malformed', 'no compression methods')
  const extensions = readExtensions(reader)
  return {
    version,
    random,
    sessionId,
    cipherSuites: offered,
    offersNullCompression: compressions.includes(0),
    ...readKnownExtensions(extensions),
    renegotiation: readRenegotiation(extensions, offered),
  }
}

function readKnownExtensions(extensions: Extensions) {
  const groups = extensions.get(extensionTypes.supportedGroups)
  const schemes = extensions.get(extensionTypes.signatureAlgorithms)
  const formats = extensions.get(extensionTypes.ecPointFormats)
  const connectionId = extensions.get(extensionTypes.connectionId)
  return {
    groups: groups === undefined ? undefined : readNumberList(groups),
    signatureSchemes: schemes === undefined ? [] : readNumberList(schemes),
    pointFormats: formats === undefined ? undefined : readPointFormats(formats),
    extendedMasterSecret: isExtendedMasterSecret(extensions),
    sessionTicket: extensions.get(extensionTypes.sessionTicket),
    connectionId: connectionId === undefined ? undefined : readConnectionId(connectionId),
    recordSizes: readRecordSizes(extensions, 'client'),
    returnRoutability: isPresent(extensions, extensionTypes.returnRoutability),
  }
}

function readPointFormats(body: Uint8Array): Uint8Array {
  const reader = new ByteReader(body)
  const formats = reader.vector8().rest()
  reader.expectEnd()
  return formats
}

function isExtendedMasterSecret(extensions: Extensions): boolean {
  const body = extensions.get(extensionTypes.extendedMasterSecret)
  if (body !== undefined && body.length !== 0) {
    throw new HandshakeFault('message-malformed', 'extended_master_secret is not empty')
  }
  return body !== undefined
}

function readRenegotiation(extensions: Extensions, suites: readonly number[]): ClientHello['renegotiation'] {
  const body = extensions.get(extensionTypes.renegotiationInfo)
  if (body !== undefined) return isEmptyRenegotiationInfo(body) ? 'initial' : 'wrong'
  return suites.includes(renegotiationScsv) ? 'initial' : 'absent'
}

export interface ClientHelloOffer {
  readonly random: Uint8Array
  readonly cookie: Uint8Array
  /** Of the session to go on with. Default: none. */
  readonly sessionId?: Uint8Array | undefined
  /** Empty: we know tickets and have none. Absent: no tickets. */
  readonly sessionTicket?: Uint8Array | undefined
  readonly cipherSuites: readonly CipherSuiteName[]
  readonly groups: readonly NamedGroupName[]
  /** Absent: no CIDs are offered. */
  readonly connectionId?: Uint8Array | undefined
  /** Absent: records as long as the protocol allows. */
  readonly recordSizes?: RecordSizeExtensions | undefined
  /** Default false. */
  readonly returnRoutability?: boolean
}

/** Our client's hello: no compression, extended master secret. */
export function writeClientHello(offer: ClientHelloOffer): Uint8Array {
  const writer = new ByteWriter(192)
  writer.u16(versions.dtls12).bytes(offer.random)
  writer.vector8((id) => id.bytes(offer.sessionId ?? new Uint8Array(0)))
  writer.vector8((cookie) => cookie.bytes(offer.cookie))
  writer.vector16((suites) => {
    for (const name of offer.cipherSuites) suites.u16(cipherSuites[name].number)
  })
  writer.u8(1).u8(0)
  writer.vector16((extensions) => {
    writeExtension(extensions, extensionTypes.supportedGroups, (body) =>
      body.vector16((list) => {
        for (const name of offer.groups) list.u16(namedGroups[name].number)
      }),
    )
    writeExtension(extensions, extensionTypes.ecPointFormats, (body) => body.u8(1).u8(0))
    writeExtension(extensions, extensionTypes.signatureAlgorithms, (body) =>
      body.vector16((list) => {
        for (const number of announcedSignatureSchemes) list.u16(number)
      }),
    )
    writeExtension(extensions, extensionTypes.extendedMasterSecret, () => undefined)
    writeExtension(extensions, extensionTypes.renegotiationInfo, (body) => body.u8(0))
    if (offer.connectionId !== undefined) writeConnectionId(extensions, offer.connectionId)
    if (offer.recordSizes !== undefined) writeRecordSizes(extensions, offer.recordSizes)
    if (offer.returnRoutability === true) writeExtension(extensions, extensionTypes.returnRoutability, () => undefined)
    const { sessionTicket } = offer
    if (sessionTicket === undefined) return
    writeExtension(extensions, extensionTypes.sessionTicket, (body) => body.bytes(sessionTicket))
  })
  return writer.finish()
}
