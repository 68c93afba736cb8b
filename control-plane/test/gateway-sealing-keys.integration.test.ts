import { clockFrom, type Duration, hours, seconds } from '@sallyport/clock'
import { databaseForTest } from '@sallyport/development'
import { createLogger } from '@sallyport/diagnostics'
import type { SealingKey, Token } from '@sallyport/hsm'
import { migrate, openStore, type Store } from '@sallyport/store'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openGatewaySealingKeys } from '../src/gateway-sealing-keys.ts'
import { openTokenForTest } from './opened-token.ts'
import { RunningControlPlane } from './running-control-plane.ts'

const log = createLogger({ service: 'test', level: 'silent' })
const day = hours(24)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('the sealing keys of gateways', () => {
  let database: Awaited<ReturnType<typeof databaseForTest>>
  let token: Token
  let sealingKey: SealingKey
  const stores: Store[] = []
  const openOne = async (): Promise<Store> => {
    const store = await openStore({
      connectionString: database.url,
      applicationName: 'test',
      clock: clockFrom(Date.now),
      poolSize: 3,
    })
    stores.push(store)
    return store
  }
  beforeAll(async () => {
    token = await openTokenForTest('kek')
    await token.generateSealingKey('kek-1')
    sealingKey = await token.findSealingKey('kek-1')
  })
  afterAll(() => token.close())
  beforeEach(async () => {
    database = await databaseForTest({
      migrate: (url) => migrate({ connectionString: url }),
      template: 'control-plane',
    })
  })
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()))
    await database.drop()
  })
  const open = async (period: Duration = day) =>
    openGatewaySealingKeys({ store: await openOne(), sealingKey, period, log })

  it('are the same at control planes that start at once, and replaced once by those that look at once', async () => {
    const period = seconds(2)
    const first = await Promise.all([open(period), open(period), open(period), open(period)])
    const shown = await Promise.all(first.map(async (keys) => (await keys.live()).map(({ key }) => hex(key.expose()))))
    expect(new Set(shown.map((keys) => keys.join())).size).toBe(1)
    expect(shown[0]).toHaveLength(1)
    expect(shown[0]?.[0]).toMatch(/^[0-9a-f]{64}$/)

    await new Promise((resolve) => setTimeout(resolve, period))
    const second = await Promise.all([open(period), open(period), open(period), open(period)])
    // Those that did not look hear of it too.
    for (const keys of [...first, ...second]) {
      const live = (await keys.live()).map(({ key }) => hex(key.expose()))
      expect(live).toHaveLength(2)
      expect(live[1]).toBe(shown[0]?.[0])
    }
    await Promise.all([...first, ...second].map((keys) => keys.close()))
  })

  it('stand in the database sealed, bound to their generation', async () => {
    const keys = await open()
    const [live] = await keys.live()
    if (live === undefined) throw new Error('no key')
    const [stored] = (await stores[0]?.sealingKeys.live()) ?? []
    if (stored === undefined) throw new Error('nothing stored')
    expect(hex(stored.sealedKey)).not.toContain(hex(live.key.expose()))
    await keys.close()
    const passedOff = async () => [{ ...stored, generation: 2 }]
    const store = { sealingKeys: { live: passedOff, rotate: passedOff } }
    await expect(openGatewaySealingKeys({ store, sealingKey, period: day, log })).rejects.toMatchObject({
      code: 'sealed-value-invalid',
    })
  })

  it('are not printed', async () => {
    const keys = await open()
    expect(JSON.stringify(await keys.live())).toContain('[secret]')
    await keys.close()
  })

  it('a slow answer that knows less does not make them forget the newer key, which no HSM opens now', async () => {
    const store = await openOne()
    const one = await open(seconds(1))
    const [old] = await store.sealingKeys.live()
    await new Promise((resolve) => setTimeout(resolve, 1100))
    let gone = false
    let late = false
    const failing: SealingKey = {
      ...sealingKey,
      open: async (...parameters) => {
        if (gone) throw new Error('no HSM')
        return sealingKey.open(...parameters)
      },
    }
    const live = async () => (late && old !== undefined ? [old] : store.sealingKeys.live())
    const sealingKeys = { live, rotate: store.sealingKeys.rotate.bind(store.sealingKeys) }
    const keys = await openGatewaySealingKeys({ store: { sealingKeys }, sealingKey: failing, period: seconds(1), log })
    const before = (await keys.live()).map(({ key }) => hex(key.expose()))
    expect(before).toHaveLength(2)
    gone = true
    late = true
    await keys.live()
    late = false
    expect((await keys.live()).map(({ key }) => hex(key.expose()))).toEqual(before)
    await Promise.all([keys.close(), one.close()])
  })

  it('opened once, they are given while the HSM is gone', async () => {
    let gone = false
    const failing: SealingKey = {
      ...sealingKey,
      open: async (...parameters) => {
        if (gone) throw new Error('no HSM')
        return sealingKey.open(...parameters)
      },
    }
    const keys = await openGatewaySealingKeys({ store: await openOne(), sealingKey: failing, period: day, log })
    gone = true
    expect(await keys.live()).toHaveLength(1)
    await keys.close()
  })
})

describe('GET /internal/v1/sealing-keys', () => {
  let running: RunningControlPlane
  beforeAll(async () => {
    running = await RunningControlPlane.start()
  })
  afterAll(() => running.stop())
  const ask = (service: string) =>
    running.service(service).request({ method: 'GET', path: '/internal/v1/sealing-keys' })

  it('gives a gateway the keys, and nobody may keep the answer', async () => {
    const { body } = await ask('gateway')
    expect(body).toEqual({
      keys: [{ id: expect.stringMatching(/^[\w-]{11}$/), key: expect.stringMatching(/^[\w-]{43}$/) }],
    })
    expect(await ask('gateway')).toMatchObject({ body })
  })

  it('refuses the dps, and whoever has no certificate', async () => {
    await expect(ask('dps')).rejects.toMatchObject({ code: 'permission-denied' })
    await expect(fetch(`${running.controlPlane.addresses.internal}/internal/v1/sealing-keys`)).rejects.toThrow()
    expect((await running.call('GET', '/internal/v1/sealing-keys')).status).toBe(404)
  })
})
