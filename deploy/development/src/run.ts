/**
 * `make run`: everything up, a device online, the URLs printed; Ctrl-C takes it down in order, also while it is coming up.
 * What dies in between is started again, and `ready.json` tells its new process id.
 */

import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type DemoDevice, isRegistered, prepareFirstDevices, startDemoDevice } from './first-devices.ts'
import { checkoutRoot } from './home.ts'
import { type Installation, startInstallation } from './installation.ts'
import { type KeptRunning, keepRunning } from './kept-running.ts'
import { expectPortsFree, fixedPorts } from './port-plan.ts'
import { type Progress, terminalProgress } from './progress.ts'
import { type Ready, readyOf, removeReadyFile, writeReadyFile } from './ready-file.ts'
import { takeRunLock } from './run-lock.ts'

export interface RunOptions {
  readonly home: string
  readonly portOffset: string | undefined
  readonly write: (text: string) => void
  /** Resolves when the person wants to stop. */
  readonly stopped: Promise<void>
}

class StoppedEarly extends Error {}

/** Resolves once all of it has been stopped again; what was being started then ends with the calling process. */
export async function run(options: RunOptions): Promise<void> {
  const { home } = options
  const progress = interruptible(terminalProgress(options.write), options.stopped)
  const ports = fixedPorts(options.portOffset)
  const lock = await takeRunLock(home, progress.line)
  let installation: Installation | undefined
  let demo: KeptRunning<DemoDevice> | undefined
  let ready: Ready | undefined
  const announce = (text: string) => progress.line(`  ${text}`)
  const processesOf = (processes: Installation['processes']) =>
    demo === undefined ? processes : [...processes, { name: 'device', pid: demo.current.process.pid }]
  const onProcesses = (started: Installation['processes']) => {
    const processes = processesOf(started)
    lock.record(processes)
    if (ready === undefined) return
    const pids = Object.fromEntries(processes.map(({ name, pid }) => [name, pid]))
    ready = { ...ready, processes: { ...ready.processes, ...pids } }
    writeReadyFile(home, ready)
  }
  try {
    await expectPortsFree(ports)
    installation = await startInstallation({
      home,
      ports,
      mode: 'development',
      progress,
      onChange: announce,
      onProcesses,
    })
    const up = installation
    const deviceLog = join(home, 'log', 'device.log')
    const logStart = existsSync(deviceLog) ? statSync(deviceLog).size : 0
    const [device, firstReady] = await progress.step('first device', async () => {
      const devices = await prepareFirstDevices(up)
      const first = await startDemoDevice(up)
      const onChange = (text: string) => {
        onProcesses(up.processes)
        announce(text)
      }
      demo = keepRunning(first, {
        name: 'device',
        logFile: deviceLog,
        start: () => startDemoDevice(up),
        unwanted: async () =>
          (await isRegistered(up, first.id)) ? undefined : 'it was deleted; the next make run makes a new one',
        onChange,
      })
      onProcesses(up.processes)
      const result = [first, readyOf(up, devices, { device: first.process.pid, starter: process.pid })] as const
      return { result, note: `${first.id} is online` }
    })
    printLines(deviceLog, logStart, progress)
    ready = firstReady
    writeReadyFile(home, ready)
    printWelcome(progress, home, ready, device.id)
    await options.stopped
  } catch (error) {
    if (!(error instanceof StoppedEarly)) throw error
  } finally {
    ready = undefined
    removeReadyFile(home)
    await demo?.stop()
    await installation?.stop()
    lock.release()
  }
  progress.line('Stopped.')
}

/** No step outlasts the wish to stop: what it was waiting for is not waited for. */
function interruptible(progress: Progress, stopped: Promise<void>): Progress {
  const stoppedEarly = stopped.then((): never => {
    progress.line('Stopping…')
    throw new StoppedEarly()
  })
  stoppedEarly.catch(() => {})
  return {
    line: (text) => progress.line(text),
    step: (name, work) => progress.step(name, () => Promise.race([work(), stoppedEarly])),
  }
}

/** What the device printed since it started: the story as it saw it. */
function printLines(file: string, start: number, progress: Progress): void {
  if (!existsSync(file)) return
  const length = Math.min(statSync(file).size - start, 16_384)
  if (length <= 0) return
  const buffer = Buffer.alloc(length)
  const descriptor = openSync(file, 'r')
  readSync(descriptor, buffer, 0, length, start)
  closeSync(descriptor)
  for (const line of buffer.toString('utf8').trimEnd().split('\n')) progress.line(`    device: ${line}`)
}

function printWelcome(progress: Progress, home: string, ready: ReturnType<typeof readyOf>, deviceId: string): void {
  const login = `${ready.http}/api/v1/auth/login`
  progress.line('')
  progress.line(`  HTTP API     ${ready.http}/api/v1   (reference: ${ready.http}/docs)`)
  progress.line(
    `  gateway      ${ready.gateway.coaps}${ready.gateway.coapsTcp === null ? '' : `  ${ready.gateway.coapsTcp}`}`,
  )
  progress.line(`  dps          ${ready.dps.coaps}${ready.dps.coapsTcp === null ? '' : `  ${ready.dps.coapsTcp}`}`)
  progress.line(`  metrics      ${ready.metrics.join('  ')}`)
  progress.line(`  logs         ${join(home, 'log')}`)
  progress.line(`  mail         ${join(home, 'mail')}   (nothing leaves this machine)`)
  progress.line(`  all of it    ${join(home, 'ready.json')}`)
  progress.line(`  admin        ${ready.admin.email}   password: ${ready.admin.password}`)
  progress.line('')
  const sallyport = join(checkoutRoot, 'node_modules', '.bin', 'sallyport')
  progress.line('  See the device and switch its lamp on, after a login (docs/cli.md):')
  progress.line('')
  progress.line(`  ${sallyport} login --server ${ready.http} --email ${ready.admin.email}`)
  progress.line(`  ${sallyport} devices list`)
  progress.line(`  ${sallyport} devices set ${deviceId} /light/1 state=true`)
  progress.line('')
  progress.line('  The same over HTTP:')
  progress.line('')
  progress.line(
    `  TOKEN=$(curl -s ${login} -H 'content-type: application/json' -d '${JSON.stringify({ email: ready.admin.email, password: ready.admin.password })}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`,
  )
  progress.line(`  curl -s ${ready.http}/api/v1/devices -H "authorization: Bearer $TOKEN"`)
  progress.line(
    `  curl -s -X PUT ${ready.http}/api/v1/devices/${deviceId}/resources/light/1 -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"state":true}'`,
  )
  progress.line('')
  progress.line('Ready. Ctrl-C stops everything.')
}
