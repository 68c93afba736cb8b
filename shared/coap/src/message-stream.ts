/**
 * Makes messages of what a byte stream brings, wherever it is cut (RFC 8323 section 3.2).
 *
 * A message that lies whole in a chunk is parsed where it lies. Only the beginning of one whose rest has not come is copied,
 * into a buffer that grows with what has come, never with what the peer says will come: a frame that says it is longer than
 * allowed is refused when its header is there.
 */

import type { CoapContent } from './message-codec.ts'
import { noBytes } from './message-codec.ts'
import type { Frame } from './stream-message-codec.ts'
import { frameHeaderBytes, parseFrame, readFrame } from './stream-message-codec.ts'

/** Bytes of unfinished messages, over all streams that share it. */
export interface StreamBudget {
  held: number
  readonly most: number
}

const smallestBuffer = 64

export class MessageStream {
  readonly #maxContentBytes: number
  readonly #budget: StreamBudget
  #buffer: Uint8Array = noBytes
  #held = 0
  /** Of the message that has begun; undefined until its header is there. */
  #frame: Frame | undefined

  /** @param maxContentBytes most bytes of options and payload that a message may have */
  constructor(maxContentBytes: number, budget: StreamBudget) {
    this.#maxContentBytes = maxContentBytes
    this.#budget = budget
  }

  /** Bytes of a message that has begun and not ended. */
  get unfinishedBytes(): number {
    return this.#held
  }

  /**
   * Takes what has come, and gives each message that is whole.
   *
   * @param taken gets a message that is valid during the call only; false: nothing more is wanted
   * @returns what is wrong with the stream, which cannot be read any further then
   */
  feed(chunk: Uint8Array, taken: (message: CoapContent) => boolean): string | undefined {
    let at = 0
    while (at < chunk.length) {
      if (this.#held === 0) {
        const frame = this.#wholeFrame(chunk, at)
        if (typeof frame === 'string') return frame
        if (frame !== undefined) {
          const message = parseFrame(chunk.subarray(at, at + frame.totalBytes), frame)
          if (typeof message === 'string') return message
          at += frame.totalBytes
          if (!taken(message)) return undefined
          continue
        }
      }
      const wanted =
        this.#frame?.totalBytes ?? frameHeaderBytes((this.#held > 0 ? this.#buffer[0] : chunk[at]) as number)
      const part = chunk.subarray(at, at + wanted - this.#held)
      if (!this.#keep(part, wanted)) return 'no room for the beginning of a message'
      at += part.length
      if (this.#held < wanted) return undefined
      if (this.#frame === undefined) {
        const frame = readFrame(this.#buffer, 0)
        const refused = this.#refusal(frame)
        if (refused !== undefined) return refused
        this.#frame = frame
        continue
      }
      const message = parseFrame(this.#buffer.subarray(0, this.#held), this.#frame)
      this.forget()
      if (typeof message === 'string') return message
      if (!taken(message)) return undefined
    }
    return undefined
  }

  /** Lets go of the beginning of a message. */
  forget(): void {
    this.#budget.held -= this.#buffer.length
    this.#buffer = noBytes
    this.#held = 0
    this.#frame = undefined
  }

  /** The frame that begins here, if all of it is there; a text when it may not be. */
  #wholeFrame(chunk: Uint8Array, at: number): Frame | string | undefined {
    const left = chunk.length - at
    if (left < frameHeaderBytes(chunk[at] as number)) return undefined
    const frame = readFrame(chunk, at)
    return this.#refusal(frame) ?? (frame.totalBytes <= left ? frame : undefined)
  }

  #refusal({ contentLength, tokenLength }: Frame): string | undefined {
    if (tokenLength > 8) return 'reserved token length'
    return contentLength > this.#maxContentBytes ? 'message over Max-Message-Size' : undefined
  }

  /** False when all streams together hold too much. */
  #keep(part: Uint8Array, wanted: number): boolean {
    const needed = this.#held + part.length
    if (needed > this.#buffer.length) {
      const capacity = Math.max(needed, Math.min(wanted, Math.max(smallestBuffer, 2 * this.#buffer.length)))
      const growth = capacity - this.#buffer.length
      if (this.#budget.held + growth > this.#budget.most) return false
      this.#budget.held += growth
      const grown = new Uint8Array(capacity)
      grown.set(this.#buffer.subarray(0, this.#held))
      this.#buffer = grown
    }
    this.#buffer.set(part, this.#held)
    this.#held = needed
    return true
  }
}
