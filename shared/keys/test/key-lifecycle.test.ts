import { describe, expect, it } from 'vitest'
import { keyStates, mayBecome, maySign, verifies } from '../src/index.ts'

describe('a key', () => {
  it('goes forward only, and may be retired from anywhere', () => {
    const allowed = keyStates.flatMap((from) =>
      keyStates.filter((to) => mayBecome(from, to)).map((to) => `${from} → ${to}`),
    )
    expect(allowed).toEqual([
      'next → active',
      'next → retired',
      'active → grace',
      'active → retired',
      'grace → retired',
    ])
  })

  it('signs in one state, and is believed before and after it, until it is retired', () => {
    expect(keyStates.filter(maySign)).toEqual(['active'])
    expect(keyStates.filter(verifies)).toEqual(['next', 'active', 'grace'])
  })
})
