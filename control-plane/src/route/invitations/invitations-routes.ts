/** The routes of invitations, in the order of the API document. */

import { registerAcceptInvitation } from './accept-invitation.ts'
import { registerCreateInvitation } from './create-invitation.ts'
import { registerListInvitations } from './list-invitations.ts'
import { registerRevokeInvitation } from './revoke-invitation.ts'

export const invitationsRoutes = [
  registerListInvitations,
  registerCreateInvitation,
  registerAcceptInvitation,
  registerRevokeInvitation,
]
