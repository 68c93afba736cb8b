/**
 * Answers the DTLS machines' questions with node:crypto: key shares, agreement, our signature, the peer's signature.
 *
 * All of it runs on the loop for now (about 0.3 ms for a handshake); the machines would take the answers later as well.
 */

import {
  createECDH,
  createPrivateKey,
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
  type KeyShare,
  type NamedGroupName,
  type Question,
  readCertificateKey,
  type SignatureVerdict,
  signatureSchemes,
} from '@sallyport/dtls'
import { CodedError } from '@sallyport/errors'
import type { DtlsCredentials } from './association.ts'

/** Every question but those about the peer, which are the caller's. */
export type CryptographicQuestion = Exclude<Question, { kind: 'verifyPeer' | 'findPsk' }>

/** @param privateKey of our certificate; absent for a client without one, which is never asked to sign */
export function answerWithNodeCrypto(question: CryptographicQuestion, privateKey: KeyObject | undefined): Answer {
  switch (question.kind) {
    case 'makeKeyShare':
      return {
        kind: 'makeKeyShare',
        keyShare: makeKeyShare(question.group),
        random: randomBytes(32),
        connectionId: randomBytes(7),
      }
    case 'makeRandom':
      return { kind: 'makeRandom', random: randomBytes(32), connectionId: randomBytes(7) }
    case 'agree':
      return { kind: 'agree', sharedSecret: agree(question.group, question.privateKey, question.peerPublicKey) }
    case 'sign':
      if (privateKey === undefined) return { kind: 'failed', detail: 'there is no key to sign with' }
      return { kind: 'sign', signature: sign(signatureSchemes[question.scheme].hash, question.content, privateKey) }
    case 'verifySignature':
      return { kind: 'verifySignature', verdict: checkSignature(question) }
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

const curveNames = { secp256r1: 'prime256v1', secp384r1: 'secp384r1' } as const

function makeKeyShare(group: NamedGroupName): KeyShare {
  if (group === 'x25519') {
    const pair = generateKeyPairSync('x25519', {
      publicKeyEncoding: { type: 'spki', format: 'der' },
      privateKeyEncoding: { type: 'pkcs8', format: 'der' },
    })
    return { publicKey: pair.publicKey.subarray(-32), privateKey: pair.privateKey.subarray(-32) }
  }
  const ecdh = createECDH(curveNames[group])
  const publicKey = ecdh.generateKeys()
  return { publicKey, privateKey: ecdh.getPrivateKey() }
}

function agree(group: NamedGroupName, privateKey: Uint8Array, peerPublicKey: Uint8Array): Uint8Array | undefined {
  try {
    if (group === 'x25519') {
      return diffieHellman({
        privateKey: createPrivateKey({ key: concatDer(x25519Pkcs8, privateKey), format: 'der', type: 'pkcs8' }),
        publicKey: createPublicKey({ key: concatDer(x25519Spki, peerPublicKey), format: 'der', type: 'spki' }),
      })
    }
    const ecdh = createECDH(curveNames[group])
    ecdh.setPrivateKey(privateKey)
    return ecdh.computeSecret(peerPublicKey)
  } catch {
    // OpenSSL refuses a point off the curve and an all-zero result; node:crypto says so by throwing only.
    return undefined
  }
}

/** What stands before the 32 bytes of a key (RFC 8410 sections 4 and 7). */
const x25519Spki = Buffer.from('302a300506032b656e032100', 'hex')
const x25519Pkcs8 = Buffer.from('302e020100300506032b656e04220420', 'hex')

const concatDer = (prefix: Uint8Array, key: Uint8Array): Buffer => Buffer.concat([prefix, key])

function checkSignature(question: CryptographicQuestion & { kind: 'verifySignature' }): SignatureVerdict {
  const certificateKey = readCertificateKey(question.certificate)
  if (certificateKey === undefined) return 'certificate-malformed'
  if (certificateKey.curve === undefined) return 'key-unsupported'
  const key = publicKeyOf(certificateKey.spki)
  if (key === undefined) return 'certificate-malformed'
  try {
    return verify(signatureSchemes[question.scheme].hash, question.content, key, question.signature)
      ? 'valid'
      : 'invalid'
  } catch {
    // Whatever OpenSSL cannot even try is no valid signature; a peer's bytes must not throw through the machine.
    return 'invalid'
  }
}

function publicKeyOf(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch {
    // A point that is not on its curve: node:crypto's only way to say so.
    return undefined
  }
}
