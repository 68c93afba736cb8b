/** The value of Block1 and Block2: number, more, size (RFC 7959 section 2.2). */

import { readUint, uintValue } from './message-codec.ts'

export interface Block {
  readonly number: number
  readonly more: boolean
  /** 16 to 1024 bytes, a power of two. The number counts these. */
  readonly size: BlockSize
  /** The message carries several blocks of 1024 at once (BERT, RFC 8323 section 6); on reliable transports only. */
  readonly bert?: boolean
}

export type BlockSize = 16 | 32 | 64 | 128 | 256 | 512 | 1024

const sizes: readonly BlockSize[] = [16, 32, 64, 128, 256, 512, 1024]
const maxNumber = 0xfffff

export const minBlockSize: BlockSize = 16
export const maxBlockSize: BlockSize = 1024

const bertExponent = 7

/** Size exponent 7 says BERT; over datagrams it is reserved, and its reader refuses it. */
export function readBlock(value: Uint8Array): Block {
  const field = readUint(value)
  const number = Math.floor(field / 16)
  const more = (field & 8) !== 0
  const size = sizes[field & 7]
  return size === undefined ? { number, more, size: maxBlockSize, bert: true } : { number, more, size }
}

/** @throws RangeError past block 1048575: a body of that many blocks cannot be named. */
export function blockValue(block: Block): Uint8Array {
  if (block.number > maxNumber) throw new RangeError(`block number ${block.number}`)
  const exponent = block.bert === true ? bertExponent : sizes.indexOf(block.size)
  return uintValue(block.number * 16 + (block.more ? 8 : 0) + exponent)
}

/** The largest block size that is at most `bytes`; 16 where none is. */
export function blockSizeWithin(bytes: number): BlockSize {
  let best: BlockSize = 16
  for (const size of sizes) if (size <= bytes) best = size
  return best
}

/** True when a payload may be that of the block: whole where more follow, at most that where none do. */
export function fitsBlock(block: Block, payloadBytes: number): boolean {
  if (block.bert !== true) return block.more ? payloadBytes === block.size : payloadBytes <= block.size
  return !block.more || (payloadBytes > 0 && payloadBytes % block.size === 0)
}

export const offsetOf = (block: Block): number => block.number * block.size
