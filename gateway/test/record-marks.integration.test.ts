import { randomBytes } from 'node:crypto'
import { clockFrom, milliseconds } from '@sallyport/clock'
import { databaseForTest } from '@sallyport/development'
import { migrate, openStore, type ShardClaim, type Store } from '@sallyport/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordMarks } from '../src/record-marks.ts'

let database: Awaited<ReturnType<typeof databaseForTest>>
let store: Store
let claim: ShardClaim

beforeAll(async () => {
  database = await databaseForTest({ migrate: (url) => migrate({ connectionString: url }) })
  store = await openStore({ connectionString: database.url, applicationName: 'test', clock: clockFrom(Date.now) })
  claim = { shard: 1, gatewayId: 'gateway', ...(await store.shards.claim(1, 'gateway')) }
})
afterAll(async () => {
  await store.close()
  await database.drop()
})

const newAssociation = () => randomBytes(8).toString('hex')
const newMarks = (gatherFor = milliseconds(4)) =>
  new RecordMarks({ store, holder: { claim, noticed: (error) => error }, gatherFor })

describe('marks of records', () => {
  it('wait for company from the first on: who comes later does not put the commit off', async () => {
    const marks = newMarks(milliseconds(100))
    const associationId = newAssociation()
    let committed = false
    const first = marks.commit(associationId, 0).then(() => {
      committed = true
    })
    for (let sequence = 1; sequence <= 100 && !committed; sequence += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      void marks.commit(associationId, sequence)
    }
    expect(committed).toBe(true)
    await first
    await marks.drain()
  })

  it('leave nothing behind of an association that closes while its mark is on its way', async () => {
    const marks = newMarks()
    const [one, other] = [newAssociation(), newAssociation()]
    const committed = marks.commit(one, 7)
    marks.note(other, 3)
    marks.forget(one)
    marks.forget(other)
    await committed
    marks.wasCommitted({ associationId: one, recordSequence: 8 })
    await marks.drain()
    expect(marks.size).toBe(0)
    expect(await store.associationMarks.read([one])).toEqual(new Map([[one, 7]]))
  })
})
