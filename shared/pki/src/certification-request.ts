/**
 * PKCS#10 certification requests (RFC 2986): one, whole, in DER or PEM, of at most 8 KiB.
 *
 * A request is a wish. Nothing but its key is ever taken into a certificate; its attributes are checked to be DER and
 * not read. `signatureValid` says whether its own key signed it; a request parses also where that is false, or the key
 * is one that `requestKeyRefusal` refuses, so that the refusal can be recorded with the name that asked.
 */

import { createPublicKey, type KeyObject, sign } from 'node:crypto'
import { fromUtf8 } from '@sallyport/bytes'
import { CodedError, type ErrorCode, isCodedError } from '@sallyport/errors'
import {
  bitStringOctets,
  contextTag,
  DerReader,
  derTag,
  objectIdentifier,
  singleElement,
  smallInteger,
} from './der-reader.ts'
import { derBitString, derContext, derInteger, derObjectIdentifier, derSequence } from './der-writer.ts'
import { commonNameOf, encodeName, nameText, parseDistinguishedName } from './distinguished-name.ts'
import { signatureAlgorithmId } from './object-identifiers.ts'
import { allPemBlocks } from './pem.ts'
import { type KeyType, loadPublicKey, type PublicKey, parsePublicKey, parseSpki } from './public-key.ts'
import { parseSignatureAlgorithm, verifySignature } from './signature.ts'

export const maxRequestBytes = 8192

export interface CertificationRequest {
  readonly der: Uint8Array
  /** RFC 4514 text of the subject asked for. */
  readonly subject: string
  /** Undefined where the subject has none or several. */
  readonly commonName: string | undefined
  readonly spki: Uint8Array
  readonly spkiSha256: string
  readonly keyType: KeyType
  readonly publicKey: PublicKey
  /** The proof of possession. */
  readonly signatureValid: boolean
}

/** @throws CodedError `request-certificate-malformed`. */
export function parseCertificationRequest(input: Uint8Array | string): CertificationRequest {
  try {
    if (input.length > maxRequestBytes) throw new CodedError('malformed-bytes', `more than ${maxRequestBytes} bytes`)
    return readRequest(new Uint8Array(requestDer(input)))
  } catch (error) {
    if (!isCodedError(error)) throw error
    throw new CodedError('request-certificate-malformed', `The certificate request is malformed: ${error.message}.`, {
      cause: error,
    })
  }
}

const requestLabels: readonly string[] = ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST']

function requestDer(input: Uint8Array | string): Uint8Array {
  if (typeof input !== 'string' && input[0] === derTag.sequence) return input
  const blocks = allPemBlocks(typeof input === 'string' ? input : fromUtf8(input))
  const [block] = blocks
  if (block === undefined || blocks.length !== 1) {
    throw new CodedError('malformed-bytes', `${blocks.length} PEM blocks, where one is needed`)
  }
  if (!requestLabels.includes(block.label)) throw new CodedError('malformed-bytes', `a PEM block ${block.label}`)
  return block.der
}

function readRequest(der: Uint8Array): CertificationRequest {
  const outer = new DerReader(singleElement(der, derTag.sequence, 'the request').contents)
  const information = outer.expect(derTag.sequence, 'certificationRequestInfo')
  const algorithm = parseSignatureAlgorithm(outer.expect(derTag.sequence, 'the signature algorithm'))
  const signature = bitStringOctets(outer.expect(derTag.bitString, 'the signature'), 'the signature')
  outer.expectEnd('the signature')

  const fields = new DerReader(information.contents)
  if (smallInteger(fields.expect(derTag.integer, 'the version'), 'the version') !== 0) {
    throw new CodedError('malformed-bytes', 'another version than 1')
  }
  const subject = parseDistinguishedName(fields.expect(derTag.sequence, 'the subject'), 'the subject')
  const publicKey = parsePublicKey(fields.expect(derTag.sequence, 'the public key'))
  checkAttributes(fields.expect(contextTag(0, 'constructed'), 'the attributes').contents)
  fields.expectEnd('the attributes')
  return {
    der,
    subject: nameText(subject),
    commonName: commonNameOf(subject),
    spki: publicKey.spki,
    spkiSha256: publicKey.spkiSha256,
    keyType: publicKey.type,
    publicKey,
    signatureValid: verifySignature(algorithm, publicKey, information.encoded, signature),
  }
}

function checkAttributes(contents: Uint8Array): void {
  const reader = new DerReader(contents)
  while (!reader.atEnd) {
    const attribute = reader.sequence('an attribute')
    objectIdentifier(attribute.expect(derTag.objectIdentifier, 'an attribute type'), 'an attribute type')
    const values = new DerReader(attribute.expect(derTag.set, "an attribute's values").contents)
    if (values.atEnd) throw new CodedError('malformed-bytes', 'an attribute without values')
    while (!values.atEnd) values.next()
    attribute.expectEnd('an attribute')
  }
}

export interface RequestKeyRefusal {
  readonly code: Extract<ErrorCode, 'request-key-unsupported' | 'request-key-weak'>
  readonly detail: string
}

/** Why no identity certificate is issued for this key, or undefined: P-256, P-384 and Ed25519 are allowed. */
export function requestKeyRefusal(request: CertificationRequest): RequestKeyRefusal | undefined {
  const { publicKey } = request
  if (publicKey.type === 'P-256' || publicKey.type === 'P-384' || publicKey.type === 'Ed25519') {
    return isLoadable(publicKey)
      ? undefined
      : { code: 'request-key-weak', detail: 'the key is not a point of its curve' }
  }
  return {
    code: 'request-key-unsupported',
    detail: `the key is ${publicKey.description}; P-256, P-384 or Ed25519 is needed`,
  }
}

function isLoadable(key: PublicKey): boolean {
  try {
    loadPublicKey(key)
    return true
  } catch (error) {
    if (!isCodedError(error)) throw error
    return false
  }
}

/** A request of our own, for a P-256, P-384 or Ed25519 key. @throws CodedError `request-key-unsupported` for another key. */
export function createCertificationRequest(options: { commonName: string; privateKey: KeyObject }): Uint8Array {
  const spki = new Uint8Array(createPublicKey(options.privateKey).export({ format: 'der', type: 'spki' }))
  const { hash, algorithm } = requestSignature(parseSpki(spki))
  const information = derSequence(derInteger(0), encodeName({ commonName: options.commonName }), spki, derContext(0))
  const signature = new Uint8Array(sign(hash, information, options.privateKey))
  return derSequence(information, derSequence(derObjectIdentifier(algorithm)), derBitString(signature))
}

function requestSignature(key: PublicKey): { hash: string | null; algorithm: string } {
  switch (key.type) {
    case 'P-256':
      return { hash: 'sha256', algorithm: signatureAlgorithmId.ecdsaWithSha256 }
    case 'P-384':
      return { hash: 'sha384', algorithm: signatureAlgorithmId.ecdsaWithSha384 }
    case 'Ed25519':
      return { hash: null, algorithm: signatureAlgorithmId.ed25519 }
    default:
      throw new CodedError('request-key-unsupported', `no request is made for ${key.description}`)
  }
}
