/**
 * Answers the DTLS machines' questions with node:crypto: key shares, agreement, our signature, the peer's signature.
 *
 * All of it runs on the loop for now (about 0.3 ms for a handshake); the machines would take the answers later as well.
 */

import {
  constants,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import {
  type Answer,
  type CurveName,
  fitsKey,
  type KeyShare,
  type NamedGroupName,
  type Question,
  readCertificateKey,
  type SignatureVerdict,
  signatureSchemes,
} from '@sallyport/dtls'
import { CodedError } from '@sallyport/errors'
import type { DtlsCredentials } from './association.ts'
import type { ProvenKeys } from './proven-keys.ts'

/** Every question but those about the peer, which are the caller's. */
export type CryptographicQuestion = Exclude<Question, { kind: 'verifyPeer' | 'resumePeer' | 'findPsk' }>

/**
 * @param privateKey of our certificate; absent for a client without one, which is never asked to sign
 * @param provenKeys of peers that may come back; absent: none is remembered
 */
export function answerWithNodeCrypto(
  question: CryptographicQuestion,
  privateKey: KeyObject | undefined,
  provenKeys?: ProvenKeys,
): Answer {
  switch (question.kind) {
    case 'makeKeyShare':
      return { kind: 'makeKeyShare', keyShare: makeKeyShare(question.group), ...makeRandom() }
    case 'makeRandom':
      return { kind: 'makeRandom', ...makeRandom() }
    case 'agree':
      return { kind: 'agree', sharedSecret: agree(question.group, question.privateKey, question.peerPublicKey) }
    case 'sign':
      if (privateKey === undefined) return { kind: 'failed', detail: 'there is no key to sign with' }
      return { kind: 'sign', signature: sign(signatureSchemes[question.scheme].hash, question.content, privateKey) }
    case 'verifySignature':
      return { kind: 'verifySignature', verdict: checkSignature(question, provenKeys) }
  }
}

/** The curve of our key. @throws CodedError `configuration-invalid` unless the key is the leaf's, P-256 or P-384 */
export function requireCurve(credentials: DtlsCredentials): CurveName {
  const [leaf] = credentials.chain
  const key = leaf === undefined ? undefined : readCertificateKey(leaf)
  if (key === undefined) throw new CodedError('configuration-invalid', 'the DTLS certificate cannot be read')
  if (key.curve === undefined) {
    throw new CodedError('configuration-invalid', 'the key of the DTLS certificate is neither P-256 nor P-384')
  }
  const spki = createPublicKey(credentials.privateKey).export({ format: 'der', type: 'spki' })
  if (Buffer.compare(spki, key.spki) !== 0) {
    throw new CodedError('configuration-invalid', 'the DTLS private key does not belong to the certificate')
  }
  return key.curve
}

function makeRandom(): { readonly random: Uint8Array; readonly connectionId: Uint8Array } {
  const bytes = randomBytes(32 + 7)
  return { random: bytes.subarray(0, 32), connectionId: bytes.subarray(32) }
}

const curveNames = { secp256r1: 'P-256', secp384r1: 'P-384' } as const

function makeKeyShare(group: NamedGroupName): KeyShare {
  const { publicKey, privateKey } =
    group === 'x25519' ? generateKeyPairSync('x25519') : generateKeyPairSync('ec', { namedCurve: curveNames[group] })
  return { publicKey: publicKey.export({ format: 'raw-public' }), privateKey }
}

function agree(group: NamedGroupName, privateKey: KeyObject, peerPublicKey: Uint8Array): Uint8Array | undefined {
  const publicKey = publicKeyOf(base64Of(Buffer.concat([spkiPrefixes[group], peerPublicKey])))
  if (publicKey === undefined) return undefined
  try {
    return diffieHellman({ privateKey, publicKey })
  } catch {
    // OpenSSL refuses an all-zero result; node:crypto says so by throwing only.
    return undefined
  }
}

/** What stands before the bytes of a key as they travel (RFC 5480 section 2, RFC 8410 section 4). */
const spkiPrefixes: Readonly<Record<NamedGroupName, Uint8Array>> = {
  secp256r1: Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex'),
  secp384r1: Buffer.from('3076301006072a8648ce3d020106052b81040022036200', 'hex'),
  x25519: Buffer.from('302a300506032b656e032100', 'hex'),
}

/** RFC 8446 section 4.2.3: the salt is as long as the hash, and MGF1 has the same. */
const pssParameters = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
} as const

function checkSignature(
  question: CryptographicQuestion & { kind: 'verifySignature' },
  provenKeys: ProvenKeys | undefined,
): SignatureVerdict {
  const certificateKey = readCertificateKey(question.certificate)
  if (certificateKey === undefined) return 'certificate-malformed'
  if (certificateKey.kind === undefined) return 'key-unsupported'
  const scheme = signatureSchemes[question.scheme]
  // node:crypto goes by the key alone: it would verify an RSA signature where ECDSA was named.
  if (!fitsKey(scheme, certificateKey.kind)) return 'invalid'
  const spki = base64Of(certificateKey.spki)
  const key = provenKeys?.find(spki) ?? publicKeyOf(spki)
  if (key === undefined) return 'certificate-malformed'
  try {
    const how = scheme.algorithm === 'rsa-pss' ? { key, ...pssParameters } : key
    if (!verify(scheme.hash, question.content, how, question.signature)) return 'invalid'
    provenKeys?.remember(spki, key)
    return 'valid'
  } catch {
    // Whatever OpenSSL cannot even try is no valid signature; a peer's bytes must not throw through the machine.
    return 'invalid'
  }
}

const base64Of = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString('base64')

/** @param spki in base64 */
function publicKeyOf(spki: string): KeyObject | undefined {
  // PEM, because node:crypto takes each object for one of its keys first, and finds out by exceptions that it is none:
  // as bytes the same import costs two and a half times as much.
  try {
    return createPublicKey(`-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----\n`)
  } catch {
    // A point that is not on its curve: node:crypto's only way to say so.
    return undefined
  }
}
