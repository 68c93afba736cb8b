import { decode, encode, type Value } from '@sallyport/representation'
import { Agent, type CoapRequestParams, type IncomingMessage, type ObserveReadStream } from 'coap'
import { afterEach, describe, expect, it } from 'vitest'
import { Battery } from '../src/resource/battery.ts'
import { Light } from '../src/resource/light.ts'
import { Temperature } from '../src/resource/temperature.ts'
import { ResourceServer } from '../src/resource-server.ts'
import { connectInMemory, type MemoryPeer } from './memory-association.ts'

const open: MemoryPeer[] = []

afterEach(() => {
  for (const { link } of open.splice(0)) link.close()
})

async function serving() {
  const light = new Light()
  const temperature = new Temperature(0)
  const updates: string[] = []
  const server = new ResourceServer({
    deviceId: '11111111-2222-3333-4444-555555555555',
    resources: [light, temperature, new Battery(80)],
    onUpdate: (resource) => updates.push(resource.description.href),
  })
  const memory = await connectInMemory(server.listener)
  open.push(memory)
  const agent = new Agent({ socket: memory.peer.client })
  const ask = (params: CoapRequestParams, body?: Value, format = 10000): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const request = agent.request({ ...params, ...(body === undefined ? {} : { contentFormat: format }) })
      request.on('response', resolve)
      request.on('error', reject)
      request.end(body === undefined ? undefined : Buffer.from(encode(format, body)))
    })
  return { light, temperature, server, updates, ask }
}

const bodyOf = (answer: IncomingMessage): Value => decode(10000, answer.payload)

describe('the resources of a device', () => {
  it('are read in the format that was asked for, OCF CBOR by default', async () => {
    const { ask } = await serving()
    expect(bodyOf(await ask({ pathname: '/light/1' }))).toEqual({ state: false, power: 50 })
    const inJson = await ask({ pathname: '/battery/1', accept: 50 })
    expect(inJson.headers['Content-Format']).toBe('application/json')
    expect(inJson.payload.toString()).toBe('{"charge":80}')
    expect((await ask({ pathname: '/light/1', accept: 40 })).code).toBe('4.06')
  })

  it('are updated by POST, which answers with what they are then', async () => {
    const { ask, updates, light } = await serving()
    const answer = await ask({ method: 'POST', pathname: '/light/1' }, { state: true, power: 75 })
    expect(answer.code).toBe('2.04')
    expect(bodyOf(answer)).toEqual({ state: true, power: 75 })
    expect(light.representation()).toEqual({ state: true, power: 75 })
    expect(updates).toEqual(['/light/1'])
  })

  it('refuse an update that is wrong and stay as they were', async () => {
    const { ask, updates, light } = await serving()
    for (const body of [{ power: 101 }, { state: 'on' }, [1]]) {
      expect((await ask({ method: 'POST', pathname: '/light/1' }, body)).code).toBe('4.00')
    }
    expect((await ask({ method: 'POST', pathname: '/light/1' }, 'on', 0)).code).toBe('4.00')
    expect((await ask({ method: 'POST', pathname: '/temperature/1' }, { temperature: 3 })).code).toBe('4.05')
    expect((await ask({ method: 'DELETE', pathname: '/light/1' })).code).toBe('4.05')
    expect((await ask({ pathname: '/nothing' })).code).toBe('4.04')
    expect(light.representation()).toEqual({ state: false, power: 50 })
    expect(updates).toEqual([])
  })

  it('are listed at /oic/res, discoverable and observable', async () => {
    const { ask } = await serving()
    const links = bodyOf(await ask({ pathname: '/oic/res' }))
    expect(links).toHaveLength(3)
    expect(links).toContainEqual(
      expect.objectContaining({
        href: '/light/1',
        rt: ['core.light'],
        if: ['oic.if.a', 'oic.if.baseline'],
        p: { bm: 3 },
      }),
    )
  })

  it('notify observers of each change, and no longer once they have deregistered', async () => {
    const { ask, light, server } = await serving()
    const token = Buffer.from('0102030405060708', 'hex')
    const stream = (await ask({ pathname: '/light/1', observe: true, token })) as ObserveReadStream
    const seen: Value[] = []
    stream.on('data', (payload: Buffer) => seen.push(decode(10000, payload)))
    await settled()
    light.update({ state: true })
    await settled()
    expect(seen).toEqual([
      { state: false, power: 50 },
      { state: true, power: 50 },
    ])
    expect(server.observations).toBe(1)
    await ask({ pathname: '/light/1', observe: 1, token })
    expect(server.observations).toBe(0)
    light.update({ state: false })
    await settled()
    expect(seen).toHaveLength(2)
  })

  it('hold one observation for a token, and none after the association has ended', async () => {
    const { ask, server } = await serving()
    const token = Buffer.from('0102030405060708', 'hex')
    await ask({ pathname: '/light/1', observe: true, token })
    await ask({ pathname: '/temperature/1', observe: true, token })
    expect(server.observations).toBe(1)
    server.endObservations()
    expect(server.observations).toBe(0)
  })
})

describe('the simulated values', () => {
  it('let the temperature swing and tell only of tenths that changed', () => {
    const temperature = new Temperature(0)
    let changes = 0
    temperature.onChange(() => {
      changes += 1
    })
    for (let minute = 0; minute < 10; minute += 1) temperature.tick(60)
    expect(changes).toBe(8)
    expect(temperature.celsius).toBeCloseTo(21, 5)
  })

  it('drain the battery by a percent in a minute and charge it below 20', () => {
    const battery = new Battery(21)
    battery.tick(60)
    expect(battery.charge).toBe(20)
    battery.tick(60)
    expect(battery.charge).toBe(100)
  })
})

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30))
