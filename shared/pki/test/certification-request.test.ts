import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { isCodedError } from '@sallyport/errors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createCertificationRequest,
  derBitString,
  derContext,
  derElement,
  derInteger,
  derObjectIdentifier,
  derSequence,
  encodeName,
  maxRequestBytes,
  parseCertificationRequest,
  requestKeyRefusal,
  toPem,
} from '../src/index.ts'
import {
  ecKey,
  ed25519Key,
  explicitCurveKey,
  rsaKey,
  type SignatureName,
  signatures,
  spkiOf,
} from './certificate-builder.ts'

const commonName = 'uuid:8f0c2a53-5f1e-4d0e-9a3c-0d6f1f2b3c4d'

interface Recipe {
  readonly key?: KeyObject
  readonly signer?: KeyObject
  readonly signature?: SignatureName
  readonly attributes?: Uint8Array
  readonly version?: number
  readonly spki?: Uint8Array
}

function request(recipe: Recipe = {}): Uint8Array {
  const key = recipe.key ?? ecKey()
  const scheme = signatures[recipe.signature ?? 'ecdsa-sha256']
  const information = derSequence(
    derInteger(recipe.version ?? 0),
    encodeName({ commonName }),
    recipe.spki ?? spkiOf(key),
    recipe.attributes ?? derContext(0),
  )
  return derSequence(
    information,
    scheme.algorithm,
    derBitString(new Uint8Array(scheme.sign(information, recipe.signer ?? key))),
  )
}

const pem = (der: Uint8Array, label = 'CERTIFICATE REQUEST') => toPem(label, der)
const malformed = (message: RegExp) =>
  expect.objectContaining({ code: 'request-certificate-malformed', message: expect.stringMatching(message) })

describe('a certificate request', () => {
  it('[4.6] of our own is read back, in DER, as PEM text and as PEM bytes', () => {
    for (const key of [ecKey('P-256'), ecKey('P-384'), ed25519Key()]) {
      const der = createCertificationRequest({ commonName, privateKey: key })
      for (const input of [der, pem(der), Buffer.from(pem(der, 'NEW CERTIFICATE REQUEST'))]) {
        const parsed = parseCertificationRequest(input)
        expect(parsed).toMatchObject({ commonName, signatureValid: true, spki: spkiOf(key) })
        expect(requestKeyRefusal(parsed)).toBeUndefined()
      }
    }
  })

  it('[4.6] of our own is verified by openssl, and one of openssl is read here', () => {
    const der = createCertificationRequest({ commonName, privateKey: ecKey() })
    const text = execFileSync('openssl', ['req', '-verify', '-noout', '-subject'], {
      input: pem(der),
      stdio: 'pipe',
    }).toString()
    expect(text).toContain(commonName)
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-nodes', '-keyout', '/dev/null']
    const theirs = execFileSync('openssl', ['req', '-new', ...newKey, '-subj', `/CN=${commonName}`], { stdio: 'pipe' })
    expect(parseCertificationRequest(theirs)).toMatchObject({ commonName, keyType: 'P-384', signatureValid: true })
  })

  it('[4.6] that is not signed by its own key is read, and its proof of possession is false (F22)', () => {
    expect(parseCertificationRequest(request({ signer: ecKey() })).signatureValid).toBe(false)
    expect(parseCertificationRequest(request({ signature: 'ecdsa-sha1' })).signatureValid).toBe(false)
    const der = request()
    const name = Buffer.from(der).indexOf('uuid:8f')
    expect(parseCertificationRequest(der.with(name + 5, 0x39)).signatureValid).toBe(false)
  })

  it('[4.6] may carry attributes, which are checked and not used', () => {
    const attribute = derSequence(derObjectIdentifier('1.2.840.113549.1.9.14'), derElement(0x31, derSequence()))
    expect(parseCertificationRequest(request({ attributes: derContext(0, attribute) })).signatureValid).toBe(true)
  })

  it('[4.6] with a malformed set of attributes, without one, or of another version is refused (F22)', () => {
    const type = derObjectIdentifier('1.2.840.113549.1.9.14')
    for (const attributes of [
      derContext(0, derSequence(type)),
      derContext(0, derSequence(type, derElement(0x31))),
      derContext(0, derSequence(type, derElement(0x31, Uint8Array.of(0x30, 0x05)))),
      derContext(0, derInteger(1)),
      new Uint8Array(0),
      derContext(1),
    ]) {
      expect(() => parseCertificationRequest(request({ attributes }))).toThrow(malformed(/malformed/))
    }
    expect(() => parseCertificationRequest(request({ version: 1 }))).toThrow(malformed(/version/))
  })

  it('[4.6] is never read otherwise than as DER or a refusal, whatever is changed in it', () => {
    const der = request()
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (changes) => {
          const changed = der.slice()
          for (const [position, octet] of changes) changed[position] = octet
          try {
            const parsed = parseCertificationRequest(changed)
            requestKeyRefusal(parsed)
            return !parsed.signatureValid || Buffer.from(parsed.der).equals(der)
          } catch (error) {
            return isCodedError(error) && error.code === 'request-certificate-malformed'
          }
        },
      ),
      { numRuns: 2000, seed: 6 },
    )
  })

  it('[4.6] with trailing bytes, in BER, twice, under another label or above 8 KiB is refused (F22)', () => {
    const der = request()
    const indefinite = Uint8Array.of(0x30, 0x80, ...der.subarray(3), 0, 0)
    expect(() => parseCertificationRequest(Uint8Array.of(...der, 0))).toThrow(malformed(/too many/))
    expect(() => parseCertificationRequest(indefinite)).toThrow(malformed(/indefinite/))
    expect(() => parseCertificationRequest(pem(indefinite))).toThrow(malformed(/indefinite/))
    expect(() => parseCertificationRequest(pem(der) + pem(der))).toThrow(malformed(/2 PEM blocks/))
    expect(() => parseCertificationRequest(pem(der) + pem(der, 'CERTIFICATE'))).toThrow(malformed(/2 PEM blocks/))
    expect(() => parseCertificationRequest(pem(der, 'CERTIFICATE'))).toThrow(malformed(/PEM block CERTIFICATE/))
    expect(() => parseCertificationRequest('')).toThrow(malformed(/0 PEM blocks/))
    expect(() => parseCertificationRequest(new Uint8Array(0))).toThrow(malformed(/0 PEM blocks/))
    expect(() => parseCertificationRequest(Uint8Array.of(0xff, 0xfe))).toThrow(malformed(/UTF-8/))
    expect(() => parseCertificationRequest(new Uint8Array(1_000_000).fill(0x30))).toThrow(malformed(/8192/))
    expect(() => parseCertificationRequest(pem(der) + ' '.repeat(maxRequestBytes))).toThrow(malformed(/8192/))
  })
})

describe('the key of a request', () => {
  it.each([
    ['RSA', () => rsaKey(2048), 'rsa-sha256'],
    ['P-192', () => ecKey('prime192v1'), 'ecdsa-sha256'],
    ['P-521', () => ecKey('P-521'), 'ecdsa-sha512'],
    ['brainpoolP256r1', () => ecKey('brainpoolP256r1'), 'ecdsa-sha256'],
    ['secp256k1', () => ecKey('secp256k1'), 'ecdsa-sha256'],
    ['explicit curve parameters', explicitCurveKey, 'ecdsa-sha256'],
    ['X25519', () => generateKeyPairSync('x25519').privateKey, undefined],
  ] as const)('[4.6] is refused with a code of its own: %s (F23)', (_, makeKey, signature) => {
    const key = makeKey()
    const der = request(signature === undefined ? { spki: spkiOf(key) } : { key, signature })
    expect(requestKeyRefusal(parseCertificationRequest(der))).toMatchObject({ code: 'request-key-unsupported' })
  })

  it('[4.6] that is no point of its curve is refused as weak', () => {
    const spki = spkiOf(ecKey())
    spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1
    const parsed = parseCertificationRequest(request({ spki }))
    expect(parsed.signatureValid).toBe(false)
    expect(requestKeyRefusal(parsed)).toEqual({
      code: 'request-key-weak',
      detail: 'the key is not a point of its curve',
    })
  })

  it('[4.6] of a type that makes no request of ours is refused when the request is made', () => {
    expect(() => createCertificationRequest({ commonName, privateKey: rsaKey(2048) })).toThrow(
      expect.objectContaining({ code: 'request-key-unsupported' }),
    )
  })
})
