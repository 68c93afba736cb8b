import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StoreAroundDevices } from './store-around-devices.ts'

let around: StoreAroundDevices
beforeAll(async () => {
  around = await StoreAroundDevices.open()
})
afterAll(() => around.close())

describe('the housekeeping', () => {
  it('removes old outbox rows that were published, old codes and old counts, and makes the next months', async () => {
    await around.store.outbox.publishBatch(1000, async () => {})
    const other = await around.certified()
    await around.code(other)
    await around.tables.query(
      "update onboarding_code set created_at = now() - interval '2 days 5 minutes', expires_at = now() - interval '2 days' where device_id = $1",
      [other.id],
    )
    await around.tables.query(
      "update outbox set published_at = now() - interval '8 days', occurred_at = now() - interval '8 days'",
    )
    await around.tables.query(
      "insert into admission_failure (prefix, reason, minute, count) values ('p', 'r', now() - interval '91 days', 1)",
    )
    await around.registered()
    await around.store.housekeep()
    await around.store.housekeep()
    const { rows } = await around.tables.query(`
      select (select count(*)::int from outbox) as outbox, (select count(*)::int from admission_failure) as failures,
        (select count(*)::int from onboarding_code where device_id = '${other.id}') as codes,
        (select count(*)::int from pg_inherits where inhparent = 'telemetry'::regclass) as partitions`)
    expect(rows).toEqual([{ outbox: 1, failures: 0, codes: 0, partitions: 3 }])
  })
})
