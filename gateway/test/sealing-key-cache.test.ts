import { milliseconds } from '@sallyport/clock'
import type { SealingKeys } from '@sallyport/coaps'
import { createLogger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import type { ServiceClient } from '@sallyport/http'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { fetchSealingKeys, SealingKeyCache } from '../src/sealing-key-cache.ts'

const sealingKey = (seed: number) => ({ id: new Uint8Array(8).fill(seed), key: new Uint8Array(32).fill(seed + 100) })
const generation = (seed: number): SealingKeys => ({ current: sealingKey(seed), previous: sealingKey(seed - 1) })
const down = new CodedError('dependency-unavailable', 'down')

describe('SealingKeyCache', () => {
  const caches: SealingKeyCache[] = []
  afterEach(() => {
    for (const cache of caches.splice(0)) cache.close()
  })

  function cacheOver(fetch: () => Promise<SealingKeys>) {
    const heard: SealingKeys[] = []
    const lines: string[] = []
    const cache = new SealingKeyCache({
      fetch,
      log: createLogger({ service: 'test', level: 'debug', destination: { write: (line) => void lines.push(line) } }),
      onChanged: (keys) => heard.push(keys),
      refreshEvery: milliseconds(20),
      retryEvery: milliseconds(10),
    })
    caches.push(cache)
    return { cache, heard, lines }
  }

  it('hears of each replacement once', async () => {
    let present = generation(1)
    const { cache, heard } = cacheOver(async () => present)
    await cache.start()
    expect(heard).toEqual([generation(1)])
    await cache.refresh()
    expect(heard).toHaveLength(1)
    present = generation(2)
    await vi.waitFor(() => expect(heard).toEqual([generation(1), generation(2)]))
    expect(cache.keys).toEqual(generation(2))
  })

  it('keeps what it has while the control plane is down, and says so once', async () => {
    let isDown = false
    const { cache, heard, lines } = cacheOver(async () => {
      if (isDown) throw down
      return generation(1)
    })
    await cache.start()
    isDown = true
    for (let attempt = 0; attempt < 5; attempt += 1) await cache.refresh()
    expect(cache.keys).toEqual(generation(1))
    expect(heard).toHaveLength(1)
    expect(lines.filter((line) => line.includes('could not be fetched'))).toHaveLength(1)
  })

  it('starts without a control plane, and has keys as soon as there is one', async () => {
    let isDown = true
    const { cache, heard } = cacheOver(async () => {
      if (isDown) throw down
      return generation(1)
    })
    await cache.start()
    expect(cache.keys).toBeUndefined()
    isDown = false
    await vi.waitFor(() => expect(heard).toEqual([generation(1)]))
  })

  it('tells nobody anything once it is closed', async () => {
    const arrival = Promise.withResolvers<SealingKeys>()
    const { cache, heard } = cacheOver(() => arrival.promise)
    const started = cache.start()
    cache.close()
    arrival.resolve(generation(1))
    await started
    expect(heard).toEqual([])
  })
})

describe('fetchSealingKeys', () => {
  const answering = (body: unknown): ServiceClient => ({
    circuit: 'closed',
    request: async () => ({ status: 200, body, correlationId: '' }),
    close: async () => {},
  })
  const [id, key] = ['AQEBAQEBAQE', 'ZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWU']

  it('reads the key that seals, and the one before it', async () => {
    expect(await fetchSealingKeys(answering({ keys: [{ id, key }] }))).toEqual({ current: sealingKey(1) })
    const { previous } = await fetchSealingKeys(
      answering({
        keys: [
          { id, key },
          { id: 'AgICAgICAgI', key },
        ],
      }),
    )
    expect(previous?.id).toEqual(new Uint8Array(8).fill(2))
  })

  it.each([
    ['nothing', undefined],
    ['no keys', { keys: [] }],
    ['a key that is too short', { keys: [{ id, key: key.slice(4) }] }],
    ['an id that is too long', { keys: [{ id: `${id}AA`, key }] }],
    ['an unusable second key', { keys: [{ id, key }, { id }] }],
    ['no base64url', { keys: [{ id, key: `${key.slice(1)}=` }] }],
  ])('refuses %s, without showing it', async (_what, body) => {
    const refusal = await fetchSealingKeys(answering(body)).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'dependency-unavailable' })
    expect(String(refusal)).not.toContain(key.slice(1, 10))
  })
})
