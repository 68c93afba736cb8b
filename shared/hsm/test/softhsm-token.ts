/**
 * Tokens of a SoftHSM for these tests: made in the token directory of the run (SOFTHSM2_CONF), each with a label of its
 * own; deleted at the end by the label that was made here.
 */

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { SecretBytes } from '@sallyport/bytes'
import { fileTokenLock, type OpenTokenOptions, openToken, type Token } from '../src/index.ts'

const run = promisify(execFile)

export const modulePath = '/usr/lib/softhsm/libsofthsm2.so'
export const testPin = '4711-test'

export interface TestToken {
  readonly label: string
  readonly lockPath: string
  open(options?: Partial<OpenTokenOptions>): Promise<Token>
  remove(): Promise<void>
}

export async function createTestToken(): Promise<TestToken> {
  const label = `hsm-${randomBytes(6).toString('hex')}`
  const lockPath = join(tmpdir(), `${label}.lock`)
  await initialize(label)
  return {
    label,
    lockPath,
    open: (options = {}) =>
      openToken({
        modulePath,
        tokenLabel: label,
        pin: SecretBytes.fromText(testPin),
        lock: fileTokenLock(lockPath),
        ...options,
      }),
    async remove() {
      await run('softhsm2-util', ['--delete-token', '--token', label])
    },
  }
}

/** Test files share a folder of tokens, and SoftHSM's tool trips over tokens that others are just making or removing. */
async function initialize(label: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await run('softhsm2-util', ['--init-token', '--free', '--label', label, '--so-pin', '1234-so', '--pin', testPin])
      return
    } catch (error) {
      if (attempt === 5) throw error
      await sleep(50 * attempt * (1 + Math.random()))
    }
  }
}
