/** Sealed state: only its key opens it, only for its purpose, only unaltered. */

import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isSealedByCurrent, openState, type SealingKey, sealingOverhead, sealState } from '../src/sealing.ts'
import { randomFrom } from './harness/bad-network.ts'

const makeKey = (): SealingKey => ({ id: randomBytes(8), key: randomBytes(32) })
const state = Buffer.from('what we want back')
const nonce = (): Uint8Array => randomBytes(12)

describe('sealed state', () => {
  it('is opened by its key, and tells nothing of itself but its length', () => {
    const keys = { current: makeKey() }
    const sealed = sealState(keys, 'session-ticket', state, nonce())
    expect(openState(keys, 'session-ticket', sealed)).toEqual(new Uint8Array(state))
    expect(sealed.length).toBe(state.length + sealingOverhead)
    expect(Buffer.from(sealed).includes(state)).toBe(false)
  })

  it('begins with the name of its key and with its nonce', () => {
    const current = makeKey()
    const given = nonce()
    const sealed = sealState({ current }, 'association', state, given)
    expect(sealed.slice(0, 8)).toEqual(new Uint8Array(current.id))
    expect(sealed.slice(8, 20)).toEqual(new Uint8Array(given))
  })

  it('may be empty', () => {
    const keys = { current: makeKey() }
    const sealed = sealState(keys, 'association', new Uint8Array(0), nonce())
    expect(openState(keys, 'association', sealed)).toEqual(new Uint8Array(0))
  })

  it('is not opened by another key, nor by one that only has its name', () => {
    const current = makeKey()
    const sealed = sealState({ current }, 'session-ticket', state, nonce())
    expect(openState({ current: makeKey() }, 'session-ticket', sealed)).toBeUndefined()
    expect(openState({ current: { ...makeKey(), id: current.id } }, 'session-ticket', sealed)).toBeUndefined()
  })

  it('is not opened for another purpose', () => {
    const keys = { current: makeKey() }
    expect(openState(keys, 'association', sealState(keys, 'session-ticket', state, nonce()))).toBeUndefined()
    expect(openState(keys, 'session-ticket', sealState(keys, 'association', state, nonce()))).toBeUndefined()
  })

  it('is opened by the former key, which is known not to be the current one, and by no key before that', () => {
    const [first, second, third] = [makeKey(), makeKey(), makeKey()]
    const sealed = sealState({ current: first }, 'session-ticket', state, nonce())
    expect(isSealedByCurrent({ current: first }, sealed)).toBe(true)
    const rotated = { current: second, previous: first }
    expect(openState(rotated, 'session-ticket', sealed)).toEqual(new Uint8Array(state))
    expect(isSealedByCurrent(rotated, sealed)).toBe(false)
    expect(openState({ current: third, previous: second }, 'session-ticket', sealed)).toBeUndefined()
  })

  it('is not opened when a byte is missing anywhere', () => {
    const keys = { current: makeKey() }
    const sealed = sealState(keys, 'session-ticket', state, nonce())
    for (let length = 0; length < sealed.length; length += 1) {
      expect(openState(keys, 'session-ticket', sealed.subarray(0, length))).toBeUndefined()
    }
    expect(openState(keys, 'session-ticket', Buffer.concat([sealed, Buffer.of(0)]))).toBeUndefined()
  })

  it('is not opened when any one bit is another', () => {
    const keys = { current: makeKey() }
    const sealed = sealState(keys, 'session-ticket', state, nonce())
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const altered = sealed.slice()
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(openState(keys, 'session-ticket', altered)).toBeUndefined()
    }
  })

  it('comes back as it was, whatever it is, and random bytes are never taken for it', () => {
    const seed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)
    process.stdout.write(`sealed state: seed ${seed}\n`)
    const random = randomFrom(seed)
    const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(random() * 256))
    const keys = { current: { id: bytes(8), key: bytes(32) }, previous: { id: bytes(8), key: bytes(32) } }
    for (let n = 0; n < 300; n += 1) {
      const any = bytes(8 + Math.floor(random() * 1500))
      expect(openState(keys, 'association', sealState(keys, 'association', any, bytes(12)))).toEqual(any)
      expect(openState(keys, 'association', any)).toBeUndefined()
      any.set(random() < 0.5 ? keys.current.id : keys.previous.id)
      expect(openState(keys, 'association', any)).toBeUndefined()
    }
  })

  it('is not made with a key, a name or a nonce of another length', () => {
    const current = makeKey()
    expect(() => sealState({ current }, 'association', state, randomBytes(11))).toThrow(RangeError)
    expect(() => sealState({ current: { ...current, key: randomBytes(16) } }, 'association', state, nonce())).toThrow(
      RangeError,
    )
    expect(() => sealState({ current: { ...current, id: randomBytes(7) } }, 'association', state, nonce())).toThrow(
      RangeError,
    )
  })
})
