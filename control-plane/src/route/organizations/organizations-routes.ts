/** The routes of a person's organizations, in the order of the API document. */

import { registerCreateOrganization } from './create-organization.ts'
import { registerJoinOrganization } from './join-organization.ts'
import { registerListOrganizations } from './list-organizations.ts'

export const organizationsRoutes = [registerListOrganizations, registerCreateOrganization, registerJoinOrganization]
