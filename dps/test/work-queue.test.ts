import { describe, expect, it } from 'vitest'
import { WorkQueue } from '../src/work-queue.ts'

describe('a queue of work', () => {
  it('runs as many at once as it may, and the others in order', async () => {
    const queue = new WorkQueue({ concurrency: 2, maxWaiting: 100 })
    const started: number[] = []
    let running = 0
    let most = 0
    await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        queue.run(async () => {
          started.push(index)
          running++
          most = Math.max(most, running)
          await new Promise((resolve) => setImmediate(resolve))
          running--
        }),
      ),
    )
    expect(most).toBe(2)
    expect(started).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('refuses what would wait too long, and takes work again after failures', async () => {
    const queue = new WorkQueue({ concurrency: 1, maxWaiting: 1 })
    const gate = Promise.withResolvers<void>()
    const first = queue.run(() => gate.promise)
    const second = queue.run(async () => {
      throw new Error('failed')
    })
    await expect(queue.run(async () => 1)).rejects.toMatchObject({ code: 'overloaded' })
    gate.resolve()
    await first
    await expect(second).rejects.toThrow('failed')
    expect(await queue.run(async () => 'again')).toBe('again')
  })
})
