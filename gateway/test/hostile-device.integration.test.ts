import { utf8 } from '@sallyport/bytes'
import type { CoapResource } from '@sallyport/coaps'
import { encode } from '@sallyport/representation'
import { describe, expect, it } from 'vitest'
import { gatewayForFile } from './gateway-for-file.ts'
import { DeviceAtGateway, eventually, system } from './installation-around-gateway.ts'

const here = gatewayForFile()

const post = (connected: DeviceAtGateway, pack: string) =>
  connected.send('POST', '/api/v1/telemetry', undefined, { contentFormat: 110, payload: utf8(pack) })

describe('a device with a key of its own and bad intentions', () => {
  it('sends measurements that no database can hold, and spoils nobody else’s', async () => {
    const [bad, good] = [await here.signedIn(), await here.signedIn()]
    const unstorable = ['[{"n":"a","vs":"\\u0000"}]', '[{"n":"a","u":"\\u0000","v":1}]', '[{"n":"a","v":1,"t":-9e12}]']
    for (const pack of unstorable) {
      const answers = await Promise.all([
        post(bad.connected, pack),
        ...[1, 2, 3].map((index) => post(good.connected, `[{"n":"m${index}","v":${index}}]`)),
      ])
      expect(answers.map(({ code }) => code)).toEqual(['4.00', '2.04', '2.04', '2.04'])
    }
    await bad.connected.close()
    await good.connected.close()
  })

  it('publishes links without end, and has no more than a device may have', async () => {
    // What answers 4.04 is taken back by the gateway.
    const all: CoapResource<undefined> = {
      path: '/r/{name}',
      handlers: { GET: () => ({ code: '2.05', contentFormat: 60, payload: encode(60, {}) }) },
    }
    const { device, connected } = await here.signedIn([all])
    const links = (from: number) =>
      Array.from({ length: 250 }, (_, index) => ({ href: `/r/${from + index}`, rt: ['x'] }))
    const codes: string[] = []
    for (let from = 0; from < 2000; from += 250) {
      codes.push((await connected.send('POST', '/oic/rd', { di: device.id, ttl: 0, links: links(from) })).code)
    }
    expect(codes[0]).toBe('2.04')
    expect(codes.at(-1)).toBe('4.00')
    const kept = await here.installation.store.resources.links(here.installation.organizationId, device.id)
    expect(kept.length).toBeLessThanOrEqual(512)
    // What is there already may be published again, as at every start.
    expect((await connected.send('POST', '/oic/rd', { di: device.id, ttl: 0, links: links(0) })).code).toBe('2.04')
    await connected.close()
  })

  it('answers a command with what cannot be kept: the command is finished all the same, with the code', async () => {
    const lamp: CoapResource<undefined> = {
      path: '/light',
      handlers: {
        POST: () => ({ code: '2.04', contentFormat: 60, payload: encode(60, { note: '\u0000' }) }),
      },
    }
    const { device, connected } = await here.signedIn([lamp])
    const command = await here.installation.store.commands.create(
      here.installation.organizationId,
      {
        deviceId: device.id,
        href: '/light',
        method: 'POST',
        payload: { on: true },
        expiresAt: (Date.now() + 60_000) as never,
      },
      system,
    )
    await eventually(async () =>
      expect(await here.installation.store.commands.read(here.installation.organizationId, command.id)).toMatchObject({
        state: 'succeeded',
        coapCode: '2.04',
      }),
    )
    await connected.close()
  })

  it('opens association after association, and keeps a few: the newest', async () => {
    const device = await here.installation.provision()
    const all: DeviceAtGateway[] = []
    for (let count = 0; count < 10; count += 1) all.push(await DeviceAtGateway.connect(here.under.gateway, device))
    await eventually(() =>
      expect(all.map(({ closed }) => closed)).toEqual([...Array(6).fill(true), ...Array(4).fill(false)]),
    )
    expect((await all.at(-1)?.signUp(device.code))?.code).toBe('2.04')
    await Promise.all(all.map((connected) => connected.close()))
  })
})

describe('a person with odd input', () => {
  it('commands what cannot be sent: refused, since it is certain that the device did not act', async () => {
    const { device, connected } = await here.signedIn()
    const command = await here.installation.store.commands.create(
      here.installation.organizationId,
      {
        deviceId: device.id,
        href: `/${'x'.repeat(300)}`,
        method: 'POST',
        payload: { on: true },
        expiresAt: (Date.now() + 60_000) as never,
      },
      system,
    )
    await eventually(async () =>
      expect(await here.installation.store.commands.read(here.installation.organizationId, command.id)).toMatchObject({
        state: 'refused',
        errorCode: 'malformed-request',
      }),
    )
    await connected.close()
  })
})
