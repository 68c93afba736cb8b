/** The value of Block1 and Block2: number, more, size (RFC 7959 section 2.2). */

import { readUint, uintValue } from './message-codec.ts'

export interface Block {
  readonly number: number
  readonly more: boolean
  /** 16 to 1024 bytes, a power of two. */
  readonly size: BlockSize
}

export type BlockSize = 16 | 32 | 64 | 128 | 256 | 512 | 1024

const sizes: readonly BlockSize[] = [16, 32, 64, 128, 256, 512, 1024]
const maxNumber = 0xfffff

export const maxBlockSize: BlockSize = 1024

/** Undefined for the reserved size exponent 7 (which RFC 8323 gives a meaning on reliable transports only). */
export function readBlock(value: Uint8Array): Block | undefined {
  const number = readUint(value)
  const size = sizes[number & 7]
  return size === undefined ? undefined : { number: Math.floor(number / 16), more: (number & 8) !== 0, size }
}

/** @throws RangeError past block 1048575: a body of that many blocks cannot be named. */
export function blockValue(block: Block): Uint8Array {
  if (block.number > maxNumber) throw new RangeError(`block number ${block.number}`)
  return uintValue(block.number * 16 + (block.more ? 8 : 0) + sizes.indexOf(block.size))
}

/** The largest block size that is at most `bytes`; 16 where none is. */
export function blockSizeWithin(bytes: number): BlockSize {
  let best: BlockSize = 16
  for (const size of sizes) if (size <= bytes) best = size
  return best
}

export const offsetOf = (block: Block): number => block.number * block.size
