/**
 * A Redis of our own: a child process on its own port. Each service has its own user (`redisUsers`), the starter and the tests
 * have one that may do anything, the default user is off; their passwords are in files that only we read.
 */

import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { defaultRedisUserLine, type RedisUser, redisUserLine, redisUsers } from '@sallyport/events'
import { type Child, startChild } from './child.ts'
import { SetupFailure } from './failure.ts'
import { lastLine, readOrMakePassword } from './postgres.ts'

const host = '127.0.0.1'
const operator = 'sallyport-operator'

const isRedisUser = (name: string): name is RedisUser => Object.hasOwn(redisUsers, name)

export interface RedisOptions {
  readonly home: string
  readonly port: number
}

export interface RedisProcess {
  /** Of the user that may do anything. */
  readonly url: string
  /** Of a service's own user; without a password, which stands in the file. */
  urlAs(user: RedisUser): { readonly url: string; readonly passwordFile: string }
  readonly process: Child
  stop(): Promise<void>
}

export async function startRedisServer(options: RedisOptions): Promise<RedisProcess> {
  const folder = join(options.home, 'redis')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  mkdirSync(join(options.home, 'log'), { recursive: true })
  const secrets = join(options.home, 'secrets')
  const password = readOrMakePassword(secrets, 'redis-password')
  const passwordFileOf = (user: string): string => `redis-password-${user}`
  const users = Object.keys(redisUsers).filter(isRedisUser)
  const access = join(folder, 'users.acl')
  const hashed = (secret: string): string => `#${createHash('sha256').update(secret).digest('hex')}`
  writeFileSync(
    access,
    [
      defaultRedisUserLine,
      `user ${operator} on ${hashed(password)} ~* &* +@all`,
      ...users.map((user) => redisUserLine(user, hashed(readOrMakePassword(secrets, passwordFileOf(user))))),
      '',
    ].join('\n'),
    { mode: 0o600 },
  )
  const configuration = join(folder, 'redis.conf')
  writeFileSync(
    configuration,
    [
      `bind ${host}`,
      `port ${options.port}`,
      `dir ${JSON.stringify(folder)}`,
      `aclfile ${JSON.stringify(access)}`,
      'appendonly yes',
      'save ""',
      'daemonize no',
      'maxmemory-policy noeviction',
      '',
    ].join('\n'),
    { mode: 0o600 },
  )
  const logFile = join(options.home, 'log', 'redis.log')
  const child = startChild({ name: 'redis', command: 'redis-server', args: [configuration], logFile })
  await waitUntilListening(child, options.port, logFile)
  return {
    url: `redis://${operator}:${password}@${host}:${options.port}/0`,
    urlAs: (user) => ({
      url: `redis://${user}@${host}:${options.port}/0`,
      passwordFile: join(secrets, passwordFileOf(user)),
    }),
    process: child,
    stop: () => child.stop('SIGTERM', 10_000),
  }
}

async function waitUntilListening(child: Child, port: number, logFile: string): Promise<void> {
  const deadline = Date.now() + 15_000
  while (!(await listens(port))) {
    if (!child.running)
      throw new SetupFailure(`Redis stopped while starting: ${lastLine(logFile)} (whole log: ${logFile})`)
    if (Date.now() > deadline) throw new SetupFailure(`Redis does not answer; see ${logFile}`)
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
