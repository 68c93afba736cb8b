import { instant } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { publicationIn } from '../src/published-links.ts'
import { resourceInstance } from '../src/resource-instance.ts'

const identity = {
  deviceId: '0d4f1c2e-7a61-4b0e-9a53-3f1f6a1d2c11',
  organizationId: 'o',
  certificateSha256: '00',
  certificateSerial: '01',
  certificateNotAfter: instant(0),
}
const link = { href: '/light/1', rt: ['core.light'], if: ['oic.if.a', 'oic.if.baseline'], p: { bm: 3 } }

const refusal = (body: Parameters<typeof publicationIn>[0]): unknown => {
  try {
    return publicationIn(body, identity)
  } catch (error) {
    return error
  }
}

describe('publicationIn', () => {
  it('keeps path, types, interfaces and policy of each link, and drops addresses', () => {
    const body = {
      di: identity.deviceId.toUpperCase(),
      ttl: 600,
      links: [{ ...link, eps: [{ ep: 'coap://1.2.3.4' }] }],
    }
    expect(publicationIn(body, identity)).toEqual({ timeToLive: 600, links: [link] })
  })

  it('takes what stock devices send: one name as text, `lt` for `ttl`, no policy', () => {
    const body = { lt: 60, links: [{ href: '/a', rt: 'x.a', if: 'oic.if.r' }] }
    expect(publicationIn(body, identity)).toEqual({
      timeToLive: 60,
      links: [{ href: '/a', rt: ['x.a'], if: ['oic.if.r'] }],
    })
  })

  it('keeps the last of two links with one href', () => {
    const body = { links: [link, { ...link, rt: ['other'] }] }
    expect(publicationIn(body, identity).links).toEqual([{ ...link, rt: ['other'] }])
  })

  it('refuses another device, a negative life time, no links, too many, and an href that leaves the root', () => {
    expect(refusal({ di: '11111111-1111-1111-1111-111111111111', links: [link] })).toMatchObject({
      code: 'device-id-mismatch',
    })
    expect(refusal({ ttl: -1, links: [link] })).toMatchObject({ code: 'validation-failed' })
    expect(refusal({ links: [] })).toMatchObject({ code: 'validation-failed' })
    expect(refusal({ links: Array.from({ length: 257 }, () => link) })).toMatchObject({ code: 'validation-failed' })
    for (const href of [
      '',
      '/',
      'light',
      '/a/../b',
      '/a//b',
      '/a?x=1',
      '/a#b',
      `/${'a'.repeat(300)}`,
      '/a\u0000b',
      '/..',
    ]) {
      expect(refusal({ links: [{ ...link, href }] }), href).toMatchObject({ code: 'validation-failed' })
    }
    expect(refusal({ links: 'x' })).toMatchObject({ code: 'malformed-request' })
    expect(refusal({ links: [{ rt: [] }] })).toMatchObject({ code: 'malformed-request' })
  })
})

describe('resourceInstance', () => {
  it('is a positive 31-bit number, the same at every publication, another for another href or device', () => {
    const one = resourceInstance(identity.deviceId, '/light/1')
    expect(one).toBe(resourceInstance(identity.deviceId, '/light/1'))
    expect(one).toBeGreaterThan(0)
    expect(one).toBeLessThan(2 ** 31)
    expect(one).not.toBe(resourceInstance(identity.deviceId, '/light/2'))
    expect(one).not.toBe(resourceInstance('other', '/light/1'))
  })
})
