/** ServerHello (RFC 5246 section 7.4.1.3), HelloVerifyRequest (RFC 6347 section 4.2.1). */

import { ByteReader, ByteWriter } from '@sallyport/bytes'
import { type CipherSuite, type CipherSuiteName, cipherSuiteByNumber } from './cipher-suite.ts'
import { type ConnectionIds, maxPeerConnectionIdLength, noConnectionIds } from './connection-id.ts'
import {
  type Extensions,
  extensionTypes,
  isEmptyRenegotiationInfo,
  isPresent,
  readConnectionId,
  readExtensions,
  writeConnectionId,
  writeExtension,
} from './extension.ts'
import { HandshakeFault } from './handshake-fault.ts'
import { versions } from './record.ts'
import { type RecordSizeExtensions, readRecordSizes, writeRecordSizes } from './record-size.ts'

export interface ServerHello {
  readonly version: number
  readonly random: Uint8Array
  /** At most 32 bytes; empty: none. */
  readonly sessionId: Uint8Array
  readonly cipherSuite: number
  readonly compression: number
  readonly extendedMasterSecret: boolean
  readonly renegotiationWrong: boolean
  /** A NewSessionTicket will follow; whether we had asked for tickets is for the caller to know. */
  readonly sessionTicket: boolean
  /** What the server wants to read in our records; whether we had offered CIDs is for the caller to know. */
  readonly connectionId: Uint8Array | undefined
  /** Not compared with what we had offered. */
  readonly recordSizes: RecordSizeExtensions
  readonly returnRoutability: boolean
}

/** What our client's hello can offer; anything else in the answer was not asked for. */
const offered: readonly number[] = [
  extensionTypes.supportedGroups,
  extensionTypes.ecPointFormats,
  extensionTypes.extendedMasterSecret,
  extensionTypes.renegotiationInfo,
  extensionTypes.connectionId,
  extensionTypes.maxFragmentLength,
  extensionTypes.recordSizeLimit,
  extensionTypes.returnRoutability,
  extensionTypes.sessionTicket,
]

/** @throws CodedError `malformed-bytes`, HandshakeFault for an extension that was not offered */
export function readServerHello(body: Uint8Array): ServerHello {
  const reader = new ByteReader(body)
  const version = reader.u16()
  const random = reader.bytes(32)
  const sessionId = reader.vector8().rest()
  if (sessionId.length > 32) throw new HandshakeFault('message-malformed', 'a session id of over 32 bytes')
  const cipherSuite = reader.u16()
  const compression = reader.u8()
  const extensions = readExtensions(reader)
  for (const type of extensions.keys()) {
    if (!offered.includes(type)) throw new HandshakeFault('extension-unsolicited', `extension ${type} was not offered`)
  }
  const connectionId = extensions.get(extensionTypes.connectionId)
  const renegotiation = extensions.get(extensionTypes.renegotiationInfo)
  return {
    version,
    random,
    sessionId,
    cipherSuite,
    compression,
    extendedMasterSecret: extensions.get(extensionTypes.extendedMasterSecret)?.length === 0,
    renegotiationWrong: renegotiation !== undefined && !isEmptyRenegotiationInfo(renegotiation),
    sessionTicket: isSessionTicketPromised(extensions),
    connectionId: connectionId === undefined ? undefined : readConnectionId(connectionId),
    recordSizes: readRecordSizes(extensions, 'server'),
    returnRoutability: isPresent(extensions, extensionTypes.returnRoutability),
  }
}

/** The suite, once the server has chosen only what we offered. @throws HandshakeFault */
export function requireOffered(hello: ServerHello, offers: readonly CipherSuiteName[]): CipherSuite {
  if (hello.version !== versions.dtls12) {
    throw new HandshakeFault('version-unsupported', `the server chose version ${hello.version.toString(16)}`)
  }
  const suite = cipherSuiteByNumber.get(hello.cipherSuite)
  if (suite === undefined || !offers.includes(suite.name)) {
    throw new HandshakeFault('choice-not-offered', `cipher suite ${hello.cipherSuite.toString(16)} was not offered`)
  }
  if (hello.compression !== 0) throw new HandshakeFault('choice-not-offered', 'compression was not offered')
  if (!hello.extendedMasterSecret) {
    throw new HandshakeFault('extended-master-secret-missing', 'the server does not take extended_master_secret')
  }
  if (hello.renegotiationWrong) {
    throw new HandshakeFault('renegotiation-info-wrong', 'renegotiation_info of a first handshake is not empty')
  }
  return suite
}

/** What we are to write and to read, once the server has agreed to CIDs. @throws HandshakeFault */
export function requireConnectionIds(
  { connectionId: theirs, returnRoutability: checksPaths }: ServerHello,
  ours: Uint8Array | undefined,
): ConnectionIds {
  if (theirs === undefined) {
    if (checksPaths) throw new HandshakeFault('extension-unsolicited', 'rrc without connection_id')
    return noConnectionIds
  }
  if (ours === undefined) throw new HandshakeFault('extension-unsolicited', 'connection_id was not offered')
  if (theirs.length > maxPeerConnectionIdLength) {
    throw new HandshakeFault('connection-id-too-long', `a CID of ${theirs.length} bytes leaves a record no room`)
  }
  return { write: theirs.slice(), read: ours, checksPaths }
}

/** Empty in a ServerHello (RFC 5077 section 3.2). */
function isSessionTicketPromised(extensions: Extensions): boolean {
  const body = extensions.get(extensionTypes.sessionTicket)
  if (body !== undefined && body.length > 0) throw new HandshakeFault('message-malformed', 'a ticket in a ServerHello')
  return body !== undefined
}

export interface ServerHelloChoice {
  readonly random: Uint8Array
  /** Default: none, and the session cannot be resumed by it. */
  readonly sessionId?: Uint8Array | undefined
  readonly cipherSuite: number
  /** Default true: without it only a peer with a pre-shared key is let in. */
  readonly extendedMasterSecret?: boolean
  /** Answered only where the client asked: with its extension, or with the signalling suite. */
  readonly renegotiationInfo: boolean
  readonly pointFormats: boolean
  /** Undefined where the client offered none. */
  readonly connectionId?: Uint8Array | undefined
  /** Only where the client asked. */
  readonly recordSizes?: RecordSizeExtensions | undefined
  /** Only with a connection ID. Default false. */
  readonly returnRoutability?: boolean
  /** A NewSessionTicket will follow. Only where the client knows tickets. Default false. */
  readonly sessionTicket?: boolean
}

export function writeServerHello(choice: ServerHelloChoice): Uint8Array {
  const writer = new ByteWriter(96)
  writer.u16(versions.dtls12).bytes(choice.random)
  writer.vector8((id) => id.bytes(choice.sessionId ?? new Uint8Array(0)))
  writer.u16(choice.cipherSuite).u8(0)
  const extensions = new ByteWriter(64)
  if (choice.extendedMasterSecret !== false) {
    writeExtension(extensions, extensionTypes.extendedMasterSecret, () => undefined)
  }
  if (choice.renegotiationInfo) writeExtension(extensions, extensionTypes.renegotiationInfo, (body) => body.u8(0))
  if (choice.pointFormats) writeExtension(extensions, extensionTypes.ecPointFormats, (body) => body.u8(1).u8(0))
  if (choice.connectionId !== undefined) writeConnectionId(extensions, choice.connectionId)
  if (choice.recordSizes !== undefined) writeRecordSizes(extensions, choice.recordSizes)
  if (choice.returnRoutability === true) writeExtension(extensions, extensionTypes.returnRoutability, () => undefined)
  if (choice.sessionTicket === true) writeExtension(extensions, extensionTypes.sessionTicket, () => undefined)
  const block = extensions.finish()
  // Who sent no extensions reads none, not even that there are none.
  if (block.length > 0) writer.vector16((to) => to.bytes(block))
  return writer.finish()
}

/** The version says nothing about what will be chosen; DTLS 1.0 is what RFC 6347 asks for here. */
export function writeHelloVerifyRequest(cookie: Uint8Array): Uint8Array {
  return new ByteWriter(3 + cookie.length)
    .u16(versions.dtls10)
    .vector8((body) => body.bytes(cookie))
    .finish()
}

/** The cookie. @throws CodedError `malformed-bytes` */
export function readHelloVerifyRequest(body: Uint8Array): Uint8Array {
  const reader = new ByteReader(body)
  reader.u16()
  const cookie = reader.vector8().rest()
  reader.expectEnd()
  return cookie
}
