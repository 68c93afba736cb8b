import { randomBytes } from 'node:crypto'
import { type Duration, hours } from '@sallyport/clock'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openStore, type ShardTurn, type Store } from '../src/index.ts'
import { clock, StoreAroundDevices, times } from './store-around-devices.ts'

let around: StoreAroundDevices
let other: Store
beforeAll(async () => {
  around = await StoreAroundDevices.open({ poolSize: 10 })
  other = await openStore({ connectionString: around.url, applicationName: 'another process', clock, poolSize: 10 })
})
afterAll(async () => {
  await other.close()
  await around.close()
})

describe('a shard', () => {
  it('[6.3] claimed by fifty at once has fifty different counts, and is held by the one with the greatest', async () => {
    const claims = await Promise.all(
      times(50, async (index) => {
        const gatewayId = `gateway-${index}`
        const { takeovers } = await (index % 2 === 0 ? around.store : other).shards.claim(7, gatewayId)
        return { gatewayId, takeovers }
      }),
    )
    const counts = claims.map(({ takeovers }) => takeovers).sort((a, b) => a - b)
    expect(counts).toEqual(times(50, (index) => index + 1))
    const holders = await Promise.all(
      claims.map(({ gatewayId, takeovers }) => around.store.shards.isHeld(7, gatewayId, takeovers)),
    )
    expect(claims.filter((_, index) => holders[index]).map(({ takeovers }) => takeovers)).toEqual([50])
  })

  it('is lost by who held it as soon as another claims it, and is new when the first comes back', async () => {
    const { shards } = around.store
    const first = await shards.claim(8, 'a')
    expect(first).toEqual({ takeovers: 1 })
    expect(await shards.isHeld(8, 'a', 1)).toBe(true)
    await shards.claim(8, 'b')
    expect(await shards.isHeld(8, 'a', 1)).toBe(false)
    expect(await shards.claim(8, 'a')).toEqual({ takeovers: 3 })
    expect(await shards.isHeld(8, 'a', 1)).toBe(false)
    expect(await shards.isHeld(8, 'a', 3)).toBe(true)
    expect(await shards.isHeld(9, 'a', 1)).toBe(false)
  })

  it('is one of 256', async () => {
    await expect(around.store.shards.claim(256, 'a')).rejects.toThrow()
    await expect(around.store.shards.claim(-1, 'a')).rejects.toThrow()
  })
})

describe('the turn at a shard', () => {
  const isTaken = async (turn: ShardTurn, within: number) =>
    Promise.race([turn.taken.then(() => true), new Promise<false>((resolve) => setTimeout(resolve, within, false))])

  it('of eight that stand by at once is had by one; when that gives up, by exactly one of the others', async () => {
    const turns = times(8, (index) =>
      (index % 2 === 0 ? around.store : other).shards.takeTurn(20, index === 0 ? 'serves-already' : 'stands-by'),
    )
    const had: ShardTurn[] = []
    while (had.length < turns.length) {
      const waiting = turns.filter((turn) => !had.includes(turn))
      const next = await Promise.race(waiting.map((turn) => turn.taken.then(() => turn)))
      const others = await Promise.all(waiting.map((turn) => isTaken(turn, had.length < 2 ? 300 : 0)))
      expect(others.filter((taken) => taken)).toHaveLength(1)
      had.push(next)
      await next.giveUp()
    }
    const ofAnotherShard = around.store.shards.takeTurn(21, 'stands-by')
    expect(await isTaken(ofAnotherShard, 2000)).toBe(true)
    await ofAnotherShard.giveUp()
  })

  it('stays with who had it when Postgres ends all connections, and comes to the next when its own ends for good', async () => {
    const holder = around.store.shards.takeTurn(22, 'stands-by')
    await holder.taken
    const next = other.shards.takeTurn(22, 'stands-by')
    expect(await isTaken(next, 200)).toBe(false)
    const endAll = () =>
      around.tables.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
      )
    await endAll()
    expect(await isTaken(next, 4000)).toBe(false)
    await holder.giveUp()
    expect(await isTaken(next, 4000)).toBe(true)
    await next.giveUp()
  }, 20_000)
})

describe('the sealing keys', () => {
  beforeEach(() => around.tables.query('truncate sealing_key'))

  const age = (by: Duration) =>
    around.tables.query("update sealing_key set created_at = created_at - $1 * interval '1 millisecond'", [by])
  const made: number[] = []
  const create = async (generation: number) => {
    made.push(generation)
    return { keyId: randomBytes(8), sealedKey: randomBytes(60) }
  }
  const generations = async () => (await around.store.sealingKeys.live()).map(({ generation }) => generation)

  it('are made once, however many processes rotate at once', async () => {
    expect(await around.store.sealingKeys.live()).toEqual([])
    made.length = 0
    await Promise.all(
      times(20, (index) => (index % 2 === 0 ? around.store : other).sealingKeys.rotate(hours(24), create)),
    )
    expect(await generations()).toEqual([1])
    expect(made).toEqual([1])
  })

  it('two generations live, the newest first; an older one is gone', async () => {
    for (const expected of [[1], [2, 1], [3, 2], [4, 3]]) {
      const live = await around.store.sealingKeys.rotate(hours(24), create)
      expect(live.map(({ generation }) => generation)).toEqual(expected)
      expect(await generations()).toEqual(expected)
      await age(hours(24))
    }
    const { rows } = await around.tables.query('select count(*)::int as kept from sealing_key')
    expect(rows).toEqual([{ kept: 2 }])
  })

  it('are not replaced before their time', async () => {
    await around.store.sealingKeys.rotate(hours(24), create)
    await age(hours(23))
    expect(await around.store.sealingKeys.rotate(hours(24), create)).toHaveLength(1)
  })

  it('a creator that fails leaves what was there', async () => {
    const fails = async () => {
      throw new Error('no HSM')
    }
    await expect(around.store.sealingKeys.rotate(hours(24), fails)).rejects.toThrow('no HSM')
    await around.store.sealingKeys.rotate(hours(24), create)
    await age(hours(25))
    await expect(around.store.sealingKeys.rotate(hours(24), fails)).rejects.toThrow('no HSM')
    expect(await generations()).toEqual([1])
  })

  it('each new one is in the audit trail, without its bytes', async () => {
    await around.store.sealingKeys.rotate(hours(24), create)
    const [{ keyId, sealedKey } = { keyId: randomBytes(8), sealedKey: randomBytes(60) }] =
      await around.store.sealingKeys.live()
    const events = await around.audited('sealing-key.created')
    const event = events.find(({ subject_id: id }) => id === Buffer.from(keyId).toString('hex'))
    expect(event?.details).toEqual({ generation: 1 })
    expect(JSON.stringify(events)).not.toContain(Buffer.from(sealedKey).toString('hex'))
  })
})
