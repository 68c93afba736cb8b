/**
 * A Postgres of our own: a child process on its own port with its data in our home; never a system service.
 *
 * Postgres refuses to run as root, so root hands it to the `postgres` user, who must be able to walk down to its folder.
 */

import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { type Child, startChild } from './child.ts'
import { SetupFailure } from './failure.ts'

const run = promisify(execFile)
const host = '127.0.0.1'

export interface PostgresOptions {
  /** Folder for the data, the password and the log. */
  readonly home: string
  readonly port: number
  /** Gives up durability for speed: the data of a test run is thrown away. */
  readonly disposable?: boolean
}

export interface Postgres {
  readonly port: number
  readonly process: Child
  /** Connection string of the cluster's owner for a database of this name. */
  urlOf(database: string): string
  /** Lets a role that a migration made log in, with a password of its own. @returns its connection string. */
  giveLogin(role: string, database: string): Promise<string>
  createDatabase(name: string, template?: string): Promise<string>
  dropDatabase(name: string): Promise<void>
  stop(): Promise<void>
  /** SIGQUIT: an immediate shutdown, as in a crash. */
  crash(): Promise<void>
}

export function postgresBinaries(): string {
  const base = '/usr/lib/postgresql'
  const versions = existsSync(base)
    ? readdirSync(base)
        .map(Number)
        .filter((version) => existsSync(`${base}/${version}/bin/initdb`))
        .sort((a, b) => b - a)
    : []
  const newest = versions[0]
  if (newest === undefined || newest < 14) {
    throw new SetupFailure(
      'Postgres 14 or newer is not installed: sudo apt-get install -y --no-install-recommends postgresql',
    )
  }
  return `${base}/${newest}/bin`
}

export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const binaries = postgresBinaries()
  const asRoot = process.getuid?.() === 0
  const folder = await dataFolder(options.home, asRoot)
  const password = readOrMakePassword(join(options.home, 'secrets'), 'postgres-password')
  const data = join(folder, 'data')
  if (!existsSync(join(data, 'PG_VERSION'))) await initialize(binaries, data, password, asRoot)
  removeStalePid(data)
  const child = startChild({
    name: 'postgres',
    command: `${binaries}/postgres`,
    args: ['-D', data, ...serverSettings(options)],
    logFile: join(options.home, 'log', 'postgres.log'),
    parentDeathSignal: 'INT',
    ...(asRoot ? { user: 'postgres' } : {}),
  })
  const cluster = new RunningPostgres(options.port, child, password, join(options.home, 'secrets'))
  try {
    await cluster.waitUntilUp(join(options.home, 'log', 'postgres.log'))
  } catch (error) {
    await cluster.stop()
    throw error
  }
  return cluster
}

function serverSettings(options: PostgresOptions): string[] {
  const settings: Record<string, string> = {
    port: String(options.port),
    listen_addresses: host,
    unix_socket_directories: '',
    max_connections: '200',
    shared_buffers: '128MB',
    synchronous_commit: 'on',
    log_min_messages: 'warning',
    // A constraint that refuses a racing write is daily business, not something for the log.
    log_min_error_statement: 'panic',
  }
  if (options.disposable) Object.assign(settings, { fsync: 'off', full_page_writes: 'off' })
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** The folder below `home`, or one under the system's temporary folder where `postgres` cannot walk down to it. */
async function dataFolder(home: string, asRoot: boolean): Promise<string> {
  const inside = join(home, 'postgres')
  const pointer = join(home, 'postgres-folder')
  mkdirSync(join(home, 'log'), { recursive: true })
  const known = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : undefined
  if (known !== undefined && existsSync(known)) return known
  if (!asRoot) {
    mkdirSync(inside, { recursive: true, mode: 0o700 })
    return inside
  }
  mkdirSync(inside, { recursive: true, mode: 0o755 })
  if (await postgresCanReach(inside)) {
    await own(inside)
    return inside
  }
  const key = createHash('sha256').update(home).digest('hex').slice(0, 16)
  const outside = join(tmpdir(), `sallyport-${key}`)
  mkdirSync(outside, { recursive: true, mode: 0o700 })
  await own(outside)
  if (!(await postgresCanReach(outside))) {
    throw new SetupFailure(
      `the user postgres can reach neither ${inside} nor ${outside}: move the checkout to a folder that others may traverse (chmod o+x on its parents), or set SALLYPORT_HOME to one`,
    )
  }
  process.stdout.write(`  ${'Postgres'.padEnd(16)} its user cannot traverse ${home}; the data is in ${outside}\n`)
  writeFileSync(pointer, `${outside}\n`)
  return outside
}

async function postgresCanReach(folder: string): Promise<boolean> {
  try {
    await run('setpriv', ['--reuid', 'postgres', '--regid', 'postgres', '--clear-groups', 'test', '-x', folder])
    return true
  } catch {
    return false
  }
}

async function own(folder: string): Promise<void> {
  await run('chown', ['-R', 'postgres:postgres', folder])
}

async function initialize(binaries: string, data: string, password: string, asRoot: boolean): Promise<void> {
  rmSync(data, { recursive: true, force: true })
  const passwordFile = `${data}-password`
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  if (asRoot) await own(passwordFile)
  const initdb = [
    `${binaries}/initdb`,
    ...['-D', data, '-U', 'sallyport', '--locale=C.UTF-8', '-E', 'UTF8', '--auth=scram-sha-256'],
    `--pwfile=${passwordFile}`,
  ]
  const identity = asRoot ? ['--reuid', 'postgres', '--regid', 'postgres', '--clear-groups'] : []
  try {
    await run('setpriv', [...identity, ...initdb], { cwd: '/' })
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new SetupFailure(`initdb failed: ${text.trim().split('\n').at(-1)}`, { cause })
  } finally {
    rmSync(passwordFile, { force: true })
  }
}

/**
 * A postmaster.pid whose number another program has been given since would keep Postgres from starting after a reboot. One
 * whose process is gone is left to Postgres: it names the memory by which the next start sees that children of a killed
 * one are still at work on the data.
 */
function removeStalePid(data: string): void {
  const file = join(data, 'postmaster.pid')
  if (!existsSync(file)) return
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
  let command: string
  try {
    command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return
  }
  if (!command.includes(data)) rmSync(file, { force: true })
}

export function readOrMakePassword(folder: string, name: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, name)
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  const password = randomBytes(18).toString('base64url')
  writeFileSync(file, `${password}\n`, { mode: 0o600 })
  return password
}

class RunningPostgres implements Postgres {
  readonly port: number
  readonly process: Child
  readonly #password: string
  readonly #secrets: string

  constructor(port: number, process: Child, password: string, secrets: string) {
    this.port = port
    this.process = process
    this.#password = password
    this.#secrets = secrets
  }

  urlOf(database: string): string {
    return this.#urlFor('sallyport', this.#password, database)
  }

  async giveLogin(role: string, database: string): Promise<string> {
    const password = readOrMakePassword(this.#secrets, `postgres-password-${role}`)
    await this.#administer((client) =>
      client.query(`alter role ${client.escapeIdentifier(role)} login password ${client.escapeLiteral(password)}`),
    )
    return this.#urlFor(role, password, database)
  }

  #urlFor(role: string, password: string, database: string): string {
    return `postgres://${role}:${password}@${host}:${this.port}/${database}`
  }

  async waitUntilUp(logFile: string): Promise<void> {
    const deadline = Date.now() + 30_000
    for (;;) {
      if (!this.process.running) {
        throw new SetupFailure(`Postgres stopped while starting: ${lastLine(logFile)} (whole log: ${logFile})`)
      }
      const client = new pg.Client({ connectionString: this.urlOf('postgres') })
      client.on('error', () => {})
      try {
        await client.connect()
        await client.end()
        return
      } catch (cause) {
        if (Date.now() > deadline) throw new SetupFailure(`Postgres does not answer; see ${logFile}`, { cause })
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  async createDatabase(name: string, template = 'template0'): Promise<string> {
    await this.#administer(async (client) => {
      const found = await client.query('select 1 from pg_database where datname = $1', [name])
      if (found.rowCount === 0) {
        await client.query(
          `create database ${client.escapeIdentifier(name)} template ${client.escapeIdentifier(template)}`,
        )
      }
    })
    return this.urlOf(name)
  }

  async dropDatabase(name: string): Promise<void> {
    await this.#administer((client) =>
      client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`),
    )
  }

  async stop(): Promise<void> {
    await this.process.stop('SIGINT', 20_000)
  }

  async crash(): Promise<void> {
    await this.process.stop('SIGQUIT', 5_000)
  }

  async #administer(work: (client: pg.Client) => Promise<unknown>): Promise<void> {
    const client = new pg.Client({ connectionString: this.urlOf('postgres') })
    client.on('error', () => {})
    await client.connect()
    try {
      await work(client)
    } finally {
      await client.end()
    }
  }
}

export function lastLine(file: string): string {
  if (!existsSync(file)) return 'no log'
  return readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? ''
}
