/** The whole product for one test file: real processes on free ports, removed at the end. */

import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type ApiClient, loginAsAdmin } from './api-client.ts'
import { type Child, startChild } from './child.ts'
import { type DeviceFiles, enrollManufacturer, type Manufacturer, manufactureDevice } from './first-devices.ts'
import { mainOf, nodeProgram } from './home.ts'
import { coapsUrl, type Installation, startInstallation } from './installation.ts'
import { freePorts } from './port-plan.ts'
import { silentProgress } from './progress.ts'
import { testHome } from './test-services.ts'

export interface TestInstallation extends Installation {
  readonly http: string
  readonly gatewayUrl: string
  readonly dpsUrl: string
  readonly manufacturer: Manufacturer
  readonly api: ApiClient
  /** A new device of the enrolled manufacturer that has never been provisioned. */
  manufactureDevice(): Promise<DeviceFiles>
  /** Starts `device run` for it; its output is in `logFile`. */
  runDevice(device: DeviceFiles, more?: readonly string[]): Promise<RunningDevice>
  /** The log of a service so far, one parsed line each. */
  logOf(service: 'control-plane' | 'dps' | 'gateway'): Record<string, unknown>[]
  /** The text of /metrics. */
  metricsOf(service: 'control-plane' | 'dps' | 'gateway'): Promise<string>
}

export interface RunningDevice {
  readonly id: string
  readonly state: string
  readonly logFile: string
  readonly process: Child
  stop(): Promise<void>
}

export async function installationForTest(
  options: { readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<TestInstallation> {
  const home = join(testHome(), `installation-${randomBytes(4).toString('hex')}`)
  mkdirSync(home, { recursive: true, mode: 0o755 })
  const children: Child[] = []
  const installation = await startInstallation({
    home,
    ports: await freePorts(),
    mode: 'test',
    progress: silentProgress,
    onChange: () => {},
    ...options,
  })
  const http = installation.controlPlane.ready.http ?? ''
  const api = await loginAsAdmin(http, installation.admin)
  const manufacturer = await enrollManufacturer(installation, api)
  const services = { 'control-plane': installation.controlPlane, dps: installation.dps, gateway: installation.gateway }
  return {
    ...installation,
    http,
    gatewayUrl: coapsUrl(installation.gateway.ready),
    dpsUrl: coapsUrl(installation.dps.ready),
    manufacturer,
    api,
    manufactureDevice: () => manufactureDevice(manufacturer, join(home, 'devices', randomBytes(4).toString('hex'))),
    runDevice: async (device, more = []) => {
      const state = join(home, 'devices', device.id)
      mkdirSync(state, { recursive: true, mode: 0o700 })
      const logFile = join(home, 'log', `device-${device.id}-${randomBytes(2).toString('hex')}.log`)
      const process = startChild({
        name: `device ${device.id}`,
        command: nodeProgram,
        args: [
          ...[
            mainOf('device'),
            'run',
            '--dps',
            coapsUrl(installation.dps.ready),
            '--trust-anchor',
            installation.pki.trustAnchor,
          ],
          ...['--certificate', device.certificate, '--key', device.key, '--state', state, ...more],
        ],
        logFile,
      })
      children.push(process)
      return { id: device.id, state, logFile, process, stop: () => process.stop('SIGTERM', 10_000) }
    },
    logOf: (service) => parseLog(join(home, 'log', `${service}.log`)),
    metricsOf: async (service) => (await fetch(`${services[service].ready.management}/metrics`)).text(),
    stop: async () => {
      for (const child of children) await child.stop('SIGTERM', 5_000)
      await installation.stop()
      if (process.env.SALLYPORT_KEEP_TEST_HOME === undefined) rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Lines that are not JSON (a crash's stack) are kept as `{ text }`. */
function parseLog(file: string): Record<string, unknown>[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return JSON.parse(line) as Record<string, unknown>
      } catch {
        return { text: line }
      }
    })
}
