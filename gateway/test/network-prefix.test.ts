import { describe, expect, it } from 'vitest'
import { networkPrefix } from '../src/admission-failures.ts'

describe('networkPrefix', () => {
  it('[0.13] counts by /24 of IPv4 and /48 of IPv6, so that one network is one row', () => {
    expect(networkPrefix('192.0.2.17')).toBe('192.0.2.0/24')
    expect(networkPrefix('::ffff:192.0.2.17')).toBe('192.0.2.0/24')
    expect(networkPrefix('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1::/48')
    expect(networkPrefix('2001:db8::5')).toBe('2001:db8:0::/48')
    expect(networkPrefix('::1')).toBe('0:0:0::/48')
  })
})
