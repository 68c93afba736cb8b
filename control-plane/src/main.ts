/**
 * The control plane's process: environment in, signals, exit code.
 *
 * `database-roles` prints what an administrator of the Postgres cluster does once, as a script for psql; `migrate` brings the
 * database to the present schema and ends; `configuration` prints what may stand in the environment,
 * `openapi` and `asyncapi` the documents of the API, `signing-keys` the keys that sign tokens, all as JSON. `retire-signing-key` withdraws one
 * that others may have: every token that it signed is refused from then on.
 */

import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { describeConfiguration, readConfiguration, serviceSettings, unknownVariables } from '@sallyport/config'
import { isCodedError } from '@sallyport/errors'
import { databaseRolesScript, migrate } from '@sallyport/store'
import { controlPlaneSettings } from './config.ts'
import type { ControlPlane } from './control-plane.ts'

const longestStop = 25_000

try {
  await main(process.argv[2])
} catch (error) {
  const told = isCodedError(error) ? `${error.code}: ${error.message}` : String(error)
  process.stderr.write(`control-plane: ${told}\n`)
  process.exit(1)
}

async function main(command: string | undefined): Promise<void> {
  switch (command) {
    case undefined:
      return run()
    case 'migrate': {
      const { databaseUrl } = readConfiguration({ databaseUrl: serviceSettings.databaseUrl }, process.env)
      return print(await migrate({ connectionString: databaseUrl }))
    }
    case 'database-roles': {
      const { 3: database = 'sallyport', 4: owner = 'sallyport_owner' } = process.argv
      process.stdout.write(databaseRolesScript({ database, owner }))
      return
    }
    case 'configuration':
      return print(describeConfiguration(controlPlaneSettings))
    case 'openapi':
      return print(await (await import('./open-api-document.ts')).openApiDocument())
    case 'asyncapi':
      return print((await import('./socket/async-api-document.ts')).asyncApiDocument())
    case 'signing-keys':
      return print(await (await import('./signing-key-commands.ts')).listSigningKeys(process.env))
    case 'retire-signing-key':
      return print(await (await import('./signing-key-commands.ts')).retireSigningKey(process.env, process.argv[3]))
    default:
      process.stderr.write(
        'usage: main.ts [database-roles [DATABASE [OWNER]] | migrate | configuration | openapi | asyncapi | signing-keys | retire-signing-key KEY-ID]\n',
      )
      process.exitCode = 2
  }
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
}

async function run(): Promise<void> {
  const configuration = readConfiguration(controlPlaneSettings, process.env)
  // Loaded here, for most of it is no use to `migrate`, which every start waits for.
  const { startControlPlane } = await import('./control-plane.ts')
  const controlPlane = await startControlPlane(configuration)
  const { log } = controlPlane
  for (const name of unknownVariables(controlPlaneSettings, process.env)) log.warn({ name }, 'unknown variable')
  // Our own fault left the process in a state nobody has thought of: a new one is safer.
  const die = (error: unknown): void => {
    log.fatal({ err: error }, 'the control plane ends: a fault of its own')
    process.exit(1)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  stopOnSignals(controlPlane, configuration.readyFile)
  if (configuration.readyFile !== undefined) writeReadyFile(configuration.readyFile, controlPlane)
  // Where the environment names a folder for it (NODE_COMPILE_CACHE): also a control plane that is killed has left it.
  flushCompileCache()
}

function stopOnSignals(controlPlane: ControlPlane, readyFile: string | undefined): void {
  const { log } = controlPlane
  let stopping = false
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'the control plane stops')
    if (readyFile !== undefined) rmSync(readyFile, { force: true })
    setTimeout(() => {
      log.error({}, 'the control plane did not stop in time')
      process.exit(1)
    }, longestStop).unref()
    controlPlane.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'the control plane did not stop cleanly')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

/** Written beside it and renamed, so that no reader sees half of it. */
function writeReadyFile(path: string, { addresses }: ControlPlane): void {
  writeFileSync(`${path}.new`, `${JSON.stringify({ pid: process.pid, ...addresses })}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
