import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStore } from '../src/index.ts'
import { clock, StoreAroundDevices } from './store-around-devices.ts'

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

  it('removes API keys a year after they ended, and tokens of verification mails a day after, as the service that does it', async () => {
    const { organizationId, userId, tables } = around
    for (const [name, made, ends, revoked] of [
      ['long revoked', 800, 500, 380],
      ['long expired', 700, 380, null],
      ['revoked', 800, 500, 300],
      ['live', 1, -1, null],
    ] as const) {
      await tables.query(
        `insert into api_key (id, organization_id, name, made_by, membership_id, key_sha256, scopes, created_at, expires_at, revoked_at)
         values (gen_random_uuid(), $1, $2, $3, $3, sha256(convert_to($2, 'utf8')), '{devices:read}', now() - $4 * interval '1 day',
           now() - $5 * interval '1 day', now() - $6 * interval '1 day')`,
        [organizationId, name, userId, made, ends, revoked],
      )
    }
    await tables.query(
      `insert into email_verification (user_id, organization_id, id, email, token_hash, created_at, expires_at)
       values ($1, $2, gen_random_uuid(), 'a@b', sha256('t'), now() - interval '26 hours', now() - interval '25 hours')`,
      [userId, organizationId],
    )
    const service = await openStore({
      connectionString: around.urlAs('sallyport_control_plane'),
      applicationName: 'housekeeping',
      clock,
    })
    await service.housekeep().finally(() => service.close())
    const { rows } = await tables.query('select name from api_key order by name')
    expect(rows.map((row) => row.name)).toEqual(['live', 'revoked'])
    expect((await tables.query('select 1 from email_verification')).rows).toEqual([])
  })
})
