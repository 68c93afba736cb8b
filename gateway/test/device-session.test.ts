import { instant, minutes, seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { DeviceSession } from '../src/device-session.ts'

const at = (second: number) => instant(second * 1000)

describe('DeviceSession', () => {
  it('lets a device that has not signed in use only account, session, token refresh, time and discovery', () => {
    const session = new DeviceSession(at(0))
    for (const path of [
      '/oic/sec/account',
      '/oic/sec/session',
      '/oic/sec/tokenrefresh',
      '/x.plgd.dev/time',
      '/.well-known/core',
    ]) {
      expect(() => session.admit(path, at(1))).not.toThrow()
    }
    for (const path of ['/oic/rd', '/oic/res', '/api/v1/telemetry', '/oic/sec/session/', '/', '/oic/sec/accounts']) {
      expect(() => session.admit(path, at(1)), path).toThrow(expect.objectContaining({ code: 'device-not-signed-in' }))
    }
  })

  it('[4.18] is signed in until its end, and no moment longer', () => {
    const session = new DeviceSession(at(0))
    expect(session.signedIn(at(10), at(70))).toBe(60_000)
    expect(() => session.admit('/oic/rd', at(69))).not.toThrow()
    expect(session.hasExpired(at(69))).toBe(false)
    expect(() => session.admit('/oic/rd', at(70))).toThrow()
    expect(session.hasExpired(at(70))).toBe(true)
  })

  it('[4.18] is over after sign-out, once', () => {
    const session = new DeviceSession(at(0))
    session.signedIn(at(0), at(60))
    expect(session.ended()).toBe(true)
    expect(session.ended()).toBe(false)
    expect(() => session.admit('/oic/rd', at(1))).toThrow()
  })

  it('signing up signs nobody in, and takes nothing from who is', () => {
    const session = new DeviceSession(at(0))
    session.signedUp()
    expect(session.isSignedIn(at(0))).toBe(false)
    session.signedIn(at(0), at(60))
    session.signedUp()
    expect(session.isSignedIn(at(1))).toBe(true)
  })

  it('[4.17] falls silent once, after the expected interval without contact, and is online again at the next contact', () => {
    const session = new DeviceSession(at(0))
    session.signedIn(at(0), at(3600))
    expect(session.contact(at(30))).toBe(false)
    expect(session.fallsSilent(at(90), minutes(1))).toBe(false)
    expect(session.fallsSilent(at(91), minutes(1))).toBe(true)
    expect(session.fallsSilent(at(92), minutes(1))).toBe(false)
    expect(session.contact(at(100))).toBe(true)
    expect(session.contact(at(101))).toBe(false)
    expect(session.fallsSilent(at(162), seconds(60))).toBe(true)
  })
})
