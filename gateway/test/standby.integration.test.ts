/** A gateway that stands by: it has everything but the devices, and gets those when the one that serves leaves or dies. */

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { utf8 } from '@sallyport/bytes'
import { type HeldSocket, holdUdpSocket, testHome } from '@sallyport/development'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  DeviceAtGateway,
  eventually,
  type InstallationAroundGateway,
  installationAroundGateway,
} from './installation-around-gateway.ts'
import { type RunningProcess, startProcess } from './running-process.ts'

let installation: InstallationAroundGateway
let socket: HeldSocket
let shard = 40
let managementPort = 0
const processes: RunningProcess[] = []

beforeAll(async () => {
  installation = await installationAroundGateway()
})
beforeEach(async () => {
  shard += 1
  socket = await holdUdpSocket('coaps', '127.0.0.1', 0)
})
afterEach(async () => {
  for (const process of processes.splice(0)) await process.end('SIGKILL')
  await socket.release()
})
afterAll(() => installation.close())

async function startGatewayThat(standsBy: boolean): Promise<RunningProcess> {
  const process = await startProcess(
    'gateway',
    {
      ...installation.gatewayEnvironment(),
      ...installation.redisEnvironment,
      SALLYPORT_SHARD: String(shard),
      SALLYPORT_MANAGEMENT_PORT: String(managementPort),
      ...(standsBy ? { SALLYPORT_STANDBY: 'true' } : {}),
    },
    join(testHome(), `gateway-${randomUUID()}.json`),
    [socket.descriptor],
  )
  processes.push(process)
  return process
}

async function signedInDevice() {
  const device = await installation.provision()
  const at = await DeviceAtGateway.connect({ coaps: { host: '127.0.0.1', port: socket.port } }, device)
  await at.enter(device.code)
  const measure = (text: string) =>
    at.send('POST', '/api/v1/telemetry', undefined, { contentFormat: 50, payload: utf8(text) })
  expect((await measure('{"a":1}')).code).toBe('2.04')
  return { at, measure }
}

const serves = (process: RunningProcess) => process.output().includes('gateway ready')

describe('a gateway that stands by', () => {
  it('[6.2] waits while another serves, and goes on with its devices as soon as that has left: on the same ports', async () => {
    const first = await startGatewayThat(false)
    const { port } = new URL(String(first.ready.management))
    managementPort = Number(port)
    const second = await startGatewayThat(true)
    managementPort = 0
    expect(second.ready).toEqual({ pid: expect.any(Number), standby: true })
    const { at, measure } = await signedInDevice()
    expect(serves(second)).toBe(false)
    const leaves = first.end('SIGTERM')
    const inGap = measure('{"gap":1}')
    expect(await leaves).toBe(0)
    expect((await inGap).code).toBe('2.04')
    await eventually(() => expect(serves(second)).toBe(true), 5000)
    expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain('outcome="imported"')
    expect(second.output()).not.toContain('association opened')
    expect(at.closed).toBe(false)
    await at.close()
  }, 60_000)

  it('[6.3] goes on after kill -9 of the one that served, without anybody having told it', async () => {
    const first = await startGatewayThat(true)
    await eventually(() => expect(serves(first)).toBe(true), 5000)
    const second = await startGatewayThat(true)
    const { at, measure } = await signedInDevice()
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(serves(second)).toBe(false)
    await first.end('SIGKILL')
    expect((await measure('{"b":1}')).code).toBe('2.04')
    expect(second.output()).not.toContain('association opened')
    await at.close()
  }, 60_000)

  it('is ended by a signal, and the one that serves does not notice', async () => {
    await startGatewayThat(false)
    const second = await startGatewayThat(true)
    const { at, measure } = await signedInDevice()
    expect(await second.end('SIGTERM')).toBeNull()
    expect((await measure('{"b":1}')).code).toBe('2.04')
    await at.close()
  }, 60_000)

  it('of two that stand by only one goes on', async () => {
    const first = await startGatewayThat(false)
    const others = await Promise.all([startGatewayThat(true), startGatewayThat(true)])
    const { at, measure } = await signedInDevice()
    expect(await first.end('SIGTERM')).toBe(0)
    expect((await measure('{"b":1}')).code).toBe('2.04')
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(others.filter(serves)).toHaveLength(1)
    await at.close()
  }, 60_000)
})
