/**
 * Records with a connection ID, sealed from the text of RFC 9146 sections 4 and 5.3 with AES-CCM-8 and nothing of ours:
 * what is inside, and what is authenticated, is the test's choice.
 */

import { createCipheriv } from 'node:crypto'
import type { TrafficKeys } from '../../src/key-schedule.ts'

export interface HandMadeRecord {
  readonly keys: TrafficKeys
  readonly connectionId: Uint8Array
  readonly sequence: number
  /** Content, type and padding: all that is sealed. */
  readonly inner: Uint8Array
  /** Default 1. */
  readonly epoch?: number
  /** What is authenticated as the CID; default: the one on the wire. */
  readonly authenticatedConnectionId?: Uint8Array
}

export function sealByHand(record: HandMadeRecord): Uint8Array {
  const { keys, connectionId, sequence, inner, epoch = 1 } = record
  const authenticated = record.authenticatedConnectionId ?? connectionId
  const numbers = Buffer.alloc(8)
  numbers.writeUInt16BE(epoch)
  numbers.writeUIntBE(sequence, 2, 6)
  const version = [0xfe, 0xfd]
  const additionalData = Buffer.from([
    ...Array(8).fill(0xff),
    25,
    authenticated.length,
    25,
    ...version,
    ...numbers,
    ...authenticated,
    inner.length >> 8,
    inner.length & 0xff,
  ])
  const salt = Buffer.alloc(4)
  salt.writeUInt32BE(keys.salt)
  const nonce = Buffer.concat([salt, numbers])
  const cipher = createCipheriv('aes-128-ccm', keys.key, nonce, { authTagLength: 8 })
  cipher.setAAD(additionalData, { plaintextLength: inner.length })
  const sealed = Buffer.concat([cipher.update(inner), cipher.final(), cipher.getAuthTag()])
  const length = numbers.length + sealed.length
  return Buffer.from([25, ...version, ...numbers, ...connectionId, length >> 8, length & 0xff, ...numbers, ...sealed])
}
