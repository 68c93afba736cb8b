import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freeTcpPort, type Postgres, startPostgres, testHome } from '@sallyport/development'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseRolesScript, migrate, openStore } from '../src/index.ts'
import { clock, system } from './store-around-devices.ts'

const password = randomBytes(12).toString('hex')
const services = ['sallyport_control_plane', 'sallyport_dps', 'sallyport_gateway'] as const

/** A cluster in which nobody has made anything yet. */
let cluster: Postgres
let script: string
beforeAll(async () => {
  const home = join(testHome(), `cluster-${randomBytes(4).toString('hex')}`)
  cluster = await startPostgres({ home, port: await freeTcpPort(), disposable: true })
  script = join(home, 'roles.sql')
})
afterAll(() => cluster.stop())

function urlAs(role: string, database = 'sallyport'): string {
  const url = new URL(cluster.urlOf(database))
  url.username = role
  url.password = password
  return url.href
}
const administer = () =>
  execFileSync('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', cluster.urlOf('postgres'), '-f', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
async function asRole<T>(role: string, work: (client: pg.Client) => Promise<T>, database = 'sallyport'): Promise<T> {
  const client = new pg.Client({
    connectionString: role === 'sallyport' ? cluster.urlOf(database) : urlAs(role, database),
  })
  await client.connect()
  return work(client).finally(() => client.end())
}

describe('a database without superusers', () => {
  it('is not migrated by an owner who finds no roles and may make none: it says who is to do what', async () => {
    await asRole(
      'sallyport',
      async (client) => {
        await client.query(`create role lonely login password '${password}'`)
        await client.query('create database lonely owner lonely')
      },
      'postgres',
    )
    await expect(migrate({ connectionString: urlAs('lonely', 'lonely') })).rejects.toMatchObject({
      code: 'configuration-invalid',
      message: expect.stringMatching(/sallyport_tenant, .* are missing, and lonely may make none: .*database-roles/),
    })
  })

  it('is set up by the script, which may run again, and migrated by its owner, who is nobody special', async () => {
    writeFileSync(script, databaseRolesScript({ database: 'sallyport', owner: 'sallyport_owner' }))
    administer()
    administer()
    await asRole('sallyport', async (client) => {
      for (const role of ['sallyport_owner', ...services])
        await client.query(`alter role ${role} login password '${password}'`)
    })
    const { applied } = await migrate({ connectionString: urlAs('sallyport_owner') })
    expect(applied).toContain('0014-row-level-security')
    expect((await migrate({ connectionString: urlAs('sallyport_owner') })).applied).toEqual([])
    administer()
    const { rows } = await asRole('sallyport', (client) =>
      client.query(`select rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles
        where rolname like 'sallyport\\_%' order by rolname`),
    )
    for (const { rolname, rolbypassrls, ...rights } of rows) {
      expect(Object.values(rights), rolname).toEqual([false, false, false, false])
      expect(rolbypassrls).toBe(rolname === 'sallyport_owner')
    }
    const owners = await asRole('sallyport', (client) =>
      client.query(`select distinct tableowner from pg_tables where schemaname = 'public'`),
    )
    expect(owners.rows).toEqual([{ tableowner: 'sallyport_owner' }])
  })

  it('lets each service in as its own role, to do its work', async () => {
    const stores = await Promise.all(
      services.map((role) => openStore({ connectionString: urlAs(role), applicationName: role, clock, poolSize: 2 })),
    )
    const [controlPlane, dps, gateway] = stores
    try {
      const opening = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
      const spki = opening.export({ format: 'der', type: 'spki' })
      await controlPlane?.auditSubjects.recordOpeningKey({ id: 'ab'.repeat(16), spki }, system)
      const made = await controlPlane?.organizations.createFirst(
        { name: 'Acme', admin: { email: 'admin@acme.test', username: 'admin', passwordHash: '$argon2id$' } },
        system,
      )
      if (made === undefined) throw new Error('no organization')
      await controlPlane?.housekeep()
      expect((await controlPlane?.members.permissions(made.organizationId, made.userId))?.size).toBeGreaterThan(5)
      const key = { keyId: 'key', publicJwk: { kty: 'EC' }, sealedPrivateKey: randomBytes(48) }
      await controlPlane?.installationKeys.ensureActive('jwt', async () => key, system)
      await gateway?.gateways.register({ id: 'gateway', coapsUri: 'coaps://127.0.0.1:1', startedAt: clock.now() })
      expect(await dps?.gateways.live()).toHaveLength(1)
      await dps?.authorities.record({ role: 'identity', certificateDer: randomBytes(64) })
      // Their audit events were queued for sealing, by a function that is its owner's.
      const queued = await asRole('sallyport_dps', (client) =>
        client.query('select count(*)::int as events from audit_unsealed'),
      )
      expect(queued.rows[0].events).toBeGreaterThan(3)
    } finally {
      await Promise.all(stores.map((store) => store.close()))
    }
  })

  it.each(services)('keeps %s from what is not its own', async (role) => {
    for (const statement of [
      'create table mine ()',
      'create temp table mine ()',
      'create schema mine',
      'create role mine',
      'create database mine',
      'drop table audit_event',
      'alter table audit_event disable row level security',
      'delete from audit_event',
      'update audit_event set details = null',
      'truncate outbox',
      'delete from schema_migration',
      'set role sallyport_owner',
      ...(role === 'sallyport_control_plane'
        ? []
        : ['select sealed_private_key from installation_key', 'select * from user_account']),
    ]) {
      await expect(
        asRole(role, (client) => client.query(statement)),
        statement,
      ).rejects.toThrow(/permission denied|must be (owner|member)/)
    }
  })

  it('lets nobody else in', async () => {
    await expect(asRole('lonely', (client) => client.query('select 1'))).rejects.toThrow(
      'permission denied for database',
    )
  })

  it('takes no name that could be more than a name', () => {
    expect(() => databaseRolesScript({ database: 'a; drop', owner: 'o' })).toThrow('no name')
  })
})
