import { randomUUID } from 'node:crypto'
import { minutes } from '@sallyport/clock'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database, type Query } from '../src/postgres/database.ts'
import { sql } from '../src/postgres/sql.ts'
import { digestOf, inMinutes, randomDigest, StoreAroundDevices, system } from './store-around-devices.ts'

let around: StoreAroundDevices
let other: string
/** Logged in as the control plane is. */
let service: pg.Client

/** Every table that holds what is one organization's: from the catalogue, so that a new one cannot be forgotten. */
let tenantTables: readonly string[]

beforeAll(async () => {
  around = await StoreAroundDevices.open()
  other = (await around.secondOrganization()).organizationId
  await fillEveryTable(around)
  const { rows } = await around.tables.query(`
    select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace
      and a.attname = 'organization_id' and not a.attisdropped
    order by 1`)
  tenantTables = rows.map((row) => row.name)
  service = new pg.Client({ connectionString: around.urlAs('sallyport_control_plane') })
  await service.connect()
})
afterAll(async () => {
  await service.end()
  await around.close()
})

/** What the role of one organization's work sees of a table, with this scope. Rolled back. */
async function within(scope: string | undefined, statement: string, values: unknown[] = []) {
  await service.query('begin')
  try {
    await service.query('set local role sallyport_tenant')
    if (scope !== undefined) await service.query("select set_config('sallyport.organization', $1, true)", [scope])
    return await service.query(statement, values)
  } finally {
    await service.query('rollback')
  }
}

const mayRead = async (table: string): Promise<boolean> => {
  const { rows } = await around.tables.query(
    `select has_any_column_privilege('sallyport_tenant', $1::regclass, 'select') as may`,
    [table],
  )
  return rows[0].may
}

describe('row-level security', () => {
  it('is forced on every table that has an organization, with a policy for the role of its work', async () => {
    const { rows } = await around.tables.query(
      `
      select relname as name, relrowsecurity and relforcerowsecurity
        and exists (select from pg_policies p where p.tablename = relname and 'sallyport_tenant' = any(p.roles)
          and p.qual like '%present_organization()%' and p.with_check like '%present_organization()%') as walled
      from pg_class where relnamespace = 'public'::regnamespace and relname = any($1)`,
      [[...tenantTables, 'organization']],
    )
    expect(rows.length).toBeGreaterThan(20)
    expect(rows.filter((row) => !row.walled)).toEqual([])
  })

  it('[6.31] a query without a scope, or with another organization’s, sees no row of any table', async () => {
    for (const table of tenantTables) {
      const { rows } = await around.tables.query(
        `select count(*)::int as count from ${table} where organization_id = $1`,
        [around.organizationId],
      )
      expect(rows[0].count, `${table}: the test has to put a row there`).toBeGreaterThan(0)
      if (!(await mayRead(table))) continue
      const count = `select count(*)::int as all, count(*) filter (where organization_id = $1)::int as theirs from ${table}`
      const own = await within(around.organizationId, count, [around.organizationId])
      expect(own.rows[0], table).toEqual({ all: rows[0].count, theirs: rows[0].count })
      for (const scope of [undefined, '', randomUUID()]) {
        const unscoped = await within(scope, count, [around.organizationId])
        expect(unscoped.rows[0], `${table} with scope ${scope}`).toEqual({ all: 0, theirs: 0 })
      }
      expect((await within(other, count, [around.organizationId])).rows[0].theirs, table).toBe(0)
    }
    expect((await within(undefined, 'select 1 from organization')).rows).toEqual([])
    expect((await within(other, 'select id from organization')).rows).toEqual([{ id: other }])
  })

  it('[6.31] changes and deletes nothing of another organization, and moves nothing to one', async () => {
    for (const table of tenantTables) {
      for (const right of ['update', 'delete'] as const) {
        const { rows } = await around.tables.query(`select has_table_privilege('sallyport_tenant', $1, $2) as may`, [
          table,
          right,
        ])
        if (!rows[0].may) continue
        const statement =
          right === 'delete' ? `delete from ${table}` : `update ${table} set organization_id = organization_id`
        expect((await within(randomUUID(), statement)).rowCount, `${right} ${table}`).toBe(0)
      }
      const { rows } = await around.tables.query(
        `select has_table_privilege('sallyport_tenant', $1, 'update') as may`,
        [table],
      )
      if (!rows[0].may) continue
      await expect(
        within(around.organizationId, `update ${table} set organization_id = $1`, [other]),
        table,
      ).rejects.toMatchObject({ code: '42501' })
    }
    await expect(
      within(
        other,
        `insert into custom_role (organization_id, name, permissions) values ($1, 'planted', '{groups:write}')`,
        [around.organizationId],
      ),
    ).rejects.toMatchObject({ code: '42501' })
  })

  it('what a role may is bounded: no secret is read in an organization’s scope, and no service owns anything', async () => {
    for (const column of [
      'password_hash from user_account',
      'token_hash from invitation',
      'key_sha256 from api_key',
      'token_hash from email_verification',
      'sealed_key from device_psk',
    ]) {
      await expect(within(around.organizationId, `select ${column}`)).rejects.toMatchObject({ code: '42501' })
    }
    await expect(service.query('delete from audit_event')).rejects.toMatchObject({ code: '42501' })
    await expect(service.query('drop table device')).rejects.toMatchObject({ code: '42501' })
    const { rows } = await around.tables.query(`
      select rolname, rolsuper or rolbypassrls or rolcreaterole or rolcreatedb as mighty,
        exists (select from pg_class where relowner = r.oid) as owns
      from pg_roles r where rolname like 'sallyport\\_%'`)
    expect(rows.map((row) => row.rolname).sort()).toEqual([
      'sallyport_control_plane',
      'sallyport_dps',
      'sallyport_gateway',
      'sallyport_tenant',
    ])
    for (const row of rows) expect(row).toMatchObject({ mighty: false, owns: false })
  })

  it('[6.31] a repository that forgets to say whose finds its own, also in the one round trip of a single statement', async () => {
    const database = new Database({
      connectionString: around.urlAs('sallyport_control_plane'),
      applicationName: 'forgetful',
      poolSize: 1,
      log: () => undefined,
    })
    const forgetful = (query: Query) => query.rows<{ readonly id: string }>(sql`select id from device`)
    try {
      const all = await database.read(forgetful)
      expect(all).toHaveLength(2)
      expect(await database.of(around.organizationId).read(forgetful)).toEqual(all)
      expect(await database.of(other).read(forgetful)).toEqual([])
      expect(await database.of(other).transaction(forgetful)).toEqual([])
      await expect(database.of(other).read((query) => query.rows(sql`select 1 / 0`))).rejects.toMatchObject({
        code: '22012',
      })
      // The same connection, after a failure too: nothing of the scope is left on it.
      expect(await database.read(forgetful)).toEqual(all)
      expect(() => database.of("'; drop table device; --")).toThrow('no UUID')
    } finally {
      await database.close()
    }
  })

  it('a scope ends with its transaction: the next user of the connection has none', async () => {
    await service.query('begin')
    await service.query('set local role sallyport_tenant')
    await service.query(`set local sallyport.organization = '${other}'`)
    await service.query('commit')
    const { rows } = await service.query(
      "select current_user as role, coalesce(current_setting('sallyport.organization', true), '') as scope",
    )
    expect(rows).toEqual([{ role: 'sallyport_control_plane', scope: '' }])
  })
})

async function fillEveryTable(around: StoreAroundDevices): Promise<void> {
  const { store, organizationId, tables } = around
  const device = await around.registered()
  await around.online(device, await around.gateway())
  await store.provisioning.recordStep(device.recordId, 'time', { coapCode: '2.04' }, system)
  await store.resources.publish(device.id, [{ href: '/light/1', rt: ['light'], if: [] }], 0, system)
  await store.resources.report(device.id, '/light/1', { representation: {}, contentFormat: 60 }, system)
  await store.commands.create(
    organizationId,
    { deviceId: device.id, href: '/light/1', method: 'POST', payload: {}, expiresAt: inMinutes(1) },
    system,
  )
  await store.telemetry.append([{ deviceId: device.id, organizationId, name: 't', at: inMinutes(0), value: 1 }])
  await store.customRoles.create(organizationId, { name: 'watcher', permissions: ['devices:read'] }, system)
  await store.invitations.create(
    organizationId,
    { email: 'new@acme.test', roles: ['watcher'], tokenHash: digestOf('t'), lifetime: minutes(5), delivery: 'shown' },
    system,
  )
  await store.apiKeys.create(
    organizationId,
    {
      id: randomUUID(),
      name: 'exporter',
      keySha256: digestOf('key'),
      scopes: ['devices:read'],
      allowedAddresses: ['192.0.2.0/24'],
      expiresAt: inMinutes(5),
    },
    { ...system, actor: { kind: 'user', id: around.userId } },
  )
  await store.socketTickets.create(
    organizationId,
    { sha256: randomDigest(), userId: around.userId, caller: {}, lifetime: minutes(5) },
    system,
  )
  await store.emailVerifications.request(
    { userId: around.userId, organizationId, token: 't', tokenHash: digestOf('mailed'), lifetime: minutes(5) },
    system,
  )
  const once = {
    organizationId,
    callerId: 'c',
    attempt: randomUUID(),
    keySha256: randomDigest(),
    fingerprint: randomDigest(),
  }
  await store.organizations.rename(organizationId, 'Acme', undefined, { ...system, once })
  const about = { username: 'u', title: 't', text: 't', occurredAt: '2026-11-21T15:00:00.000Z' }
  const payload = { to: 'owner@acme.test', template: 'notification' as const, parameters: about }
  await store.users.recordLogin(
    { userId: around.userId, login: 'admin', outcome: 'succeeded' },
    { ...system, address: '192.0.2.1' },
  )
  await store.users.recordLogin(
    { userId: around.userId, login: 'admin', outcome: 'succeeded' },
    { ...system, address: '192.0.2.2' },
  )
  const person = { organizationId, userId: around.userId }
  await store.personNotifications.prefer(person, [{ kind: 'job-dead', inApp: true, mail: false }], system)
  // As the version before this one does.
  await tables.query(
    `insert into notification_preference (user_id, organization_id, kind, in_app, mail) values ($1, $2, 'job-dead', true, false)`,
    [around.userId, organizationId],
  )
  await store.jobs.add({ kind: 'send-mail', organizationId, payload }, system)
  await tables.query('update enrollment_group set allows_psk = true where id = $1', [around.groupId])
  await store.psks.register(
    organizationId,
    {
      groupId: around.groupId,
      psk: { id: randomUUID(), identitySha256: randomDigest(), sealedKey: digestOf('sealed') },
      code: { codeHash: digestOf('code'), expiresAt: inMinutes(1) },
    },
    system,
  )
}
