/** The routes of members, in the order of the API document. */

import { registerChangeMemberRoles } from './change-member-roles.ts'
import { registerListMembers } from './list-members.ts'
import { registerReadMember } from './read-member.ts'
import { registerRemoveMember } from './remove-member.ts'

export const membersRoutes = [registerListMembers, registerReadMember, registerChangeMemberRoles, registerRemoveMember]
