/** The routes of enrollment groups, in the order of the API document. */

import { registerChangeEnrollmentGroup } from './change-enrollment-group.ts'
import { registerCreateEnrollmentGroup } from './create-enrollment-group.ts'
import { registerDeleteEnrollmentGroup } from './delete-enrollment-group.ts'
import { registerListEnrollmentGroups } from './list-enrollment-groups.ts'
import { registerReadEnrollmentGroup } from './read-enrollment-group.ts'

export const enrollmentGroupsRoutes = [
  registerListEnrollmentGroups,
  registerCreateEnrollmentGroup,
  registerReadEnrollmentGroup,
  registerChangeEnrollmentGroup,
  registerDeleteEnrollmentGroup,
]
