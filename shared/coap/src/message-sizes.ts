/**
 * How much goes into one message to a peer, and how much into one block of a body.
 *
 * Over datagrams both are the same: what is longer than a block goes in blocks (RFC 7959). A reliable transport carries
 * messages as long as the peer takes them, and its blocks may be several at a time (BERT, RFC 8323 section 6).
 */

import type { BlockSize } from './block-option.ts'
import { blockSizeWithin, maxBlockSize } from './block-option.ts'
import { maxMessageBytes as codecMaxMessageBytes } from './message-codec.ts'
import type { Capabilities } from './signal-registry.ts'
import { baseMaxMessageBytes } from './signal-registry.ts'

export interface MessageSizes {
  /** Of a whole message; what is longer is not sent. */
  readonly messageBytes: number
  /** The longest payload that goes in one message. */
  readonly wholeBytes: number
  /** What Block options say. */
  readonly blockSize: BlockSize
  /** Payload bytes of one block: `blockSize`, or with BERT a multiple of it. */
  readonly blockBytes: number
}

/** What token, options and frame take at most beside a payload, as RFC 8323 section 5.3.1 counts it: 1152 is 1024 and this. */
const besidePayload = 128
/** More at a time would save few round trips, and cost memory for each association. */
const mostBertBytes = 32 * 1024

/** What header, token and the options of most messages take; a message with more options has smaller blocks. */
const usuallyBesideBlock = 80
/** Room for any error of ours without its details, and for a block of 16 bytes with all that belongs to it. */
const leastMessageBytes = 48

/**
 * @param maxBlockBytes of the path; the largest block size within it is taken
 * @param maxMessageBytes that the peer takes, where that is less than the path
 * @throws RangeError for a peer that takes next to nothing: a mistake of the caller
 */
export function datagramSizes(maxBlockBytes: number, maxMessageBytes: number = codecMaxMessageBytes): MessageSizes {
  if (maxMessageBytes < leastMessageBytes) throw new RangeError(`messages of ${maxMessageBytes} bytes are too short`)
  const blockSize = blockSizeWithin(Math.min(maxBlockBytes, maxMessageBytes - usuallyBesideBlock))
  const messageBytes = Math.min(maxMessageBytes, codecMaxMessageBytes)
  return { messageBytes, wholeBytes: blockSize, blockSize, blockBytes: blockSize }
}

export function reliableSizes({ maxMessageBytes, blockWise }: Capabilities): MessageSizes {
  const wholeBytes = Math.max(16, maxMessageBytes - besidePayload)
  const blockSize = blockSizeWithin(wholeBytes)
  // Both in one CSM, or in several, say that BERT is understood (RFC 8323 section 6).
  const bert = blockWise && maxMessageBytes > baseMaxMessageBytes && wholeBytes >= 2 * maxBlockSize
  const blockBytes = bert ? Math.min(wholeBytes - (wholeBytes % maxBlockSize), mostBertBytes) : blockSize
  return { messageBytes: maxMessageBytes, wholeBytes, blockSize, blockBytes }
}

/** With BERT, a block is several of the largest size. */
export const isBert = ({ blockSize, blockBytes }: MessageSizes): boolean => blockBytes > blockSize
