import { execFile } from 'node:child_process'
import { createECDH, createPublicKey, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { utf8 } from '@sallyport/bytes'
import pkcs11js from 'pkcs11js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Token } from '../src/index.ts'
import { Pkcs11Module } from '../src/pkcs11-module.ts'
import { createTestToken, modulePath, type TestToken, testPin } from './softhsm-token.ts'

const run = promisify(execFile)

/** The log-in belongs to the process, so a session of our own is logged in as the token under test is. */
function generateWrappingKey(tokenLabel: string, label: string): void {
  const { lib } = Pkcs11Module.at(modulePath)
  const slot = lib.C_GetSlotList(true).find((each) => lib.C_GetTokenInfo(each).label.trim() === tokenLabel)
  if (slot === undefined) throw new Error(`no token ${tokenLabel}`)
  const session = lib.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION)
  lib.C_GenerateKey(session, { mechanism: pkcs11js.CKM_AES_KEY_GEN }, [
    { type: pkcs11js.CKA_TOKEN, value: true },
    { type: pkcs11js.CKA_WRAP, value: true },
    { type: pkcs11js.CKA_VALUE_LEN, value: 32 },
    { type: pkcs11js.CKA_LABEL, value: label },
  ])
  lib.C_CloseSession(session)
}

const publicKey = (spki: Uint8Array) => createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })

describe('EC keys in a token', () => {
  let made: TestToken
  let token: Token

  beforeAll(async () => {
    made = await createTestToken()
    token = await made.open()
  })
  afterAll(async () => {
    await token.close()
    await made.remove()
  })

  for (const [curve, hash] of [
    ['P-256', 'sha256'],
    ['P-384', 'sha384'],
  ] as const) {
    it(`[4.7] signs with a ${curve} key that it made and that cannot leave`, async () => {
      const key = await token.generateEcKey({ label: `key ${curve}`, curve })
      const signature = await key.sign(utf8('to be signed'))
      expect(verify(hash, utf8('to be signed'), publicKey(key.spki), signature)).toBe(true)
      expect(key.id).toHaveLength(16)
      expect(key.curve).toBe(curve)
    })
  }

  it('gives 50 right signatures to 50 callers at once, with 4 sessions', async () => {
    const key = await token.generateEcKey({ label: 'busy', curve: 'P-256' })
    const messages = Array.from({ length: 50 }, (_, index) => utf8(`message ${index}`))
    const signatures = await Promise.all(messages.map((message) => key.sign(message)))
    signatures.forEach((signature, index) => {
      expect(verify('sha256', messages[index] ?? utf8(''), publicKey(key.spki), signature)).toBe(true)
    })
  })

  it('finds a key by id and public key, and not with the public key of another', async () => {
    const one = await token.generateEcKey({ label: 'one', curve: 'P-256' })
    const other = await token.generateEcKey({ label: 'other', curve: 'P-256' })
    const found = await token.findEcKey({ id: one.id, publicKey: one.spki })
    expect(found.label).toBe('one')
    await expect(token.findEcKey({ id: one.id, publicKey: other.spki })).rejects.toMatchObject({
      code: 'hsm-key-missing',
    })
    await expect(token.findEcKey({ id: new Uint8Array(16), publicKey: one.spki })).rejects.toMatchObject({
      code: 'hsm-key-missing',
    })
  })

  it('lists the keys that another connection made', async () => {
    const second = await made.open({ sessions: 1 })
    const key = await second.generateEcKey({ label: 'from the second', curve: 'P-256' })
    expect((await token.listEcKeys()).map((listed) => listed.label)).toContain('from the second')
    await second.close()
    const found = await token.findEcKey({ id: key.id, publicKey: key.spki })
    expect(await found.sign(utf8('still'))).toBeInstanceOf(Uint8Array)
  })

  it('wraps a key once for backup where that is asked for, and lets it go no more', async () => {
    generateWrappingKey(made.label, 'backup')
    const kept: Uint8Array[] = []
    const backup = { wrappingKeyLabel: 'backup', keep: async (wrapped: Uint8Array) => void kept.push(wrapped) }
    const key = await token.generateEcKey({ label: 'wrapped', curve: 'P-256', backup })
    expect(kept.map((wrapped) => wrapped.length > 64)).toEqual([true])
    expect(await key.sign(utf8('x'))).toBeInstanceOf(Uint8Array)
    const { stdout } = await run('pkcs11-tool', [
      ...['--module', modulePath, '--token-label', made.label, '--login', '--pin', testPin],
      ...['--list-objects', '--type', 'privkey', '--label', 'wrapped'],
    ])
    expect(stdout).toMatch(/Access:\s+sensitive, always sensitive, local/)
  })

  it('destroys a key that could not be kept', async () => {
    const failing = { wrappingKeyLabel: 'backup', keep: () => Promise.reject(new Error('disk full')) }
    await expect(token.generateEcKey({ label: 'unkept', curve: 'P-256', backup: failing })).rejects.toThrow()
    expect((await token.listEcKeys()).map((key) => key.label)).not.toContain('unkept')
  })

  it('agrees on a secret with whoever has its public key (RFC 9180 section 4.1), in the token, and on none with what is no point', async () => {
    const key = await token.generateEcKey({ label: 'audit-opening', curve: 'P-256', use: 'agree' })
    const other = createECDH('prime256v1')
    const point = other.generateKeys()
    const secret = await key.agree(point)
    expect(Buffer.from(secret).equals(other.computeSecret(key.spki.subarray(-65)))).toBe(true)
    const offCurve = Buffer.from(point)
    offCurve[64] = (offCurve[64] ?? 0) ^ 1
    for (const wrong of [offCurve, point.subarray(0, 64), new Uint8Array(65), other.getPublicKey(null, 'compressed')]) {
      await expect(key.agree(wrong)).rejects.toMatchObject({ code: 'sealed-value-invalid' })
    }
    await expect(key.sign(utf8('x'))).rejects.toThrow()
  })

  it('does not agree with a key that signs', async () => {
    const key = await token.generateEcKey({ label: 'head', curve: 'P-256' })
    await expect(key.agree(createECDH('prime256v1').generateKeys())).rejects.toThrow()
  })
})
