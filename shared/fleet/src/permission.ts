/**
 * Who may do what: a permission is a resource and an action; a role is a set of permissions. Deny by default.
 *
 * The permissions are a closed list. The built-in roles are the table below; an organization may have roles of its own, made of
 * the same permissions.
 */

export const permissions = [
  'organization:read',
  'organization:write',
  'members:read',
  'members:write',
  'invitations:read',
  'invitations:write',
  'roles:read',
  'roles:write',
  'api-keys:read',
  'api-keys:write',
  'api-keys:oversee',
  'groups:read',
  'groups:write',
  'provisioning:read',
  'devices:read',
  'devices:write',
  'devices:command',
  'telemetry:read',
  'audit:read',
  'events:read',
  'jobs:read',
  'jobs:write',
] as const

export type Permission = (typeof permissions)[number]

/** One's own keys; `api-keys:oversee` makes the others' of them as well. */
const ownKeys: readonly Permission[] = ['api-keys:read', 'api-keys:write']

const fleet: readonly Permission[] = [
  'organization:read',
  'groups:read',
  'provisioning:read',
  'devices:read',
  'telemetry:read',
  'events:read',
]

export const builtInRoles = {
  /** Everything. The last owner of an organization can be neither removed nor demoted. */
  owner: permissions,
  /** Everything but the organization itself; so no admin makes an owner, nor unmakes one. */
  admin: permissions.filter((permission) => permission !== 'organization:write'),
  /** Runs the fleet: commands, devices and failed jobs, but not who may enroll. */
  operator: [...fleet, ...ownKeys, 'devices:write', 'devices:command', 'jobs:read', 'jobs:write'],
  /** Says which devices may come, and sees which did. */
  manufacturer: ['organization:read', 'groups:read', 'groups:write', 'provisioning:read', 'devices:read', ...ownKeys],
  /** Reads everything, the audit trail and the people too, and changes nothing. */
  auditor: [
    ...fleet,
    'audit:read',
    'jobs:read',
    'members:read',
    'invitations:read',
    'roles:read',
    'api-keys:read',
    'api-keys:oversee',
  ],
  /** Looks at the fleet. */
  member: [...fleet, ...ownKeys],
} as const satisfies Record<string, readonly Permission[]>

export type Role = keyof typeof builtInRoles

export const isRole = (name: string): name is Role => Object.hasOwn(builtInRoles, name)

const known: ReadonlySet<string> = new Set(permissions)

export const isPermission = (name: string): name is Permission => known.has(name)

/**
 * The union of what the roles allow. A role that is not known allows nothing, nor does a permission that is not.
 * @param more what roles of the organization's own allow.
 */
export function permissionsOf(roles: readonly string[], more: readonly string[] = []): ReadonlySet<Permission> {
  const builtIn = roles.filter(isRole).flatMap((role): readonly Permission[] => builtInRoles[role])
  return new Set([...builtIn, ...more.filter(isPermission)])
}

/** What of `held` the scopes of an API key leave. */
export const permissionsWithin = (held: ReadonlySet<Permission>, scopes: readonly string[]): ReadonlySet<Permission> =>
  new Set(scopes.filter(isPermission).filter((permission) => held.has(permission)))

/** What somebody who holds `held` may neither give nor take, since they do not hold it themselves. */
export const permissionsBeyond = (
  held: ReadonlySet<Permission>,
  touched: Iterable<Permission>,
): readonly Permission[] => [...new Set(touched)].filter((permission) => !held.has(permission)).sort()
