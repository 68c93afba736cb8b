import { randomUUID } from 'node:crypto'
import { databaseForTest, type TestDatabase } from '@sallyport/development'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrate, openStore } from '../src/index.ts'
import { migrations } from '../src/migrate.ts'
import { clock, times } from './store-around-devices.ts'

describe('migrations', () => {
  let database: TestDatabase
  let tables: pg.Pool
  beforeEach(async () => {
    database = await databaseForTest()
    tables = new pg.Pool({ connectionString: database.url, max: 2 })
    tables.on('error', () => undefined)
  })
  afterEach(async () => {
    await tables.end()
    await database.drop()
  })

  const open = () => openStore({ connectionString: database.url, applicationName: 'migrate-test', clock })
  const run = (upTo?: number) => migrate({ connectionString: database.url, ...(upTo === undefined ? {} : { upTo }) })

  it('are applied once each, in order, by however many start at once', async () => {
    const runs = await Promise.all(times(5, () => run()))
    const applied = runs.filter((each) => each.applied.length > 0)
    expect(applied).toHaveLength(1)
    expect(applied[0]?.applied).toEqual([...(applied[0]?.applied ?? [])].sort())
    expect(applied[0]?.applied[0]).toBe('0001-organizations')
    expect((await run()).applied).toEqual([])
    await (await open()).close()
  })

  it('go forward one by one on a database that is in use', async () => {
    await run(1)
    const organizationId = randomUUID()
    await tables.query("insert into organization (id, name, is_first) values ($1, 'Acme', true)", [organizationId])
    await tables.query(
      `insert into user_account (id, organization_id, email, username, password_hash, roles)
       values ($1, $2, 'a@acme.test', 'a', 'hash', '{admin}')`,
      [randomUUID(), organizationId],
    )
    await run(2)
    await tables.query(
      `insert into enrollment_group (id, organization_id, name, state, chain_pem, lead_certificate_name)
       values ($1, $2, 'Lamps', 'active', 'pem', 'CA')`,
      [randomUUID(), organizationId],
    )
    await run()
    const store = await open()
    expect(await store.users.findByLogin('a')).toMatchObject({ organizationId })
    expect((await store.enrollmentGroups.list(organizationId, { limit: 10 })).items).toHaveLength(1)
    await store.close()
  })

  it('whose text was mended since are known by their earlier one', async () => {
    await run()
    const set = (checksum: string) =>
      tables.query("update schema_migration set checksum = $1 where name = '0014-row-level-security'", [checksum])
    await set('9790882a3ff5295339b4bc875d49ff24a321109a2c4c5da6e00e099632b13cd9')
    expect((await run()).applied).toEqual([])
    await (await open()).close()
    await set('0'.repeat(64))
    await expect(open()).rejects.toMatchObject({ code: 'configuration-invalid' })
  })

  it('that are missing keep the store from opening, and it says what to do', async () => {
    await expect(open()).rejects.toMatchObject({
      code: 'configuration-invalid',
      message: expect.stringContaining('migrate'),
    })
    await run(2)
    await expect(open()).rejects.toMatchObject({
      code: 'configuration-invalid',
      message: expect.stringContaining('0003-presence'),
    })
  })

  it('that this program does not know keep the store from opening and from migrating', async () => {
    await run()
    await tables.query("insert into schema_migration (version, name, checksum) values (9000, '9000-future', 'x')")
    const refusal = { code: 'configuration-invalid', message: expect.stringContaining('9000-future') }
    await expect(open()).rejects.toMatchObject(refusal)
    await expect(run()).rejects.toMatchObject(refusal)
  })

  it('that were changed afterwards are noticed', async () => {
    await run()
    await tables.query("update schema_migration set checksum = 'x' where version = 2")
    await expect(open()).rejects.toMatchObject({
      code: 'configuration-invalid',
      message: expect.stringContaining('0002-enrollment'),
    })
  })

  it('that fail leave nothing of themselves', async () => {
    await tables.query('create table hub (x integer)')
    await expect(run()).rejects.toThrow('hub')
    const { rows } = await tables.query(
      "select to_regclass('organization') as organization, count(*)::int as applied from schema_migration",
    )
    expect(rows).toEqual([{ organization: null, applied: 0 }])
    await tables.query('drop table hub')
    expect((await run()).applied).toHaveLength(migrations().length)
  })

  it('are no use on a Postgres that confirms before it has written', async () => {
    await run()
    const { rows } = await tables.query('select current_database() as name')
    await tables.query(`alter database ${rows[0].name} set synchronous_commit = off`)
    await expect(open()).rejects.toMatchObject({
      code: 'configuration-invalid',
      message: expect.stringContaining('synchronous_commit'),
    })
  })

  it('are refused as unavailable where there is no Postgres', async () => {
    const url = new URL(database.url)
    url.port = '1'
    const gone = { connectionString: url.toString() }
    await expect(migrate(gone)).rejects.toMatchObject({ code: 'database-unavailable' })
    await expect(openStore({ ...gone, applicationName: 'migrate-test', clock })).rejects.toMatchObject({
      code: 'database-unavailable',
    })
  })
})
