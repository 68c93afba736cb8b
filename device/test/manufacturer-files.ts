/** Manufacturer certificates for tests, made by the manufacturer's tool as a process. */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const certs = fileURLToPath(new URL('../../certs/src/main.ts', import.meta.url))

export interface DeviceFiles {
  readonly id: string
  readonly certificate: string
  readonly key: string
}

export function makeManufacturer(folder: string): string {
  const out = join(folder, 'manufacturer')
  execFileSync(process.execPath, [certs, 'manufacturer', 'create', '--out', out, '--name', 'Test'])
  return out
}

export function makeDevices(ca: string, out: string, ...words: string[]): readonly DeviceFiles[] {
  const printed = execFileSync(process.execPath, [certs, 'manufacturer', 'device', '--ca', ca, '--out', out, ...words])
  return printed
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}
