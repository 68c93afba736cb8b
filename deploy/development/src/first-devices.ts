/**
 * The demo of a run: a manufacturer with its enrollment group, a device that lives, one that has signed up and rests, and
 * one that has never been provisioned, for a foreign client to play.
 */

import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ApiClient, loginAsAdmin } from './api-client.ts'
import { type Child, startChild } from './child.ts'
import { SetupFailure } from './failure.ts'
import { mainOf, nodeProgram } from './home.ts'
import { coapsUrl, type Installation } from './installation.ts'
import { runProgram } from './program.ts'

export interface DeviceFiles {
  readonly id: string
  /** Leaf first, then its issuers. */
  readonly certificate: string
  readonly key: string
}

export interface FirstDevices {
  readonly enrollmentGroup: { readonly id: string }
  readonly manufacturerDevice: DeviceFiles
  readonly provisionedDevice: DeviceFiles & { readonly accessToken: string; readonly uid: string }
}

export interface Manufacturer {
  readonly folder: string
  readonly groupId: string
}

interface Listed<T> {
  readonly items: readonly T[]
}

/** The manufacturer's CA on disk and its enrollment group at the control plane; both are made once. */
export async function enrollManufacturer(installation: Installation, api: ApiClient): Promise<Manufacturer> {
  const folder = join(installation.home, 'manufacturer')
  if (!existsSync(join(folder, 'chain.pem'))) {
    await runProgram('certs', ['manufacturer', 'create', '--out', folder, '--name', 'Demo Manufacturer'])
  }
  const certificateChain = readFileSync(join(folder, 'chain.pem'), 'utf8')
  // By its chain: a person may have given it another name.
  const listed = await api.get<Listed<{ id: string; certificateChain: string }>>('/api/v1/enrollment-groups?limit=200')
  const known = listed.items.find((group) => withoutSpace(group.certificateChain) === withoutSpace(certificateChain))
  if (known !== undefined) return { folder, groupId: known.id }
  const made = await api.post<{ id: string }>('/api/v1/enrollment-groups', {
    name: 'Demo manufacturer',
    certificateChain,
  })
  return { folder, groupId: made.id }
}

const withoutSpace = (pem: string): string => pem.replace(/\s/g, '')

/** A new device of the manufacturer: its key and certificate, made by the manufacturer's tool. */
export async function manufactureDevice(manufacturer: Manufacturer, out: string): Promise<DeviceFiles> {
  mkdirSync(out, { recursive: true, mode: 0o700 })
  const printed = await runProgram('certs', [
    'manufacturer',
    'device',
    '--ca',
    manufacturer.folder,
    '--out',
    out,
    '--count',
    '1',
  ])
  const line = printed.trim().split('\n').at(-1) ?? ''
  return JSON.parse(line) as DeviceFiles
}

export async function prepareFirstDevices(installation: Installation): Promise<FirstDevices> {
  const api = await loginAsAdmin(installation.controlPlane.ready.http ?? '', installation.admin)
  const manufacturer = await enrollManufacturer(installation, api)
  return {
    enrollmentGroup: { id: manufacturer.groupId },
    manufacturerDevice: await unusedDevice(installation, api, manufacturer),
    provisionedDevice: await restingDevice(installation, api, manufacturer),
  }
}

async function unusedDevice(
  installation: Installation,
  api: ApiClient,
  manufacturer: Manufacturer,
): Promise<DeviceFiles> {
  const record = join(installation.home, 'devices', 'unused.json')
  if (existsSync(record)) {
    const device = JSON.parse(readFileSync(record, 'utf8')) as DeviceFiles
    const used = await api.get<Listed<unknown>>(`/api/v1/provisioning-records?deviceId=${device.id}`)
    if (used.items.length === 0) return device
  }
  const device = await manufactureDevice(manufacturer, join(installation.home, 'devices', 'unused'))
  writeFileSync(record, JSON.stringify(device), { mode: 0o600 })
  return device
}

/** Its token lives a day and may be used up by whoever plays it: it is provisioned anew when it would not serve. */
async function restingDevice(
  installation: Installation,
  api: ApiClient,
  manufacturer: Manufacturer,
): Promise<FirstDevices['provisionedDevice']> {
  const state = join(installation.home, 'devices', 'resting')
  let tokens = readTokens(state)
  if (tokens === undefined || !(await serves(state, tokens, api))) {
    rmSync(state, { recursive: true, force: true })
    const device = await manufactureDevice(manufacturer, join(state, 'manufacturer'))
    await runProgram('device', ['provision', ...deviceArguments(installation, device, state)])
    tokens = readTokens(state)
    if (tokens === undefined) throw new SetupFailure(`the device in ${state} was provisioned but did not sign up`)
  }
  return {
    id: tokens.deviceId,
    certificate: join(state, 'identity.pem'),
    key: join(state, 'identity.key'),
    accessToken: tokens.accessToken,
    uid: tokens.uid,
  }
}

interface Tokens {
  readonly deviceId: string
  readonly accessToken: string
  readonly uid: string
}

function readTokens(state: string): Tokens | undefined {
  const file = join(state, 'tokens.json')
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Tokens) : undefined
}

/** Whether token and certificate are good for half a day more, and the device has not been deleted. */
async function serves(state: string, tokens: Tokens, api: ApiClient): Promise<boolean> {
  const needed = Date.now() + 12 * 3_600_000
  const claims = JSON.parse(Buffer.from(tokens.accessToken.split('.')[1] ?? '', 'base64url').toString('utf8')) as {
    exp: number
  }
  if (claims.exp * 1000 < needed) return false
  const identity = new X509Certificate(readFileSync(join(state, 'identity.pem')))
  if (Date.parse(identity.validTo) < needed) return false
  return await api.exists(`/api/v1/devices/${tokens.deviceId}`)
}

/** Whether the control plane still knows the device. */
export async function isRegistered(installation: Installation, deviceId: string): Promise<boolean> {
  const api = await loginAsAdmin(installation.controlPlane.ready.http ?? '', installation.admin)
  return await api.exists(`/api/v1/devices/${deviceId}`)
}

const readDevice = (record: string): DeviceFiles => JSON.parse(readFileSync(record, 'utf8')) as DeviceFiles

export interface DemoDevice {
  readonly id: string
  readonly process: Child
  stop(): Promise<void>
}

/** Starts the device that lives, and waits until a customer sees it online. */
export async function startDemoDevice(installation: Installation): Promise<DemoDevice> {
  const api = await loginAsAdmin(installation.controlPlane.ready.http ?? '', installation.admin)
  const manufacturer = await enrollManufacturer(installation, api)
  const state = join(installation.home, 'devices', 'demo')
  const record = join(installation.home, 'devices', 'demo.json')
  if (!existsSync(record) || !(await api.exists(`/api/v1/devices/${readDevice(record).id}`))) {
    // The first one, or it was deleted: its identity was revoked with that.
    rmSync(state, { recursive: true, force: true })
    const made = await manufactureDevice(manufacturer, join(state, 'manufacturer'))
    writeFileSync(record, JSON.stringify(made), { mode: 0o600 })
  }
  const device = readDevice(record)
  const logFile = join(installation.home, 'log', 'device.log')
  const child = startChild({
    name: 'device',
    command: nodeProgram,
    args: [mainOf('device'), 'run', ...deviceArguments(installation, device, state)],
    logFile,
  })
  const deadline = Date.now() + 30_000
  for (;;) {
    const listed = await api.get<Listed<{ id: string; online: boolean }>>('/api/v1/devices?online=true')
    if (listed.items.some(({ id }) => id === device.id)) break
    if (!child.running || Date.now() > deadline) {
      await child.stop('SIGKILL')
      throw new SetupFailure(`the demo device did not come online; its log: ${logFile}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return { id: device.id, process: child, stop: () => child.stop('SIGTERM', 10_000) }
}

function deviceArguments(installation: Installation, device: DeviceFiles, state: string): string[] {
  return [
    ...['--dps', coapsUrl(installation.dps.ready), '--trust-anchor', installation.pki.trustAnchor],
    ...['--certificate', device.certificate, '--key', device.key, '--state', state],
  ]
}
