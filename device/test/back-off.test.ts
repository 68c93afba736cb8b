import { days, hours, instant, minutes, seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { BackOff } from '../src/back-off.ts'
import { renewalTime } from '../src/renewal.ts'

describe('back-off', () => {
  it('doubles from 2 s to 64 s and stays there', () => {
    const backOff = new BackOff(() => 1)
    expect(Array.from({ length: 8 }, () => backOff.next() / 1000)).toEqual([2, 4, 8, 16, 32, 64, 64, 64])
  })

  it('is half fixed and half random, so that a fleet does not come back at once', () => {
    expect(new BackOff(() => 0).next()).toBe(1000)
    expect(new BackOff(() => 0.5).next()).toBe(1500)
  })

  it('begins anew after an attempt that worked', () => {
    const backOff = new BackOff(() => 1)
    backOff.next()
    backOff.next()
    backOff.reset()
    expect(backOff.next()).toBe(2000)
  })
})

describe('renewal of the identity certificate', () => {
  const now = instant(1_800_000_000_000)
  const ending = (inMilliseconds: number) => instant(now + inMilliseconds)

  it('comes at two thirds of the remaining life', () => {
    expect(renewalTime(ending(days(90)), now)).toBe(now + days(60))
    expect(renewalTime(ending(hours(3)), now)).toBe(now + hours(2))
  })

  it('comes in steps when less than six minutes remain', () => {
    expect(renewalTime(ending(minutes(5)), now)).toBe(now + minutes(2))
    expect(renewalTime(ending(minutes(2)), now)).toBe(now + minutes(1))
    expect(renewalTime(ending(seconds(30)), now)).toBe(now + seconds(10))
    expect(renewalTime(ending(-1), now)).toBe(now + seconds(10))
  })
})
