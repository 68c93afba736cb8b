/**
 * The device's command line: `device provision`, `device run`, `device fleet`. Only this file reads arguments, environment
 * and signals.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, clockFrom, type Duration, seconds } from '@sallyport/clock'
import { deviceIdFromCommonName } from '@sallyport/pki'
import { Command, InvalidArgumentError, Option } from 'commander'
import { setCoapTiming } from './coap-timing.ts'
import { parseCoapsUri } from './coaps-uri.ts'
import type { DeviceContext } from './device-context.ts'
import { type DeviceEvent, jsonOf, lineOf } from './device-event.ts'
import { DeviceFailure, isDeviceFailure } from './device-failure.ts'
import { readDpsAddress, waitForDpsAddress, writeDpsAddress } from './dps-address.ts'
import { runFleet } from './fleet.ts'
import { makeFleetDevices, readFleetDevices } from './fleet-devices.ts'
import { FleetProgress } from './fleet-progress.ts'
import { summaryLines } from './fleet-summary.ts'
import { GatewaySession } from './gateway-session.ts'
import { ensureProvisioned } from './provisioned-device.ts'
import { runDevice } from './run.ts'
import { signUpOnly } from './session.ts'
import { simulatedResources } from './simulated-resources.ts'
import { readCertificates, readIdentityFiles, stateDirectory } from './state-directory.ts'

interface DeviceFlags {
  readonly dps?: string
  readonly trustAnchor: string
  readonly certificate: string
  readonly key: string
  readonly state: string
  readonly id?: string
  readonly json?: boolean
}

interface RunFlags extends DeviceFlags {
  readonly interval: Duration
  readonly keepAlive: Duration
  readonly once?: boolean
  readonly renewNow?: boolean
}

interface FleetFlags {
  readonly count: number
  readonly dps: string
  readonly trustAnchor: string
  readonly certificates?: string
  readonly manufacturer?: string
  readonly concurrency: number
  readonly stay: Duration
  readonly interval: Duration
  readonly attempts: number
  readonly json?: boolean
}

const clock: Clock = clockFrom(Date.now)
const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const program = new Command('device')
  .description('A simulated device: it speaks only CoAP over DTLS, with the dps and with the gateway.')
  .showHelpAfterError()

deviceCommand('provision', 'Gets an identity from the dps, signs up at the gateway, and leaves.').action(
  async (flags: DeviceFlags) => {
    const dps = await dpsAddress(flags, stopSignal())
    if (dps === undefined) return
    const device = deviceContext(flags, dps)
    const known = device.state.readTokens()?.accessToken
    await signUpOnly(device, await ensureProvisioned(device))
    if (flags.json !== true && known !== undefined && device.state.readTokens()?.accessToken === known) {
      print(`${device.deviceId} is provisioned and signed up already (${flags.state})`)
    }
  },
)

deviceCommand('run', 'Provisions where needed, signs in, serves its resources and reports, until it is stopped.')
  .addOption(secondsOption('--interval <seconds>', 'time between measurements', 10))
  .addOption(secondsOption('--keep-alive <seconds>', 'time between keep-alive requests', 20))
  .option('--once', 'sign in, report once, sign out')
  .option('--renew-now', 'renew the certificate as soon as it is signed in (so does SIGHUP)')
  .action(async (flags: RunFlags) => {
    let renewNow: (() => void) | undefined
    process.on('SIGHUP', () => renewNow?.())
    const stop = stopSignal()
    const dps = await dpsAddress(flags, stop)
    if (dps === undefined) return
    await runDevice(deviceContext(flags, dps), {
      stop,
      telemetryInterval: flags.interval,
      keepAlive: { interval: flags.keepAlive },
      ...(flags.once === undefined ? {} : { once: flags.once }),
      ...(flags.renewNow === undefined ? {} : { renewNow: flags.renewNow }),
      onRunning: (controls) => {
        renewNow = controls.renewNow
      },
    })
  })

program
  .command('configure')
  .description('Sets the address of the dps for a device that was started without one, or will be.')
  .requiredOption('--state <folder>', "the device's folder")
  .requiredOption('--dps <uri>', 'address of the dps: coaps://host:port')
  .action((flags: { state: string; dps: string }) => writeDpsAddress(flags.state, flags.dps))

program
  .command('fleet')
  .description('Many devices in one process: provision, sign in, report; then a summary.')
  .requiredOption('--count <n>', 'how many devices', parseCount)
  .requiredOption('--dps <uri>', 'address of the dps: coaps://host:port')
  .requiredOption('--trust-anchor <file>', "PEM of the installation's root")
  .option('--certificates <folder>', "manufacturer certificates, as 'certs manufacturer device' writes them")
  .option('--manufacturer <folder>', "the manufacturer's CA: certificates are made with it for this run")
  .option('--concurrency <n>', 'devices that are starting at a time', parseCount, 50)
  .addOption(secondsOption('--stay <seconds>', 'how long the fleet stays and reports once all are signed in', 0))
  .addOption(secondsOption('--interval <seconds>', 'time between measurements while it stays', 10))
  .option('--attempts <n>', 'attempts of a device before it counts as failed', parseCount, 3)
  .option('--json', 'the summary as JSON')
  .addHelpText(
    'after',
    '\nExample:\n  device fleet --count 500 --dps coaps://127.0.0.1:15684 --trust-anchor .dev/pki/trust-anchor.pem --manufacturer .dev/manufacturer',
  )
  .action(fleet)

async function fleet(flags: FleetFlags): Promise<void> {
  parseCoapsUri(flags.dps)
  const anchors = readCertificates(flags.trustAnchor)
  const stop = stopSignal()
  const temporary = flags.certificates === undefined ? mkdtempSync(join(tmpdir(), 'sallyport-fleet-')) : undefined
  try {
    if (temporary !== undefined) {
      if (flags.manufacturer === undefined) {
        throw new DeviceFailure('configuration', 'give --certificates or --manufacturer')
      }
      await makeFleetDevices(flags.manufacturer, temporary, flags.count)
    }
    const devices = readFleetDevices(temporary ?? flags.certificates ?? '', flags.count)
    const progress = new FleetProgress({
      total: flags.count,
      write: (text) => process.stderr.write(text),
      terminal: process.stderr.isTTY,
      clock,
    })
    const tally = await runFleet({
      ...{ devices, dps: flags.dps, anchors, stop, clock, random: Math.random },
      ...{ concurrency: flags.concurrency, stay: flags.stay, attempts: flags.attempts },
      telemetryInterval: flags.interval,
      onProgress: (current) => progress.show(current),
    })
    progress.end()
    const { rss, heapUsed } = process.memoryUsage()
    const summary = tally.summary(clock.now(), { rssBytes: rss, heapBytes: heapUsed })
    if (flags.json === true) print(JSON.stringify(summary))
    else for (const line of summaryLines(summary)) print(line)
    if (summary.failed > 0 || summary.lost > 0) process.exitCode = 1
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
  }
}

function deviceCommand(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option(
      '--dps <uri>',
      "address of the dps: coaps://host:port; without it, what 'device configure' sets is waited for",
    )
    .requiredOption('--trust-anchor <file>', "PEM of the installation's root, which dps and gateway must lead to")
    .requiredOption('--certificate <file>', 'PEM of the manufacturer certificate and its issuers, leaf first')
    .requiredOption('--key <file>', "PEM of the manufacturer certificate's key (PKCS#8)")
    .requiredOption('--state <folder>', 'where identity.pem, identity.key and tokens.json are kept')
    .option('--id <uuid>', "the device id, where the certificate's common name is not uuid:<device id>")
    .option('--json', 'events as JSON lines')
}

/** From the command line, or as it is set after the start; undefined when it is told to stop first. */
async function dpsAddress(flags: DeviceFlags, stop: AbortSignal): Promise<string | undefined> {
  const known = flags.dps ?? readDpsAddress(flags.state)
  if (known !== undefined) return known
  if (flags.json !== true) {
    print(`waiting for the address of the dps: device configure --state ${flags.state} --dps coaps://host:port`)
  }
  return await waitForDpsAddress(flags.state, stop)
}

function deviceContext(flags: DeviceFlags, dps: string): DeviceContext {
  parseCoapsUri(dps)
  const manufacturer = readIdentityFiles(flags.certificate, flags.key)
  const deviceId = deviceIdFromCommonName(
    flags.id === undefined ? manufacturer.chain[0]?.commonName : `uuid:${flags.id}`,
  )
  if (deviceId === undefined) {
    throw new DeviceFailure(
      'configuration',
      `${flags.certificate} has no common name uuid:<device id>: give --id <uuid>`,
    )
  }
  return {
    deviceId,
    dps,
    anchors: readCertificates(flags.trustAnchor),
    manufacturer,
    state: stateDirectory(flags.state),
    gatewaySession: new GatewaySession(),
    resources: simulatedResources(Math.random),
    handshakeTimeout,
    clock,
    random: Math.random,
    report: (event: DeviceEvent) => {
      const line = flags.json === true ? jsonOf(deviceId, event) : lineOf(deviceId, event)
      if (line !== undefined) print(line)
    },
  }
}

/** Retransmissions after 1, 3, 7 and 15 s are in it; then the attempt counts as unanswered. */
const handshakeTimeout = seconds(20)

/** How long leaving may take: a sign-out, where the gateway answers. A handshake under way is not waited for. */
const patience = seconds(6)

/** Aborted by the first SIGINT or SIGTERM; the second ends the process at once. */
function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(stoppedExitCode)
      stop.abort()
      setTimeout(() => process.exit(stoppedExitCode), patience).unref()
    })
  }
  return stop.signal
}

const stoppedExitCode = 130

/** The value is kept as a duration; its default is shown in seconds. */
function secondsOption(flags: string, description: string, value: number): Option {
  return new Option(flags, description).argParser(parseSeconds).default(seconds(value), String(value))
}

function parseSeconds(text: string): Duration {
  const value = Number(text)
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError('a number of seconds is needed')
  return seconds(value)
}

function parseCount(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 is needed')
  return value
}

setCoapTiming()
try {
  await program.parseAsync()
} catch (error) {
  if (!isDeviceFailure(error)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
