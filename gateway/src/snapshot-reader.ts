/**
 * Reads what a former gateway left of its associations, and looks at each device again: still recorded, neither revoked nor
 * blocked, its certificate in date. What fails is dropped and counted; that device shakes hands anew.
 */

import type { Clock } from '@sallyport/clock'
import { openState, type SealingKeys } from '@sallyport/coaps'
import type { AssociationSnapshots } from '@sallyport/events'
import type { Store } from '@sallyport/store'
import { type AssociationSnapshotContent, decodeSnapshot } from './association-snapshot.ts'
import type { DeviceIdentity } from './device-identity.ts'
import { type CredentialStore, withdrawnCredentials } from './withdrawn-credentials.ts'

export interface SnapshotReaderOptions {
  readonly snapshots: Pick<AssociationSnapshots, 'load'>
  readonly shard: number
  readonly keys: SealingKeys
  readonly store: {
    readonly associationMarks: Pick<Store['associationMarks'], 'read'>
  } & CredentialStore
  readonly clock: Clock
}

export interface ReadSnapshot {
  readonly content: AssociationSnapshotContent
  /** Records of the device up to this number have had their effect; -1: none. */
  readonly recordMark: number
}

export interface ReadSnapshots {
  readonly usable: readonly ReadSnapshot[]
  readonly refused: readonly { readonly id: string; readonly reason: SnapshotRefusal }[]
}

export type SnapshotRefusal = 'unreadable' | 'certificate-expired' | 'device-withdrawn'

const mostAtOnce = 1000

/** @throws CodedError `cache-unavailable`, `database-unavailable`: then nothing is taken over. */
export async function readSnapshots(options: SnapshotReaderOptions): Promise<ReadSnapshots> {
  const { snapshots, shard, keys, store, clock } = options
  const found: AssociationSnapshotContent[] = []
  const refused: { id: string; reason: SnapshotRefusal }[] = []
  for await (const { id, sealed } of snapshots.load(shard)) {
    const opened = openState(keys, 'association', sealed)
    const content = opened === undefined ? undefined : decodeSnapshot(opened)
    // A snapshot under another's name was put there by whoever can write to Redis.
    if (content === undefined || content.associationId !== id) refused.push({ id, reason: 'unreadable' })
    else if (hasExpired(content.identity, clock)) refused.push({ id, reason: 'certificate-expired' })
    else found.push(content)
  }
  const usable: ReadSnapshot[] = []
  for (let start = 0; start < found.length; start += mostAtOnce) {
    const some = found.slice(start, start + mostAtOnce)
    const [isWithdrawn, marks] = await Promise.all([
      withdrawnCredentials(
        store,
        some.map(({ identity }) => identity),
      ),
      store.associationMarks.read(some.map(({ associationId }) => associationId)),
    ])
    for (const content of some) {
      const { associationId: id, identity } = content
      if (isWithdrawn(identity)) refused.push({ id, reason: 'device-withdrawn' })
      else usable.push({ content, recordMark: marks.get(id) ?? -1 })
    }
  }
  return { usable, refused }
}

/** A pre-shared key has no end of its own. */
const hasExpired = ({ certificateNotAfter }: DeviceIdentity, clock: Clock): boolean =>
  certificateNotAfter !== undefined && certificateNotAfter <= clock.now()
