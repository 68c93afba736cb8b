/** Which gateway a device is sent to, of those that are alive. */

import { createHash } from 'node:crypto'
import type { Transport } from '@sallyport/coaps'
import { CodedError } from '@sallyport/errors'

/** Where a gateway is found, by each transport that it serves. */
export interface GatewayUris {
  readonly dtls: string
  readonly tls: string | undefined
}

/** Where a device is sent that came to us by this transport: by the same, as far as the gateways serve it. */
export function urisFor(live: readonly GatewayUris[], transport: Transport): readonly string[] {
  const tls = live.flatMap((gateway) => gateway.tls ?? [])
  return transport === 'tls' && tls.length > 0 ? tls : live.map((gateway) => gateway.dtls)
}

/**
 * The one that the device has selected, if it is alive; else one by the device's id, so that a fleet spreads over them and
 * a device stays with its own while the set is the same.
 * @param selectable what it may select; more than `liveUris`, where gateways serve another transport too
 * @throws CodedError `dependency-unavailable` when none is alive.
 */
export function chooseGateway(
  liveUris: readonly string[],
  deviceId: string,
  selected: string | undefined,
  selectable: readonly string[] = liveUris,
): string {
  if (selected !== undefined && selectable.includes(selected)) return selected
  const sorted = [...new Set(liveUris)].sort()
  const chosen = sorted[createHash('sha256').update(deviceId).digest().readUInt32BE(0) % Math.max(1, sorted.length)]
  if (chosen === undefined) throw new CodedError('dependency-unavailable', 'no gateway is alive')
  return chosen
}
