import { spawn } from 'node:child_process'
import { readdir, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SecretBytes, utf8 } from '@sallyport/bytes'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestToken, modulePath, type TestToken, testPin } from './softhsm-token.ts'

/** The folder of a token's objects, by the label in its token.object. */
async function tokenFolder(label: string): Promise<string> {
  const configuration = await readFile(process.env.SOFTHSM2_CONF ?? '', 'utf8')
  const directory = /^directories\.tokendir\s*=\s*(.+)$/m.exec(configuration)?.[1]?.trim() ?? ''
  for (const name of await readdir(directory)) {
    const content = await readFile(join(directory, name, 'token.object'), 'latin1').catch(() => '')
    if (content.includes(label)) return join(directory, name)
  }
  throw new Error(`no token folder for ${label}`)
}

const signInProcess = fileURLToPath(new URL('./sign-in-process.ts', import.meta.url))

async function signElsewhere(made: TestToken, count: number): Promise<string> {
  const child = spawn(process.execPath, [signInProcess, modulePath, made.label, made.lockPath, String(count)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(testPin)
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += String(chunk)
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  return `${String(code)} ${output.trim()}`
}

describe('opening a token', () => {
  let made: TestToken

  beforeEach(async () => {
    made = await createTestToken()
  })
  afterEach(async () => {
    await made.remove()
  })

  it('names the token that is not there', async () => {
    await expect(made.open({ tokenLabel: 'not-there' })).rejects.toMatchObject({
      code: 'hsm-unavailable',
      details: { reason: 'token-missing' },
    })
  })

  it('never tries a refused PIN again', async () => {
    const pin = SecretBytes.fromText('wrong-pin')
    await expect(made.open({ pin })).rejects.toThrow(/CKR_PIN_INCORRECT/)
    await expect(made.open({ pin })).rejects.toMatchObject({
      code: 'hsm-unavailable',
      message: expect.stringContaining('not tried again'),
      details: { reason: 'pin-refused' },
    })
  })

  it('says nothing of the PIN in its errors', async () => {
    const refused = await made.open({ pin: SecretBytes.fromText('wrong-pin') }).catch((error: unknown) => error)
    expect(String(refused) + JSON.stringify(refused)).not.toContain('wrong-pin')
  })

  it('names a module that is none', async () => {
    await expect(made.open({ modulePath: '/usr/lib/none.so' })).rejects.toMatchObject({ code: 'hsm-unavailable' })
  })

  it('shares the module with another token of the process, and closing one leaves the other working', async () => {
    const other = await createTestToken()
    const [first, second] = await Promise.all([made.open(), other.open()])
    const key = await second.generateEcKey({ label: 'k', curve: 'P-256' })
    await first.close()
    expect(await key.sign(utf8('x'))).toBeInstanceOf(Uint8Array)
    await second.close()
    await other.remove()
  })

  it('[5.4] recovers when the token was taken out and came back, and refuses in between', async () => {
    const lost: string[] = []
    const token = await made.open({ observer: { lost: ({ reason }) => lost.push(reason) } })
    const key = await token.generateEcKey({ label: 'k', curve: 'P-256' })
    const folder = await tokenFolder(made.label)
    const away = join(dirname(dirname(folder)), `away-${made.label}`)
    await rename(folder, away)
    await expect(key.sign(utf8('x'))).rejects.toMatchObject({ code: 'hsm-unavailable' })
    await expect(token.probe()).rejects.toMatchObject({ code: 'hsm-unavailable' })
    expect(lost.length).toBeGreaterThan(0)
    await rename(away, folder)
    await expect
      .poll(
        () =>
          key.sign(utf8('x')).then(
            () => 'signed',
            () => 'refused',
          ),
        { timeout: 5000 },
      )
      .toBe('signed')
    await token.probe()
    await token.close()
  })

  it('keeps signing while another token of the process is lost and found', async () => {
    const other = await createTestToken()
    const [steady, shaky] = await Promise.all([other.open(), made.open()])
    const key = await steady.generateEcKey({ label: 'steady', curve: 'P-256' })
    const shakyKey = await shaky.generateEcKey({ label: 'shaky', curve: 'P-256' })
    const folder = await tokenFolder(made.label)
    const away = join(dirname(dirname(folder)), `away-${made.label}`)
    await rename(folder, away)
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 40 }, () => key.sign(utf8('steady'))),
      ...Array.from({ length: 40 }, () => shakyKey.sign(utf8('shaky'))),
    ])
    await rename(away, folder)
    expect(outcomes.slice(0, 40).map((outcome) => outcome.status)).toEqual(Array(40).fill('fulfilled'))
    expect(outcomes.slice(40).map((outcome) => outcome.status)).toEqual(Array(40).fill('rejected'))
    await Promise.all([steady.close(), shaky.close()])
    await other.remove()
  })

  it('refuses work after it was closed', async () => {
    const token = await made.open()
    await token.close()
    await expect(token.probe()).rejects.toMatchObject({ code: 'hsm-unavailable' })
  })

  it('opens and signs in five processes at once', async () => {
    const token = await made.open()
    await token.generateEcKey({ label: 'shared', curve: 'P-256' })
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => signElsewhere(made, 20)))
    expect(outcomes).toEqual(Array(5).fill('0 20 signed'))
    await token.probe()
    await token.close()
  }, 30_000)
})
