/** How many handshakes may begin in a time, who uses up whose share, and what is remembered of those who knock. */

import { instant, later, milliseconds, minutes, seconds } from '@sallyport/clock'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { HandshakeRate } from '../src/handshake-rate.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

const seed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)
const start = instant(1_000_000)

const addresses = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`)

function admitted(rate: HandshakeRate, from: readonly string[], at = start): number {
  return from.filter((address) => rate.admit(address, at)).length
}

describe('the rate of handshakes', () => {
  it('[6.9] of one host is limited, and another host of its network is heard still', () => {
    const rate = new HandshakeRate({ total: 1000, perHost: 10, perNetwork: 100 })
    expect(admitted(rate, Array<string>(500).fill('192.0.2.1'))).toBe(40)
    expect(rate.admit('192.0.2.2', start)).toBe(true)
  })

  it('[6.9] of one network is limited, however many hosts it has, and another network is heard still', () => {
    const rate = new HandshakeRate({ total: 1000, perHost: 10, perNetwork: 20 })
    const network = Array.from({ length: 250 }, (_, host) => `192.0.2.${host}`)
    expect(admitted(rate, network)).toBe(80)
    expect(rate.admit('198.51.100.1', start)).toBe(true)
  })

  it('[6.9] is limited in all, however many networks knock', () => {
    const rate = new HandshakeRate({ total: 100, perHost: 50, perNetwork: 50 })
    expect(admitted(rate, addresses(5_000))).toBe(400)
  })

  it('is held over any time: no interval admits more than its share and what four seconds had saved', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 400 }), (pauses) => {
        const rate = new HandshakeRate({ total: 7, perHost: 7, perNetwork: 7 })
        let now = start
        const times: number[] = []
        for (const pause of pauses) {
          now = later(now, milliseconds(pause))
          for (let knock = 0; knock < 5; knock += 1) if (rate.admit('192.0.2.1', now)) times.push(now)
        }
        for (let first = 0; first < times.length; first += 1) {
          for (let last = first; last < times.length; last += 1) {
            const span = ((times[last] as number) - (times[first] as number)) / 1000
            expect(last - first + 1).toBeLessThanOrEqual(Math.floor(7 * (span + 4) + 1e-6))
          }
        }
      }),
      { seed, numRuns: 40 },
    )
  })

  it('keeps nothing for those that are refused, and forgets the others', () => {
    const rate = new HandshakeRate({ total: 500, perHost: 100, perNetwork: 250 })
    let now = start
    for (let second = 0; second < 60; second += 1) {
      admitted(rate, addresses(3_000), now)
      now = later(now, seconds(1))
      expect(rate.size).toBeLessThanOrEqual(8_000)
    }
    now = later(now, minutes(1))
    for (const address of addresses(1_100)) rate.admit(address, now)
    admitted(rate, addresses(3_000), later(now, minutes(1)))
    expect(rate.size).toBeLessThanOrEqual(4_200)
  })
})

describe('a server whose rate of handshakes is used up', () => {
  let identity: TestIdentity
  let device: TestIdentity
  beforeAll(() => {
    identity = makeIdentity('P-256', 'server')
    device = makeIdentity('P-256', 'device')
  })

  it('[6.9] drops hellos unheard, serves who is there, and hears the next a moment later', () => {
    const server = new ServerUnderTest(identity, {
      maxHandshakesPerSecond: 5,
      maxHandshakesPerSecondPerHost: 5,
      maxHandshakesPerSecondPerNetwork: 5,
    })
    const live = new HostileClient(server, device, 900)
    live.connect()
    for (let n = 0; n < 30; n += 1) {
      const client = new HostileClient(server, device, 1000 + n)
      client.firstHello()
      client.secondHello()
    }
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 19 })
    expect(server.discards('handshake-rate-limit')).toBe(11)
    live.applicationData('alive')
    expect(server.data).toEqual(['alive'])
    server.advance(seconds(1))
    new HostileClient(server, device, 2000).connect()
    expect(server.all('connected')).toHaveLength(2)
  })
})

describe('a server that has no time for newcomers', () => {
  it('[6.3] drops their hellos unheard, serves who is there and who has begun, and hears the same hello when it is sent again', () => {
    const [identity, device] = [makeIdentity('P-256', 'server'), makeIdentity('P-256', 'device')]
    let hears = true
    const server = new ServerUnderTest(identity, { hearsNewcomers: () => hears })
    const live = new HostileClient(server, device, 900)
    live.connect()
    const begun = new HostileClient(server, device, 901)
    begun.toFlight4()
    hears = false
    const newcomer = new HostileClient(server, device, 902)
    newcomer.firstHello()
    newcomer.secondHello()
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 1 })
    expect(server.discards('newcomers-held-back')).toBe(1)
    live.applicationData('alive')
    expect(server.data).toEqual(['alive'])
    begun.toFinished()
    expect(server.all('connected')).toHaveLength(2)
    hears = true
    newcomer.secondHello()
    expect(server.machine.counts).toEqual({ live: 2, halfOpen: 1 })
  })
})
