/**
 * The gateway's process: environment in, signals, exit code. `main.ts configuration` prints what it can be told.
 */

import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { describeConfiguration, readConfiguration, unknownVariables } from '@sallyport/config'
import { createLogger, type Logger } from '@sallyport/diagnostics'
import { hasCode } from '@sallyport/errors'
import { type GatewayConfiguration, gatewaySettings } from './config.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { inheritanceVariables, inheritedSockets } from './inherited-sockets.ts'

const longestStop = 20_000

if (process.argv[2] === 'configuration') {
  process.stdout.write(`${JSON.stringify(describeConfiguration(gatewaySettings), null, 2)}\n`)
} else {
  await run()
}

async function run(): Promise<void> {
  const configuration = configurationOrExit()
  const log = createLogger({ service: 'gateway', level: configuration.logLevel })
  for (const name of unknownVariables(gatewaySettings, process.env)) log.warn({ name }, 'unknown variable')
  process.on('uncaughtException', (error) => die(log, error))
  process.on('unhandledRejection', (error) => die(log, error))
  try {
    const inherited = inheritedSockets(process.env, process.pid)
    for (const name of inheritanceVariables) delete process.env[name]
    const gateway = await startGateway(configuration, log, {
      inherited,
      onStandingBy: () => announceStandby(configuration, log),
    })
    stopOnSignals(gateway, configuration, log, inherited.coaps !== undefined)
    endWhenLost(gateway, log)
    announce(gateway, configuration, log)
    // Where the environment names a folder for it (NODE_COMPILE_CACHE): also a gateway that is killed has left it.
    flushCompileCache()
  } catch (error) {
    log.fatal({ err: error }, 'the gateway could not start')
    process.exit(1)
  }
}

function configurationOrExit(): GatewayConfiguration {
  try {
    return readConfiguration(gatewaySettings, process.env)
  } catch (error) {
    if (!hasCode(error, 'configuration-invalid')) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}

/** Our own fault left the process in a state nobody has thought of: a new one is safer. */
function die(log: Logger, error: unknown): void {
  log.fatal({ err: error }, 'the gateway ends: a fault of its own')
  process.exit(1)
}

function announce(gateway: Gateway, { readyFile }: GatewayConfiguration, log: Logger): void {
  const { id, coaps, coapsTcp, management } = gateway
  log.info({ id, coaps, coapsTcp, management }, 'gateway ready')
  writeReadyFile(readyFile, { coaps, coapsTcp, management })
}

/** A signal ends it here without more ado: it has nothing that anybody would miss. */
function announceStandby({ readyFile, shard }: GatewayConfiguration, log: Logger): void {
  log.info({ shard }, 'gateway stands by')
  writeReadyFile(readyFile, { standby: true })
}

function writeReadyFile(readyFile: string | undefined, content: Readonly<Record<string, unknown>>): void {
  if (readyFile === undefined) return
  const draft = `${readyFile}.${process.pid}`
  writeFileSync(draft, JSON.stringify({ pid: process.pid, ...content }), { mode: 0o600 })
  renameSync(draft, readyFile)
}

/** Another process serves our devices: whatever we still said would disturb it. */
function endWhenLost(gateway: Gateway, log: Logger): void {
  void gateway.lost.then(() => {
    log.fatal({}, 'the gateway ends: its shard is served by another')
    process.exit(1)
  })
}

/**
 * SIGTERM where somebody else holds the socket is a restart: the devices are left to the successor. SIGINT is for good, and so is
 * SIGTERM where the port closes with this process: the devices are told.
 */
function stopOnSignals(
  gateway: Gateway,
  { readyFile }: GatewayConfiguration,
  log: Logger,
  socketOutlivesUs: boolean,
): void {
  let stopping = false
  const stop = (signal: string): void => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'gateway stops')
    if (readyFile !== undefined) rmSync(readyFile, { force: true })
    setTimeout(() => {
      log.error({}, 'the gateway did not stop in time')
      process.exit(1)
    }, longestStop).unref()
    const stopped = signal === 'SIGTERM' && socketOutlivesUs ? gateway.handOver() : gateway.close()
    stopped.then(
      (handedOver) => {
        log.info({ handedOver: handedOver === true }, 'gateway stopped')
        process.exit(0)
      },
      (error: unknown) => die(log, error),
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}
