import { instant } from '@sallyport/clock'
import { isCodedError } from '@sallyport/errors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  certificatesFromPem,
  certificateToPem,
  derElement,
  derInteger,
  derObjectIdentifier,
  derSequence,
  derTime,
  derUtf8String,
  maxCertificateBytes,
  parseCertificate,
  pemBlocks,
} from '../src/index.ts'
import {
  alternativeNames,
  at,
  basicConstraints,
  certificate,
  device,
  deviceExtensions,
  ecKey,
  explicitCurveKey,
  extension,
  keyUsage,
  root,
  rsaKey,
  signatures,
} from './certificate-builder.ts'

const malformed = (message: RegExp) =>
  expect.objectContaining({ code: 'certificate-malformed', message: expect.stringMatching(message) })
const refusal = (der: Uint8Array): unknown => {
  try {
    parseCertificate(der)
    return undefined
  } catch (error) {
    return error
  }
}

const trusted = root()

describe('a certificate', () => {
  it('[4.5] is read with its names, dates, key and extensions', () => {
    const name = derSequence(
      derElement(0x31, derSequence(derObjectIdentifier('2.5.4.10'), derUtf8String('Acme, Inc'))),
      derElement(0x31, derSequence(derObjectIdentifier('2.5.4.3'), derUtf8String('uuid:1'))),
    )
    const parsed = parseCertificate(device(trusted, { name, notAfter: Date.UTC(2099, 0, 1) }).der)
    expect(parsed).toMatchObject({
      serialNumber: '0102030405060708',
      subject: 'CN=uuid:1,O=Acme\\, Inc',
      issuer: 'CN=Root',
      commonName: 'uuid:1',
      notAfter: instant(Date.UTC(2099, 0, 1)),
      keyType: 'P-256',
      isCa: false,
      selfIssued: false,
    })
    expect([...(parsed.extensions.keyUsage ?? [])]).toEqual(['digitalSignature'])
    expect(parsed.sha256).toMatch(/^[0-9a-f]{64}$/)
  })

  it('[4.5] keeps no view of the bytes that it was given', () => {
    const der = device(trusted).der
    const buffer = Buffer.from(der)
    const parsed = parseCertificate(buffer)
    buffer.fill(0)
    expect(parsed.der).toEqual(der)
    expect(parsed.commonName).toBe('device')
  })

  it('[4.5] has no common name where it has two', () => {
    const common = (text: string) => derElement(0x31, derSequence(derObjectIdentifier('2.5.4.3'), derUtf8String(text)))
    expect(
      parseCertificate(device(trusted, { name: derSequence(common('a'), common('b')) }).der).commonName,
    ).toBeUndefined()
  })

  it.each([
    ['P-256', ecKey('P-256'), 'P-256', 'P-256'],
    ['P-192', ecKey('prime192v1'), 'other', 'an elliptic curve key on P-192'],
    ['explicit parameters', explicitCurveKey(), 'other', 'an elliptic curve with explicit parameters'],
    ['RSA', rsaKey(1024), 'RSA', 'RSA of 1024 bits'],
  ] as const)('[4.5] names the type of a key: %s', (_, key, keyType, description) => {
    const parsed = parseCertificate(device(trusted, { key }).der)
    expect(parsed).toMatchObject({ keyType, publicKey: { description } })
  })
})

describe('serial numbers (RFC 5280 section 4.1.2.2, F5)', () => {
  const withSerial = (...octets: number[]) => refusal(device(trusted, { serialNumber: Uint8Array.from(octets) }).der)

  it('[4.5] of 1 to 20 octets are taken', () => {
    expect(withSerial(1)).toBeUndefined()
    expect(withSerial(0, 0x80)).toBeUndefined()
    expect(withSerial(0x7f, ...new Array<number>(19).fill(0xff))).toBeUndefined()
  })

  it('[4.5] that are zero, negative, of 21 octets, padded or empty are refused', () => {
    expect(withSerial(0)).toEqual(malformed(/zero/))
    expect(withSerial(0x80)).toEqual(malformed(/negative/))
    expect(withSerial(0, ...new Array<number>(20).fill(0xff))).toEqual(malformed(/20 octets/))
    expect(withSerial(0, 1)).toEqual(malformed(/spare octet/))
    expect(withSerial()).toEqual(malformed(/without octets/))
  })
})

describe('structure', () => {
  it('[4.5] another version than 3 is refused', () => {
    expect(refusal(device(trusted, { version: null, extensions: [] }).der)).toEqual(malformed(/version 1/))
    expect(refusal(device(trusted, { version: 1 }).der)).toEqual(malformed(/version 2/))
    expect(refusal(device(trusted, { version: 3 }).der)).toEqual(malformed(/version 4/))
  })

  it('[4.5] an extension that occurs twice is refused', () => {
    const extensions = [...deviceExtensions(), keyUsage('digitalSignature')]
    expect(refusal(device(trusted, { extensions }).der)).toEqual(malformed(/twice/))
  })

  it('[4.5] a known extension that does not parse is refused', () => {
    for (const broken of [
      extension('2.5.29.19', Uint8Array.of(5, 0)),
      extension('2.5.29.19', derSequence(derElement(1, Uint8Array.of(1)))),
      extension('2.5.29.19', derSequence(derInteger(1))),
      extension('2.5.29.15', derElement(3, Uint8Array.of(9))),
      extension('2.5.29.15', derElement(3, Uint8Array.of(7, 0xff))),
      extension('2.5.29.37', derSequence()),
      extension('2.5.29.17', derSequence()),
      extension('2.5.29.17', derSequence(derElement(0x87, Uint8Array.of(1, 2, 3)))),
      extension('2.5.29.17', derSequence(derElement(0x82, Uint8Array.of(0xc3, 0xa4)))),
      extension(
        '2.5.29.30',
        derSequence(derElement(0xa0, derSequence(derElement(0x82), derElement(0x80, Uint8Array.of(1))))),
      ),
    ]) {
      expect(refusal(device(trusted, { extensions: [broken] }).der)).toEqual(malformed(/malformed/))
    }
  })

  it('[4.5] two signature algorithms that differ are refused', () => {
    const outerAlgorithm = signatures['ecdsa-sha384'].algorithm
    expect(refusal(device(trusted, { outerAlgorithm }).der)).toEqual(malformed(/differ/))
  })

  it('[4.5] an empty issuer is refused', () => {
    expect(refusal(device({ ...trusted, name: derSequence() }).der)).toEqual(malformed(/empty issuer/))
  })

  it('[4.5] trailing bytes, indefinite and long lengths, and more than 64 KiB are refused', () => {
    const { der } = device(trusted)
    expect(refusal(Uint8Array.of(...der, 0))).toEqual(malformed(/too many/))
    expect(refusal(Uint8Array.of(0x30, 0x80, ...der.subarray(4), 0, 0))).toEqual(malformed(/indefinite/))
    expect(refusal(Uint8Array.of(0x30, 0x83, 0, ...der.subarray(2)))).toEqual(malformed(/longer than it needs/))
    expect(refusal(new Uint8Array(maxCertificateBytes + 1))).toEqual(malformed(/65536/))
    expect(refusal(new Uint8Array(0))).toEqual(malformed(/missing/))
  })

  it('[4.5] is never read otherwise than as DER or a refusal, whatever is changed in it', () => {
    const { der } = device(trusted, {
      extensions: [...deviceExtensions(), alternativeNames({ kind: 'dns', text: 'a.example' })],
    })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(der.length),
        (changes, length) => {
          const changed = der.slice(0, length < der.length / 2 ? der.length : length)
          for (const [position, octet] of changes) changed[Math.min(position, changed.length - 1)] = octet
          const error = refusal(changed)
          return error === undefined || (isCodedError(error) && error.code === 'certificate-malformed')
        },
      ),
      { numRuns: 3000, seed: 4 },
    )
  })
})

describe('dates', () => {
  const withDates = (notBefore: Uint8Array) =>
    refusal(device(trusted, { validity: derSequence(notBefore, derTime(at)) }).der)
  const utc = (text: string) => derElement(0x17, Buffer.from(text))
  const generalized = (text: string) => derElement(0x18, Buffer.from(text))

  it('[4.5] in the forms of RFC 5280 are taken, also a GeneralizedTime before 2050', () => {
    expect(withDates(utc('260101000000Z'))).toBeUndefined()
    expect(withDates(utc('500101000000Z'))).toBeUndefined()
    expect(withDates(generalized('20260101000000Z'))).toBeUndefined()
    expect(withDates(generalized('99991231235959Z'))).toBeUndefined()
    expect(
      parseCertificate(device(trusted, { validity: derSequence(utc('500101000000Z'), derTime(at)) }).der).notBefore,
    ).toBe(Date.UTC(1950, 0, 1))
  })

  it('[4.5] with offsets, fractions, without seconds or outside of the calendar are refused', () => {
    for (const text of [
      '2601010000Z',
      '260101000000+0100',
      '260101000000',
      '260230000000Z',
      '261301000000Z',
      '260101240000Z',
    ]) {
      expect(withDates(utc(text)), text).toEqual(malformed(/date/))
    }
    for (const text of ['20260101000000.5Z', '20260101000000', '20260229000000Z']) {
      expect(withDates(generalized(text)), text).toEqual(malformed(/date/))
    }
    expect(withDates(derInteger(1))).toEqual(malformed(/date/))
  })
})

describe('PEM', () => {
  it('[4.5] of several certificates is read in order, with text around them', () => {
    const one = device(trusted).der
    const text = `subject=device\n${certificateToPem(one)}\r\nroot:\r\n${certificateToPem(trusted.der).replaceAll('\n', '\r\n')}`
    expect(certificatesFromPem(text).map(({ commonName }) => commonName)).toEqual(['device', 'Root'])
    expect(pemBlocks(text, 'CERTIFICATE')).toHaveLength(2)
  })

  it('[4.5] without a certificate, without an end, nested or with garbage in it is refused', () => {
    const pem = certificateToPem(certificate({ extensions: [basicConstraints(false)] }).der)
    const cases = [
      '',
      'nothing',
      pem.replace(/-----END.*/, ''),
      pem.replace('M', '*'),
      `${pem.slice(0, 100)}\n${pem}`,
      pem.slice(30),
    ]
    for (const text of cases) {
      expect(() => certificatesFromPem(text), text.slice(0, 40)).toThrow(
        expect.objectContaining({ code: 'certificate-malformed' }),
      )
    }
  })
})
