/** The manufacturer certificates of a fleet: from a folder, or made by the manufacturer's tool (`certs`), which is a process. */

import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deviceIdFromCommonName } from '@sallyport/pki'
import { DeviceFailure } from './device-failure.ts'
import type { Identity } from './device-state.ts'
import { readIdentityFiles } from './state-directory.ts'

export interface FleetDevice {
  readonly id: string
  readonly manufacturer: Identity
}

const certsProgram = fileURLToPath(new URL('../../certs/src/main.ts', import.meta.url))

/**
 * The first `count` devices of a folder of `<id>.pem` and `<id>.key`.
 *
 * @throws DeviceFailure when there are fewer
 */
export function readFleetDevices(folder: string, count: number): readonly FleetDevice[] {
  const names = certificateNames(folder)
  if (names.length < count) {
    throw new DeviceFailure(
      'configuration',
      `${folder} holds ${names.length} device certificates, ${count} are needed: make more with 'certs manufacturer device'`,
    )
  }
  return names.slice(0, count).map((name) => {
    const manufacturer = readIdentityFiles(join(folder, `${name}.pem`), join(folder, `${name}.key`))
    const id = deviceIdFromCommonName(manufacturer.chain[0]?.commonName)
    if (id === undefined) {
      throw new DeviceFailure('configuration', `${join(folder, `${name}.pem`)} has no common name uuid:<device id>`)
    }
    return { id, manufacturer }
  })
}

/** Runs `certs manufacturer device` for so many devices into a folder. @throws DeviceFailure with what it said. */
export function makeFleetDevices(manufacturerFolder: string, folder: string, count: number): Promise<void> {
  const words = ['manufacturer', 'device', '--ca', manufacturerFolder, '--out', folder, '--count', String(count)]
  const child = spawn(process.execPath, [certsProgram, ...words], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  return new Promise((resolve, reject) => {
    const fail = (detail: string): void =>
      reject(new DeviceFailure('configuration', `'certs manufacturer device' failed: ${detail}`))
    child.once('error', (error) => fail(error.message))
    child.once('close', (code) => {
      if (code === 0) resolve()
      else fail(said.trim().split('\n').at(-1) ?? `exit code ${code}`)
    })
  })
}

function certificateNames(folder: string): readonly string[] {
  try {
    const files = new Set(readdirSync(folder))
    return [...files]
      .filter((file) => file.endsWith('.pem'))
      .map((file) => file.slice(0, -'.pem'.length))
      .filter((name) => files.has(`${name}.key`))
      .sort()
  } catch (cause) {
    throw new DeviceFailure('configuration', `the folder ${folder} cannot be read`, { cause })
  }
}
