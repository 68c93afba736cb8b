/**
 * From the shared secret to the keys of an association: extended master secret (RFC 7627), key block (RFC 5246
 * section 6.3), Finished (section 7.4.9). Only a peer with a pre-shared key gets a master secret without the session hash.
 */

import { ByteReader } from '@sallyport/bytes'
import type { CipherSuite, CipherSuiteName } from './cipher-suite.ts'
import { prf } from './prf.ts'

/** What protects the records of one direction in one epoch; plain data. */
export interface TrafficKeys {
  readonly cipherSuite: CipherSuiteName
  readonly key: Uint8Array
  /** The four implicit bytes of the nonce, as one number. */
  readonly salt: number
}

export interface AssociationKeys {
  readonly client: TrafficKeys
  readonly server: TrafficKeys
}

export const masterSecretLength = 48

export const verifyDataLength = 12

/** @param sessionHash hash of the transcript from the ClientHello with the cookie through ClientKeyExchange */
export function extendedMasterSecret(
  suite: CipherSuite,
  sharedSecret: Uint8Array,
  sessionHash: Uint8Array,
): Uint8Array {
  return prf(suite.hash, sharedSecret, 'extended master secret', [sessionHash], masterSecretLength)
}

/**
 * RFC 5246 section 8.1, for a peer with a pre-shared key that lacks extended_master_secret. Such a session is never
 * resumed, and nothing is bound to it by its master secret: what RFC 7627 is against needs either.
 */
export function plainMasterSecret(
  suite: CipherSuite,
  preMasterSecret: Uint8Array,
  clientRandom: Uint8Array,
  serverRandom: Uint8Array,
): Uint8Array {
  return prf(suite.hash, preMasterSecret, 'master secret', [clientRandom, serverRandom], 48)
}

export function deriveKeys(
  suite: CipherSuite,
  masterSecret: Uint8Array,
  clientRandom: Uint8Array,
  serverRandom: Uint8Array,
): AssociationKeys {
  const { keyLength } = suite
  const block = prf(suite.hash, masterSecret, 'key expansion', [serverRandom, clientRandom], 2 * keyLength + 8)
  const salts = 2 * keyLength
  return {
    client: {
      cipherSuite: suite.name,
      key: block.slice(0, keyLength),
      salt: readSalt(block, salts),
    },
    server: {
      cipherSuite: suite.name,
      key: block.slice(keyLength, salts),
      salt: readSalt(block, salts + 4),
    },
  }
}

const readSalt = (block: Uint8Array, at: number): number => new ByteReader(block, at).u32()

export function verifyData(
  suite: CipherSuite,
  masterSecret: Uint8Array,
  sender: 'client' | 'server',
  transcriptHash: Uint8Array,
): Uint8Array {
  return prf(suite.hash, masterSecret, `${sender} finished`, [transcriptHash], verifyDataLength)
}
