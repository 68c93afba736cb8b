/**
 * The first organization and its admin, made when there is none. The password is random, goes to a file of mode 0600 and
 * nowhere else: not to the log, not to the terminal.
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import { isMailAddress, type Store } from '@sallyport/store'
import { hashPassword } from './password-hash.ts'

const organizationName = 'First organization'
const username = 'admin'

/**
 * @param file where the login is written. Undefined makes no admin: the operator creates one.
 */
export async function ensureFirstAdmin(options: {
  readonly store: Pick<Store, 'organizations'>
  readonly file: string | undefined
  readonly email: string
  readonly log: Logger
}): Promise<void> {
  const { store, file, email, log } = options
  if (file === undefined) return
  if (!isMailAddress(email)) throw new CodedError('configuration-invalid', 'SALLYPORT_FIRST_ADMIN_EMAIL is no address.')
  const password = randomBytes(18).toString('base64url')
  // Before the admin is made: a folder that cannot be written must not leave an admin whose password nobody knows.
  const draft = await draftOf(file)
  try {
    const made = await store.organizations.createFirst(
      { name: organizationName, admin: { email, username, passwordHash: await hashPassword(password) } },
      { actor: { kind: 'system', id: 'first-start' }, correlationId: randomUUID() },
    )
    if (made === undefined) return await draft.discard()
    await draft.publish({ email, username, password, organizationId: made.organizationId })
    log.info({ organizationId: made.organizationId, file }, 'the first admin was made; the login stands in the file')
  } catch (error) {
    await draft.discard()
    throw error
  }
}

interface Draft {
  publish(content: object): Promise<void>
  discard(): Promise<void>
}

/**
 * A file beside `path`, readable by its owner alone from the start; what is published appears whole or not at all.
 * @throws CodedError `configuration-invalid` when it cannot be written.
 */
async function draftOf(path: string): Promise<Draft> {
  const unfinished = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(unfinished, 'wx', 0o600).catch((cause: unknown) => {
    throw new CodedError('configuration-invalid', `SALLYPORT_FIRST_ADMIN_FILE cannot be written: ${path}`, { cause })
  })
  return {
    async publish(content) {
      await file.writeFile(`${JSON.stringify(content, undefined, 2)}\n`)
      await file.sync()
      await file.close()
      await rename(unfinished, path)
    },
    async discard() {
      await file.close().catch(() => {})
      await rm(unfinished, { force: true })
    },
  }
}
