/**
 * The key-encryption key of an installation, in the control plane's token `kek`: a token of its own, in a directory of
 * its own, so that the process that seals secrets never sees the authorities' keys.
 */

import { hasCode } from '@sallyport/errors'
import { fileTokenLock, type Token } from '@sallyport/hsm'
import { ensureFolder, writeFileAtomically } from '../files.ts'
import { installationFiles } from './installation-files.ts'
import { type TokenAccess, withToken } from './token-access.ts'

const label = 'kek-1'

export interface SealingKeyResult {
  readonly label: string
  readonly generation: number
  readonly created: boolean
}

/** @throws CodedError `hsm-unavailable`, `configuration-invalid`. */
export async function ensureSealingKey(request: { home: string; token: TokenAccess }): Promise<SealingKeyResult> {
  const files = installationFiles(request.home)
  ensureFolder(files.folder)
  return fileTokenLock(files.lock).withLock(() =>
    withToken(request.token, files.folder, async (token) => {
      const created = await generateUnlessThere(token)
      const { generation } = await token.findSealingKey(label)
      writeFileAtomically(files.sealingKey, `${JSON.stringify({ label, generation }, null, 2)}\n`, 'public')
      return { label, generation, created }
    }),
  )
}

async function generateUnlessThere(token: Token): Promise<boolean> {
  try {
    await token.findSealingKey(label)
    return false
  } catch (error) {
    if (!hasCode(error, 'hsm-key-missing')) throw error
  }
  await token.generateSealingKey(label)
  return true
}
