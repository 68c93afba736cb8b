/** The routes of psks, in the order of the API document. */

import { registerCreatePskCode } from './create-psk-code.ts'
import { registerListPsks } from './list-psks.ts'
import { registerRegisterPskDevice } from './register-psk-device.ts'
import { registerReplacePsk } from './replace-psk.ts'
import { registerRevokePsk } from './revoke-psk.ts'

export const psksRoutes = [
  registerRegisterPskDevice,
  registerListPsks,
  registerReplacePsk,
  registerCreatePskCode,
  registerRevokePsk,
]
