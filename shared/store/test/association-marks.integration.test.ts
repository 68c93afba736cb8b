import { randomBytes } from 'node:crypto'
import { instant } from '@sallyport/clock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ShardClaim } from '../src/index.ts'
import { clock, StoreAroundDevices, system, times } from './store-around-devices.ts'

let around: StoreAroundDevices
beforeAll(async () => {
  around = await StoreAroundDevices.open({ poolSize: 10 })
})
afterAll(() => around.close())

const newAssociation = () => randomBytes(8).toString('hex')
async function claimed(shard: number, gatewayId = 'gateway'): Promise<ShardClaim> {
  return { shard, gatewayId, ...(await around.store.shards.claim(shard, gatewayId)) }
}
const markOf = async (associationId: string) =>
  (await around.store.associationMarks.read([associationId])).get(associationId)

describe('marks of associations', () => {
  it('[6.3] go up and never down, however many are committed at once and in which order', async () => {
    const claim = await claimed(1)
    const ids = times(5, newAssociation)
    const numbers = times(60, (index) => (index * 37) % 60)
    await Promise.all(
      numbers.map((recordSequence) =>
        around.store.associationMarks.commit(
          [...ids]
            .sort(() => (recordSequence % 2 === 0 ? 1 : -1))
            .map((associationId) => ({ associationId, recordSequence })),
          claim,
        ),
      ),
    )
    expect([...(await around.store.associationMarks.read(ids)).values()]).toEqual(times(5, () => 59))
    const [id = ''] = ids
    await around.store.associationMarks.commit([{ associationId: id, recordSequence: 2 ** 48 - 1 }], claim)
    await around.store.associationMarks.commit([{ associationId: id, recordSequence: 3 }], claim)
    expect(await markOf(id)).toBe(2 ** 48 - 1)
    expect(await markOf(newAssociation())).toBeUndefined()
  })

  it('are written by the holder of the shard alone', async () => {
    const claim = await claimed(2, 'former')
    const associationId = newAssociation()
    await around.store.associationMarks.commit([{ associationId, recordSequence: 5 }], claim)
    const successor = await claimed(2, 'successor')
    await expect(
      around.store.associationMarks.commit([{ associationId, recordSequence: 6 }], claim),
    ).rejects.toMatchObject({ code: 'shard-lost' })
    expect(await markOf(associationId)).toBe(5)
    await around.store.associationMarks.commit([{ associationId, recordSequence: 6 }], successor)
    expect(await markOf(associationId)).toBe(6)
  })

  it('and telemetry under them is committed with them or not at all: a zombie leaves nothing behind', async () => {
    const device = await around.registered()
    const claim = await claimed(3, 'former')
    const associationId = newAssociation()
    const row = (name: string) => ({
      deviceId: device.id,
      organizationId: around.organizationId,
      name,
      at: instant(1_700_000_000_000),
      value: 1,
    })
    const under = (recordSequence: number) => ({ marks: [{ associationId, recordSequence }], claim })
    const names = async () =>
      (await around.store.telemetry.last(around.organizationId, device.id)).map(({ name }) => name)
    await around.store.telemetry.append([row('a'), row('b')], under(9))
    // Over a transport without numbers there is nothing to mark.
    await around.store.telemetry.append([{ ...row('b'), name: 'over TLS' }], { marks: [], claim })
    expect(await names()).toContain('over TLS')
    // The same once more changes no measurement, and is no loss of the shard.
    await around.store.telemetry.append([row('a')], under(10))
    expect(await names()).toEqual(['a', 'b', 'over TLS'])
    expect(await markOf(associationId)).toBe(10)
    await claimed(3, 'successor')
    await expect(around.store.telemetry.append([row('c')], under(11))).rejects.toMatchObject({ code: 'shard-lost' })
    expect(await names()).toEqual(['a', 'b', 'over TLS'])
    expect(await markOf(associationId)).toBe(10)
    const bad = { ...row('d'), organizationId: 'no uuid' }
    await expect(around.store.telemetry.append([bad], under(12))).rejects.toThrow()
    expect(await markOf(associationId)).toBe(10)
  })

  it('[6.3] after a claim has been answered, nothing of the former holder is committed any more', async () => {
    for (let round = 0; round < 20; round += 1) {
      const claim = await claimed(4, 'former')
      const associationId = newAssociation()
      const writes = times(10, (recordSequence) =>
        around.store.associationMarks.commit([{ associationId, recordSequence }], claim).then(
          () => recordSequence,
          () => -1,
        ),
      )
      await claimed(4, 'successor')
      const seen = (await markOf(associationId)) ?? -1
      const committed = Math.max(...(await Promise.all(writes)))
      expect(committed).toBe(seen)
      expect((await markOf(associationId)) ?? -1).toBe(seen)
    }
  })
})

describe('sessions that another gateway goes on with', () => {
  async function signedIn(gatewayId: string) {
    const device = await around.registered()
    const associationId = newAssociation()
    await around.store.devices.declareOnline(
      {
        deviceId: device.id,
        gatewayId,
        associationId,
        certificateSha256: device.certificateSha256,
        remote: { address: '192.0.2.1', port: 1 },
      },
      system,
    )
    return { deviceId: device.id, associationId }
  }
  const register = (id: string, keeps?: readonly string[]) =>
    around.store.gateways.register({
      id,
      coapsUri: 'coaps://192.0.2.9',
      startedAt: clock.now(),
      ...(keeps === undefined ? {} : { keeps }),
    })
  const eventsOf = async (deviceId: string) =>
    (await around.tables.query('select from outbox where outbox::text like $1', [`%${deviceId}%`])).rowCount
  const recordOf = (id: string) => around.store.devices.read(around.organizationId, id)

  it('[6.3] are that gateway’s, and nobody is told; what has ended says why', async () => {
    await register('before')
    const [stays, silent, gone] = [await signedIn('before'), await signedIn('before'), await signedIn('before')]
    await around.store.devices.declareOffline({ ...silent, gatewayId: 'before', reason: 'no-contact' }, system)
    const told = await eventsOf(stays.deviceId)
    await register('after')
    const elsewhere = { deviceId: gone.deviceId, associationId: newAssociation() }
    const { current, ended } = await around.store.gateways.adoptSessions('after', [stays, silent, elsewhere])
    expect([...current]).toEqual([stays.associationId])
    expect([...ended]).toEqual([[silent.associationId, 'no-contact']])
    expect(await recordOf(stays.deviceId)).toMatchObject({ online: true, gatewayId: 'after' })
    expect(await recordOf(gone.deviceId)).toMatchObject({ online: true, gatewayId: 'before' })
    expect(await eventsOf(stays.deviceId)).toBe(told)
    // The former one's end takes nothing from its successor.
    await around.store.gateways.retire('before')
    expect(await recordOf(stays.deviceId)).toMatchObject({ online: true, gatewayId: 'after' })
    expect(await recordOf(gone.deviceId)).toMatchObject({ online: false })
  })

  it('survive the registration of a process of the same name that goes on with them', async () => {
    await register('same')
    const [stays, goes] = [await signedIn('same'), await signedIn('same')]
    await new Promise((resolve) => setTimeout(resolve, 5))
    await register('same', [stays.associationId])
    expect(await recordOf(stays.deviceId)).toMatchObject({ online: true })
    expect(await recordOf(goes.deviceId)).toMatchObject({ online: false })
  })
})
