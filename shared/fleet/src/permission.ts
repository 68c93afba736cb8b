/** Who may do what: permissions are resource and action; a role is a set of them. Deny by default. */

export const permissions = [
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

const restricted: readonly Permission[] = ['audit:read', 'jobs:read']
const reading = permissions.filter((permission) => permission.endsWith(':read') && !restricted.includes(permission))

export const builtInRoles = {
  /** Everything in the organization. */
  admin: permissions,
  /** Runs the fleet: commands, devices and failed jobs, but not who may enroll. */
  operator: [...reading, 'devices:write', 'devices:command', 'jobs:read', 'jobs:write'],
  /** Looks only. */
  viewer: reading,
  /** Reads everything, the audit trail too, and changes nothing. */
  auditor: [...reading, 'audit:read', 'jobs:read'],
} as const satisfies Record<string, readonly Permission[]>

export type Role = keyof typeof builtInRoles

export const isRole = (name: string): name is Role => Object.hasOwn(builtInRoles, name)

/** The union of what the roles allow. A role that is not known allows nothing. */
export function permissionsOf(roles: readonly string[]): ReadonlySet<Permission> {
  return new Set(roles.filter(isRole).flatMap((role): readonly Permission[] => builtInRoles[role]))
}
