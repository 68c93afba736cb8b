import { instant } from '@sallyport/clock'
import type { CoapResource } from '@sallyport/coaps'
import { asRecord, decode, encode, type Value } from '@sallyport/representation'
import { describe, expect, it } from 'vitest'
import { gatewayForFile } from './gateway-for-file.ts'
import {
  DeviceAtGateway,
  eventually,
  type ProvisionedDevice,
  system,
  type Tokens,
} from './installation-around-gateway.ts'

const here = gatewayForFile()

/** A lamp that can be observed, switched, and made to hesitate. */
class Lamp {
  state: { state: boolean; power: number } = { state: false, power: 10 }
  updates = 0
  hesitate: Promise<void> | undefined
  readonly #watchers = new Set<() => void>()

  get watched(): boolean {
    return this.#watchers.size > 0
  }

  switch(state: boolean): void {
    this.state = { ...this.state, state }
    for (const changed of this.#watchers) changed()
  }

  get resources(): readonly CoapResource<undefined>[] {
    const content = (value: Value) => ({ code: '2.05' as const, payload: encode(60, value), contentFormat: 60 })
    return [
      {
        path: '/light/1',
        handlers: {
          GET: () => content(this.state),
          POST: async (request) => {
            this.updates += 1
            await this.hesitate
            const update = asRecord(decode(request.contentFormat ?? 60, request.payload))
            if (typeof update.power === 'number' && update.power > 100) {
              return { code: '4.00', payload: encode(60, { reason: 'too bright' }), contentFormat: 60 }
            }
            this.state = { ...this.state, ...update } as Lamp['state']
            for (const changed of this.#watchers) changed()
            return { ...content(this.state), code: '2.04' }
          },
        },
        observe: (_, changed) => {
          this.#watchers.add(changed)
          return () => void this.#watchers.delete(changed)
        },
      },
      {
        path: '/broken',
        handlers: { GET: () => ({ code: '2.05', payload: Uint8Array.of(0xff, 0xff), contentFormat: 60 }) },
      },
      { path: '/serial', handlers: { GET: () => content({ number: 'S-1' }) } },
    ]
  }
}

const links = [
  { href: '/light/1', rt: ['core.light'], if: ['oic.if.a', 'oic.if.baseline'], p: { bm: 3 } },
  { href: '/serial', rt: ['x.serial'], if: ['oic.if.r'], p: { bm: 1 } },
]

async function lampOnline(): Promise<{
  device: ProvisionedDevice
  connected: DeviceAtGateway
  lamp: Lamp
  tokens: Tokens
}> {
  const lamp = new Lamp()
  const device = await here.installation.provision()
  const connected = await DeviceAtGateway.connect(here.under.gateway, device, lamp.resources)
  const tokens = await connected.enter(device.code)
  const published = await connected.send('POST', '/oic/rd', { di: device.id, n: 'lamp', ttl: 86_400, links })
  expect(published.code).toBe('2.04')
  await eventually(async () => expect(await twin(device.id, '/light/1')).toBeDefined())
  return { device, connected, lamp, tokens }
}

async function twin(deviceId: string, href: string): Promise<unknown> {
  const [resource] = await here.installation.store.resources.twin(here.installation.organizationId, deviceId, href)
  return resource?.representation ?? undefined
}

const command = (
  deviceId: string,
  payload: Value,
  options: { href?: string; method?: 'GET' | 'POST'; lifetime?: number } = {},
) =>
  here.installation.store.commands.create(
    here.installation.organizationId,
    {
      deviceId,
      href: options.href ?? '/light/1',
      method: options.method ?? 'POST',
      payload: payload as never,
      expiresAt: instant(Date.now() + (options.lifetime ?? 60_000)),
    },
    system,
  )

async function finished(commandId: string) {
  let found: Awaited<ReturnType<typeof here.installation.store.commands.read>>
  await eventually(async () => {
    found = await here.installation.store.commands.read(here.installation.organizationId, commandId)
    expect(['pending', 'sent']).not.toContain(found?.state)
  }, 10_000)
  return found
}

describe('resources', () => {
  it('[4.19] answers a publication with an instance number per link, and reads what cannot be observed', async () => {
    const { device, connected } = await lampOnline()
    await eventually(async () => expect(await twin(device.id, '/serial')).toEqual({ number: 'S-1' }))
    const own = await connected.send('GET', '/oic/res')
    expect(own.value).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ href: `/api/v1/devices/${device.id}/light/1`, rt: ['core.light'] }),
      ]),
    )
    const read = await connected.send('GET', `/api/v1/devices/${device.id}/serial`)
    expect(read).toMatchObject({ code: '2.05', body: { number: 'S-1' } })
    await connected.close()
  })

  it('[4.19] keeps the twin fresh by what the device notifies', async () => {
    const { device, connected, lamp } = await lampOnline()
    lamp.switch(true)
    await eventually(async () => expect(await twin(device.id, '/light/1')).toMatchObject({ state: true }))
    lamp.switch(false)
    await eventually(async () => expect(await twin(device.id, '/light/1')).toMatchObject({ state: false }))
    await connected.close()
  })

  it('[4.19] watches a device that comes back without publishing anew, and stops when it signs out', async () => {
    const { device, connected, lamp, tokens } = await lampOnline()
    await connected.close()
    const again = await DeviceAtGateway.connect(here.under.gateway, device, lamp.resources)
    expect((await again.signIn(tokens)).code).toBe('2.04')
    await eventually(() => expect(lamp.watched).toBe(true), 6000)
    lamp.switch(true)
    await eventually(async () => expect(await twin(device.id, '/light/1')).toMatchObject({ state: true }))
    expect((await again.signOut()).code).toBe('2.04')
    await eventually(() => expect(lamp.watched).toBe(false))
    await again.close()
  })

  it('keeps the association of a device whose resources are unreadable or gone', async () => {
    const { device, connected } = await lampOnline()
    const odd = [
      { href: '/broken', rt: ['x'], if: ['oic.if.r'] },
      { href: '/gone', rt: ['x'], if: ['oic.if.r'], p: { bm: 3 } },
    ]
    expect((await connected.send('POST', '/oic/rd', { di: device.id, ttl: 0, links: odd })).code).toBe('2.04')
    await eventually(async () => {
      const left = await here.installation.store.resources.links(here.installation.organizationId, device.id)
      expect(left.map(({ href }) => href).sort()).toEqual(['/broken', '/light/1', '/serial'])
    })
    expect(await twin(device.id, '/broken')).toBeUndefined()
    expect((await connected.send('GET', '/oic/rd')).code).toBe('2.05')
    await connected.close()
  })

  it('takes a link back by its instance number, and answers 4.00 when there is nothing to take back', async () => {
    const { device, connected } = await lampOnline()
    const published = await connected.send('POST', '/oic/rd', { di: device.id, ttl: 0, links })
    const instance = (published.body.links as { href: string; ins: number }[]).find(
      ({ href }) => href === '/serial',
    )?.ins
    const query = [`di=${device.id}`, `ins=${instance}`]
    expect((await connected.send('DELETE', '/oic/rd', undefined, { query })).code).toBe('2.02')
    expect((await connected.send('DELETE', '/oic/rd', undefined, { query })).code).toBe('4.00')
    const left = await here.installation.store.resources.links(here.installation.organizationId, device.id)
    expect(left.map(({ href }) => href)).toEqual(['/light/1'])
    await connected.close()
  })

  it('refuses to publish for another device, and without being signed in', async () => {
    const device = await here.installation.provision()
    const connected = await DeviceAtGateway.connect(here.under.gateway, device)
    expect((await connected.send('POST', '/oic/rd', { di: device.id, links })).code).toBe('4.01')
    await connected.enter(device.code)
    const other = '11111111-1111-4111-8111-111111111111'
    expect((await connected.send('POST', '/oic/rd', { di: other, links })).code).toBe('4.00')
    await connected.close()
  })
})

describe('commands', () => {
  it('[4.19] carries an update to the device and its answer back', async () => {
    const { device, connected, lamp } = await lampOnline()
    const { id } = await command(device.id, { state: true })
    expect(await finished(id)).toMatchObject({ state: 'succeeded', coapCode: '2.04' })
    expect(lamp.state).toMatchObject({ state: true })
    await eventually(async () => expect(await twin(device.id, '/light/1')).toMatchObject({ state: true }))
    await connected.close()
  })

  it('[4.19] reads live, and says what the device refused', async () => {
    const { device, connected } = await lampOnline()
    const { id: read } = await command(device.id, null, { method: 'GET', href: '/serial' })
    expect(await finished(read)).toMatchObject({ state: 'succeeded', coapCode: '2.05' })
    const { id: tooBright } = await command(device.id, { power: 1000 })
    expect(await finished(tooBright)).toMatchObject({ state: 'refused', coapCode: '4.00' })
    const { id: nowhere } = await command(device.id, { a: 1 }, { href: '/nowhere' })
    expect(await finished(nowhere)).toMatchObject({ state: 'refused', coapCode: '4.04' })
    await connected.close()
  })

  it('sends what waited for an offline device once it signs in, in order and once', async () => {
    const { device, connected, lamp, tokens } = await lampOnline()
    await connected.close()
    await eventually(async () => {
      const record = await here.installation.store.devices.read(here.installation.organizationId, device.id)
      expect(record?.online).toBe(false)
    })
    const first = await command(device.id, { power: 20 })
    const second = await command(device.id, { power: 30 })
    const again = await DeviceAtGateway.connect(here.under.gateway, device, lamp.resources)
    expect((await again.signIn(tokens)).code).toBe('2.04')
    const start = performance.now()
    expect(await finished(first.id)).toMatchObject({ state: 'succeeded' })
    expect(await finished(second.id)).toMatchObject({ state: 'succeeded' })
    expect(performance.now() - start).toBeLessThan(1500)
    expect(lamp.state.power).toBe(30)
    expect(lamp.updates).toBe(2)
    await again.close()
  })

  it('says outcome-unknown of an update whose association closed before the answer, and never sends it twice', async () => {
    const { device, connected, lamp, tokens } = await lampOnline()
    const { promise, resolve } = Promise.withResolvers<void>()
    lamp.hesitate = promise
    const { id } = await command(device.id, { state: true })
    await eventually(() => expect(lamp.updates).toBe(1))
    connected.client.association.close()
    expect(await finished(id)).toMatchObject({ state: 'outcome-unknown' })
    resolve()
    lamp.hesitate = undefined
    const again = await DeviceAtGateway.connect(here.under.gateway, device, lamp.resources)
    expect((await again.signIn(tokens)).code).toBe('2.04')
    await new Promise((done) => setTimeout(done, 500))
    expect(lamp.updates).toBe(1)
    await again.close()
  })
})
