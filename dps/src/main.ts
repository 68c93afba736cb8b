/** Starts the dps from its environment. `configuration` as argument prints what may stand there, as JSON. */

import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { describeConfiguration, readConfiguration, unknownVariables } from '@sallyport/config'
import { isCodedError } from '@sallyport/errors'
import { dpsSettings } from './config.ts'
import { type Dps, startDps } from './dps.ts'

if (process.argv[2] === 'configuration') {
  process.stdout.write(`${JSON.stringify(describeConfiguration(dpsSettings), null, 2)}\n`)
} else {
  try {
    await run()
  } catch (error) {
    const told = isCodedError(error) ? `${error.code}: ${error.message}` : String(error)
    process.stderr.write(`dps does not start: ${told}\n`)
    process.exitCode = 1
  }
}

async function run(): Promise<void> {
  const configuration = readConfiguration(dpsSettings, process.env)
  const dps = await startDps(configuration)
  for (const name of unknownVariables(dpsSettings, process.env)) dps.log.warn({ name }, 'unknown variable')
  if (configuration.readyFile !== undefined) writeReadyFile(configuration.readyFile, dps)
  // Where the environment names a folder for it (NODE_COMPILE_CACHE): also a dps that is killed has left it.
  flushCompileCache()
  let stopping = false
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return
    stopping = true
    dps.log.info({ signal }, 'dps is stopping')
    if (configuration.readyFile !== undefined) rmSync(configuration.readyFile, { force: true })
    dps.close().then(
      () => process.exit(0),
      (error) => {
        dps.log.error({ err: error }, 'dps did not stop cleanly')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

/** Written beside it and renamed, so that no reader sees half of it. */
function writeReadyFile(path: string, dps: Dps): void {
  writeFileSync(`${path}.new`, `${JSON.stringify({ pid: process.pid, ...dps.addresses })}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
