/** The routes of sessions, in the order of the API document. */

import { registerEnterOrganization } from './enter-organization.ts'
import { registerLogIn } from './log-in.ts'
import { registerLogOut } from './log-out.ts'
import { registerReadMe } from './read-me.ts'
import { registerReauthenticate } from './reauthenticate.ts'
import { registerRefreshSession } from './refresh-session.ts'
import { registerRequestEmailVerification } from './request-email-verification.ts'
import { registerVerifyEmail } from './verify-email.ts'

export const sessionsRoutes = [
  registerLogIn,
  registerRefreshSession,
  registerEnterOrganization,
  registerReauthenticate,
  registerLogOut,
  registerReadMe,
  registerRequestEmailVerification,
  registerVerifyEmail,
]
