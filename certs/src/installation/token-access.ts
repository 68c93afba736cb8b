/** An HSM token as a ceremony opens it: by label, with the PIN from a file, under a lock in the installation's home. */

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { SecretBytes } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import { fileTokenLock, openToken, type Token } from '@sallyport/hsm'
import { readTextFile } from '../files.ts'

export interface TokenAccess {
  readonly modulePath: string
  readonly label: string
  /** A file that only its owner can read. */
  readonly pinFile: string
}

/** Opens the token for the work and closes it after. @throws CodedError `hsm-unavailable`, `configuration-invalid`. */
export async function withToken<Result>(
  access: TokenAccess,
  lockFolder: string,
  work: (token: Token) => Promise<Result>,
): Promise<Result> {
  const token = await openToken({
    modulePath: access.modulePath,
    tokenLabel: access.label,
    pin: readPin(access.pinFile),
    lock: fileTokenLock(join(lockFolder, 'token.lock')),
    sessions: 1,
  })
  try {
    return await work(token)
  } finally {
    await token.close()
  }
}

function readPin(path: string): SecretBytes {
  const text = readTextFile(path, 'The PIN')
  if ((statSync(path).mode & 0o077) !== 0) {
    throw new CodedError('configuration-invalid', `${path} can be read by others. Do: chmod 600 ${path}`)
  }
  return SecretBytes.fromText(text.trimEnd())
}
