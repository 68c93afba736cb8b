/** The credentials that provisioning hands out (oic.sec.cred update): which is the identity, which are trusted CAs. */

import { isCodedError } from '@sallyport/errors'
import { type Certificate, certificatesFromPem, deviceIdFromCommonName } from '@sallyport/pki'
import { asArray, asRecord, textAt, type Value, type ValueRecord } from '@sallyport/representation'
import { DeviceFailure } from './device-failure.ts'

export interface IssuedCredentials {
  /** Leaf first, without the root. */
  readonly identityChain: readonly Certificate[]
  readonly trustedAuthorities: readonly Certificate[]
}

const certificateUsage = 'oic.sec.cred.cert'
const trustUsage = 'oic.sec.cred.trustca'

/**
 * @param spki of the key in our request: a certificate for another key is of no use
 * @throws DeviceFailure of step `credentials`
 */
export function parseCredentials(answer: Value, expected: { deviceId: string; spki: Uint8Array }): IssuedCredentials {
  try {
    const entries = asArray(asRecord(answer, 'the answer').creds, "'creds'").map((entry) =>
      asRecord(entry, 'a credential'),
    )
    const identityChain = entries.filter((entry) => entry.credusage === certificateUsage).flatMap(certificatesIn)
    const trustedAuthorities = entries.filter((entry) => entry.credusage === trustUsage).flatMap(certificatesIn)
    const [leaf] = identityChain
    if (leaf === undefined) throw unusable(`there is no credential with usage ${certificateUsage}`)
    if (deviceIdFromCommonName(leaf.commonName) !== expected.deviceId) {
      throw unusable(`the certificate is for ${leaf.commonName ?? 'nobody'}, not uuid:${expected.deviceId}`)
    }
    if (!Buffer.from(leaf.spki).equals(expected.spki))
      throw unusable('the certificate is for another key than requested')
    return { identityChain, trustedAuthorities }
  } catch (error) {
    if (!isCodedError(error)) throw error
    throw unusable(error.message)
  }
}

function certificatesIn(entry: ValueRecord): readonly Certificate[] {
  return certificatesFromPem(textAt(asRecord(entry.publicdata, "'publicdata'"), 'data'))
}

const unusable = (detail: string): DeviceFailure =>
  new DeviceFailure('credentials', `credentials: ${detail}`, { errorCode: 'malformed-answer' })
