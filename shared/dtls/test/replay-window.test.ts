import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commit, createReplayWindow, isFresh } from '../src/replay-window.ts'

/** What the window should know: every number seen, and that it looks back 64. */
class Model {
  readonly #seen = new Set<number>()
  #newest = -1

  isFresh(sequence: number): boolean {
    return sequence > this.#newest - 64 && !this.#seen.has(sequence)
  }

  commit(sequence: number): void {
    this.#seen.add(sequence)
    this.#newest = Math.max(this.#newest, sequence)
  }
}

describe('the replay window (RFC 6347 section 4.1.2.6)', () => {
  it('agrees with a list of all numbers ever seen, for any order of numbers', () => {
    const near = fc.integer({ min: 0, max: 200 })
    const far = fc.integer({ min: 0, max: 2 ** 48 - 1 })
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 5, arbitrary: near }, { weight: 1, arbitrary: far })), (numbers) => {
        const window = createReplayWindow()
        const model = new Model()
        for (const sequence of numbers) {
          expect(isFresh(window, sequence)).toBe(model.isFresh(sequence))
          if (!isFresh(window, sequence)) continue
          commit(window, sequence)
          model.commit(sequence)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('remembers across steps of 31, 32, 33, 63, 64 and 65', () => {
    for (const step of [1, 31, 32, 33, 63, 64, 65]) {
      const window = createReplayWindow()
      commit(window, 1000)
      commit(window, 1000 + step)
      expect(isFresh(window, 1000)).toBe(false)
      expect(isFresh(window, 1000 + step)).toBe(false)
      expect(isFresh(window, 1000 + step + 1)).toBe(true)
    }
  })

  it('is not changed by looking: only authenticated records move it', () => {
    const window = createReplayWindow()
    commit(window, 5)
    const before = { ...window }
    expect(isFresh(window, 2 ** 48 - 1)).toBe(true)
    expect(isFresh(window, 4)).toBe(true)
    expect(window).toEqual(before)
  })

  it('takes the last number of all', () => {
    const window = createReplayWindow()
    commit(window, 2 ** 48 - 1)
    expect(isFresh(window, 2 ** 48 - 1)).toBe(false)
    expect(isFresh(window, 2 ** 48 - 64)).toBe(true)
    expect(isFresh(window, 2 ** 48 - 65)).toBe(false)
  })
})
