/**
 * A database of its own for each test file, copied from a migrated template.
 *
 * One cluster serves a test run (test-services.ts starts it); its address travels to the test processes in the environment.
 */

import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import pg from 'pg'

export interface TestDatabase {
  /** Connection string of the database's owner. */
  readonly url: string
  /** The same for a role that the migrations made, as a service logs in. */
  urlAs(role: string): string
  drop(): Promise<void>
}

/**
 * @param migrate brings an empty database to the present schema; run once per test run for each `template` name.
 */
export async function databaseForTest(
  options: { migrate?: (url: string) => Promise<unknown>; template?: string } = {},
): Promise<TestDatabase> {
  const base = clusterUrl()
  const name = `test_${randomBytes(8).toString('hex')}`
  const template =
    options.migrate === undefined
      ? 'template0'
      : await migratedTemplate(base, options.template ?? 'migrated', options.migrate)
  await administer(base, (client) => client.query(`create database ${name} template ${template}`))
  return {
    url: withDatabase(base, name),
    urlAs: (role) => {
      const url = new URL(withDatabase(base, name))
      url.username = role
      return url.toString()
    },
    drop: () => administer(base, (client) => client.query(`drop database if exists ${name} with (force)`)),
  }
}

async function migratedTemplate(
  base: string,
  label: string,
  migrate: (url: string) => Promise<unknown>,
): Promise<string> {
  const name = `template_${createHash('sha256').update(label).digest('hex').slice(0, 12)}`
  await administer(base, async (client) => {
    // Test files run in parallel processes: one of them makes the template, the others wait for it.
    await client.query('select pg_advisory_lock(7207)')
    const found = await client.query('select 1 from pg_database where datname = $1', [name])
    if (found.rowCount !== 0) return
    const building = `${name}_building`
    await client.query(`drop database if exists ${building} with (force)`)
    await client.query(`create database ${building} template template0`)
    await migrate(withDatabase(base, building))
    await administer(withDatabase(base, building), recordOpeningKey)
    // Under the lock: two that change one role at once refuse each other. With the owner's password: the cluster is thrown away.
    const { rows } = await client.query(
      "select rolname from pg_roles where rolname like 'sallyport\\_%' and not rolcanlogin",
    )
    for (const { rolname } of rows) {
      if (rolname === 'sallyport_tenant') continue
      await client.query(
        `alter role ${client.escapeIdentifier(rolname)} login password ${client.escapeLiteral(new URL(base).password)}`,
      )
    }
    await client.query(`alter database ${building} rename to ${name}`)
  })
  return name
}

function clusterUrl(): string {
  const url = process.env.SALLYPORT_TEST_POSTGRES
  if (url === undefined) {
    throw new Error('no test cluster: name the file *.integration.test.ts so that the run starts Postgres for it')
  }
  return url
}

function withDatabase(base: string, name: string): string {
  const url = new URL(base)
  url.pathname = `/${name}`
  return url.toString()
}

async function administer(base: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: base })
  client.on('error', () => {})
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

/** What a control plane has done before any other service writes of a person; nobody has the private half. */
async function recordOpeningKey(client: pg.Client): Promise<void> {
  const { rows } = await client.query("select to_regclass('audit_opening_key') is not null as there")
  if (rows[0].there !== true) return
  const spki = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'der', type: 'spki' })
  await client.query('insert into audit_opening_key (id, spki) values ($1, $2)', ['0'.repeat(32), spki])
}
