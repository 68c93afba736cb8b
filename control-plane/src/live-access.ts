/**
 * A live stream does not outlive its session or API key, nor the right to it: asked again within the second in which something changed
 * (Postgres says so, Redis is not needed for it), and at each heartbeat.
 */

import type { Permission } from '@sallyport/fleet'
import type { ApiPorts } from './api-ports.ts'
import type { Caller } from './caller.ts'
import { stillMay } from './person-access.ts'
import type { AccessChange } from './person-permissions.ts'

type Ports = Pick<ApiPorts, 'personPermissions' | 'sessions' | 'apiKeys'>

export type AccessEnd = 'session-ended' | 'permission-lost'

/** Why the stream has to end; undefined: it may go on. */
export async function endOfAccess(
  ports: Ports,
  caller: Caller,
  permission: Permission | undefined,
): Promise<AccessEnd | undefined> {
  try {
    if (await stillMay(caller, permission, ports)) return undefined
    return permission !== undefined && (await stillMay(caller, undefined, ports)) ? 'permission-lost' : 'session-ended'
  } catch {
    return 'session-ended'
  }
}

/** Calls the listener when `endOfAccess` may answer otherwise for this caller than before. @returns how to stop. */
export function onAccessChanged(ports: Omit<Ports, 'sessions'>, caller: Caller, listener: () => void): () => void {
  const stopPermissions = ports.personPermissions.onChanged((changed) => {
    if (concerns(changed, caller)) listener()
  })
  if (caller.kind === 'person') return stopPermissions
  const stopKeys = ports.apiKeys.onChanged((apiKeyId) => {
    if (apiKeyId === undefined || apiKeyId === caller.apiKeyId) listener()
  })
  return () => {
    stopPermissions()
    stopKeys()
  }
}

/** Whose own events a stream brings: a program is no person, also when one made its key. */
export const personOf = (caller: Caller): string | undefined => (caller.kind === 'person' ? caller.userId : undefined)

export function concerns(changed: AccessChange, caller: Pick<Caller, 'organizationId' | 'userId'>): boolean {
  if (changed.organizationId !== undefined && changed.organizationId !== caller.organizationId) return false
  return changed.userId === undefined || changed.userId === caller.userId
}
