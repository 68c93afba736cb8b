import { describe, expect, it } from 'vitest'
import { hashPassword, verifyPassword } from '../src/password-hash.ts'

describe('passwords', () => {
  it('[1.1] are argon2id hashes of at least 19 MiB, two passes', async () => {
    expect(await hashPassword('correct horse')).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/)
  })

  it('are salted: two hashes of one password differ, and both verify', async () => {
    const [one, other] = await Promise.all([hashPassword('p'), hashPassword('p')])
    expect(one).not.toBe(other)
    expect(await verifyPassword('p', one)).toBe(true)
    expect(await verifyPassword('p', other)).toBe(true)
  })

  it('refuse another password, an empty one, and any at all for an unknown user', async () => {
    const hash = await hashPassword('p')
    expect(await verifyPassword('P', hash)).toBe(false)
    expect(await verifyPassword('', hash)).toBe(false)
    expect(await verifyPassword('p', undefined)).toBe(false)
  })

  it('verify by the parameters that stand in the hash', async () => {
    // The reference implementation's test.c: version 0x13, t=2, m=2^16 KiB, p=1, "password", "somesalt".
    const hash = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
    expect(await verifyPassword('password', hash)).toBe(true)
  })

  it('do not hold up the loop', async () => {
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 1)
    await hashPassword('p')
    clearInterval(timer)
    expect(turns).toBeGreaterThan(3)
  })

  it('turn a flood away instead of queueing it without end', async () => {
    const hash = await hashPassword('p')
    const results = await Promise.allSettled(Array.from({ length: 80 }, () => verifyPassword('p', hash)))
    const refused = results.filter((result) => result.status === 'rejected')
    expect(refused.length).toBe(80 - 2 - 64)
    expect(refused[0]).toMatchObject({ reason: { code: 'overloaded' } })
    expect(await verifyPassword('p', hash)).toBe(true)
  })
})
