import { randomBytes } from 'node:crypto'
import { ByteReader, concat } from '@sallyport/bytes'
import { hasCode } from '@sallyport/errors'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { alertNumbers, decodeAlert, encodeAlert } from '../src/alert.ts'
import { readCertificateKey } from '../src/certificate-key.ts'
import {
  readCertificate,
  readCertificateRequest,
  readCertificateVerify,
  writeCertificate,
  writeCertificateRequest,
  writeCertificateVerify,
} from '../src/certificate-messages.ts'
import { defaultCipherSuites } from '../src/cipher-suite.ts'
import { findCookie, readClientHello, writeClientHello } from '../src/client-hello.ts'
import { HandshakeFault } from '../src/handshake-fault.ts'
import { handshakeHeaderLength, readHandshakeFragment, writeHandshakeFragment } from '../src/handshake-message.ts'
import {
  readClientKeyExchange,
  readServerKeyExchange,
  writeClientKeyExchange,
  writeKeyParameters,
  writeServerKeyExchange,
} from '../src/key-exchange-messages.ts'
import { defaultNamedGroups, namedGroups } from '../src/named-group.ts'
import {
  readHelloVerifyRequest,
  readServerHello,
  writeHelloVerifyRequest,
  writeServerHello,
} from '../src/server-hello.ts'
import { chooseSignatureScheme } from '../src/signature-scheme.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'

/** Any parser of the peer's bytes may refuse them with a fault that has a name; anything else is a bug of ours. */
function survives(parse: (bytes: Uint8Array) => unknown): void {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        parse(bytes)
      } catch (error) {
        if (!(error instanceof HandshakeFault) && !hasCode(error, 'malformed-bytes')) throw error
      }
    }),
    { numRuns: 2000 },
  )
}

const point = concat(Uint8Array.of(4), randomBytes(64))

describe('hellos (RFC 5246 section 7.4.1)', () => {
  it('a ClientHello is read as it was written', () => {
    const [random, cookie] = [randomBytes(32), randomBytes(32)]
    const body = writeClientHello({ random, cookie, cipherSuites: defaultCipherSuites, groups: defaultNamedGroups })
    const hello = readClientHello(body)
    expect(hello).toMatchObject({
      version: 0xfefd,
      cipherSuites: [0xc02b, 0xc02c, 0xc0ac, 0xc0ae],
      groups: [23, 29, 24],
      extendedMasterSecret: true,
      renegotiation: 'initial',
      offersNullCompression: true,
    })
    expect(Buffer.compare(hello.random, random)).toBe(0)
    const found = findCookie(body)
    expect(Buffer.compare(found?.cookie ?? new Uint8Array(0), cookie)).toBe(0)
    expect(concat(found?.beforeCookie ?? cookie, Uint8Array.of(32), cookie, found?.afterCookie ?? cookie)).toEqual(body)
  })

  it('a ServerHello is read as it was written', () => {
    const random = randomBytes(32)
    const hello = readServerHello(
      writeServerHello({ random, cipherSuite: 0xc0ae, renegotiationInfo: true, pointFormats: true }),
    )
    expect(hello).toMatchObject({
      version: 0xfefd,
      cipherSuite: 0xc0ae,
      compression: 0,
      extendedMasterSecret: true,
      renegotiationWrong: false,
    })
  })

  it('a ServerHello with an extension that was not offered is refused', () => {
    const plain = writeServerHello({
      random: randomBytes(32),
      cipherSuite: 0xc0ae,
      renegotiationInfo: false,
      pointFormats: false,
    })
    const withAlpn = concat(plain.subarray(0, 38), Uint8Array.of(0, 8, 0, 23, 0, 0, 0, 16, 0, 0))
    expect(() => readServerHello(withAlpn)).toThrow('extension 16')
  })

  it('a HelloVerifyRequest (RFC 6347 section 4.2.1) is read as it was written, with a cookie of 0 to 255 bytes', () => {
    for (const length of [0, 1, 32, 255]) {
      const cookie = randomBytes(length)
      expect(Buffer.compare(readHelloVerifyRequest(writeHelloVerifyRequest(cookie)), cookie)).toBe(0)
    }
  })
})

describe('other messages', () => {
  it('certificates, request, signatures and key exchanges (RFC 5246 sections 7.4.2, 7.4.3, 7.4.4 and 7.4.8) are read as they were written', () => {
    const chain = [randomBytes(500), randomBytes(700)]
    expect(readCertificate(writeCertificate(chain)).map((der) => Buffer.from(der))).toEqual(chain)
    expect(readCertificate(writeCertificate([]))).toEqual([])
    expect(readCertificateRequest(writeCertificateRequest())).toMatchObject({ allowsEcdsa: true })
    const signed = { scheme: 0x0403, signature: randomBytes(70) }
    expect(readCertificateVerify(writeCertificateVerify(signed)).scheme).toBe(0x0403)
    const parameters = writeKeyParameters(namedGroups.secp256r1, point)
    const exchange = readServerKeyExchange(writeServerKeyExchange(parameters, signed))
    expect(exchange.group.name).toBe('secp256r1')
    expect(Buffer.compare(exchange.publicKey, point)).toBe(0)
    expect(Buffer.compare(exchange.parameters, parameters)).toBe(0)
    expect(readClientKeyExchange(writeClientKeyExchange(point), namedGroups.secp256r1).length).toBe(65)
  })

  it('a chain of more than 16 certificates is refused', () => {
    const certificates = Array.from({ length: 17 }, () => Uint8Array.of(0x30, 0))
    expect(() => readCertificate(writeCertificate(certificates))).toThrow('more than 16')
  })

  it('explicit curve parameters (RFC 8422 section 5.4) have no way in', () => {
    expect(() => readServerKeyExchange(Uint8Array.of(1, 0, 23, 65, ...point))).toThrow(HandshakeFault)
  })

  it('handshake fragments are read as they were written, and a lying length is not read', () => {
    const bytes = randomBytes(20)
    const fragment = { type: 11, length: 0x012345, messageSequence: 7, offset: 0x0100, bytes }
    const written = new Uint8Array(handshakeHeaderLength + bytes.length)
    writeHandshakeFragment(written, 0, fragment)
    expect(readHandshakeFragment(written, 0)).toMatchObject({ ...fragment, bytes: new Uint8Array(bytes) })
    expect(readHandshakeFragment(written.subarray(0, -1), 0)).toBeUndefined()
    writeHandshakeFragment(written, 0, { ...fragment, length: 0x0113 })
    expect(readHandshakeFragment(written, 0)).toBeUndefined()
  })

  it('alerts (RFC 5246 section 7.2) are read as they were written, and a level or length unknown is none', () => {
    for (const name of Object.keys(alertNumbers) as (keyof typeof alertNumbers)[]) {
      expect(decodeAlert(encodeAlert('fatal', name))).toMatchObject({ level: 'fatal', name })
    }
    expect(decodeAlert(Uint8Array.of(2, 250))).toEqual({ level: 'fatal', name: undefined, number: 250 })
    expect(decodeAlert(Uint8Array.of(3, 0))).toBeUndefined()
    expect(decodeAlert(Uint8Array.of(2))).toBeUndefined()
    expect(decodeAlert(Uint8Array.of(2, 0, 0))).toBeUndefined()
  })
})

describe('[5.9] parsers of handshake messages refuse any bytes by name or read them', () => {
  it('ClientHello', () => survives(readClientHello))
  it('the cookie of a ClientHello', () => survives(findCookie))
  it('ServerHello', () => survives(readServerHello))
  it('HelloVerifyRequest', () => survives(readHelloVerifyRequest))
  it('Certificate', () => survives(readCertificate))
  it('CertificateRequest', () => survives(readCertificateRequest))
  it('CertificateVerify', () => survives(readCertificateVerify))
  it('ServerKeyExchange', () => survives(readServerKeyExchange))
  it('ClientKeyExchange', () => survives((bytes) => readClientKeyExchange(bytes, namedGroups.x25519)))
  it('fragments', () => survives((bytes) => readHandshakeFragment(bytes, 0)))
  it('the key in a certificate', () => survives(readCertificateKey))
  it('vectors of a reader', () => survives((bytes) => new ByteReader(bytes).vector24().vector16().vector8()))
})

describe('signature schemes (RFC 5246 section 7.4.1.4.1)', () => {
  it('the hash as strong as the curve is chosen first, and never one that was not offered', () => {
    expect(chooseSignatureScheme('P-256', [0x0603, 0x0503, 0x0403])?.name).toBe('ecdsa_sha256')
    expect(chooseSignatureScheme('P-384', [0x0403, 0x0603, 0x0503])?.name).toBe('ecdsa_sha384')
    expect(chooseSignatureScheme('P-256', [0x0503])?.name).toBe('ecdsa_sha384')
    expect(chooseSignatureScheme('P-256', [0x0203, 0x0401, 0x0804, 0x0807])).toBeUndefined()
  })
})

describe('the key in a certificate', () => {
  const made = new Map<string, TestIdentity>()
  beforeAll(() => {
    for (const key of ['P-256', 'P-384', 'P-521', 'RSA', 'RSA of 1024 bits', 'Ed25519'] as const)
      made.set(key, makeIdentity(key))
  })

  it('is found, with its kind and its curve where it is one of ours', () => {
    for (const [key, kind, curve] of [
      ['P-256', 'P-256', 'P-256'],
      ['P-384', 'P-384', 'P-384'],
      ['P-521', undefined, undefined],
      ['RSA', 'RSA', undefined],
      ['RSA of 1024 bits', undefined, undefined],
      ['Ed25519', 'Ed25519', undefined],
    ] as const) {
      const der = made.get(key)?.chain[0] ?? new Uint8Array(0)
      const found = readCertificateKey(der)
      expect(found).toBeDefined()
      expect(found?.kind).toBe(kind)
      expect(found?.curve).toBe(curve)
    }
  })

  it('is not found in a certificate cut short anywhere', () => {
    const der = made.get('P-256')?.chain[0] ?? new Uint8Array(0)
    for (let length = 0; length < der.length; length += 1) {
      expect(readCertificateKey(der.subarray(0, length))).toBeUndefined()
    }
  })
})
