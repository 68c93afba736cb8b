import { instant, ManualClock, milliseconds, TimerQueue } from '@sallyport/clock'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

describe('the timer queue', () => {
  it('gives expired keys in the order of their deadlines, and nothing early', () => {
    const queue = new TimerQueue<string>()
    queue.set('late', instant(30))
    queue.set('early', instant(10))
    queue.set('middle', instant(20))
    expect(queue.takeExpired(instant(9))).toBeUndefined()
    expect([queue.takeExpired(instant(25)), queue.takeExpired(instant(25)), queue.takeExpired(instant(25))]).toEqual([
      'early',
      'middle',
      undefined,
    ])
    expect(queue.next()).toBe(30)
  })

  it('moves a deadline that is set again, and forgets one that is cancelled', () => {
    const queue = new TimerQueue<string>()
    queue.set('a', instant(10))
    queue.set('a', instant(50))
    queue.set('b', instant(20))
    queue.cancel('b')
    expect(queue.takeExpired(instant(49))).toBeUndefined()
    expect(queue.takeExpired(instant(50))).toBe('a')
    expect(queue.size).toBe(0)
  })

  it('behaves as a sorted list under any order of set, cancel and take', () => {
    const operation = fc.record({ key: fc.nat(20), at: fc.nat(1000), kind: fc.constantFrom('set', 'cancel', 'take') })
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 400 }), (operations) => {
        const queue = new TimerQueue<number>()
        const model = new Map<number, number>()
        for (const { key, at, kind } of operations) {
          if (kind === 'set') {
            queue.set(key, instant(at))
            model.set(key, at)
          } else if (kind === 'cancel') {
            queue.cancel(key)
            model.delete(key)
          } else {
            const earliest = Math.min(...model.values(), Number.POSITIVE_INFINITY)
            const taken = queue.takeExpired(instant(at))
            if (earliest > at) expect(taken).toBeUndefined()
            else {
              expect(model.get(taken ?? -1)).toBe(earliest)
              model.delete(taken ?? -1)
            }
          }
          expect(queue.size).toBe(model.size)
          expect(queue.next() ?? Number.POSITIVE_INFINITY).toBe(Math.min(...model.values(), Number.POSITIVE_INFINITY))
        }
      }),
      { seed: 7 },
    )
  })
})

describe('the manual clock', () => {
  it('stands still until it is moved, and never goes back', () => {
    const clock = new ManualClock(instant(5))
    expect(clock.now()).toBe(5)
    expect(clock.advance(milliseconds(10))).toBe(15)
    expect(() => clock.moveTo(instant(14))).toThrow(RangeError)
  })
})
