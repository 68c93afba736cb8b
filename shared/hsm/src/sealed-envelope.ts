/**
 * The envelope of a sealed value: `version (1) ‖ mechanism (1) ‖ generation (2) ‖ iv (12) ‖ ciphertext and tag`.
 *
 * Its first four bytes are authenticated together with the caller's context, so neither mechanism nor generation can be
 * exchanged. A module without AES-GCM (YubiHSM 2) gets a mechanism number of its own.
 */

import { ByteReader, ByteWriter } from '@sallyport/bytes'
import { CodedError, isCodedError } from '@sallyport/errors'

export const sealMechanisms = { 'AES-256-GCM': 1 } as const

const version = 1
const ivBytes = 12
const tagBytes = 16

/** NIST SP 800-38D section 8.2.2: a random IV of 96 bits, good for 2^32 seals under one key. */
export const sealingIvBytes = ivBytes
export const sealingTagBytes = tagBytes

export interface SealedEnvelope {
  readonly generation: number
  readonly iv: Uint8Array
  /** Ciphertext, then the tag. */
  readonly ciphertext: Uint8Array
}

export function encodeEnvelope(envelope: SealedEnvelope): Uint8Array {
  return header(envelope.generation).bytes(envelope.iv).bytes(envelope.ciphertext).finish()
}

/** @throws CodedError `sealed-value-invalid`. Nothing is authenticated yet. */
export function decodeEnvelope(bytes: Uint8Array): SealedEnvelope {
  try {
    const reader = new ByteReader(bytes)
    if (reader.u8() !== version) throw invalid('an unknown version')
    if (reader.u8() !== sealMechanisms['AES-256-GCM']) throw invalid('an unknown mechanism')
    const generation = reader.u16()
    const iv = reader.bytes(ivBytes)
    const ciphertext = reader.rest()
    if (ciphertext.length <= tagBytes) throw invalid('nothing before its tag')
    return { generation, iv, ciphertext }
  } catch (error) {
    if (isCodedError(error) && error.code === 'malformed-bytes') throw invalid('too few bytes')
    throw error
  }
}

/** What the cipher authenticates beside the ciphertext. */
export function authenticatedData(generation: number, context: Uint8Array): Uint8Array {
  return header(generation).bytes(context).finish()
}

const header = (generation: number): ByteWriter =>
  new ByteWriter(64).u8(version).u8(sealMechanisms['AES-256-GCM']).u16(generation)

const invalid = (what: string): CodedError => new CodedError('sealed-value-invalid', `the sealed value has ${what}`)
