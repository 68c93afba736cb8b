/**
 * Files of a PKI: written whole or not at all, keys readable by their owner alone.
 */

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { CodedError } from '@sallyport/errors'

export type FileSecrecy = 'public' | 'secret'

/** `durable` waits for the disk; batches of test devices need not. */
export type FileDurability = 'durable' | 'quick'

/** Readers see the old file or the new one, never a part. */
export function writeFileAtomically(
  path: string,
  contents: string,
  secrecy: FileSecrecy,
  durability: FileDurability = 'durable',
): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.new`
  const descriptor = openSync(temporary, 'wx', secrecy === 'secret' ? 0o600 : 0o644)
  try {
    writeSync(descriptor, contents)
    if (durability === 'durable') fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  try {
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** Makes the folder, closed to others, with what is above it. */
export function ensureFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
}

/** @throws CodedError `configuration-invalid` that names what the file is for. */
export function readTextFile(path: string, purpose: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CodedError('configuration-invalid', `${purpose} cannot be read from ${path}.`, { cause })
  }
}

export function readTextFileIfPresent(path: string): string | undefined {
  return existsSync(path) ? readTextFile(path, 'The file') : undefined
}

/** All, some or none of the files are there. */
export function presenceOf(paths: readonly string[]): 'all' | 'some' | 'none' {
  const present = paths.filter((path) => existsSync(path)).length
  return present === 0 ? 'none' : present === paths.length ? 'all' : 'some'
}
