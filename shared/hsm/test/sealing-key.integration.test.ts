import { utf8 } from '@sallyport/bytes'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SealingKey, Token } from '../src/index.ts'
import { createTestToken, type TestToken } from './softhsm-token.ts'

describe('sealing keys in a token', () => {
  let made: TestToken
  let token: Token
  let key: SealingKey

  beforeAll(async () => {
    made = await createTestToken()
    token = await made.open()
    await token.generateSealingKey('kek-1')
    key = await token.findSealingKey('kek-1')
  })
  afterAll(async () => {
    await token.close()
    await made.remove()
  })

  it('opens what it sealed, in the same context', async () => {
    const envelope = await key.seal(utf8('a data key'), utf8('file 1'))
    expect(await key.open(envelope, utf8('file 1'))).toEqual(utf8('a data key'))
    expect(key.generation).toBe(1)
  })

  it('seals the same bytes differently each time', async () => {
    const [one, two] = await Promise.all([key.seal(utf8('x'), utf8('c')), key.seal(utf8('x'), utf8('c'))])
    expect(one).not.toEqual(two)
  })

  it('refuses to seal nothing, and more than 64 KiB', async () => {
    await expect(key.seal(new Uint8Array(), utf8('c'))).rejects.toThrow(RangeError)
    await expect(key.seal(new Uint8Array(65537), utf8('c'))).rejects.toThrow(RangeError)
    const large = new Uint8Array(65536).fill(7)
    expect(await key.open(await key.seal(large, utf8('c')), utf8('c'))).toEqual(large)
  })

  it('refuses another context, and works on after 50 such attempts at once', async () => {
    const envelope = await key.seal(utf8('a data key'), utf8('file 1'))
    const attempts = Array.from({ length: 50 }, () => key.open(envelope, utf8('file 2')))
    for (const outcome of await Promise.allSettled(attempts)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'sealed-value-invalid' } })
    }
    expect(await key.open(envelope, utf8('file 1'))).toEqual(utf8('a data key'))
  })

  it('refuses an envelope with any one byte changed', async () => {
    const envelope = await key.seal(utf8('k'), utf8('c'))
    for (let index = 0; index < envelope.length; index++) {
      const altered = envelope.slice()
      altered[index] = (altered[index] ?? 0) ^ 1
      await expect(key.open(altered, utf8('c')), `byte ${index}`).rejects.toMatchObject({
        code: 'sealed-value-invalid',
      })
    }
  })

  it('refuses what another generation sealed', async () => {
    await token.generateSealingKey('kek-2')
    const next = await token.findSealingKey('kek-2')
    const envelope = await key.seal(utf8('k'), utf8('c'))
    await expect(next.open(envelope, utf8('c'))).rejects.toMatchObject({ code: 'sealed-value-invalid' })
  })

  it('makes no second key of a label and finds none that was not made', async () => {
    await expect(token.generateSealingKey('kek-1')).rejects.toMatchObject({ code: 'conflict' })
    await expect(token.findSealingKey('kek-9')).rejects.toMatchObject({ code: 'hsm-key-missing' })
    await expect(token.findSealingKey('kek')).rejects.toMatchObject({ code: 'configuration-invalid' })
  })
})
