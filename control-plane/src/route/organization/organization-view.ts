/** The organization, its members, roles and invitations as people see them. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import { builtInRoles, type Permission, permissions } from '@sallyport/fleet'
import type { CustomRoleRecord, InvitationRecord, MemberRecord, OrganizationRecord } from '@sallyport/store'
import { presentTime, Time, TimeOrNull } from '../../presented-time.ts'

const Version = Type.Integer({ description: 'The same as the ETag.' })

/** Without line breaks and other control characters: it stands in mails, lists and terminals. */
export const organizationName = Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\p{Cc}\\u2028\\u2029]+$' })

export const Organization = Type.Object({
  id: Type.String({ format: 'uuid' }),
  name: Type.String(),
  createdAt: Time,
  updatedAt: Time,
  version: Version,
})

export const presentOrganization = (organization: OrganizationRecord): Static<typeof Organization> => ({
  id: organization.id,
  name: organization.name,
  createdAt: toRfc3339(organization.createdAt),
  updatedAt: toRfc3339(organization.updatedAt),
  version: organization.version,
})

export const RoleName = Type.String({ minLength: 2, maxLength: 50, pattern: '^[a-z][a-z0-9-]*$' })
export const RoleNames = Type.Array(RoleName, {
  minItems: 1,
  maxItems: 16,
  description: 'Built-in roles and own ones.',
})

export const Member = Type.Object({
  id: Type.String({ format: 'uuid' }),
  email: Type.String(),
  username: Type.String(),
  roles: Type.Array(Type.String()),
  createdAt: Time,
  emailVerifiedAt: TimeOrNull,
  version: Version,
})
export const MemberParams = Type.Object({ userId: Type.String({ format: 'uuid' }) })

export const presentMember = (member: MemberRecord): Static<typeof Member> => ({
  id: member.id,
  email: member.email,
  username: member.username,
  roles: [...member.roles],
  createdAt: toRfc3339(member.createdAt),
  emailVerifiedAt: presentTime(member.emailVerifiedAt),
  version: member.version,
})

export const PermissionName = Type.Union(permissions.map((permission) => Type.Literal(permission)))

export const Role = Type.Object({
  name: Type.String(),
  builtIn: Type.Boolean(),
  permissions: Type.Array(Type.String()),
  updatedAt: TimeOrNull,
  version: Type.Union([Version, Type.Null()], { description: 'Null for a built-in role.' }),
})
export const RoleParams = Type.Object({ role: RoleName })

export const presentRole = (role: CustomRoleRecord): Static<typeof Role> => ({
  name: role.name,
  builtIn: false,
  permissions: [...role.permissions],
  updatedAt: toRfc3339(role.updatedAt),
  version: role.version,
})

export const presentBuiltInRole = (name: keyof typeof builtInRoles): Static<typeof Role> => {
  const held: readonly Permission[] = builtInRoles[name]
  return { name, builtIn: true, permissions: [...held].sort(), updatedAt: null, version: null }
}

export const Invitation = Type.Object({
  id: Type.String({ format: 'uuid' }),
  email: Type.String(),
  roles: Type.Array(Type.String()),
  state: Type.Union([Type.Literal('open'), Type.Literal('accepted'), Type.Literal('revoked'), Type.Literal('expired')]),
  invitedBy: Type.String({ description: 'The id of the member who invited.' }),
  createdAt: Time,
  expiresAt: Time,
  acceptedAt: TimeOrNull,
  userId: Type.Union([Type.String({ format: 'uuid' }), Type.Null()], { description: 'The member that came of it.' }),
})
export const InvitationParams = Type.Object({ invitationId: Type.String({ format: 'uuid' }) })

export const presentInvitation = (invitation: InvitationRecord): Static<typeof Invitation> => ({
  id: invitation.id,
  email: invitation.email,
  roles: [...invitation.roles],
  state: invitation.state,
  invitedBy: invitation.invitedBy,
  createdAt: toRfc3339(invitation.createdAt),
  expiresAt: toRfc3339(invitation.expiresAt),
  acceptedAt: presentTime(invitation.acceptedAt),
  userId: invitation.userId ?? null,
})
