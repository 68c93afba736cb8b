import { milliseconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { describe, expect, it } from 'vitest'
import { TelemetryBatch } from '../src/telemetry-batch.ts'

const pause = (time: number) => new Promise((resolve) => setTimeout(resolve, time))

/** A database that commits when it is told to. */
class ManualCommits {
  readonly batches: (readonly number[])[] = []
  readonly #pending: { commit: () => void; fail: (error: Error) => void }[] = []

  readonly append = (rows: readonly number[]): Promise<void> => {
    this.batches.push(rows)
    return new Promise((commit, fail) => this.#pending.push({ commit, fail }))
  }

  commit(): void {
    this.#pending.shift()?.commit()
  }

  fail(): void {
    this.#pending.shift()?.fail(new Error('no database'))
  }
}

describe('TelemetryBatch', () => {
  it('makes one commit of what comes together, and acknowledges nothing before it', async () => {
    const database = new ManualCommits()
    const batch = new TelemetryBatch<number>({ append: database.append, maxBufferedRows: 100 })
    let acknowledged = 0
    const all = [1, 2, 3].map((row) => batch.add([row]).then(() => (acknowledged += 1)))
    await pause(30)
    expect(database.batches).toEqual([[1, 2, 3]])
    expect(acknowledged).toBe(0)
    database.commit()
    await Promise.all(all)
    expect(acknowledged).toBe(3)
    expect(batch.buffered).toBe(0)
  })

  it('waits at most ten milliseconds for company', async () => {
    const times: number[] = []
    const batch = new TelemetryBatch<number>({
      append: async () => void times.push(performance.now()),
      maxBufferedRows: 9,
    })
    const start = performance.now()
    await batch.add([1])
    expect((times[0] ?? Infinity) - start).toBeLessThan(10 + 15)
    expect((times[0] ?? 0) - start).toBeGreaterThan(5)
  })

  it('refuses more than it may hold, at once, and takes rows again when there is room', async () => {
    const database = new ManualCommits()
    const batch = new TelemetryBatch<number>({
      append: database.append,
      maxBufferedRows: 2,
      gatherFor: milliseconds(1),
    })
    const first = batch.add([1, 2])
    await expect(batch.add([3])).rejects.toMatchObject({ code: 'overloaded' })
    await pause(10)
    database.commit()
    await first
    const second = batch.add([3])
    await pause(10)
    database.commit()
    await second
    expect(database.batches).toEqual([[1, 2], [3]])
  })

  it('fails every request of a batch that was not committed, and goes on', async () => {
    const database = new ManualCommits()
    const batch = new TelemetryBatch<number>({
      append: database.append,
      maxBufferedRows: 9,
      gatherFor: milliseconds(1),
    })
    const failing = Promise.allSettled([batch.add([1]), batch.add([2])])
    await pause(10)
    database.fail()
    expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    const next = batch.add([3])
    await pause(10)
    database.commit()
    await next
  })

  it('lets a request whose values cannot be stored fail alone', async () => {
    const stored: number[] = []
    const append = async (rows: readonly number[]) => {
      if (rows.includes(-1)) throw new CodedError('validation-failed', 'A value cannot be stored as it is.')
      stored.push(...rows)
    }
    const batch = new TelemetryBatch<number>({ append, maxBufferedRows: 9, gatherFor: milliseconds(1) })
    const all = await Promise.allSettled([batch.add([1]), batch.add([-1, 2]), batch.add([3])])
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(stored).toEqual([1, 3])
    expect(batch.buffered).toBe(0)
  })

  it('has two commits under way at most, and drains to nothing', async () => {
    const database = new ManualCommits()
    const batch = new TelemetryBatch<number>({
      append: database.append,
      maxBufferedRows: 9,
      gatherFor: milliseconds(1),
    })
    const all = []
    for (const row of [1, 2, 3, 4]) {
      all.push(batch.add([row]))
      await pause(8)
    }
    expect(database.batches).toEqual([[1], [2]])
    const drained = batch.drain()
    database.commit()
    await pause(5)
    expect(database.batches).toEqual([[1], [2], [3, 4]])
    database.commit()
    database.commit()
    await Promise.all([...all, drained])
    expect(batch.buffered).toBe(0)
  })
})
