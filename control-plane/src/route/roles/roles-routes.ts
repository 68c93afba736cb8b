/** The routes of roles, in the order of the API document. */

import { registerChangeRole } from './change-role.ts'
import { registerCreateRole } from './create-role.ts'
import { registerDeleteRole } from './delete-role.ts'
import { registerListRoles } from './list-roles.ts'
import { registerReadRole } from './read-role.ts'

export const rolesRoutes = [
  registerListRoles,
  registerCreateRole,
  registerReadRole,
  registerChangeRole,
  registerDeleteRole,
]
