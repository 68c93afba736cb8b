import { setTimeout as sleep } from 'node:timers/promises'
import { utf8 } from '@sallyport/bytes'
import { milliseconds } from '@sallyport/clock'
import type { Handle, PKCS11 } from 'pkcs11js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Token, TokenKey } from '../src/index.ts'
import { Pkcs11Module } from '../src/pkcs11-module.ts'
import { createTestToken, modulePath, type TestToken } from './softhsm-token.ts'

describe('a token with faults (F27)', () => {
  let made: TestToken
  let token: Token
  let key: TokenKey
  let lib: PKCS11
  let signAsync: PKCS11['C_SignAsync']

  const slotOf = (label: string): Handle => {
    const slot = lib.C_GetSlotList(true).find((each) => lib.C_GetTokenInfo(each).label.trim() === label)
    if (slot === undefined) throw new Error(`no slot for ${label}`)
    return slot
  }

  beforeEach(async () => {
    made = await createTestToken()
    token = await made.open({ timeout: milliseconds(400) })
    key = await token.generateEcKey({ label: 'k', curve: 'P-256' })
    lib = Pkcs11Module.at(modulePath).lib
    signAsync = lib.C_SignAsync
  })
  afterEach(async () => {
    lib.C_SignAsync = signAsync
    await token.close()
    await made.remove()
  })

  it('[4.7] releases no signature in which the token got one bit wrong', async () => {
    lib.C_SignAsync = async (...parameters) => {
      const signature = await signAsync.apply(lib, parameters)
      signature[40] = (signature[40] ?? 0) ^ 4
      return signature
    }
    await expect(key.sign(utf8('x'))).rejects.toMatchObject({ code: 'hsm-signature-wrong' })
    lib.C_SignAsync = signAsync
    expect(await key.sign(utf8('x'))).toBeInstanceOf(Uint8Array)
  })

  it('gives up on a token that does not answer in time, and works again once it does', async () => {
    lib.C_SignAsync = async (...parameters) => {
      await sleep(900)
      return await signAsync.apply(lib, parameters)
    }
    await expect(key.sign(utf8('x'))).rejects.toMatchObject({
      code: 'hsm-unavailable',
      details: { reason: 'timed-out' },
    })
    lib.C_SignAsync = signAsync
    // Three sessions are free while the fourth waits for the module.
    const signed = await Promise.all(Array.from({ length: 20 }, () => key.sign(utf8('y'))))
    expect(signed).toHaveLength(20)
    await sleep(700)
    expect(await key.sign(utf8('z'))).toBeInstanceOf(Uint8Array)
  })

  it('opens its sessions again when another has closed them all', async () => {
    for (let round = 0; round < 3; round++) {
      lib.C_CloseAllSessions(slotOf(made.label))
      const signed = await Promise.all(Array.from({ length: 20 }, () => key.sign(utf8('x'))))
      expect(signed).toHaveLength(20)
    }
  })

  it('logs in again when another has logged it out', async () => {
    const slot = slotOf(made.label)
    const session = lib.C_OpenSession(slot, 4)
    lib.C_Logout(session)
    lib.C_CloseSession(session)
    expect(await key.sign(utf8('x'))).toBeInstanceOf(Uint8Array)
  })

  it('finds its token by the label when slots have changed their order', async () => {
    const others = [await createTestToken(), await createTestToken(), await createTestToken()]
    // A restart of the module numbers the slots anew, in whatever order the tokens are found.
    await Pkcs11Module.at(modulePath).restart(Pkcs11Module.at(modulePath).generation)
    expect(await key.sign(utf8('x'))).toBeInstanceOf(Uint8Array)
    for (const other of others) await other.remove()
  })

  it('tells the loss to its observer and fails with one error for all who wait', async () => {
    const events: string[] = []
    const watched = await made.open({
      observer: { opened: () => events.push('opened'), lost: ({ reason }) => events.push(reason) },
    })
    const own = await watched.findEcKey({ id: key.id, publicKey: key.spki })
    lib.C_SignAsync = () => Promise.reject(new Error('CKR_DEVICE_REMOVED:50'))
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => own.sign(utf8('x'))))
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'hsm-unavailable' } })
    }
    expect(events[0]).toBe('opened')
    expect(events).toContain('CKR_DEVICE_REMOVED')
    lib.C_SignAsync = signAsync
    expect(await own.sign(utf8('x'))).toBeInstanceOf(Uint8Array)
    await watched.close()
  })
})
