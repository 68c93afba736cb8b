/** What lets one gateway go on with the associations of another: the claim of a shard, and the keys of sealed state. */

import type { Duration, Instant } from '@sallyport/clock'

/** Shards: parts of the devices' traffic, 0 to 255, named by the first byte of a connection ID. One gateway holds each. */
export interface Shards {
  /**
   * Takes the shard, from whoever held it. Every claim of a shard has another count: the later claim has the greater one, also
   * where many claim at once, and also after the former holder has come back.
   */
  claim(shard: number, gatewayId: string): Promise<{ readonly takeovers: number }>
  /** Whether nobody has claimed the shard since that claim. */
  isHeld(shard: number, gatewayId: string, takeovers: number): Promise<boolean>
  /**
   * Whoever serves a shard has its turn: who stands by claims the shard once it gets that. No fence: that is the claim alone.
   * Asked for from now on until it is given up; as `stands-by` within moments of being free, as `serves-already` with less haste.
   */
  takeTurn(shard: number, as: 'stands-by' | 'serves-already'): ShardTurn
}

/** Of one process at one shard; others get it when this one gives it up, ends, or is killed. */
export interface ShardTurn {
  /** Resolves once nobody else has it. It stays ours, but for the moments after Postgres was away. */
  readonly taken: Promise<void>
  /** Resolves within half a second, in any case. */
  giveUp(): Promise<void>
}

/** What `claim` has given: whoever writes under it writes nothing once the shard is another's. */
export interface ShardClaim {
  readonly shard: number
  readonly gatewayId: string
  readonly takeovers: number
}

/** Of one association: the peer's record of that number, and all before it, have had their effect. */
export interface AssociationMark {
  readonly associationId: string
  readonly recordSequence: number
}

export interface AssociationMarks {
  /**
   * Moves marks up, never down. To be committed before, or with, the effects that they stand for.
   * @throws CodedError `shard-lost` when the claim is another's: then nothing is written.
   */
  commit(marks: readonly AssociationMark[], claim: ShardClaim): Promise<void>
  /** Those that there are, by association. */
  read(associationIds: readonly string[]): Promise<ReadonlyMap<string, number>>
}

export interface SealingKeyRecord {
  /** Counts from 1; the newest one seals. */
  readonly generation: number
  /** 8 bytes, in what the key sealed; no secret. */
  readonly keyId: Uint8Array
  /** Sealed under the HSM's key-encryption key. */
  readonly sealedKey: Uint8Array
  readonly createdAt: Instant
}

export interface SealingKeyGenerations {
  /** The generation that seals, then the one before it, if they exist. */
  live(): Promise<readonly SealingKeyRecord[]>
  /**
   * Makes the next generation by `create` when the newest one is older than `period`, or there is none; the one before the
   * newest stays, older ones are deleted. Many callers at once make one. `create` gets the number of the generation.
   *
   * @returns what is live afterwards.
   */
  rotate(
    period: Duration,
    create: (generation: number) => Promise<{ readonly keyId: Uint8Array; readonly sealedKey: Uint8Array }>,
  ): Promise<readonly SealingKeyRecord[]>
}
