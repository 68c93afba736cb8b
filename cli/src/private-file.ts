/** Files that hold a secret: written whole, for their owner alone; read only where nobody else could have read them. */

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { CommandFailure } from './command-failure.ts'

/** Readers see the old file or the new one, never a part. */
export function writePrivateFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}.new`
  const descriptor = openSync(temporary, 'wx', 0o600)
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
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

/** @throws CommandFailure when somebody else may read or write it, or it is somebody else's. */
export function readPrivateFile(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (cause) {
    throw new CommandFailure('failed', `${path} cannot be read.`, { cause })
  }
  try {
    // Of what is open, so that nothing is put in its place between the look and the reading.
    const { mode, uid } = fstatSync(descriptor)
    if ((mode & 0o077) !== 0) {
      throw new CommandFailure('failed', `${path} holds a secret, and others may read it: chmod 600 ${path}`)
    }
    const own = process.getuid?.()
    if (own !== undefined && uid !== own && uid !== 0) {
      throw new CommandFailure('failed', `${path} holds a secret and belongs to somebody else.`)
    }
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}
