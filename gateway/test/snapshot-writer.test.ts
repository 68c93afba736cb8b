import { clockFrom } from '@sallyport/clock'
import { createLogger } from '@sallyport/diagnostics'
import type { AssociationSnapshot } from '@sallyport/events'
import { describe, expect, it } from 'vitest'
import type { DeviceAssociation } from '../src/device-request.ts'
import { SnapshotWriter } from '../src/snapshot-writer.ts'

const associationOf = (id: string): DeviceAssociation =>
  ({ id, closed: false }) satisfies Partial<DeviceAssociation> as DeviceAssociation

/** A Redis that answers when the test says so. */
function writing() {
  const puts: { readonly ids: readonly string[]; readonly answer: PromiseWithResolvers<void> }[] = []
  const encoded: string[] = []
  const writer = new SnapshotWriter({
    snapshots: {
      put(_shard, entries: readonly AssociationSnapshot[]) {
        const answer = Promise.withResolvers<void>()
        puts.push({ ids: entries.map(({ id }) => id), answer })
        return answer.promise
      },
      remove: async () => {},
    },
    shard: 0,
    keys: () => ({ current: { id: new Uint8Array(8), key: new Uint8Array(32) } }),
    encode(association) {
      if (association.id === 'unspeakable') throw new RangeError('too long')
      encoded.push(association.id)
      return new Uint8Array(1)
    },
    clock: clockFrom(Date.now),
    log: createLogger({ service: 'gateway', level: 'silent' }),
    onWritten: () => {},
  })
  const putAt = (index: number) => {
    const put = puts[index]
    if (put === undefined) throw new Error(`there is no put ${index}`)
    return put
  }
  return { writer, puts, putAt, encoded }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  void promise.finally(() => {
    settled = true
  })
  await turn()
  return settled
}

describe('a snapshot that somebody waits for', () => {
  it('is there when the wait ends', async () => {
    const { writer, putAt } = writing()
    const written = writer.written(associationOf('a'))
    expect(await isSettled(written)).toBe(false)
    putAt(0).answer.resolve()
    expect(await isSettled(written)).toBe(true)
  })

  it('is one that was taken after the change, not one that was on its way before', async () => {
    const { writer, puts, putAt, encoded } = writing()
    const association = associationOf('a')
    const first = writer.written(association)
    await turn()
    const second = writer.written(association)
    expect(encoded).toEqual(['a'])
    putAt(0).answer.resolve()
    expect(await isSettled(first)).toBe(false)
    expect(encoded).toEqual(['a', 'a'])
    expect(puts).toHaveLength(2)
    putAt(1).answer.resolve()
    expect(await isSettled(second)).toBe(true)
    expect(await isSettled(first)).toBe(true)
  })

  it('is one write with those that are waited for meanwhile', async () => {
    const { writer, puts, putAt } = writing()
    const first = writer.written(associationOf('a'))
    const others = ['b', 'c', 'd'].map((id) => writer.written(associationOf(id)))
    putAt(0).answer.resolve()
    await turn()
    expect(puts.map(({ ids }) => ids)).toEqual([['a'], ['b', 'c', 'd']])
    expect(await isSettled(first)).toBe(true)
    // Each of them, not only the one that began the write.
    for (const other of others) expect(await isSettled(other)).toBe(false)
    putAt(1).answer.resolve()
    expect(await isSettled(Promise.all(others))).toBe(true)
  })

  it('is not waited for where Redis fails, or where it has failed', async () => {
    const { writer, puts, putAt } = writing()
    const written = writer.written(associationOf('a'))
    await turn()
    putAt(0).answer.reject(new Error('away'))
    expect(await isSettled(written)).toBe(true)
    expect(await isSettled(writer.written(associationOf('b')))).toBe(true)
    expect(puts).toHaveLength(1)
  })

  it('of an association that cannot be written down keeps nobody else’s from being written', async () => {
    const { writer, puts, putAt } = writing()
    const unspeakable = writer.written(associationOf('unspeakable'))
    await turn()
    expect(await isSettled(unspeakable)).toBe(true)
    const [none, other] = [writer.written(associationOf('unspeakable')), writer.written(associationOf('a'))]
    await turn()
    expect(puts.map(({ ids }) => ids)).toEqual([['a']])
    putAt(0).answer.resolve()
    expect(await isSettled(Promise.all([none, other]))).toBe(true)
  })

  it('is waited for no longer than half a second', async () => {
    const { writer } = writing()
    const asked = performance.now()
    await writer.written(associationOf('a'))
    expect(performance.now() - asked).toBeGreaterThan(400)
  })
})
