import { describe, expect, it } from 'vitest'
import { WakeBell } from '../src/postgres/wake-bell.ts'

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('WakeBell', () => {
  it('sends one nudge for all that were asked for while the last was on its way', async () => {
    const under: (() => void)[] = []
    const sent: string[] = []
    const bell = new WakeBell((text) => {
      sent.push(text)
      return new Promise((resolve) => under.push(resolve))
    })
    for (let count = 0; count < 100; count += 1) bell.ring('outbox')
    expect(sent).toHaveLength(1)
    under[0]?.()
    await settle()
    // What was asked for after the first had been sent may have been committed after it.
    expect(sent).toHaveLength(2)
    under[1]?.()
    await settle()
    expect(sent).toHaveLength(2)
    bell.ring('outbox')
    expect(sent).toHaveLength(3)
  })

  it('keeps channels apart', () => {
    const sent: string[] = []
    const bell = new WakeBell((text) => {
      sent.push(text)
      return new Promise(() => undefined)
    })
    bell.ring('outbox')
    bell.ring('jobs')
    expect(sent.map((text) => /'(outbox|jobs)'/.exec(text)?.[1])).toEqual(['outbox', 'jobs'])
  })

  it('goes on after a nudge that the database did not take', async () => {
    let sent = 0
    const bell = new WakeBell(() => {
      sent += 1
      return Promise.reject(new Error('away'))
    })
    bell.ring('jobs')
    await settle()
    bell.ring('jobs')
    expect(sent).toBe(2)
  })
})
