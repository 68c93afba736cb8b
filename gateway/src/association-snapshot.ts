/**
 * A live association as the next gateway needs it, in bytes: its DTLS and CoAP, who its device is, whether it is signed in, and
 * what is watched of it. Sealed before it leaves the process; what is read back is checked as if anybody had written it.
 */

import { type Duration, type Instant, instant, milliseconds } from '@sallyport/clock'
import { CodedError, isCodedError } from '@sallyport/errors'
import {
  asArray,
  asRecord,
  decode,
  encode,
  optionalIntegerAt,
  optionalTextAt,
  textAt,
  type Value,
  type ValueRecord,
} from '@sallyport/representation'
import type { DeviceIdentity } from './device-identity.ts'

export interface KeptSession {
  readonly signedInAt: Instant
  readonly endsAt: Instant
}

export interface AssociationSnapshotContent {
  readonly associationId: string
  readonly openedAt: Instant
  /** The count of the claim under which it was written. */
  readonly writtenUnder: number
  /** The count of the claim under which the device shook hands: later ones number its records. */
  readonly bornUnder: number
  /** As `exportAssociation` gives it. */
  readonly state: Uint8Array
  readonly identity: DeviceIdentity
  /** Undefined: not signed in. */
  readonly session: KeptSession | undefined
  readonly lastContact: Instant
  readonly expectedInterval: Duration
  /** Resources that have answered, with the content format that they speak. */
  readonly watched: readonly { readonly href: string; readonly contentFormat: number | undefined }[]
  /** Something that the device has published has not been asked yet. */
  readonly asksOn: boolean
}

const version = 1
const cbor = 60

export function encodeSnapshot(content: AssociationSnapshotContent): Uint8Array {
  const { session, identity, watched } = content
  const value: Value = {
    v: version,
    id: content.associationId,
    at: content.openedAt,
    by: content.writtenUnder,
    born: content.bornUnder,
    state: content.state,
    who: identityRecord(identity),
    ...(session === undefined ? {} : { in: session.signedInAt, end: session.endsAt }),
    seen: content.lastContact,
    every: content.expectedInterval,
    watch: watched.map(({ href, contentFormat }) => (contentFormat === undefined ? [href] : [href, contentFormat])),
    more: content.asksOn,
  }
  return encode(cbor, value)
}

/** Undefined for what is no snapshot of this version. */
export function decodeSnapshot(bytes: Uint8Array): AssociationSnapshotContent | undefined {
  try {
    return contentIn(asRecord(decode(cbor, bytes), 'a snapshot'))
  } catch (error) {
    if (isCodedError(error) && (error.blame === 'peer' || error.blame === 'caller')) return undefined
    throw error
  }
}

function contentIn(record: ValueRecord): AssociationSnapshotContent {
  if (record.v !== version) throw new CodedError('malformed-request', 'another version')
  if (!(record.state instanceof Uint8Array)) throw new CodedError('malformed-request', 'no state')
  const signedInAt = optionalIntegerAt(record, 'in')
  const endsAt = optionalIntegerAt(record, 'end')
  return {
    associationId: textAt(record, 'id'),
    openedAt: instant(integerAt(record, 'at')),
    writtenUnder: integerAt(record, 'by'),
    bornUnder: integerAt(record, 'born'),
    state: record.state,
    identity: identityIn(asRecord(record.who, "'who'")),
    session:
      signedInAt === undefined || endsAt === undefined
        ? undefined
        : { signedInAt: instant(signedInAt), endsAt: instant(endsAt) },
    lastContact: instant(integerAt(record, 'seen')),
    expectedInterval: milliseconds(integerAt(record, 'every')),
    watched: asArray(record.watch, "'watch'").map((entry) => {
      const [href, contentFormat] = asArray(entry, 'a resource')
      if (typeof href !== 'string') throw new CodedError('malformed-request', 'no href')
      return { href, contentFormat: typeof contentFormat === 'number' ? contentFormat : undefined }
    }),
    asksOn: record.more === true,
  }
}

function identityRecord(identity: DeviceIdentity): ValueRecord {
  const { deviceId, organizationId } = identity
  if (identity.certificateSha256 === undefined) {
    return { deviceId, organizationId, pskIdentitySha256: identity.pskIdentitySha256 }
  }
  const { certificateSha256, certificateSerial, certificateNotAfter } = identity
  return { deviceId, organizationId, certificateSha256, certificateSerial, certificateNotAfter }
}

function identityIn(record: ValueRecord): DeviceIdentity {
  const device = { deviceId: textAt(record, 'deviceId'), organizationId: textAt(record, 'organizationId') }
  const pskIdentitySha256 = optionalTextAt(record, 'pskIdentitySha256')
  if (pskIdentitySha256 !== undefined) return { ...device, pskIdentitySha256 }
  return {
    ...device,
    certificateSha256: textAt(record, 'certificateSha256'),
    certificateSerial: textAt(record, 'certificateSerial'),
    certificateNotAfter: instant(integerAt(record, 'certificateNotAfter')),
  }
}

function integerAt(record: ValueRecord, key: string): number {
  const value = optionalIntegerAt(record, key)
  if (value === undefined || value < 0) throw new CodedError('malformed-request', `'${key}' is missing`)
  return value
}
