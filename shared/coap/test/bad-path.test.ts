/** Loss, duplicates and reordering between two endpoints, each from a seed that is printed. */

import { milliseconds, minutes } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { EndpointPair, resource } from './endpoint-pair.ts'

const first = Number(process.env.SEED ?? 1)
const seeds = Array.from({ length: 40 }, (_, index) => first + index)
const body = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 13) & 255)
const same = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b)
const label = `seeds ${first} to ${first + seeds.length - 1}`

describe('a path that loses, doubles and reorders', () => {
  it(`a non-idempotent request is carried out at most once, and answered unless all five tries are lost (${label})`, () => {
    let answered = 0
    for (const seed of seeds) {
      let handled = 0
      const pair = new EndpointPair({
        seed,
        faults: { drop: 0.2, duplicate: 0.2, jitter: milliseconds(400) },
        right: {
          resources: [resource('/count', ['POST'])],
          serve: () => ({ code: '2.04', payload: Uint8Array.of(++handled) }),
        },
      })
      pair.request(pair.left, { path: '/count', method: 'POST' })
      pair.run(minutes(4))
      expect(handled, `seed ${seed}`).toBeLessThanOrEqual(1)
      if (pair.left.of('response').length === 1) answered++
      for (const end of [pair.left, pair.right]) expect(end.endpoint.nextTimeout, `seed ${seed}`).toBeUndefined()
    }
    expect(answered).toBeGreaterThanOrEqual(seeds.length - 1)
  })

  it(`a long body arrives whole both ways, or the request fails; it is never damaged (${label})`, () => {
    let whole = 0
    for (const seed of seeds) {
      const pair = new EndpointPair({
        seed,
        faults: { drop: 0.1, duplicate: 0.1, jitter: milliseconds(50) },
        right: { resources: [resource('/echo', ['POST'])], serve: ({ payload }) => ({ code: '2.04', payload }) },
      })
      pair.request(pair.left, { path: '/echo', method: 'POST', payload: body(20_000) })
      pair.run(minutes(20))
      const [outcome] = pair.left.of('response')
      if (outcome === undefined) continue
      expect(same(outcome.response.payload, body(20_000)), `seed ${seed}`).toBe(true)
      whole++
    }
    expect(whole).toBeGreaterThanOrEqual(seeds.length - 2)
  })

  it(`an observer ends with the newest state, and never goes back (${label})`, () => {
    for (const seed of seeds) {
      let state = 0
      const pair = new EndpointPair({
        seed,
        faults: { drop: 0.2, duplicate: 0.2, jitter: milliseconds(300) },
        right: {
          resources: [resource('/t', ['GET'], { observable: true })],
          serve: () => ({ code: '2.05', payload: Uint8Array.of(state) }),
        },
      })
      pair.request(pair.left, { path: '/t', observe: true })
      pair.run(minutes(2))
      const observation = pair.right.requests[0]?.observation
      if (pair.left.of('response').length === 0 || observation === undefined) continue
      for (state = 1; state <= 20; state++) {
        pair.right.endpoint.notify(observation, { code: '2.05', payload: Uint8Array.of(state) }, pair.now)
        pair.drain()
        pair.run(milliseconds(700))
      }
      pair.run(minutes(3))
      const seen = pair.left.of('notification').map(({ response }) => response.payload[0] ?? 0)
      expect(seen, `seed ${seed}`).toEqual([...seen].sort((a, b) => a - b))
      if (observation.state === 'active') expect(seen.at(-1), `seed ${seed}`).toBe(20)
    }
  })

  it(`both roles at once on one association do not disturb each other (${label})`, () => {
    for (const seed of seeds.slice(0, 10)) {
      const end = {
        resources: [resource('/a', ['GET'])],
        serve: () => ({ code: '2.05' as const, payload: body(2500) }),
      }
      const pair = new EndpointPair({
        seed,
        faults: { duplicate: 0.3, jitter: milliseconds(100) },
        left: end,
        right: end,
      })
      for (let count = 0; count < 10; count++) {
        pair.request(pair.left, { path: '/a' })
        pair.request(pair.right, { path: '/a', confirmable: count % 2 === 0 })
      }
      pair.run(minutes(4))
      for (const side of [pair.left, pair.right]) {
        expect(side.of('response'), `seed ${seed}`).toHaveLength(10)
        expect(side.of('response').every(({ response }) => same(response.payload, body(2500)))).toBe(true)
      }
    }
  })
})
