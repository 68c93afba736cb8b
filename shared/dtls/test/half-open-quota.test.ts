/** F16 and its relatives: half-open handshakes, who may hold how many of them, and who feels it. */

import { instant, later, milliseconds, minutes, seconds } from '@sallyport/clock'
import fc from 'fast-check'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { HalfOpenQuota } from '../src/half-open-quota.ts'
import { originOf } from '../src/origin.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 })

const firstSeed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)
const limits = { maxHalfOpen: 40, maxHalfOpenPerHost: 4, maxHalfOpenPerNetwork: 10 }

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

let port = 1000

function clientAt(server: ServerUnderTest, address: string): HostileClient {
  port += 1
  const client = new HostileClient(server, device)
  client.address = { address, port }
  return client
}

/** Proves its cookie and says no more. */
function stall(server: ServerUnderTest, address: string): HostileClient {
  const client = clientAt(server, address)
  client.firstHello()
  client.secondHello()
  return client
}

describe('where a peer comes from', () => {
  it('is a host and its /24 for IPv4, mapped into IPv6 or not', () => {
    expect(originOf('192.0.2.17')).toEqual({ host: '192.0.2.17', network: '192.0.2' })
    expect(originOf('::ffff:192.0.2.17')).toEqual(originOf('192.0.2.17'))
  })

  it('is the /64 that one customer has, and its /48, for IPv6', () => {
    expect(originOf('2001:db8:1:2:3:4:5:6')).toEqual({ host: '2001:db8:1:2', network: '2001:db8:1' })
    expect(originOf('2001:db8::5')).toEqual({ host: '2001:db8:0:0', network: '2001:db8:0' })
    expect(originOf('::1')).toEqual({ host: '0:0:0:0', network: '0:0:0' })
    expect(originOf('fe80::1%eth0').network).toBe('fe80:0:0')
  })
})

describe('half-open handshakes', () => {
  it('of one host are capped, and another host of its network still gets in', () => {
    const server = new ServerUnderTest(serverIdentity, limits)
    for (let n = 0; n < 10; n += 1) stall(server, '203.0.113.1')
    expect(server.machine.counts.halfOpen).toBe(4)
    expect(server.discards('half-open-limit')).toBe(6)
    clientAt(server, '203.0.113.2').connect()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('of one network are capped, and another network still gets in', () => {
    const server = new ServerUnderTest(serverIdentity, limits)
    for (let n = 0; n < 30; n += 1) stall(server, `203.0.113.${n}`)
    expect(server.machine.counts.halfOpen).toBe(10)
    clientAt(server, '198.51.100.1').connect()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('of one customer of IPv6 are capped, whichever of its 2^64 addresses it takes', () => {
    const server = new ServerUnderTest(serverIdentity, limits)
    for (let n = 0; n < 30; n += 1) stall(server, `2001:db8:1:2::${n.toString(16)}`)
    expect(server.machine.counts.halfOpen).toBe(4)
    clientAt(server, '2001:db8:1:3::1').connect()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('that have stood still for two seconds give way, the longest still first', () => {
    const server = new ServerUnderTest(serverIdentity, limits)
    for (let n = 0; n < 4; n += 1) {
      stall(server, '203.0.113.1')
      server.advance(milliseconds(500))
    }
    expect(server.machine.counts.halfOpen).toBe(4)
    clientAt(server, '203.0.113.1').connect()
    expect(server.failures).toMatchObject([{ code: 'overloaded', direction: 'none', peer: { port: port - 4 } }])
    expect(server.all('connected')).toHaveLength(1)
    stall(server, '203.0.113.1')
    expect(server.machine.counts.halfOpen).toBe(4)
    expect(server.discards('half-open-limit')).toBe(0)
  })

  it('that go on keep their place, however many others of the same host knock', () => {
    const server = new ServerUnderTest(serverIdentity, limits)
    const live = clientAt(server, '203.0.113.1').toFlight4()
    const knock = (): void => {
      for (let n = 0; n < 20; n += 1) stall(server, '203.0.113.1')
      server.advance(milliseconds(1500))
      for (let n = 0; n < 20; n += 1) stall(server, '203.0.113.1')
    }
    knock()
    live.certificate()
    knock()
    live.keyExchange()
    knock()
    live.certificateVerify()
    knock()
    live.changeCipherSpec()
    live.finished()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('when all places are taken, the network that holds most gives way, and an even share does not', () => {
    const server = new ServerUnderTest(serverIdentity, {
      ...limits,
      maxHalfOpenPerNetwork: 100,
      maxHalfOpenPerHost: 100,
    })
    const quiet = stall(server, '198.51.100.1')
    for (let n = 0; n < 39; n += 1) stall(server, `203.0.113.${n % 3}`)
    server.advance(seconds(3))
    for (let n = 0; n < 19; n += 1) stall(server, `192.0.2.${n}`)
    expect(server.failures.every(({ peer }) => peer.address.startsWith('203.0.113.'))).toBe(true)
    expect(server.failures).toHaveLength(19)
    quiet.toFinished()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('F16 10 000 handshakes that stall, from three networks, keep no device out, and every counter is back to 0', () => {
    const server = new ServerUnderTest(serverIdentity, limits)
    let connected = 0
    for (let n = 0; n < 10_000; n += 1) {
      stall(server, `203.0.${n % 3}.${n % 7}`)
      if (n % 200 !== 199) continue
      server.advance(seconds(1))
      clientAt(server, `198.51.${n % 100}.1`).connect()
      connected += 1
    }
    expect(server.all('connected')).toHaveLength(connected)
    expect(server.machine.counts.halfOpen).toBe(30)
    for (let second = 0; second < 61; second += 1) server.advance(seconds(1))
    expect(server.machine.counts).toEqual({ live: connected, halfOpen: 0 })
  })
})

describe('the quota', () => {
  it('property: no share is ever exceeded, and when all have left nothing is kept', () => {
    process.stdout.write(`half-open quota: seed ${firstSeed}\n`)
    const step = fc.record({ network: fc.nat(5), host: fc.nat(4), act: fc.nat(9), wait: fc.nat(3000) })
    const shares = { total: 12, perHost: 3, perNetwork: 6 }
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const quota = new HalfOpenQuota(shares)
        const held = new Map<number, { host: string; network: number }>()
        let now = instant(0)
        for (const [association, { network, host, act, wait }] of steps.entries()) {
          now = later(now, milliseconds(wait))
          const [first] = held.keys()
          if (act === 0 && first !== undefined) {
            quota.leave(first)
            held.delete(first)
          } else if (act === 1 && first !== undefined) {
            quota.progress(first, now)
          } else {
            const peer = { address: `10.0.${network}.${host}`, port: 1 }
            const room = quota.roomFor(peer, now)
            if (room.kind === 'none') continue
            if (room.kind === 'evict') {
              expect(held.has(room.association)).toBe(true)
              quota.leave(room.association)
              held.delete(room.association)
            }
            quota.enter(association, peer, now)
            held.set(association, { host: peer.address, network })
          }
          const all = [...held.values()]
          expect(quota.counts.handshakes).toBe(all.length)
          expect(all.length).toBeLessThanOrEqual(shares.total)
          for (const one of all) {
            expect(all.filter((other) => other.host === one.host).length).toBeLessThanOrEqual(shares.perHost)
            expect(all.filter((other) => other.network === one.network).length).toBeLessThanOrEqual(shares.perNetwork)
          }
        }
        for (const association of held.keys()) quota.leave(association)
        expect(quota.counts).toEqual({ handshakes: 0, networks: 0 })
      }),
      { seed: firstSeed, numRuns: 300 },
    )
  })

  it('is back to nothing when handshakes end by success, by failure and by time', () => {
    const quota = new HalfOpenQuota({ total: 2, perHost: 2, perNetwork: 2 })
    quota.enter(1, { address: '10.0.0.1', port: 1 }, instant(0))
    quota.leave(1)
    quota.leave(1)
    quota.progress(1, later(instant(0), minutes(1)))
    expect(quota.counts).toEqual({ handshakes: 0, networks: 0 })
  })
})
