import { ManualClock, milliseconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { CircuitBreaker } from '../src/index.ts'

describe('circuit breaker', () => {
  const make = () => {
    const clock = new ManualClock()
    return { clock, breaker: new CircuitBreaker({ clock, threshold: 2, pause: milliseconds(100) }) }
  }

  it('stays closed while failures are not in a row', () => {
    const { breaker } = make()
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    expect(breaker.state).toBe('closed')
  })

  it('lets one call through after the pause, and closes when it succeeds', () => {
    const { breaker, clock } = make()
    breaker.failed()
    breaker.failed()
    expect(breaker.admit()).toBe(false)
    clock.advance(milliseconds(100))
    expect([breaker.admit(), breaker.admit()]).toEqual([true, false])
    breaker.succeeded()
    expect(breaker.state).toBe('closed')
  })

  it('opens again when the probe fails', () => {
    const { breaker, clock } = make()
    breaker.failed()
    breaker.failed()
    clock.advance(milliseconds(100))
    breaker.admit()
    breaker.failed()
    expect(breaker.state).toBe('open')
  })
})
