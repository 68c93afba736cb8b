/** Addresses of dps and gateway: `coaps://host:port` (RFC 7252 section 6.2); paths and queries are not part of an address. */

import { DeviceFailure } from './device-failure.ts'

export interface CoapsAddress {
  readonly host: string
  readonly port: number
}

const defaultPort = 5684

/** @throws DeviceFailure for anything but a coaps URI of a host and a port. */
export function parseCoapsUri(uri: string): CoapsAddress {
  const url = URL.canParse(uri) ? new URL(uri) : undefined
  if (url === undefined || url.protocol !== 'coaps:' || url.hostname === '' || !['', '/'].includes(url.pathname)) {
    throw new DeviceFailure('configuration', `'${uri}' is not an address of the form coaps://host:port`)
  }
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  return { host, port: url.port === '' ? defaultPort : Number(url.port) }
}
