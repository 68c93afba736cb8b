/** The resources of the simulated device: a lamp, a thermometer, a battery. */

import { Battery } from './resource/battery.ts'
import type { DeviceResource } from './resource/device-resource.ts'
import { Light } from './resource/light.ts'
import { Temperature } from './resource/temperature.ts'

/** @param random from 0 to 1: where thermometer and battery begin. */
export function simulatedResources(random: () => number): readonly DeviceResource[] {
  return [new Light(), new Temperature(random()), new Battery(60 + 40 * random())]
}
