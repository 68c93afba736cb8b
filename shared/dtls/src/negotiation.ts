/**
 * What server and client settle on from the ClientHello (RFC 5246 section 7.4.1.2), before anything is kept of it.
 *
 * It decides and does nothing: the flow that follows has a file of its own.
 */

import { type CipherSuite, type CipherSuiteName, cipherSuites } from './cipher-suite.ts'
import type { ClientHello } from './client-hello.ts'
import { maxPeerConnectionIdLength } from './connection-id.ts'
import { HandshakeFault } from './handshake-fault.ts'
import { type NamedGroup, type NamedGroupName, namedGroups } from './named-group.ts'
import { answerRecordSizes, type RecordSizeExtensions, type RecordSizes, settleRecordSizes } from './record-size.ts'
import type { ServerSessions } from './server-sessions.ts'
import { type CurveName, chooseSignatureScheme, type SignatureScheme } from './signature-scheme.ts'

/** What every handshake of a server has in common; messages are encoded once. */
export interface ServerIdentity {
  readonly certificateMessage: Uint8Array
  readonly certificateRequestMessage: Uint8Array
  readonly curve: CurveName
  /** In order of preference: ours counts, not the client's. Those with a pre-shared key only where one is looked up. */
  readonly cipherSuites: readonly CipherSuiteName[]
  readonly groups: readonly NamedGroupName[]
  /** For who authenticates with a pre-shared key (RFC 4279 section 2); absent: none is given. */
  readonly pskIdentityHint?: Uint8Array | undefined
  readonly sessions: ServerSessions
}

/** What the two sides settled on, and by it which flow follows. */
export type Negotiated = CertificateNegotiated | PskNegotiated

/** `server-handshake.ts` */
export interface CertificateNegotiated extends Agreed {
  readonly flow: 'certificate'
  readonly group: NamedGroup
  readonly scheme: SignatureScheme
  /** How the client can go on with this session, should we let it. */
  readonly resumption: 'ticket' | 'session-id' | 'none'
}

/** `server-psk-handshake.ts` */
export interface PskNegotiated extends Agreed {
  readonly flow: 'psk'
  /** Undefined: the key alone, without ECDHE. */
  readonly group: NamedGroup | undefined
  readonly extendedMasterSecret: boolean
}

interface Agreed {
  readonly suite: CipherSuite
  readonly clientRandom: Uint8Array
  readonly answersRenegotiationInfo: boolean
  readonly answersPointFormats: boolean
  /** What the client wants to read in our records; undefined: no CIDs, either way. */
  readonly clientConnectionId: Uint8Array | undefined
  readonly clientChecksPaths: boolean
  /** What the ServerHello answers; empty where the client has asked for nothing. */
  readonly recordSizesAnswer: RecordSizeExtensions
  readonly recordSizes: RecordSizes
}

const certificateGroups: Readonly<Record<CurveName, NamedGroup>> = {
  'P-256': namedGroups.secp256r1,
  'P-384': namedGroups.secp384r1,
}

/** Chooses by our preference from what the client offers. @throws HandshakeFault */
export function negotiate(hello: ClientHello, identity: ServerIdentity): Negotiated {
  // Versions of DTLS count downwards: 1.0 is FEFF, 1.2 is FEFD. One that is newer settles for ours.
  if (hello.version >> 8 !== 0xfe || (hello.version & 0xff) > 0xfd) {
    throw new HandshakeFault('version-unsupported', `the client speaks at most ${hello.version.toString(16)}`)
  }
  if (!hello.offersNullCompression) throw new HandshakeFault('compression-only', 'the client insists on compression')
  if (hello.renegotiation === 'wrong') {
    throw new HandshakeFault('renegotiation-info-wrong', 'renegotiation_info of a first handshake is not empty')
  }
  // Without the extension the client takes any group (RFC 8422 section 4): P-256, if we have it, is what it meant.
  const offeredGroups = hello.groups ?? [namedGroups.secp256r1.number]
  const group = identity.groups.map((name) => namedGroups[name]).find((g) => offeredGroups.includes(g.number))
  const suite = identity.cipherSuites
    .map((name) => cipherSuites[name])
    .find((s) => hello.cipherSuites.includes(s.number) && (s.keyExchange !== 'ecdhe_psk' || group !== undefined))
  if (suite === undefined) throw new HandshakeFault('no-common-cipher-suite', 'no cipher suite in common')
  if (suite.keyExchange !== 'psk' && hello.pointFormats !== undefined && !hello.pointFormats.includes(0)) {
    throw new HandshakeFault('points-compressed-only', 'the client does not take uncompressed points')
  }
  const recordSizesAnswer = answerRecordSizes(hello.recordSizes)
  const agreed = {
    suite,
    clientRandom: hello.random.slice(),
    answersRenegotiationInfo: hello.renegotiation === 'initial',
    answersPointFormats: suite.keyExchange !== 'psk' && hello.pointFormats !== undefined,
    clientConnectionId: acceptConnectionId(hello.connectionId),
    clientChecksPaths: hello.returnRoutability,
    recordSizesAnswer,
    recordSizes: settleRecordSizes(recordSizesAnswer, hello.recordSizes),
  }
  if (suite.keyExchange !== 'ecdhe_ecdsa') {
    const { extendedMasterSecret } = hello
    return { flow: 'psk', ...agreed, group: suite.keyExchange === 'psk' ? undefined : group, extendedMasterSecret }
  }
  if (!hello.extendedMasterSecret) {
    throw new HandshakeFault('extended-master-secret-missing', 'the client does not offer extended_master_secret')
  }
  if (group === undefined) throw new HandshakeFault('no-common-group', 'no group in common')
  // The list also names the curves that the client takes in certificates (RFC 8422 section 5.1).
  if (hello.groups !== undefined && !hello.groups.includes(certificateGroups[identity.curve].number)) {
    throw new HandshakeFault('no-common-group', `the client does not take a certificate on ${identity.curve}`)
  }
  const scheme = chooseSignatureScheme(identity.curve, hello.signatureSchemes)
  if (scheme === undefined) throw new HandshakeFault('no-common-signature-scheme', 'no signature scheme in common')
  const resumption = chooseResumption(hello, identity.sessions)
  return { flow: 'certificate', ...agreed, group, scheme, resumption }
}

/** One that would not leave room in a datagram is as if it had not been offered: nobody has to agree to CIDs. */
const acceptConnectionId = (offered: Uint8Array | undefined): Uint8Array | undefined =>
  offered === undefined || offered.length > maxPeerConnectionIdLength ? undefined : offered.slice()

/** A client that knows tickets keeps its session itself: no place of ours is taken for it. */
function chooseResumption(hello: ClientHello, sessions: ServerSessions): CertificateNegotiated['resumption'] {
  if (hello.sessionTicket !== undefined) return sessions.givesTickets ? 'ticket' : 'none'
  return sessions.givesSessionIds ? 'session-id' : 'none'
}
