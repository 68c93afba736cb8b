/** Lists are read in pages, by a cursor that is opaque to the caller. */

export interface Page<T> {
  readonly items: readonly T[]
  /** Give it back to read on; null: that was all. */
  readonly nextCursor: string | null
}

export interface PageRequest {
  readonly cursor?: string | undefined
  /** 1 to 1000. */
  readonly limit: number
}
