/**
 * The cipher suites we speak, each with an AEAD: ECDHE with ECDSA certificates (RFC 5289, RFC 7251), and a pre-shared key
 * with ECDHE (RFC 8442) or alone (RFC 5487, RFC 6655). Nothing else.
 *
 * No CBC, no RSA key exchange, no compression: what is not in this table cannot be negotiated.
 */

export interface CipherSuite {
  readonly name: CipherSuiteName
  readonly number: number
  readonly keyExchange: 'ecdhe_ecdsa' | 'ecdhe_psk' | 'psk'
  /** As node:crypto calls it. */
  readonly aead: 'aes-128-gcm' | 'aes-256-gcm' | 'aes-128-ccm'
  readonly keyLength: 16 | 32
  readonly tagLength: 8 | 16
  /** Hash of the PRF and of the Finished messages. */
  readonly hash: 'sha256' | 'sha384'
  /**
   * Records that may fail authentication under one key before the association ends (RFC 9147 section 4.5.3). Eight
   * bytes of tag give a forger 2^-64 for each try, so CCM_8 gets the fewest: 2^20 tries leave a chance of 2^-44.
   */
  readonly forgeryLimit: number
}

export type CipherSuiteName =
  | 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'
  | 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'
  | 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM'
  | 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'
  | 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256'
  | 'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256'
  | 'TLS_PSK_WITH_AES_128_GCM_SHA256'
  | 'TLS_PSK_WITH_AES_128_CCM_8'

export const cipherSuites: Readonly<Record<CipherSuiteName, CipherSuite>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: {
    name: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    number: 0xc02b,
    keyExchange: 'ecdhe_ecdsa',
    aead: 'aes-128-gcm',
    keyLength: 16,
    tagLength: 16,
    hash: 'sha256',
    forgeryLimit: 2 ** 36,
  },
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: {
    name: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    number: 0xc02c,
    keyExchange: 'ecdhe_ecdsa',
    aead: 'aes-256-gcm',
    keyLength: 32,
    tagLength: 16,
    hash: 'sha384',
    forgeryLimit: 2 ** 36,
  },
  TLS_ECDHE_ECDSA_WITH_AES_128_CCM: {
    name: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM',
    number: 0xc0ac,
    keyExchange: 'ecdhe_ecdsa',
    aead: 'aes-128-ccm',
    keyLength: 16,
    tagLength: 16,
    hash: 'sha256',
    forgeryLimit: 2 ** 23,
  },
  TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8: {
    name: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
    number: 0xc0ae,
    keyExchange: 'ecdhe_ecdsa',
    aead: 'aes-128-ccm',
    keyLength: 16,
    tagLength: 8,
    hash: 'sha256',
    forgeryLimit: 2 ** 20,
  },
  TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256: {
    name: 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
    number: 0xd001,
    keyExchange: 'ecdhe_psk',
    aead: 'aes-128-gcm',
    keyLength: 16,
    tagLength: 16,
    hash: 'sha256',
    forgeryLimit: 2 ** 36,
  },
  TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256: {
    name: 'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256',
    number: 0xd003,
    keyExchange: 'ecdhe_psk',
    aead: 'aes-128-ccm',
    keyLength: 16,
    tagLength: 8,
    hash: 'sha256',
    forgeryLimit: 2 ** 20,
  },
  TLS_PSK_WITH_AES_128_GCM_SHA256: {
    name: 'TLS_PSK_WITH_AES_128_GCM_SHA256',
    number: 0x00a8,
    keyExchange: 'psk',
    aead: 'aes-128-gcm',
    keyLength: 16,
    tagLength: 16,
    hash: 'sha256',
    forgeryLimit: 2 ** 36,
  },
  TLS_PSK_WITH_AES_128_CCM_8: {
    name: 'TLS_PSK_WITH_AES_128_CCM_8',
    number: 0xc0a8,
    keyExchange: 'psk',
    aead: 'aes-128-ccm',
    keyLength: 16,
    tagLength: 8,
    hash: 'sha256',
    forgeryLimit: 2 ** 20,
  },
}

/** In order of preference: what the server picks first, what the client offers first. */
export const defaultCipherSuites: readonly CipherSuiteName[] = [
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_ECDSA_WITH_AES_128_CCM',
  'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
]

/** The same for pre-shared keys: those with forward secrecy first. */
export const defaultPskCipherSuites: readonly CipherSuiteName[] = [
  'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256',
  'TLS_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_PSK_WITH_AES_128_CCM_8',
]

/** TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746 section 3.3): a signal, not a suite. */
export const renegotiationScsv = 0x00ff

export const cipherSuiteByNumber: ReadonlyMap<number, CipherSuite> = new Map(
  Object.values(cipherSuites).map((suite) => [suite.number, suite]),
)
