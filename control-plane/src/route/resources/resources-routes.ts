/** The routes of resources, in the order of the API document. */

import { registerCommandResource } from './command-resource.ts'
import { registerListResources } from './list-resources.ts'
import { registerReadResource } from './read-resource.ts'

export const resourcesRoutes = [registerListResources, registerReadResource, registerCommandResource]
