/**
 * Signature algorithms of certificates and requests (RFC 5758, RFC 4055, RFC 8410), and their verification.
 *
 * Only SHA-2 and Ed25519. The algorithm must fit the key: an RSA key verifies no ECDSA signature and the reverse.
 */

import { constants, verify } from 'node:crypto'
import { contextTag, type DerElement, DerReader, derTag, objectIdentifier, smallInteger } from './der-reader.ts'
import { hashAlgorithmId, maskGenerationFunction1Id, nameIn, signatureAlgorithmId } from './object-identifiers.ts'
import { loadPublicKey, type PublicKey } from './public-key.ts'

type Hash = 'sha256' | 'sha384' | 'sha512'

export type SignatureAlgorithm =
  | { readonly kind: 'ecdsa' | 'rsa-pkcs1'; readonly hash: Hash; readonly name: string }
  | { readonly kind: 'rsa-pss'; readonly hash: Hash; readonly saltBytes: number; readonly name: string }
  | { readonly kind: 'ed25519'; readonly name: string }
  | { readonly kind: 'refused'; readonly name: string }

const withoutParameters: Readonly<Record<string, SignatureAlgorithm>> = {
  [signatureAlgorithmId.ecdsaWithSha256]: { kind: 'ecdsa', hash: 'sha256', name: 'ecdsa-with-SHA256' },
  [signatureAlgorithmId.ecdsaWithSha384]: { kind: 'ecdsa', hash: 'sha384', name: 'ecdsa-with-SHA384' },
  [signatureAlgorithmId.ecdsaWithSha512]: { kind: 'ecdsa', hash: 'sha512', name: 'ecdsa-with-SHA512' },
  [signatureAlgorithmId.ed25519]: { kind: 'ed25519', name: 'Ed25519' },
}

/** RFC 4055 section 5: NULL is written, and absence must be accepted. */
const withNull: Readonly<Record<string, SignatureAlgorithm>> = {
  [signatureAlgorithmId.sha256WithRsaEncryption]: {
    kind: 'rsa-pkcs1',
    hash: 'sha256',
    name: 'sha256WithRSAEncryption',
  },
  [signatureAlgorithmId.sha384WithRsaEncryption]: {
    kind: 'rsa-pkcs1',
    hash: 'sha384',
    name: 'sha384WithRSAEncryption',
  },
  [signatureAlgorithmId.sha512WithRsaEncryption]: {
    kind: 'rsa-pkcs1',
    hash: 'sha512',
    name: 'sha512WithRSAEncryption',
  },
}

/** An algorithm that is not accepted is `refused`, not an error: the refusal of the path names it. @throws CodedError `malformed-bytes`. */
export function parseSignatureAlgorithm(element: DerElement): SignatureAlgorithm {
  const reader = new DerReader(element.contents)
  const identifier = objectIdentifier(reader.expect(derTag.objectIdentifier, 'the signature algorithm'), 'it')
  const parameters = reader.atEnd ? undefined : reader.next()
  reader.expectEnd('the signature algorithm')
  const plain = withoutParameters[identifier]
  if (plain !== undefined) return parameters === undefined ? plain : refused(`${plain.name} with parameters`)
  const rsa = withNull[identifier]
  if (rsa !== undefined) {
    const fits = parameters === undefined || (parameters.tag === derTag.null && parameters.contents.length === 0)
    return fits ? rsa : refused(`${rsa.name} with parameters`)
  }
  if (identifier === signatureAlgorithmId.rsassaPss && parameters?.tag === derTag.sequence) {
    return pssAlgorithm(parameters.contents)
  }
  return refused(nameIn(signatureAlgorithmId, identifier))
}

const refused = (name: string): SignatureAlgorithm => ({ kind: 'refused', name })

/** RFC 4055 section 3.1. The defaults are SHA-1 and therefore refused. */
function pssAlgorithm(contents: Uint8Array): SignatureAlgorithm {
  const reader = new DerReader(contents)
  const hashField = reader.optional(contextTag(0, 'constructed'))
  const maskField = reader.optional(contextTag(1, 'constructed'))
  const saltField = reader.optional(contextTag(2, 'constructed'))
  const trailerField = reader.optional(contextTag(3, 'constructed'))
  reader.expectEnd('the RSASSA-PSS parameters')
  if (hashField === undefined || maskField === undefined || trailerField !== undefined) {
    return refused('RSASSA-PSS with its SHA-1 defaults')
  }
  const hash = hashOf(new DerReader(hashField.contents))
  const mask = new DerReader(maskField.contents).sequence('the mask generation function')
  const maskId = objectIdentifier(mask.expect(derTag.objectIdentifier, 'the mask generation function'), 'it')
  const maskHash = maskId === maskGenerationFunction1Id ? hashOf(mask) : undefined
  if (hash === undefined || maskHash !== hash) return refused('RSASSA-PSS with another hash than SHA-2')
  const saltBytes =
    saltField === undefined
      ? 20
      : smallInteger(new DerReader(saltField.contents).expect(derTag.integer, 'the salt length'), 'the salt length')
  if (saltBytes > 64) return refused('RSASSA-PSS with a salt of more than 64 bytes')
  return { kind: 'rsa-pss', hash, saltBytes, name: `RSASSA-PSS with ${hash}` }
}

function hashOf(reader: DerReader): Hash | undefined {
  const algorithm = reader.sequence('the hash')
  const name = nameIn(
    hashAlgorithmId,
    objectIdentifier(algorithm.expect(derTag.objectIdentifier, 'the hash'), 'the hash'),
  )
  return name === 'sha256' || name === 'sha384' || name === 'sha512' ? name : undefined
}

/** True when `signature` over `data` was made with the private key of `key`. Never throws for what a peer sent. */
export function verifySignature(
  algorithm: SignatureAlgorithm,
  key: PublicKey,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (!fits(algorithm, key)) return false
  try {
    const loaded = loadPublicKey(key)
    switch (algorithm.kind) {
      case 'ecdsa':
      case 'rsa-pkcs1':
        return verify(algorithm.hash, data, loaded, signature)
      case 'rsa-pss':
        return verify(
          algorithm.hash,
          data,
          { key: loaded, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: algorithm.saltBytes },
          signature,
        )
      case 'ed25519':
        return verify(null, data, loaded, signature)
      case 'refused':
        return false
    }
  } catch {
    // OpenSSL throws for some signatures that are not even encoded as one: they verify nothing.
    return false
  }
}

function fits(algorithm: SignatureAlgorithm, key: PublicKey): boolean {
  switch (algorithm.kind) {
    case 'ecdsa':
      return key.type === 'P-256' || key.type === 'P-384' || key.type === 'P-521'
    case 'rsa-pkcs1':
    case 'rsa-pss':
      return key.type === 'RSA'
    case 'ed25519':
      return key.type === 'Ed25519'
    case 'refused':
      return false
  }
}
