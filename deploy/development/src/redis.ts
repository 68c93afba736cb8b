/** A Redis of our own: a child process on its own port, its password in a configuration file that only we read. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type Child, startChild } from './child.ts'
import { SetupFailure } from './failure.ts'
import { lastLine, readOrMakePassword } from './postgres.ts'

const host = '127.0.0.1'

export interface RedisOptions {
  readonly home: string
  readonly port: number
}

export interface RedisProcess {
  readonly url: string
  readonly process: Child
  stop(): Promise<void>
}

export async function startRedisServer(options: RedisOptions): Promise<RedisProcess> {
  const folder = join(options.home, 'redis')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  mkdirSync(join(options.home, 'log'), { recursive: true })
  const password = readOrMakePassword(join(options.home, 'secrets'), 'redis-password')
  const configuration = join(folder, 'redis.conf')
  writeFileSync(
    configuration,
    [
      `bind ${host}`,
      `port ${options.port}`,
      `dir ${JSON.stringify(folder)}`,
      `requirepass ${password}`,
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
    url: `redis://:${password}@${host}:${options.port}/0`,
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
