/**
 * The address of the dps, where it is not given at the start: an installer sets it afterwards, and it is kept in the device's
 * folder, as a device keeps what its installer wrote.
 */

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { milliseconds } from '@sallyport/clock'
import { parseCoapsUri } from './coaps-uri.ts'
import { DeviceFailure } from './device-failure.ts'
import { pause } from './pause.ts'

const addressFile = 'dps-address'
const lookEvery = milliseconds(200)

/** @throws DeviceFailure for what is no address, or a folder that cannot be written. */
export function writeDpsAddress(folder: string, uri: string): void {
  parseCoapsUri(uri)
  const file = join(folder, addressFile)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(`${file}.new`, `${uri}\n`, { mode: 0o600 })
    renameSync(`${file}.new`, file)
  } catch (cause) {
    throw new DeviceFailure('state', `${file} cannot be written`, { cause })
  }
}

/** The address that was set; undefined when none is. @throws DeviceFailure for a file that holds no address. */
export function readDpsAddress(folder: string): string | undefined {
  let text: string
  try {
    text = readFileSync(join(folder, addressFile), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new DeviceFailure('state', `${join(folder, addressFile)} cannot be read`, { cause: error })
  }
  const uri = text.trim()
  parseCoapsUri(uri)
  return uri
}

/** Waits until an address is set; undefined when it is told to stop first. */
export async function waitForDpsAddress(folder: string, stop: AbortSignal): Promise<string | undefined> {
  while (!stop.aborted) {
    const uri = readDpsAddress(folder)
    if (uri !== undefined) return uri
    await pause(lookEvery, stop)
  }
  return undefined
}
