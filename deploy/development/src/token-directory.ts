/**
 * SoftHSM tokens for development and tests: a folder, a configuration that names it, and tokens with random PINs in files.
 *
 * SoftHSM protects nothing against who can read the folder: it stands in for an HSM where there is none.
 */

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SetupFailure } from './failure.ts'
import { readOrMakePassword } from './postgres.ts'

const run = promisify(execFile)

export interface DevelopmentToken {
  readonly label: string
  readonly pinFile: string
}

export interface TokenDirectory {
  /** Value for SOFTHSM2_CONF, in the environment of a process before it starts. */
  readonly softhsmConf: string
  readonly modulePath: string
  /** Makes the token unless it is there. */
  ensureToken(label: string): Promise<DevelopmentToken>
}

/** The PKCS#11 module, where Debian puts it on each architecture. */
export function softhsmModule(): string {
  const candidates = [
    '/usr/lib/softhsm/libsofthsm2.so',
    '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
    '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  ]
  const found = candidates.find((path) => existsSync(path))
  if (found === undefined) {
    throw new SetupFailure('SoftHSM is not installed: sudo apt-get install -y --no-install-recommends softhsm2')
  }
  return found
}

export function openTokenDirectory(folder: string, secrets: string): TokenDirectory {
  const tokens = join(folder, 'tokens')
  mkdirSync(tokens, { recursive: true, mode: 0o700 })
  const softhsmConf = join(folder, 'softhsm2.conf')
  writeFileSync(
    softhsmConf,
    `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n`,
    { mode: 0o600 },
  )
  return {
    softhsmConf,
    modulePath: softhsmModule(),
    ensureToken: (label) => ensureToken({ tokens, softhsmConf, secrets, label }),
  }
}

async function ensureToken(o: {
  tokens: string
  softhsmConf: string
  secrets: string
  label: string
}): Promise<DevelopmentToken> {
  const pinFile = join(o.secrets, `${o.label}-pin`)
  const made = join(o.tokens, `${o.label}.made`)
  const pin = readOrMakePassword(o.secrets, `${o.label}-pin`)
  if (existsSync(made)) {
    if (readdirSync(o.tokens).every((name) => !existsSync(join(o.tokens, name, 'token.object')))) {
      throw new SetupFailure(
        `the token "${o.label}" was in ${o.tokens} and is gone: put the folder back, or run make clean (which ends this installation's CA)`,
      )
    }
    return { label: o.label, pinFile }
  }
  const officerPin = readOrMakePassword(o.secrets, `${o.label}-so-pin`)
  // softhsm2-util takes the PINs only as arguments; these two tokens are for development, and their PINs lie beside them.
  const init = ['--init-token', '--free', '--label', o.label, '--pin', pin, '--so-pin', officerPin]
  for (let attempt = 1; ; attempt++) {
    try {
      await run('softhsm2-util', init, { env: { ...process.env, SOFTHSM2_CONF: o.softhsmConf } })
      break
    } catch (cause) {
      // It trips over tokens that another process is just making or removing in the same folder.
      if (attempt === 5) throw new SetupFailure(`the token "${o.label}" could not be made in ${o.tokens}`, { cause })
      await new Promise((resolve) => setTimeout(resolve, 50 * attempt * (1 + Math.random())))
    }
  }
  writeFileSync(made, '')
  return { label: o.label, pinFile: readableFile(pinFile) }
}

function readableFile(path: string): string {
  readFileSync(path)
  return path
}
