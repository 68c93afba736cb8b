/** The gateway over TLS (RFC 8323): the same resources, the same admission, the same end as over DTLS. */

import { randomUUID } from 'node:crypto'
import { instant } from '@sallyport/clock'
import type { CoapResource } from '@sallyport/coaps'
import { asRecord, decode, encode } from '@sallyport/representation'
import { describe, expect, it } from 'vitest'
import { gatewayForFile } from './gateway-for-file.ts'
import { DeviceAtGateway, eventually, system } from './installation-around-gateway.ts'
import { type Credentials, newAuthority, newLeaf } from './test-authorities.ts'

const here = gatewayForFile()

/** A lamp: what it is, and who watches it. */
function lamp() {
  const watchers = new Set<() => void>()
  const it = {
    state: false,
    switch(state: boolean) {
      it.state = state
      for (const changed of watchers) changed()
    },
  }
  const content = () => ({ payload: encode(60, { state: it.state }), contentFormat: 60 })
  const resource: CoapResource<undefined> = {
    path: '/light/1',
    handlers: {
      GET: () => ({ code: '2.05', ...content() }),
      POST: (request) => {
        it.switch(asRecord(decode(request.contentFormat ?? 60, request.payload)).state === true)
        return { code: '2.04', ...content() }
      },
    },
    observe: (_, changed) => {
      watchers.add(changed)
      return () => void watchers.delete(changed)
    },
  }
  return { it, resource }
}

const links = [{ href: '/light/1', rt: ['core.light'], if: ['oic.if.a'], p: { bm: 3 } }]

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('[6.4] over %s', (version) => {
  const connect = (
    device: { id: string; credentials: Credentials },
    resources: readonly CoapResource<undefined>[] = [],
  ) => DeviceAtGateway.connect(here.under.gateway, device, resources, version)

  async function refusalOf(id: string, credentials: Credentials): Promise<unknown> {
    const known = here.under.log.length
    const connected = await connect({ id, credentials }).catch(() => undefined)
    await connected?.send('GET', '/x.plgd.dev/time').then(
      () => expect.unreachable('a refused device was served'),
      () => undefined,
    )
    await eventually(() => {
      const line = here.under.log.slice(known).find(({ msg }) => msg === 'handshake failed' || msg === 'device refused')
      expect(line).toBeDefined()
    })
    const line = here.under.log.slice(known).find(({ msg }) => msg === 'handshake failed' || msg === 'device refused')
    return line?.reason ?? line?.code
  }

  it('a device signs up, signs in, publishes, is watched, gets a command, and sends telemetry', async () => {
    const light = lamp()
    const device = await here.installation.provision()
    const connected = await connect(device, [light.resource])
    await connected.enter(device.code)
    const read = () => here.installation.store.devices.read(here.installation.organizationId, device.id)
    expect(await read()).toMatchObject({ online: true })
    expect((await connected.send('POST', '/oic/rd', { di: device.id, n: 'lamp', ttl: 86_400, links })).code).toBe(
      '2.04',
    )
    const twin = async () =>
      (await here.installation.store.resources.twin(here.installation.organizationId, device.id, '/light/1'))[0]
        ?.representation
    await eventually(async () => expect(await twin()).toEqual({ state: false }))
    light.it.switch(true)
    await eventually(async () => expect(await twin()).toEqual({ state: true }))
    const { id } = await here.installation.store.commands.create(
      here.installation.organizationId,
      {
        deviceId: device.id,
        href: '/light/1',
        method: 'POST',
        payload: { state: false },
        expiresAt: instant(Date.now() + 60_000),
      },
      system,
    )
    await eventually(async () =>
      expect(await here.installation.store.commands.read(here.installation.organizationId, id)).toMatchObject({
        state: 'succeeded',
      }),
    )
    expect(light.it.state).toBe(false)
    expect((await connected.send('POST', '/api/v1/telemetry', { temperature: 21.5 })).code).toBe('2.04')
    const found = await connected.send('GET', '/oic/res')
    const host = `127.0.0.1:${here.under.gateway.coapsTcp?.port}`
    expect(JSON.stringify(found.value)).toContain(`coaps+tcp://${host}`)
    await connected.close()
    await eventually(async () => expect(await read()).toMatchObject({ online: false }))
  })

  it('a device that is deleted is closed within a second, and refused when it comes again', async () => {
    const device = await here.installation.provision()
    const connected = await connect(device)
    await connected.enter(device.code)
    await here.installation.store.devices.delete(here.installation.organizationId, device.id, system)
    await eventually(() => expect(connected.closed).toBe(true), 1000)
    expect(await refusalOf(device.id, device.credentials)).toBe('certificate-revoked')
  })

  it('expired certificates and those of strangers are refused, with the reason in log and metric', async () => {
    const expired = await here.installation.provision({ validity: { startsAt: Date.now() - 3 * 86_400_000, days: 1 } })
    if (version === 'TLSv1.2') expect(await refusalOf(expired.id, expired.credentials)).toBe('certificate-expired')
    const stranger = await newAuthority('identity-ca', 'Strangers')
    const credentials = await newLeaf('identity', { commonName: `uuid:${randomUUID()}` }, stranger)
    if (version === 'TLSv1.2') expect(await refusalOf(randomUUID(), credentials)).toBe('certificate-authority-unknown')
    else
      await expect(
        connect({ id: randomUUID(), credentials }).then((it) => it.send('GET', '/x.plgd.dev/time')),
      ).rejects.toThrow()
    const counted = await here.under.metric('sallyport_gateway_handshakes_total')
    expect(counted).toMatch(/reason="certificate-authority-unknown",transport="tls"/)
  })
})

it('[6.4] a device that signs in over TLS replaces its own association over DTLS', async () => {
  const device = await here.installation.provision()
  const first = await DeviceAtGateway.connect(here.under.gateway, device)
  const tokens = await first.enter(device.code)
  const second = await DeviceAtGateway.connect(here.under.gateway, device, [], 'TLSv1.3')
  expect((await second.signIn(tokens)).code).toBe('2.04')
  await eventually(() => expect(first.closed).toBe(true))
  await second.close()
})

it('[6.4] can be switched off', async () => {
  const { gateway } = await here.installation.startGateway({ SALLYPORT_COAPS_TCP: 'false' })
  expect(gateway.coapsTcp).toBeUndefined()
  await gateway.close()
})
