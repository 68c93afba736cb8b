import { instant, ManualClock, minutes } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { type HandshakeFailureCount, HandshakeFailureCounts, networkPrefix } from '../src/handshake-failure-counts.ts'

function counting() {
  const clock = new ManualClock(instant(1_800_000_030_000))
  const rows: HandshakeFailureCount[] = []
  const state = { down: false }
  const failures = new HandshakeFailureCounts({
    clock,
    async write(counts) {
      if (state.down) throw new Error('down')
      rows.push(...counts)
    },
  })
  return { clock, rows, state, failures }
}

describe('failed handshakes', () => {
  it('[4.4] are stored per prefix, reason and minute', async () => {
    const { clock, rows, failures } = counting()
    failures.count('192.0.2.1', 'certificate-expired')
    failures.count('192.0.2.200', 'certificate-expired')
    failures.count('192.0.2.1', 'certificate-self-signed')
    clock.advance(minutes(1))
    failures.count('192.0.2.1', 'certificate-expired')
    await failures.flush()
    const minute = instant(1_800_000_000_000)
    expect(rows).toEqual([
      { prefix: '192.0.2.0/24', reason: 'certificate-expired', minute, count: 2 },
      { prefix: '192.0.2.0/24', reason: 'certificate-self-signed', minute, count: 1 },
      { prefix: '192.0.2.0/24', reason: 'certificate-expired', minute: minute + 60_000, count: 1 },
    ])
  })

  it('are counted again when the database was away, together with those since', async () => {
    const { rows, state, failures } = counting()
    failures.count('192.0.2.1', 'certificate-expired')
    state.down = true
    await expect(failures.flush()).rejects.toThrow('down')
    failures.count('192.0.2.1', 'certificate-expired')
    state.down = false
    await failures.flush()
    await failures.flush()
    expect(rows.map((row) => row.count)).toEqual([2])
  })

  it('cost a bounded amount of memory however many prefixes a flood has', async () => {
    const { rows, failures } = counting()
    for (let index = 0; index < 20_000; index++) {
      failures.count(`10.${index >> 8}.${index & 255}.1`, 'handshake-timed-out')
    }
    await failures.flush()
    expect(rows.length).toBeLessThanOrEqual(5001)
    expect(rows.reduce((sum, row) => sum + row.count, 0)).toBe(20_000)
  })
})

describe('networkPrefix', () => {
  it('[0.13] counts by /24 of IPv4 and /48 of IPv6, so that one network is one row', () => {
    expect(networkPrefix('192.0.2.17')).toBe('192.0.2.0/24')
    expect(networkPrefix('::ffff:192.0.2.17')).toBe('192.0.2.0/24')
    expect(networkPrefix('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1::/48')
    expect(networkPrefix('2001:DB8::5%eth0')).toBe('2001:db8:0::/48')
    expect(networkPrefix('2001:0db8:0007::5')).toBe('2001:db8:7::/48')
    expect(networkPrefix('::1')).toBe('0:0:0::/48')
  })
})
