/** An API key as people see it: everything but the key, which is shown once, when it is made. */

import { isIP } from 'node:net'
import { type Static, Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type Permission, permissions } from '@sallyport/fleet'
import type { ApiKeyRecord } from '@sallyport/store'
import { apiKeyPrefix } from '../../api-key.ts'
import type { Caller } from '../../caller.ts'
import { presentTime, Time, TimeOrNull } from '../../presented-time.ts'
import { PermissionName } from '../organization/organization-view.ts'

export const ApiKeyName = Type.String({ minLength: 1, maxLength: 100 })
export const Scopes = Type.Array(PermissionName, {
  minItems: 1,
  maxItems: permissions.length,
  description: 'What the key may do at most; it never may more than whoever made it may at that moment.',
})
export const AllowedAddresses = Type.Array(Type.String({ minLength: 2, maxLength: 43 }), {
  maxItems: 50,
  description: 'Addresses or networks (CIDR) from which the key may be used. Empty: from anywhere.',
})
export const RequestsPerMinute = Type.Integer({
  minimum: 1,
  maximum: 1_000_000,
  description: 'Where it is less than a person may make, which is the limit of a key that has none of its own.',
})

export const ApiKey = Type.Object({
  id: Type.String({ format: 'uuid' }),
  prefix: Type.String({ description: 'What the key begins with, so that one that is found somewhere can be told.' }),
  name: Type.String(),
  madeBy: Type.String({ format: 'uuid' }),
  scopes: Type.Array(Type.String()),
  allowedAddresses: Type.Array(Type.String()),
  requestsPerMinute: Type.Union([Type.Integer(), Type.Null()]),
  state: Type.Union([Type.Literal('active'), Type.Literal('expired'), Type.Literal('revoked')]),
  createdAt: Time,
  expiresAt: Time,
  revokedAt: TimeOrNull,
  lastUsedAt: { ...TimeOrNull, description: 'To the minute.' },
  lastUsedAddress: Type.Union([Type.String(), Type.Null()]),
  version: Type.Integer({ description: 'The same as the ETag.' }),
})
export type ApiKey = Static<typeof ApiKey>

export const ApiKeyParams = Type.Object({ apiKeyId: Type.String({ format: 'uuid' }) })

export const presentApiKey = (key: ApiKeyRecord): ApiKey => ({
  id: key.id,
  prefix: apiKeyPrefix(key.id),
  name: key.name,
  madeBy: key.madeBy,
  scopes: [...key.scopes],
  allowedAddresses: [...key.allowedAddresses],
  requestsPerMinute: key.requestsPerMinute ?? null,
  state: key.state,
  createdAt: toRfc3339(key.createdAt),
  expiresAt: toRfc3339(key.expiresAt),
  revokedAt: presentTime(key.revokedAt),
  lastUsedAt: presentTime(key.lastUsedAt),
  lastUsedAddress: key.lastUsedAddress ?? null,
  version: key.version,
})

/** Whose keys the caller may see, change and revoke: undefined for those of everybody in the organization. */
export const overseenBy = (caller: Caller): string | undefined =>
  caller.permissions.has('api-keys:oversee' satisfies Permission) ? undefined : caller.userId

/**
 * As networks.
 * @throws CodedError `validation-failed`, also for `192.0.2.7/24`: what was meant, the address or the network?
 */
export const readNetworks = (given: readonly string[]): readonly string[] => [...new Set(given.map(readNetwork))]

function readNetwork(text: string): string {
  const [address = '', length, more] = text.split('/')
  const bits = isIP(address) === 4 ? 32 : 128
  const known = isIP(address) !== 0 && !address.includes('%') && more === undefined
  if (!known || (length !== undefined && !(/^(0|[1-9]\d{0,2})$/.test(length) && Number(length) <= bits))) {
    throw new CodedError('validation-failed', `${text} is neither an address nor a network.`)
  }
  return `${address}/${length ?? bits}`
}
