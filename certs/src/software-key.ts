/** Keys in files: a manufacturer's, a device's, and those of our services' certificates. Never an installation's authority. */

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { CodedError } from '@sallyport/errors'
import { readTextFile } from './files.ts'

export const generateSoftwareKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

export const spkiOf = (privateKey: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }))

/** PKCS#8 PEM, without a passphrase. */
export const privateKeyPem = (privateKey: KeyObject): string =>
  privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()

/** @throws CodedError `configuration-invalid`. */
export function readPrivateKey(path: string): KeyObject {
  const text = readTextFile(path, 'The private key')
  try {
    return createPrivateKey(text)
  } catch (cause) {
    throw new CodedError('configuration-invalid', `${path} holds no private key in PEM.`, { cause })
  }
}

/** 136 random bits (design: issuance order), the first one cleared so that the number is positive. */
export function randomSerialNumber(): Uint8Array {
  const octets = new Uint8Array(randomBytes(17))
  octets[0] = (octets[0] as number) & 0x7f
  return octets
}
