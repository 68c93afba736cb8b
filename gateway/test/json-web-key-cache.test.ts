import { instant, ManualClock, seconds } from '@sallyport/clock'
import { createLogger } from '@sallyport/diagnostics'
import { describe, expect, it } from 'vitest'
import { JsonWebKeyCache } from '../src/json-web-key-cache.ts'

const log = createLogger({ service: 'test', level: 'silent' })
const keyed = (...keyIds: string[]) => keyIds.map((kid) => ({ kty: 'EC', kid }))

function cacheOver(fetch: () => Promise<ReturnType<typeof keyed>>) {
  const clock = new ManualClock(instant(1_000_000))
  let fetches = 0
  const cache = new JsonWebKeyCache({
    clock,
    log,
    fetch: () => {
      fetches += 1
      return fetch()
    },
  })
  return { cache, clock, fetched: () => fetches }
}

describe('JsonWebKeyCache', () => {
  it('asks once for many, and again after a minute', async () => {
    const { cache, clock, fetched } = cacheOver(async () => keyed('a'))
    await Promise.all([cache.keysFor('a'), cache.keysFor('a'), cache.keysFor('a')])
    expect(fetched()).toBe(1)
    clock.advance(seconds(59))
    await cache.keysFor('a')
    expect(fetched()).toBe(1)
    clock.advance(seconds(2))
    await cache.keysFor('a')
    expect(fetched()).toBe(2)
  })

  it('asks at once for an unknown key id, but not each time one is invented', async () => {
    let known = keyed('a')
    const { cache, clock, fetched } = cacheOver(async () => known)
    await cache.keysFor('a')
    clock.advance(seconds(6))
    known = keyed('a', 'b')
    expect((await cache.keysFor('b')).map((key) => key.kid)).toContain('b')
    for (const invented of ['x', 'y', 'z']) await cache.keysFor(invented)
    expect(fetched()).toBe(2)
  })

  it('keeps serving what it has while the control plane is down', async () => {
    let down = false
    const { cache, clock } = cacheOver(async () => {
      if (down) throw new Error('down')
      return keyed('a')
    })
    await cache.keysFor('a')
    down = true
    clock.advance(seconds(3600))
    expect(await cache.keysFor('a')).toHaveLength(1)
  })

  it('says that a dependency is missing while it has never had a key', async () => {
    const { cache } = cacheOver(async () => {
      throw new Error('down')
    })
    await expect(cache.keysFor('a')).rejects.toMatchObject({ code: 'dependency-unavailable' })
  })

  it('knows a withdrawn key no more, also when an answer that was under way still has it', async () => {
    const answers: ((keys: ReturnType<typeof keyed>) => void)[] = []
    const { cache, clock } = cacheOver(() => new Promise((resolve) => answers.push(resolve)))
    const known = async (keyId: string) => {
      const keys = await cache.keysFor(keyId)
      return keys.map((key) => key.kid)
    }
    const first = known('a')
    answers.shift()?.(keyed('a', 'b'))
    expect(await first).toEqual(['a', 'b'])
    clock.advance(seconds(61))
    expect(await known('a')).toEqual(['a', 'b'])
    cache.withdraw('a')
    expect(await known('b')).toEqual(['b'])
    answers.shift()?.(keyed('a', 'b', 'c'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(await known('b')).toEqual(['b', 'c'])
  })

  it('asks at once for a key that was announced, however many were invented before', async () => {
    let known = keyed('a')
    const { cache, fetched } = cacheOver(async () => known)
    await cache.keysFor('a')
    known = keyed('a', 'b')
    expect(await cache.keysFor('b')).toEqual(keyed('a'))
    cache.announce('b')
    expect(await cache.keysFor('b')).toEqual(known)
    expect(await cache.keysFor('x')).toEqual(known)
    expect(fetched()).toBe(2)
  })
})
