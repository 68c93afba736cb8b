/** The routes of devices, in the order of the API document. */

import { registerChangeDevice } from './change-device.ts'
import { registerDeleteDevice } from './delete-device.ts'
import { registerListDevices } from './list-devices.ts'
import { registerReadDevice } from './read-device.ts'

export const devicesRoutes = [registerListDevices, registerReadDevice, registerChangeDevice, registerDeleteDevice]
