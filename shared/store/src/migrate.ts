/**
 * Brings a database to the schema of this version: numbered SQL files, each in a transaction of its own, in order, once.
 *
 * One process at a time (an advisory lock); what was applied stands in `schema_migration` with a checksum, so that a file that
 * was changed afterwards, or a database that is newer than the program, is noticed. There is no way back but a restore.
 */

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { toHex, utf8 } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import pg from 'pg'
import { databaseRoles } from './database-roles.ts'
import { databaseFault } from './postgres/database-fault.ts'
import { ensureTelemetryPartitions } from './postgres/telemetry-partitions.ts'

export interface Migration {
  readonly version: number
  /** `0001-organizations` */
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

export interface MigrateOptions {
  readonly connectionString: string
  readonly log?: (entry: { readonly level: 'info'; readonly message: string }) => void
  /** Stops after this one; for tests of migrations on populated data. */
  readonly upTo?: number
}

/** Earlier texts of a migration, by which databases were made that are the same: they are known too. */
const formerChecksums: Readonly<Record<string, readonly string[]>> = {
  // Tried to make roles that were there already, which an owner without the right to make any may not.
  '0014-row-level-security': ['9790882a3ff5295339b4bc875d49ff24a321109a2c4c5da6e00e099632b13cd9'],
}

const lockName = 'sallyport migrate'
const longestWait = 60_000

/** @throws CodedError `database-unavailable`, `configuration-invalid`. */
export async function migrate(options: MigrateOptions): Promise<{ readonly applied: readonly string[] }> {
  const client = new pg.Client({
    connectionString: options.connectionString,
    application_name: 'sallyport-migrate',
    connectionTimeoutMillis: 5000,
    lock_timeout: longestWait,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [lockName])
    await client.query(`
      create table if not exists schema_migration (
        version integer primary key,
        name text not null,
        checksum text not null,
        applied_at timestamptz not null default now()
      )`)
    const applied: string[] = []
    const before = await appliedMigrations(async (text) => (await client.query(text)).rows)
    const pending = pendingOf(before, migrations(), 'migrating')
    if (pending.length > 0) await requireRoles(client)
    for (const migration of pending) {
      if (options.upTo !== undefined && migration.version > options.upTo) break
      await apply(client, migration)
      applied.push(migration.name)
      options.log?.({ level: 'info', message: `migrated to ${migration.name}` })
    }
    const { rows } = await client.query("select to_regproc('make_telemetry_partitions') is not null as there")
    if (rows[0]?.there === true) await ensureTelemetryPartitions((text) => client.query(text))
    return { applied }
  } catch (error) {
    throw databaseFault(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** @throws CodedError `configuration-invalid` when roles are missing that this user may not make. */
async function requireRoles(client: pg.Client): Promise<void> {
  const { rows } = await client.query(
    `select rolcreaterole or rolsuper as "mayMake", rolname as name,
       array(select wanted from unnest($1::text[]) as wanted where to_regrole(wanted) is null) as missing
     from pg_roles where rolname = current_user`,
    [databaseRoles],
  )
  const [user] = rows as readonly {
    readonly mayMake: boolean
    readonly name: string
    readonly missing: readonly string[]
  }[]
  if (user === undefined || user.mayMake || user.missing.length === 0) return
  throw new CodedError(
    'configuration-invalid',
    `The roles ${user.missing.join(', ')} are missing, and ${user.name} may make none: let an administrator of the cluster run what \`node control-plane/src/main.ts database-roles\` prints (docs/postgres.md).`,
  )
}

/** The migrations of this version, in order. */
export function migrations(): readonly Migration[] {
  const folder = new URL('./migration/', import.meta.url)
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => {
      const sql = readFileSync(new URL(file, folder), 'utf8')
      return {
        version: Number(file.slice(0, 4)),
        name: file.slice(0, -'.sql'.length),
        sql,
        checksum: toHex(createHash('sha256').update(utf8(sql)).digest()),
      }
    })
}

export interface AppliedMigration {
  readonly version: number
  readonly name: string
  readonly checksum: string
}

/** @param rowsOf runs a statement. */
export async function appliedMigrations(
  rowsOf: (text: string) => Promise<readonly unknown[]>,
): Promise<readonly AppliedMigration[]> {
  const [table] = await rowsOf("select to_regclass('schema_migration') is not null as there")
  if ((table as { readonly there: boolean } | undefined)?.there !== true) return []
  const rows = await rowsOf('select version, name, checksum from schema_migration order by version')
  return rows as readonly AppliedMigration[]
}

/**
 * @returns what is still to be applied.
 * @throws CodedError `configuration-invalid` when the database is not one that these migrations made; when it is `opened`, also
 * when something is still to be applied.
 */
export function pendingOf(
  applied: readonly AppliedMigration[],
  known: readonly Migration[],
  when: 'migrating' | 'opening',
): readonly Migration[] {
  for (const { version, name, checksum } of applied) {
    const migration = known.find((each) => each.version === version)
    if (migration === undefined) {
      throw new CodedError(
        'configuration-invalid',
        `The database has ${name}, which this version of the program does not know: start the newer version.`,
      )
    }
    if (migration.checksum !== checksum && formerChecksums[name]?.includes(checksum) !== true) {
      throw new CodedError(
        'configuration-invalid',
        `The database was migrated by another ${name} than this program has: restore the file, and change the schema by a new one.`,
      )
    }
  }
  const pending = known.filter(({ version }) => !applied.some((each) => each.version === version))
  const [next] = pending
  if (when === 'opening' && next !== undefined) {
    throw new CodedError(
      'configuration-invalid',
      `The database lacks ${pending.map(({ name }) => name).join(', ')}: run \`node control-plane/src/main.ts migrate\` first.`,
    )
  }
  return pending
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  await client.query('begin')
  try {
    await client.query(migration.sql)
    await client.query('insert into schema_migration (version, name, checksum) values ($1, $2, $3)', [
      migration.version,
      migration.name,
      migration.checksum,
    ])
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}
