/**
 * X.509 certificates (RFC 5280 section 4), parsed strictly from DER.
 *
 * Parsing proves nothing: no signature, date, constraint or trust has been checked of a `Certificate`; `validatePath`
 * does that. Refused here: anything but version 3, a serial number that is not positive or has more than 20 octets, two
 * different signature algorithms, duplicate extensions, unique identifiers, trailing bytes, more than 64 KiB.
 */

import { hash } from 'node:crypto'
import { constantTimeEqual, fromUtf8, toHex } from '@sallyport/bytes'
import { type Instant, instant } from '@sallyport/clock'
import { CodedError, isCodedError } from '@sallyport/errors'
import { type CertificateExtensions, noExtensions, parseExtensions } from './certificate-extensions.ts'
import {
  bitStringOctets,
  contextTag,
  type DerElement,
  DerReader,
  derTag,
  integerContents,
  singleElement,
  smallInteger,
} from './der-reader.ts'
import { commonNameOf, type DistinguishedName, nameText, parseDistinguishedName } from './distinguished-name.ts'
import { type KeyType, type PublicKey, parsePublicKey } from './public-key.ts'
import { parseSignatureAlgorithm, type SignatureAlgorithm } from './signature.ts'

export const maxCertificateBytes = 65_536

export interface Certificate {
  readonly der: Uint8Array
  /** Of the DER, in hexadecimal. */
  readonly sha256: string
  /** Lower-case hexadecimal, an even number of digits, as few as can be. */
  readonly serialNumber: string
  /** RFC 4514 text. */
  readonly subject: string
  readonly subjectDer: Uint8Array
  readonly subjectName: DistinguishedName
  /** RFC 4514 text. */
  readonly issuer: string
  readonly issuerDer: Uint8Array
  /** Of the subject; undefined where it has none or several. */
  readonly commonName: string | undefined
  readonly notBefore: Instant
  /** RFC 5280's "no well-defined expiration", 99991231235959Z, is an instant like any other. */
  readonly notAfter: Instant
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  readonly spkiSha256: string
  readonly keyType: KeyType
  readonly publicKey: PublicKey
  /** basicConstraints says so. */
  readonly isCa: boolean
  /** Issuer and subject are the same name; whether it signed itself is another question. */
  readonly selfIssued: boolean
  readonly extensions: CertificateExtensions
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly signature: Uint8Array
  /** What is signed: the DER of tbsCertificate. */
  readonly toBeSigned: Uint8Array
}

/** @throws CodedError `certificate-malformed`. */
export function parseCertificate(der: Uint8Array): Certificate {
  try {
    if (der.length > maxCertificateBytes)
      throw new CodedError('malformed-bytes', `more than ${maxCertificateBytes} bytes`)
    // A copy: what comes from a datagram is a view into a buffer that is used again.
    return readCertificate(new Uint8Array(der))
  } catch (error) {
    if (!isCodedError(error)) throw error
    throw new CodedError('certificate-malformed', `The certificate is malformed: ${error.message}.`, { cause: error })
  }
}

function readCertificate(der: Uint8Array): Certificate {
  const outer = new DerReader(singleElement(der, derTag.sequence, 'the certificate').contents)
  const tbs = outer.expect(derTag.sequence, 'tbsCertificate')
  const outerAlgorithm = outer.expect(derTag.sequence, 'signatureAlgorithm')
  const signature = bitStringOctets(outer.expect(derTag.bitString, 'the signature'), 'the signature')
  outer.expectEnd('the signature')

  const fields = new DerReader(tbs.contents)
  requireVersion3(fields.optional(contextTag(0, 'constructed')))
  const serialNumber = serialText(fields.expect(derTag.integer, 'the serial number'))
  const innerAlgorithm = fields.expect(derTag.sequence, 'the signature algorithm')
  const issuer = parseDistinguishedName(fields.expect(derTag.sequence, 'the issuer'), 'the issuer')
  const validity = fields.sequence('the validity')
  const notBefore = parseTime(validity.next())
  const notAfter = parseTime(validity.next())
  validity.expectEnd('the validity')
  const subject = parseDistinguishedName(fields.expect(derTag.sequence, 'the subject'), 'the subject')
  const publicKey = parsePublicKey(fields.expect(derTag.sequence, 'the public key'))
  const extensionsField = fields.optional(contextTag(3, 'constructed'))
  fields.expectEnd('the extensions')
  // RFC 5280 section 4.1.1.2: the inner one is signed, the outer one is not.
  if (!sameBytes(outerAlgorithm.encoded, innerAlgorithm.encoded)) {
    throw new CodedError('malformed-bytes', 'two signature algorithms that differ')
  }
  if (issuer.relativeNames.length === 0) throw new CodedError('malformed-bytes', 'an empty issuer')

  const extensions =
    extensionsField === undefined
      ? noExtensions
      : parseExtensions(singleElement(extensionsField.contents, derTag.sequence, 'the extensions').contents)
  return {
    der,
    sha256: hash('sha256', der),
    serialNumber,
    subject: nameText(subject),
    subjectDer: subject.der,
    subjectName: subject,
    issuer: nameText(issuer),
    issuerDer: issuer.der,
    commonName: commonNameOf(subject),
    notBefore,
    notAfter,
    spki: publicKey.spki,
    spkiSha256: publicKey.spkiSha256,
    keyType: publicKey.type,
    publicKey,
    isCa: extensions.basicConstraints?.isCa ?? false,
    selfIssued: sameBytes(subject.der, issuer.der),
    extensions,
    signatureAlgorithm: parseSignatureAlgorithm(innerAlgorithm),
    signature,
    toBeSigned: tbs.encoded,
  }
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => constantTimeEqual(a, b)

function requireVersion3(field: DerElement | undefined): void {
  const version =
    field === undefined ? 0 : smallInteger(singleElement(field.contents, derTag.integer, 'the version'), 'the version')
  if (version !== 2) throw new CodedError('malformed-bytes', `version ${version + 1}, where 3 is needed`)
}

/** RFC 5280 section 4.1.2.2. */
function serialText(element: DerElement): string {
  const contents = integerContents(element, 'the serial number')
  if ((contents[0] as number) >= 0x80) throw new CodedError('malformed-bytes', 'the serial number is negative')
  if (contents.length === 1 && contents[0] === 0) throw new CodedError('malformed-bytes', 'the serial number is zero')
  if (contents.length > 20) throw new CodedError('malformed-bytes', 'the serial number has more than 20 octets')
  return toHex(contents[0] === 0 ? contents.subarray(1) : contents)
}

const timePattern = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/

/** RFC 5280 section 4.1.2.5: to the second, in Zulu, without fractions. */
function parseTime(element: DerElement): Instant {
  const text = fromUtf8(element.contents)
  const isUtc = element.tag === derTag.utcTime
  if (!isUtc && element.tag !== derTag.generalizedTime) throw new CodedError('malformed-bytes', 'a date that is none')
  const century = isUtc ? (Number(text.slice(0, 2)) >= 50 ? '19' : '20') : ''
  const parts = timePattern.exec(century + text)
  if (parts === null) throw new CodedError('malformed-bytes', 'a date that is not in the form of RFC 5280')
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1).map(Number)
  const at = new Date(0)
  at.setUTCFullYear(year, month - 1, day)
  at.setUTCHours(hour, minute, second)
  // 31 February rolls over into March: a date that does not read back as it was written is none.
  if (
    at.getUTCDate() !== day ||
    at.getUTCMonth() !== month - 1 ||
    at.getUTCHours() !== hour ||
    at.getUTCSeconds() !== second
  ) {
    throw new CodedError('malformed-bytes', 'a date that is not in the calendar')
  }
  return instant(at.getTime())
}
