/** The routes of organization, in the order of the API document. */

import { registerReadOrganization } from './read-organization.ts'
import { registerRenameOrganization } from './rename-organization.ts'

export const organizationRoutes = [registerReadOrganization, registerRenameOrganization]
