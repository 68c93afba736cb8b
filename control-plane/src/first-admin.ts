/**
 * The first organization and its admin, made when there is none. The password is random, goes to a file of mode 0600 and
 * nowhere else: not to the log, not to the terminal.
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { chmod, open, rename, rm } from 'node:fs/promises'
import type { Logger } from '@sallyport/diagnostics'
import type { Store } from '@sallyport/store'
import { hashPassword } from './password-hash.ts'

const organizationName = 'First organization'
const email = 'admin@sallyport.local'
const username = 'admin'

/**
 * @param file where the login is written. Undefined makes no admin: the operator creates one.
 */
export async function ensureFirstAdmin(options: {
  readonly store: Pick<Store, 'organizations'>
  readonly file: string | undefined
  readonly log: Logger
}): Promise<void> {
  const { store, file, log } = options
  if (file === undefined) return
  const password = randomBytes(18).toString('base64url')
  const made = await store.organizations.createFirst(
    { name: organizationName, admin: { email, username, passwordHash: await hashPassword(password) } },
    { actor: { kind: 'system', id: 'first-start' }, correlationId: randomUUID() },
  )
  if (made === undefined) return
  await writeSecretFile(file, { email, username, password, organizationId: made.organizationId })
  log.info({ organizationId: made.organizationId, file }, 'the first admin was made; the login stands in the file')
}

/** Whole or not at all, and never readable by others, not even for a moment. */
async function writeSecretFile(path: string, content: object): Promise<void> {
  const unfinished = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(unfinished, 'wx', 0o600)
  try {
    await file.writeFile(`${JSON.stringify(content, undefined, 2)}\n`)
    await file.sync()
    await file.close()
    await chmod(unfinished, 0o600)
    await rename(unfinished, path)
  } catch (error) {
    await file.close().catch(() => {})
    await rm(unfinished, { force: true })
    throw error
  }
}
