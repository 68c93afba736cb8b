/** Who in an organization has a permission, as a condition of `user_account u`. */

import { builtInRoles, type Permission } from '@sallyport/fleet'
import { type Sql, sql } from './sql.ts'

export function peopleWith(permission: Permission): Sql {
  const roles = Object.entries(builtInRoles).flatMap(([role, permissions]) =>
    permissions.some((each) => each === permission) ? [role] : [],
  )
  return sql`(u.roles && ${roles}::text[] or u.roles && array(
    select r.name from custom_role r where r.organization_id = u.organization_id and ${permission} = any(r.permissions)))`
}
