/** The routes of API keys, in the order of the API document. */

import { registerChangeApiKey } from './change-api-key.ts'
import { registerCreateApiKey } from './create-api-key.ts'
import { registerListApiKeys } from './list-api-keys.ts'
import { registerReadApiKey } from './read-api-key.ts'
import { registerRevokeApiKey } from './revoke-api-key.ts'

export const apiKeysRoutes = [
  registerCreateApiKey,
  registerListApiKeys,
  registerReadApiKey,
  registerChangeApiKey,
  registerRevokeApiKey,
]
