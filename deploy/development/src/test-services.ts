/**
 * What a test run has in common, started before its first integration test and removed after its last: one Postgres cluster
 * and one folder of SoftHSM tokens. Runs side by side do not meet: each has a folder and ports of its own.
 */

import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { RedisUser } from '@sallyport/events'
import { freeTcpPort } from './free-port.ts'
import { checkoutRoot } from './home.ts'
import { startPostgres } from './postgres.ts'
import { startRedisServer } from './redis.ts'
import { type DevelopmentToken, openTokenDirectory } from './token-directory.ts'

/** vitest's globalSetup: returns the teardown. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = join(checkoutRoot, '.dev', 'test')
  removeLeftovers(folder)
  const home = join(folder, `run-${process.pid}-${randomBytes(3).toString('hex')}`)
  mkdirSync(home, { recursive: true, mode: 0o755 })
  const postgres = await startPostgres({ home, port: await freeTcpPort(), disposable: true })
  const tokens = openTokenDirectory(join(home, 'hsm'), join(home, 'secrets'))
  process.env.SALLYPORT_TEST_HOME = home
  process.env.SALLYPORT_TEST_POSTGRES = postgres.urlOf('postgres')
  process.env.SOFTHSM2_CONF = tokens.softhsmConf
  return async () => {
    await postgres.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

/** Folders of runs that were killed: their process is gone, and with it, by the parent-death signal, its children. */
function removeLeftovers(folder: string): void {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) {
    const pid = /^run-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(folder, name), { recursive: true, force: true })
  }
}

/** The folder of this test run. */
export function testHome(): string {
  const home = process.env.SALLYPORT_TEST_HOME
  if (home === undefined) {
    throw new Error('no test services: name the file *.integration.test.ts so that the run starts them')
  }
  return home
}

export interface TestRedis {
  /** Of a user that may do anything. */
  readonly url: string
  /** What a service is told, to log in as its own user. */
  environmentOf(user: RedisUser): {
    readonly SALLYPORT_REDIS_URL: string
    readonly SALLYPORT_REDIS_PASSWORD_FILE: string
  }
  stop(): Promise<void>
}

/** A Redis for one test file, empty, on a free port. */
export async function redisForTest(): Promise<TestRedis> {
  const home = join(testHome(), `redis-${randomBytes(4).toString('hex')}`)
  const redis = await startRedisServer({ home, port: await freeTcpPort() })
  return {
    url: redis.url,
    environmentOf(user) {
      const { url, passwordFile } = redis.urlAs(user)
      return { SALLYPORT_REDIS_URL: url, SALLYPORT_REDIS_PASSWORD_FILE: passwordFile }
    },
    stop: async () => {
      await redis.stop()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** A SoftHSM token of its own for one test file, in the run's folder: SOFTHSM2_CONF is in the environment already. */
export async function tokenForTest(prefix: string): Promise<DevelopmentToken & { readonly modulePath: string }> {
  const home = testHome()
  const tokens = openTokenDirectory(join(home, 'hsm'), join(home, 'secrets'))
  const token = await tokens.ensureToken(`${prefix}-${randomBytes(4).toString('hex')}`)
  return { ...token, modulePath: tokens.modulePath }
}
