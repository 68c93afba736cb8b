/** Certificates of any shape, right and wrong, signed by keys of this process: what the vectors of these tests are made of. */

import { constants, createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import {
  derBitString,
  derBoolean,
  derContext,
  derContextPrimitive,
  derElement,
  derInteger,
  derNamedBits,
  derNull,
  derObjectIdentifier,
  derOctetString,
  derSequence,
  derTime,
  derUnsigned,
  encodeGeneralName,
  encodeName,
  extendedKeyUsageId,
  extensionId,
  type KeyUsage,
  keyUsageBits,
  parseSpki,
  type WrittenName,
} from '../src/index.ts'
import { hashAlgorithmId, maskGenerationFunction1Id } from '../src/object-identifiers.ts'

export const at = Date.UTC(2026, 5, 1)
export const day = 86_400_000

export type CurveName = 'P-256' | 'P-384' | 'P-521' | 'prime192v1' | 'secp256k1' | 'brainpoolP256r1'
export const ecKey = (namedCurve: CurveName = 'P-256'): KeyObject =>
  generateKeyPairSync('ec', { namedCurve }).privateKey
export const explicitCurveKey = (): KeyObject =>
  generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }).privateKey
export const ed25519Key = (): KeyObject => generateKeyPairSync('ed25519').privateKey
const rsaKeys = new Map<number, KeyObject>()
/** The same key each time: they take long to make. */
export function rsaKey(modulusLength: number): KeyObject {
  const key = rsaKeys.get(modulusLength) ?? generateKeyPairSync('rsa', { modulusLength }).privateKey
  rsaKeys.set(modulusLength, key)
  return key
}

export const spkiOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }))

export const keyIdentifierOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(
    createHash('sha1')
      .update(parseSpki(spkiOf(key)).keyBits)
      .digest(),
  )

const algorithm = (id: string, ...parameters: Uint8Array[]): Uint8Array =>
  derSequence(derObjectIdentifier(id), ...parameters)
const rsa = (id: string): Uint8Array => algorithm(id, derNull())
const pss = (hash: 'sha256' | 'sha384' | 'sha512', saltBytes: number): Uint8Array => {
  const hashAlgorithm = algorithm(hashAlgorithmId[hash], derNull())
  return algorithm(
    '1.2.840.113549.1.1.10',
    derSequence(
      derContext(0, hashAlgorithm),
      derContext(1, algorithm(maskGenerationFunction1Id, hashAlgorithm)),
      derContext(2, derInteger(saltBytes)),
    ),
  )
}
const pssSign = (hash: string, saltLength: number) => (data: Uint8Array, key: KeyObject) =>
  sign(hash, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
const plainSign = (hash: string | null) => (data: Uint8Array, key: KeyObject) => sign(hash, data, key)

export const signatures = {
  'ecdsa-sha1': { algorithm: algorithm('1.2.840.10045.4.1'), sign: plainSign('sha1') },
  'ecdsa-sha256': { algorithm: algorithm('1.2.840.10045.4.3.2'), sign: plainSign('sha256') },
  'ecdsa-sha384': { algorithm: algorithm('1.2.840.10045.4.3.3'), sign: plainSign('sha384') },
  'ecdsa-sha512': { algorithm: algorithm('1.2.840.10045.4.3.4'), sign: plainSign('sha512') },
  'rsa-sha1': { algorithm: rsa('1.2.840.113549.1.1.5'), sign: plainSign('sha1') },
  'rsa-sha256': { algorithm: rsa('1.2.840.113549.1.1.11'), sign: plainSign('sha256') },
  'rsa-sha384': { algorithm: rsa('1.2.840.113549.1.1.12'), sign: plainSign('sha384') },
  'rsa-sha512': { algorithm: rsa('1.2.840.113549.1.1.13'), sign: plainSign('sha512') },
  'pss-sha256': { algorithm: pss('sha256', 32), sign: pssSign('sha256', 32) },
  'pss-sha512': { algorithm: pss('sha512', 64), sign: pssSign('sha512', 64) },
  'pss-defaults': { algorithm: algorithm('1.2.840.113549.1.1.10', derSequence()), sign: pssSign('sha1', 20) },
  ed25519: { algorithm: algorithm('1.3.101.112'), sign: plainSign(null) },
} as const
export type SignatureName = keyof typeof signatures

export const extension = (id: string, value: Uint8Array, critical = false): Uint8Array =>
  derSequence(derObjectIdentifier(id), ...(critical ? [derBoolean(true)] : []), derOctetString(value))

export const basicConstraints = (isCa: boolean, pathLength?: number): Uint8Array =>
  extension(
    extensionId.basicConstraints,
    derSequence(...(isCa ? [derBoolean(true)] : []), ...(pathLength === undefined ? [] : [derInteger(pathLength)])),
    true,
  )
export const keyUsage = (...usages: KeyUsage[]): Uint8Array =>
  extension(extensionId.keyUsage, derNamedBits(usages.map((usage) => keyUsageBits.indexOf(usage))), true)
export const extendedKeyUsage = (...usages: string[]): Uint8Array =>
  extension(
    extensionId.extKeyUsage,
    derSequence(
      ...usages.map((usage) =>
        derObjectIdentifier(
          usage in extendedKeyUsageId ? extendedKeyUsageId[usage as keyof typeof extendedKeyUsageId] : usage,
        ),
      ),
    ),
  )
export const alternativeNames = (...names: WrittenName[]): Uint8Array =>
  extension(extensionId.subjectAltName, derSequence(...names.map(encodeGeneralName)))
export const nameConstraints = (constraints: { permitted?: Uint8Array[]; excluded?: Uint8Array[] }): Uint8Array =>
  extension(
    extensionId.nameConstraints,
    derSequence(
      ...(constraints.permitted ? [derContext(0, ...constraints.permitted.map((base) => derSequence(base)))] : []),
      ...(constraints.excluded ? [derContext(1, ...constraints.excluded.map((base) => derSequence(base)))] : []),
    ),
    true,
  )
export const subjectKeyIdentifier = (octets: Uint8Array): Uint8Array =>
  extension(extensionId.subjectKeyIdentifier, derOctetString(octets))
export const authorityKeyIdentifier = (octets: Uint8Array): Uint8Array =>
  extension(extensionId.authorityKeyIdentifier, derSequence(derContextPrimitive(0, octets)))

export interface Party {
  readonly name: Uint8Array
  readonly key: KeyObject
  readonly der: Uint8Array
}

export interface CertificateRecipe {
  readonly name?: string | Uint8Array
  readonly key?: KeyObject
  /** Absent: self-signed. */
  readonly issuer?: { readonly name: Uint8Array; readonly key: KeyObject }
  readonly extensions?: readonly Uint8Array[]
  readonly serialNumber?: Uint8Array
  readonly notBefore?: number
  readonly notAfter?: number
  /** DER of the two dates, in place of them. */
  readonly validity?: Uint8Array
  readonly signature?: SignatureName
  /** The number in the field: 2 is version 3; null leaves the field out. */
  readonly version?: number | null
  readonly spki?: Uint8Array
  readonly outerAlgorithm?: Uint8Array
  /** Changes the signature. */
  readonly tamper?: (signature: Uint8Array) => Uint8Array
}

export function certificate(recipe: CertificateRecipe): Party {
  const key = recipe.key ?? ecKey()
  const wanted = recipe.name ?? 'someone'
  const name = typeof wanted === 'string' ? encodeName({ commonName: wanted }) : wanted
  const issuer = recipe.issuer ?? { name, key }
  const scheme = signatures[recipe.signature ?? 'ecdsa-sha256']
  const version = recipe.version === undefined ? 2 : recipe.version
  const toBeSigned = derSequence(
    ...(version === null ? [] : [derContext(0, derInteger(version))]),
    recipe.serialNumber === undefined
      ? derUnsigned(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
      : derElement(0x02, recipe.serialNumber),
    scheme.algorithm,
    issuer.name,
    recipe.validity ?? derSequence(derTime(recipe.notBefore ?? at - day), derTime(recipe.notAfter ?? at + day)),
    name,
    recipe.spki ?? spkiOf(key),
    ...(recipe.extensions === undefined || recipe.extensions.length === 0
      ? []
      : [derContext(3, derSequence(...recipe.extensions))]),
  )
  const signature = new Uint8Array(scheme.sign(toBeSigned, issuer.key))
  const der = derSequence(
    toBeSigned,
    recipe.outerAlgorithm ?? scheme.algorithm,
    derBitString(recipe.tamper === undefined ? signature : recipe.tamper(signature)),
  )
  return { name, key, der }
}

export const authorityExtensions = (pathLength?: number): Uint8Array[] => [
  basicConstraints(true, pathLength),
  keyUsage('keyCertSign', 'cRLSign'),
]
export const deviceExtensions = (): Uint8Array[] => [
  basicConstraints(false),
  keyUsage('digitalSignature'),
  extendedKeyUsage('clientAuth'),
]

export const root = (recipe: CertificateRecipe = {}): Party =>
  certificate({ name: 'Root', extensions: authorityExtensions(), ...recipe })
export const intermediate = (issuer: Party, recipe: CertificateRecipe = {}): Party =>
  certificate({ name: 'Intermediate', issuer, extensions: authorityExtensions(), ...recipe })
export const device = (issuer: Party, recipe: CertificateRecipe = {}): Party =>
  certificate({ name: 'device', issuer, extensions: deviceExtensions(), ...recipe })
