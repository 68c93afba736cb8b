/** Which gateway a device is sent to, of those that are alive. */

import { createHash } from 'node:crypto'
import { CodedError } from '@sallyport/errors'

/**
 * The one that the device has selected, if it is alive; else one by the device's id, so that a fleet spreads over them and
 * a device stays with its own while the set is the same.
 * @throws CodedError `dependency-unavailable` when none is alive.
 */
export function chooseGateway(liveUris: readonly string[], deviceId: string, selected: string | undefined): string {
  if (selected !== undefined && liveUris.includes(selected)) return selected
  const sorted = [...new Set(liveUris)].sort()
  const chosen = sorted[createHash('sha256').update(deviceId).digest().readUInt32BE(0) % Math.max(1, sorted.length)]
  if (chosen === undefined) throw new CodedError('dependency-unavailable', 'no gateway is alive')
  return chosen
}
