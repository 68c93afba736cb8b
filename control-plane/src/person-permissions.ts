/**
 * What each person may do now, by the database: kept for some seconds, and forgotten within the second in which it changes
 * (`access_changed`, which needs no Redis; the seconds are for notifications that were lost).
 *
 * The token names roles too; it is not asked, since it may be older than the last change.
 */

import type { Clock, Duration, Instant } from '@sallyport/clock'
import { later, seconds } from '@sallyport/clock'
import type { Permission } from '@sallyport/fleet'
import type { HeldMembership, Store } from '@sallyport/store'

export interface PersonPermissions {
  /**
   * Undefined for who is no member of the organization (any more), or is it again by another membership than this one.
   * @throws CodedError `database-unavailable`: nobody is let in by what was true once.
   */
  of(person: {
    readonly organizationId: string
    readonly userId: string
    readonly membershipId: string
  }): Promise<ReadonlySet<Permission> | undefined>
  /**
   * Calls the listener whenever something may have changed, for answers that go on for long; with whose it was: without a person
   * any of the organization's, without an organization anybody's. @returns how to stop.
   */
  onChanged(listener: (changed: AccessChange) => void): () => void
  close(): Promise<void>
}

export interface AccessChange {
  readonly organizationId?: string
  readonly userId?: string
}

const keptFor = seconds(5)
const mostKept = 10_000

interface Kept {
  readonly until: Instant
  readonly held: Promise<HeldMembership | undefined>
}

/** @param options.keptFor default 5 s. */
export async function openPersonPermissions(options: {
  readonly store: Pick<Store, 'listen' | 'members'>
  readonly clock: Clock
  readonly keptFor?: Duration
}): Promise<PersonPermissions> {
  const { store, clock } = options
  const kept = new Map<string, Kept>()
  const listeners = new Set<(changed: AccessChange) => void>()
  const tell = (changed: AccessChange): void => {
    for (const listener of listeners) listener(changed)
  }
  const stopListening = await store.listen(
    'access_changed',
    (payload) => {
      const changed = changedIn(payload)
      forget(kept, changed)
      tell(changed)
    },
    () => {
      kept.clear()
      tell({})
    },
  )
  const heldBy = (organizationId: string, userId: string): Promise<HeldMembership | undefined> => {
    const key = `${organizationId} ${userId}`
    const known = kept.get(key)
    if (known !== undefined && clock.now() < known.until) return known.held
    // The promise is kept, not its result: a change that comes while it is asked for forgets that answer too.
    const held = store.members.held(organizationId, userId)
    kept.delete(key)
    kept.set(key, { until: later(clock.now(), options.keptFor ?? keptFor), held })
    held.catch(() => {
      if (kept.get(key)?.held === held) kept.delete(key)
    })
    const oldest = kept.size > mostKept ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
    return held
  }
  return {
    async of({ organizationId, userId, membershipId }) {
      const held = await heldBy(organizationId, userId)
      return held?.membershipId === membershipId ? held.permissions : undefined
    },
    onChanged(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      await stopListening()
    },
  }
}

function forget(kept: Map<string, Kept>, { organizationId, userId }: AccessChange): void {
  if (organizationId === undefined) return kept.clear()
  if (userId !== undefined) {
    kept.delete(`${organizationId} ${userId}`)
    return
  }
  for (const key of kept.keys()) if (key.startsWith(`${organizationId} `)) kept.delete(key)
}

/** The payload is `{ organizationId, userId? }`; one that cannot be read means everybody. */
function changedIn(payload: string): AccessChange {
  try {
    const parsed: unknown = JSON.parse(payload)
    if (typeof parsed !== 'object' || parsed === null) return {}
    const { organizationId, userId } = parsed as { readonly [name: string]: unknown }
    return {
      ...(typeof organizationId === 'string' ? { organizationId } : {}),
      ...(typeof userId === 'string' ? { userId } : {}),
    }
  } catch {
    return {}
  }
}
