/**
 * What a device asks a certificate for: the `csr` of the credentials request, and whether its key and its name will do.
 *
 * Nothing but the public key is taken from it. It must be signed by its own key, name the device as `uuid:<id>`, and that
 * id must be the body's `di` (design §6); whatever else it asks for (CA:TRUE, other names, ten thousand of them) is not read.
 */

import { CodedError } from '@sallyport/errors'
import {
  type CertificationRequest,
  deviceIdFromCommonName,
  parseCertificationRequest,
  requestKeyRefusal,
} from '@sallyport/pki'
import { asRecord, textAt, type ValueRecord } from '@sallyport/representation'

export interface IdentityRequest {
  readonly deviceId: string
  readonly request: CertificationRequest
}

/** @throws CodedError `malformed-request`, `device-id-mismatch`, and the `request-…` codes. */
export function readIdentityRequest(body: ValueRecord): IdentityRequest {
  const deviceId = deviceIdIn(body)
  const request = parseCertificationRequest(encodedRequest(asRecord(body.csr, "'csr'")))
  const keyRefusal = requestKeyRefusal(request)
  if (keyRefusal !== undefined) throw new CodedError(keyRefusal.code, keyRefusal.detail)
  if (!request.signatureValid) {
    throw new CodedError('request-signature-invalid', 'the certificate request is not signed by the key it carries')
  }
  const named = deviceIdFromCommonName(request.commonName)
  if (named === undefined) {
    throw new CodedError(
      'request-subject-invalid',
      'the common name of the certificate request is not uuid:<device id>',
    )
  }
  if (named !== deviceId) {
    throw new CodedError('device-id-mismatch', `the certificate request names ${named}, the body ${deviceId}`)
  }
  return { deviceId, request }
}

/** `di`, in lower case. @throws CodedError `malformed-request`. */
export function deviceIdIn(body: ValueRecord): string {
  const deviceId = deviceIdFromCommonName(`uuid:${textAt(body, 'di')}`)
  if (deviceId === undefined) throw new CodedError('malformed-request', "'di' is not a UUID")
  return deviceId
}

function encodedRequest(csr: ValueRecord): string | Uint8Array {
  const encoding = textAt(csr, 'encoding')
  const { data } = csr
  if (encoding === 'oic.sec.encoding.pem' && typeof data === 'string') return data
  if (encoding === 'oic.sec.encoding.der' && data instanceof Uint8Array) return data
  throw new CodedError(
    'malformed-request',
    "'csr' is neither oic.sec.encoding.pem with text nor oic.sec.encoding.der with bytes",
  )
}
