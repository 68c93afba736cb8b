/** Who in an organization has a permission, as a condition of `membership m`. */

import { builtInRoles, type Permission } from '@sallyport/fleet'
import { type Sql, sql } from './sql.ts'

export function peopleWith(permission: Permission): Sql {
  const roles = Object.entries(builtInRoles).flatMap(([role, permissions]) =>
    permissions.some((each) => each === permission) ? [role] : [],
  )
  return sql`(m.roles && ${roles}::text[] or m.roles && array(
    select r.name from custom_role r where r.organization_id = m.organization_id and ${permission} = any(r.permissions)))`
}
