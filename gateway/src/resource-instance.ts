/**
 * The instance number (`ins`) of a published link: what a device names it by when it takes it back.
 *
 * Made from device and href, so that it is the same at every publication and nothing has to be stored; 31 bits, positive.
 */

import { createHash } from 'node:crypto'

export function resourceInstance(deviceId: string, href: string): number {
  const digest = createHash('sha256').update(deviceId).update('\0').update(href).digest()
  return (digest.readUInt32BE(0) & 0x7fff_fffe) + 1
}
