/** The device program behind a NAT that gives it another port now and then, at a running gateway. */

import { createSocket } from 'node:dgram'
import { eventually, installationForTest, type RunningDevice, type TestInstallation } from '@sallyport/development'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goodNetwork } from './network-faults.ts'
import { startUdpProxy, type UdpProxy } from './udp-proxy.ts'

const connectionIdRecordType = 25

let installation: TestInstallation
let nat: UdpProxy
let device: RunningDevice
/** The records with a CID that the device has sent, oldest first. */
const sent: Buffer[] = []

beforeAll(async () => {
  nat = await startUdpProxy({
    server: gatewayAddress,
    seed: 1,
    toServer: goodNetwork,
    toClient: goodNetwork,
    onDatagram: (direction, datagram) => {
      if (direction === 'to-server' && datagram[0] === connectionIdRecordType) sent.push(Buffer.from(datagram))
    },
  })
  installation = await installationForTest({ environment: { SALLYPORT_COAPS_URI: `coaps://127.0.0.1:${nat.port}` } })
  device = await installation.runDevice(await installation.manufactureDevice(), ['--interval', '1'])
  await eventually('the device is online', online)
  await eventually('the lamp is published', async () => (await setLamp(false)) === 200)
})

afterAll(async () => {
  nat?.close()
  await installation?.stop()
})

function gatewayAddress(): { readonly host: string; readonly port: number } {
  const { coaps } = installation.gateway.ready
  if (coaps === undefined) throw new Error('the gateway has no CoAP address')
  return coaps
}

const online = async () => (await installation.api.get<{ online: boolean }>(`/api/v1/devices/${device.id}`)).online

async function setLamp(state: boolean): Promise<number> {
  const response = await fetch(`${installation.http}/api/v1/devices/${device.id}/resources/light/1`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${installation.api.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ state }),
  })
  return response.status
}

async function handshakes(): Promise<string[]> {
  const text = await installation.metricsOf('gateway')
  return text.split('\n').filter((line) => line.startsWith('sallyport_gateway_handshakes_total'))
}

/** The device has been heard from its present port. */
async function heardAgain(): Promise<void> {
  const before = sent.length
  await eventually('the device speaks', async () => sent.length > before + 1)
}

describe('a device of ours behind a NAT', () => {
  it('[6.1] [0.15] whose port changes is commanded over the same association, without another handshake', async () => {
    const before = await handshakes()
    expect(before.length).toBeGreaterThan(0)
    for (const state of [true, false, true]) {
      nat.rebind()
      await heardAgain()
      expect(await setLamp(state)).toBe(200)
    }
    expect(await handshakes()).toEqual(before)
    expect(await online()).toBe(true)
  })

  it('[6.1] is not lost to somebody who sends its records again from elsewhere', async () => {
    await heardAgain()
    const elsewhere = createSocket('udp4')
    let drawn = 0
    elsewhere.on('message', () => {
      drawn += 1
    })
    const { host, port } = gatewayAddress()
    for (const datagram of sent.slice(-200)) elsewhere.send(datagram, port, host)
    expect(await setLamp(false)).toBe(200)
    expect(await setLamp(true)).toBe(200)
    expect(drawn).toBe(0)
    elsewhere.close()
  })
})
