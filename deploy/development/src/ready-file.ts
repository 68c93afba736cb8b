/** `ready.json`: what a program needs to use a running installation. Secrets are in it, so only its owner may read it. */

import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FirstDevices } from './first-devices.ts'
import { coapsTcpUrl, coapsUrl, type Installation } from './installation.ts'

export interface Ready extends FirstDevices {
  readonly http: string
  readonly gateway: { readonly coaps: string; readonly coapsTcp: string | null }
  readonly dps: { readonly coaps: string; readonly coapsTcp: string | null }
  readonly metrics: readonly string[]
  readonly processes: Readonly<Record<string, number>>
  readonly database: string
  readonly redis: string
  readonly pki: { readonly trustAnchor: string }
  readonly admin: { readonly email: string; readonly password: string }
}

export function readyOf(
  installation: Installation,
  devices: FirstDevices,
  more: Readonly<Record<string, number>> = {},
): Ready {
  const services = [installation.controlPlane, installation.dps, installation.gateway]
  return {
    http: installation.controlPlane.ready.http ?? '',
    gateway: { coaps: coapsUrl(installation.gateway.ready), coapsTcp: coapsTcpUrl(installation.gateway.ready) },
    dps: { coaps: coapsUrl(installation.dps.ready), coapsTcp: coapsTcpUrl(installation.dps.ready) },
    metrics: services.map((service) => `${service.ready.management}/metrics`),
    processes: { ...Object.fromEntries(installation.processes.map(({ name, pid }) => [name, pid])), ...more },
    database: installation.databaseUrl,
    redis: installation.redis.url,
    pki: installation.pki,
    admin: installation.admin,
    ...devices,
  }
}

export function writeReadyFile(home: string, ready: Ready): void {
  const file = join(home, 'ready.json')
  writeFileSync(`${file}.new`, `${JSON.stringify(ready, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

export function removeReadyFile(home: string): void {
  rmSync(join(home, 'ready.json'), { force: true })
}
