import { utf8 } from '@sallyport/bytes'
import { instant } from '@sallyport/clock'
import { encode, encodeSenml } from '@sallyport/representation'
import { describe, expect, it } from 'vitest'
import { gatewayForFile } from './gateway-for-file.ts'
import { DeviceAtGateway } from './installation-around-gateway.ts'

const here = gatewayForFile()

const lastOf = async (deviceId: string) => {
  const points = await here.installation.store.telemetry.last(here.installation.organizationId, deviceId)
  return Object.fromEntries(points.map((point) => [point.name, point.value]))
}

const post = (connected: DeviceAtGateway, contentFormat: number, payload: Uint8Array) =>
  connected.send('POST', '/api/v1/telemetry', undefined, { contentFormat, payload })

describe('telemetry', () => {
  it('is in the database when it is acknowledged: SenML in JSON and CBOR, and plain maps', async () => {
    const { device, connected } = await here.signedIn()
    expect((await post(connected, 110, utf8('[{"n":"temperature","u":"Cel","v":21.5}]'))).code).toBe('2.04')
    expect(await lastOf(device.id)).toEqual({ temperature: 21.5 })
    const senml = encodeSenml(112, [{ name: 'charge', time: instant(Date.now()), value: 80 }])
    expect((await post(connected, 112, senml)).code).toBe('2.04')
    expect((await post(connected, 60, encode(60, { open: true, mode: 'eco' }))).code).toBe('2.04')
    expect(await lastOf(device.id)).toEqual({ temperature: 21.5, charge: 80, open: true, mode: 'eco' })
    await connected.close()
  })

  it('commits what many send at once together', async () => {
    const devices = await Promise.all(Array.from({ length: 10 }, () => here.signedIn()))
    const answers = await Promise.all(
      devices.flatMap(({ connected }) =>
        [1, 2, 3].map((index) => post(connected, 50, utf8(JSON.stringify({ [`m${index}`]: index })))),
      ),
    )
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(['2.04']))
    for (const { device } of devices) expect(await lastOf(device.id)).toEqual({ m1: 1, m2: 2, m3: 3 })
    const text = await here.under.metric('sallyport_gateway_telemetry_batch_rows_count')
    const commits = Number(text.split(' ').at(-1))
    expect(commits).toBeLessThan(30)
    await Promise.all(devices.map(({ connected }) => connected.close()))
  })

  it('refuses what is no measurement, and a device that has not signed in', async () => {
    const { connected } = await here.signedIn()
    expect((await post(connected, 50, utf8('{"a":{}}'))).code).toBe('4.00')
    expect((await post(connected, 110, utf8('[]'))).code).toBe('4.00')
    expect((await post(connected, 0, utf8('21'))).code).toBe('4.15')
    await connected.close()
    const stranger = await here.installation.provision()
    const outside = await DeviceAtGateway.connect(here.under.gateway, stranger)
    expect((await post(outside, 50, utf8('{"a":1}'))).code).toBe('4.01')
    await outside.close()
  })

  it('answers 5.03 when more waits than may wait', async () => {
    const small = await here.installation.startGateway({ SALLYPORT_TELEMETRY_BUFFER_ROWS: '2' })
    const device = await here.installation.provision()
    const connected = await DeviceAtGateway.connect(small.gateway, device)
    await connected.enter(device.code)
    expect((await post(connected, 50, utf8('{"a":1,"b":2,"c":3}'))).code).toBe('5.03')
    expect((await post(connected, 50, utf8('{"a":1}'))).code).toBe('2.04')
    await connected.close()
    await small.gateway.close()
  })
})
