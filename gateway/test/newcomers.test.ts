import { type Clock, clockFrom, milliseconds, seconds } from '@sallyport/clock'
import type { CoapResponse } from '@sallyport/coaps'
import { describe, expect, it } from 'vitest'
import type { DeviceAssociation, DeviceRequest } from '../src/device-request.ts'
import { Newcomers } from '../src/newcomers.ts'

const systemClock = clockFrom(Date.now)
const associationOf = (id: string) => ({ id }) as DeviceAssociation
const requestOf = (id: string) => ({ association: associationOf(id), method: 'POST' }) as DeviceRequest

/** A sign-in that ends when the test says so. */
function underTest(options: { clock?: Clock; atOnce?: number; most?: number; longestWait?: number } = {}) {
  const { clock = systemClock, longestWait = 60_000, ...rest } = options
  const newcomers = new Newcomers({ clock, longestWait: milliseconds(longestWait), ...rest })
  const begun: string[] = []
  const ends = new Map<string, PromiseWithResolvers<CoapResponse>>()
  const ask = async (id: string) =>
    newcomers.inTurn(requestOf(id), () => {
      begun.push(id)
      const end = Promise.withResolvers<CoapResponse>()
      ends.set(id, end)
      return end.promise
    })
  const end = async (id: string, how: 'answered' | 'failed' = 'answered') => {
    if (how === 'answered') ends.get(id)?.resolve({ code: '2.04' })
    else ends.get(id)?.reject(new Error('no database'))
    await settled()
  }
  return { newcomers, begun, ask, end }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('newcomers', () => {
  it('are signed in a few at a time, in the order in which they came, whether or not it works', async () => {
    const { newcomers, begun, ask, end } = underTest({ atOnce: 2 })
    const asked = ['a', 'b', 'c', 'd', 'e'].map((id) => ask(id).catch(() => undefined))
    await settled()
    expect(begun).toEqual(['a', 'b'])
    await end('b', 'failed')
    expect(begun).toEqual(['a', 'b', 'c'])
    await end('c')
    await end('a')
    expect(begun).toEqual(['a', 'b', 'c', 'd', 'e'])
    await end('d')
    await end('e')
    await Promise.all(asked)
    expect(newcomers.count).toBe(0)
  })

  it('[6.3] are too many while a hundred are looked up, signed in or waiting; not any more once those are through', async () => {
    const { newcomers, ask, end } = underTest({ atOnce: 6 })
    const lookup = Promise.withResolvers<void>()
    void newcomers.lookUp(() => lookup.promise)
    const ids = Array.from({ length: 99 }, (_, index) => `device-${index}`)
    const asked = ids.map(ask)
    expect(newcomers.areTooMany).toBe(true)
    lookup.resolve()
    await settled()
    expect(newcomers.areTooMany).toBe(false)
    for (const id of ids) await end(id)
    await Promise.all(asked)
    expect(newcomers.count).toBe(0)
  })

  it('who came in and asks for nothing counts for two seconds, and not once it is gone', () => {
    let now = 1_000_000
    const { newcomers } = underTest({ clock: clockFrom(() => now), most: 2 })
    newcomers.opened(associationOf('a'))
    newcomers.opened(associationOf('b'))
    expect(newcomers.areTooMany).toBe(true)
    newcomers.closed(associationOf('b'))
    expect(newcomers.count).toBe(1)
    now += seconds(2) + 1
    expect(newcomers.count).toBe(0)
  })

  it('who waits for too long is told to come later, and leaves nothing behind', async () => {
    const { newcomers, begun, ask, end } = underTest({ atOnce: 1, longestWait: 20 })
    const first = ask('a')
    await expect(ask('b')).rejects.toMatchObject({ code: 'overloaded' })
    await end('a')
    await first
    expect(begun).toEqual(['a'])
    expect(newcomers.count).toBe(0)
  })

  it('a device that asks again and again on one association takes two places at most', async () => {
    const { newcomers, ask, end } = underTest({ atOnce: 1 })
    const [first, second] = [ask('a'), ask('a')]
    await expect(ask('a')).rejects.toMatchObject({ code: 'overloaded' })
    await end('a')
    await end('a')
    await Promise.all([first, second])
    expect(newcomers.count).toBe(0)
  })
})
