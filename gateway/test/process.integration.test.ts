import { randomUUID } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { utf8 } from '@sallyport/bytes'
import { holdUdpSocket, mainOf, testHome, tryProgram } from '@sallyport/development'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  DeviceAtGateway,
  eventually,
  type InstallationAroundGateway,
  installationAroundGateway,
} from './installation-around-gateway.ts'
import { type RunningProcess, startProcess } from './running-process.ts'

let installation: InstallationAroundGateway

beforeAll(async () => {
  installation = await installationAroundGateway()
})
afterAll(() => installation.close())

function startGatewayProcess(
  environment: Readonly<Record<string, string>> = {},
  descriptors: readonly number[] = [],
): Promise<RunningProcess> {
  const readyFile = join(testHome(), `gateway-${randomUUID()}.json`)
  return startProcess('gateway', { ...installation.gatewayEnvironment(), ...environment }, readyFile, descriptors)
}

const addressOf = (process: RunningProcess) => ({ coaps: process.ready.coaps as { host: string; port: number } })

describe('the gateway as a process', () => {
  it('says where it is, is ready and healthy, and measures itself', async () => {
    const process = await startGatewayProcess()
    const management = String(process.ready.management)
    expect(process.ready.pid).toBeGreaterThan(0)
    expect((await fetch(`${management}/readyz`)).status).toBe(200)
    expect((await fetch(`${management}/healthz`)).status).toBe(200)
    const text = await (await fetch(`${management}/metrics`)).text()
    expect(text).toContain('process_resident_memory_bytes')
    expect(text).toContain('sallyport_gateway_associations')
    expect(await process.end('SIGTERM')).toBe(0)
  })

  it('ends with 0 at SIGTERM, after close_notify to its devices and with them offline', async () => {
    const process = await startGatewayProcess()
    const device = await installation.provision()
    const connected = await DeviceAtGateway.connect(addressOf(process), device)
    await connected.enter(device.code)
    expect(await process.end('SIGTERM')).toBe(0)
    await eventually(() => expect(connected.closed).toBe(true), 1000)
    const record = await installation.store.devices.read(installation.organizationId, device.id)
    expect(record?.online).toBe(false)
  })

  it('refuses to start with one message that names every missing variable', async () => {
    const { exitCode, stderr } = await tryProgram('gateway', [], { env: { SALLYPORT_COAPS_PORT: 'x' } })
    expect(exitCode).toBe(1)
    expect(stderr).toContain('SALLYPORT_COAPS_PORT is "x"')
    expect(stderr).toContain('SALLYPORT_DATABASE_URL is missing')
  })

  it('serves on a socket that it inherited, also the one after it', async () => {
    const held = await holdUdpSocket('coaps', '127.0.0.1', 0)
    const start = () => startGatewayProcess({}, [held.descriptor])
    const device = await installation.provision()
    const first = await start()
    expect(addressOf(first).coaps.port).toBe(held.port)
    const connected = await DeviceAtGateway.connect(addressOf(first), device)
    await connected.enter(device.code)
    expect(await first.end('SIGKILL')).toBe(null)
    const second = await start()
    expect(addressOf(second).coaps.port).toBe(held.port)
    const again = await DeviceAtGateway.connect(addressOf(second), device)
    await again.close()
    expect(await second.end('SIGINT')).toBe(0)
    await held.release()
  })

  it('refuses inherited descriptors that it could not serve devices on', async () => {
    const held = await holdUdpSocket('coaps', '127.0.0.1', 0)
    const reasonOf = (environment: Readonly<Record<string, string>>, descriptors: readonly number[]) =>
      startGatewayProcess(environment, descriptors).then(
        () => 'it started',
        (error: unknown) => String(error),
      )
    expect(await reasonOf({ SALLYPORT_HOST: '::1' }, [held.descriptor])).toContain('use one family for both')
    expect(await reasonOf({}, [held.descriptor, held.descriptor])).toContain('LISTEN_FDNAMES has to call')
    const file = openSync(mainOf('gateway'), 'r')
    expect(await reasonOf({}, [file])).toContain('is not a bound UDP socket')
    closeSync(file)
    await held.release()
  })

  it('survives a database that drops all connections, and serves on', async () => {
    const process = await startGatewayProcess()
    const device = await installation.provision()
    const connected = await DeviceAtGateway.connect(addressOf(process), device)
    await connected.enter(device.code)
    const client = new pg.Client({ connectionString: installation.databaseUrl })
    await client.connect()
    await client.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    )
    await client.end()
    const send = () =>
      connected.send('POST', '/api/v1/telemetry', undefined, { contentFormat: 50, payload: utf8('{"a":1}') })
    await eventually(async () => expect((await send()).code).toBe('2.04'), 10_000)
    expect(connected.closed).toBe(false)
    await connected.close()
    expect(await process.end('SIGTERM')).toBe(0)
  })

  it('[4.17] after a sleep longer than its lease takes its devices back: offline meanwhile, online again by themselves', async () => {
    const process = await startGatewayProcess()
    const device = await installation.provision()
    const connected = await DeviceAtGateway.connect(addressOf(process), device)
    await connected.enter(device.code)
    const isOnline = async () => (await installation.store.devices.read(installation.organizationId, device.id))?.online
    expect(await isOnline()).toBe(true)
    process.signal('SIGSTOP')
    await eventually(async () => expect(await isOnline()).toBe(false), 20_000)
    // Beyond the next sweep, which ends the session for good.
    await new Promise((resolve) => setTimeout(resolve, 6000))
    process.signal('SIGCONT')
    await eventually(async () => expect(await isOnline()).toBe(true), 10_000)
    expect((await connected.send('GET', '/oic/rd')).code).toBe('2.05')
    await connected.close()
    expect(await process.end('SIGTERM')).toBe(0)
  }, 60_000)
})
