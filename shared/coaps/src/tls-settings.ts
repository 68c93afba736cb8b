/**
 * What TLS may do here (RFC 8323 section 9, RFC 7925, RFC 8446): TLS 1.2 and 1.3 with ephemeral key agreement and AEAD, the
 * peers that DTLS takes, and nothing that could carry a decision over to a later connection.
 *
 * No tickets and no session ids, so that each connection is judged anew; no renegotiation, so that the judgement stays
 * that of the connection. Trust is not OpenSSL's to decide: it is given no authorities, only proves that the peer holds
 * the key of its certificate, and `verifyPeer` judges the chain.
 */

import { constants, type KeyObject } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { CodedError } from '@sallyport/errors'
import type { DtlsCredentials } from './association.ts'
import { requireCurve } from './dtls-answers.ts'

/** RFC 8323 section 8.2. */
export const alpnProtocol = 'coap'

/**
 * GCM first, as stock devices have it; CCM_8 for those that have nothing else. OpenSSL counts the short tag of CCM_8 as
 * 64 bits of security and leaves it out at any security level but 0; what else that level would let in, `signatureSchemes`,
 * `groups` and the versions keep out, and the strength of the peer's keys is for `verifyPeer`.
 */
const cipherSuites = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-CCM',
  'ECDHE-ECDSA-AES128-CCM8',
  '@SECLEVEL=0',
]
const signatureSchemes = [
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp384r1_sha384',
  'ed25519',
  'rsa_pss_rsae_sha256',
  'rsa_pkcs1_sha256',
]
const groups = ['P-256', 'P-384', 'X25519']

/** @throws CodedError `configuration-invalid` for credentials that do not fit */
export function tlsSettings(credentials: DtlsCredentials | undefined): SecureContextOptions {
  if (credentials !== undefined) requireCurve(credentials)
  const settings: SecureContextOptions = {
    ...(credentials === undefined
      ? {}
      : { cert: credentials.chain.map(pemOf).join(''), key: pemOfKey(credentials.privateKey) }),
    ca: [],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: cipherSuites.join(':'),
    sigalgs: signatureSchemes.join(':'),
    ecdhCurve: groups.join(':'),
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
  }
  try {
    createSecureContext(settings)
  } catch (cause) {
    throw new CodedError('configuration-invalid', 'the credentials cannot be used for TLS', { cause })
  }
  return settings
}

const pemOf = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`

const pemOfKey = (key: KeyObject): string | Buffer => key.export({ type: 'pkcs8', format: 'pem' })
