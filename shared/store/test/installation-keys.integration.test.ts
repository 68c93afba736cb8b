import { randomBytes } from 'node:crypto'
import { days, hours, minutes } from '@sallyport/clock'
import { keyStates, mayBecome } from '@sallyport/keys'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openStore, type Store } from '../src/index.ts'
import { clock, StoreAroundDevices, system, times } from './store-around-devices.ts'

let around: StoreAroundDevices
let other: Store
let made = 0
beforeAll(async () => {
  around = await StoreAroundDevices.open({ poolSize: 10 })
  // As the control plane logs in: with the rights that it has, and no others.
  const connectionString = around.urlAs('sallyport_control_plane')
  other = await openStore({ connectionString, applicationName: 'another process', clock, poolSize: 10 })
})
afterAll(async () => {
  await other.close()
  await around.close()
})
beforeEach(async () => {
  await around.tables.query('truncate installation_key')
  made = 0
})

const policy = { activeFor: days(30), publishedFor: days(5), grace: days(15) }
const create = async () => {
  made += 1
  return { keyId: `key-${made}`, publicJwk: { kty: 'EC', kid: `key-${made}` }, sealedPrivateKey: randomBytes(48) }
}
const keysOf = (index: number) => (index % 2 === 0 ? around.store : other).installationKeys
const keys = () => other.installationKeys
const states = async () => (await keys().live('jwt')).map(({ keyId, state }) => `${keyId} ${state}`)
/** All its times, as if the day had come. Past the trigger, which lets no key change but forward. */
async function age(keyId: string, by: number): Promise<void> {
  await around.tables.query(`
    alter table installation_key disable trigger keep_key_lifecycle;
    update installation_key set created_at = created_at - interval '${by} ms', activated_at = activated_at - interval '${by} ms',
      superseded_at = superseded_at - interval '${by} ms', verifies_until = verifies_until - interval '${by} ms'
    where key_id = '${keyId}';
    alter table installation_key enable trigger keep_key_lifecycle`)
}
async function activeAndNext(): Promise<void> {
  await keys().ensureActive('jwt', create, system)
  await age('key-1', days(25))
  await keys().ensureNext('jwt', days(25), create, system)
}
const promotion = { ...policy, keyId: 'key-2', replaces: 1 }

describe('the life of a key', () => {
  it('[2.1] goes from state to state as the rules of keys say, and no other way', async () => {
    const columns = {
      next: [null, null, null, null, null, 'sealed'],
      active: [1, null, null, null, null, 'sealed'],
      grace: [1, 2, 3, null, null, null],
      retired: [1, 2, 3, 4, 'lapsed', null],
    } as const
    const settle = (state: keyof typeof columns): readonly unknown[] => {
      const [activated, superseded, until, retired, because, sealed] = columns[state]
      const at = (day: number | null) => (day === null ? null : new Date(Date.UTC(2030, 0, day)))
      return [state, at(activated), at(superseded), at(until), at(retired), because, sealed]
    }
    const set = `set state = $1, activated_at = $2, superseded_at = $3, verifies_until = $4, retired_at = $5,
      retired_because = $6, sealed_private_key = $7 where key_id = 'key'`
    for (const from of keyStates) {
      for (const to of keyStates) {
        await around.tables.query(
          'truncate installation_key; alter table installation_key disable trigger keep_key_lifecycle',
        )
        await around.tables.query(`insert into installation_key (purpose, key_id, generation, public_jwk, state, sealed_private_key)
          values ('jwt', 'key', 1, '{}', 'next', 'sealed')`)
        await around.tables.query(`update installation_key ${set}`, [...settle(from)])
        await around.tables.query('alter table installation_key enable trigger keep_key_lifecycle')
        const changed = await around.tables.query(`update installation_key ${set}`, [...settle(to)]).then(
          () => true,
          (error: Error) => error.message,
        )
        if (mayBecome(from, to)) expect(changed, `${from} → ${to}`).toBe(true)
        else expect(changed).toBe(`a key does not go from ${from} to ${to}`)
      }
    }
  })

  it('[2.1] has one active and at most one next key, begins as one of them, and stays the key that it is', async () => {
    await activeAndNext()
    const insert = (state: string, sealed: string | null = 'sealed') =>
      around.tables.query(
        `insert into installation_key (purpose, key_id, generation, public_jwk, state, activated_at, sealed_private_key)
         values ('jwt', 'forged', 9, '{}', $1, case when $1 = 'active' then clock_timestamp() + interval '1 s' end, $2)`,
        [state, sealed],
      )
    await expect(insert('active')).rejects.toThrow('installation_key_one_active')
    await expect(insert('next')).rejects.toThrow('installation_key_one_next')
    await expect(insert('grace')).rejects.toThrow('a key begins as next')
    await expect(insert('next', null)).rejects.toThrow('installation_key_sealed')
    for (const change of [`key_id = 'x'`, `public_jwk = '{"kid":"x"}'`, 'generation = 7', `created_at = 'yesterday'`]) {
      await expect(around.tables.query(`update installation_key set ${change} where key_id = 'key-2'`)).rejects.toThrow(
        'a key does not become another',
      )
    }
  })

  it('goes by times that fit each other', async () => {
    await activeAndNext()
    await expect(
      around.tables.query(
        `update installation_key set state = 'grace', sealed_private_key = null, superseded_at = activated_at - interval '1 s',
         verifies_until = now() where key_id = 'key-1'`,
      ),
    ).rejects.toThrow('installation_key_times')
    await expect(
      around.tables.query(`update installation_key set state = 'retired', sealed_private_key = null,
        retired_at = now() where key_id = 'key-1'`),
    ).rejects.toThrow('installation_key_reason')
  })
})

describe('several processes', () => {
  it('make the first key at once: one is made, and one caller makes it', async () => {
    const all = await Promise.all(times(20, (index) => keysOf(index).ensureActive('jwt', create, system)))
    expect(made).toBe(1)
    expect(new Set(all.map(({ keyId, generation }) => `${keyId} ${generation}`))).toEqual(new Set(['key-1 1']))
    expect(await states()).toEqual(['key-1 active'])
  })

  it('publish a next key at once, when it is time: one is made', async () => {
    await keys().ensureActive('jwt', create, system)
    await age('key-1', days(25) - minutes(1))
    expect(await keys().ensureNext('jwt', days(25), create, system)).toBe(false)
    await age('key-1', minutes(1))
    const all = await Promise.all(times(20, (index) => keysOf(index).ensureNext('jwt', days(25), create, system)))
    expect(all).not.toContain(false)
    expect(made).toBe(2)
    expect(await states()).toEqual(['key-2 next', 'key-1 active'])
  })

  it('[2.6] [2.15] promote at once: one does, the old key is superseded in the same moment, its private part is gone', async () => {
    await activeAndNext()
    await Promise.all([age('key-1', days(5)), age('key-2', days(5))])
    const all = await Promise.all(times(20, (index) => keysOf(index).promote('jwt', promotion, system)))
    expect(all.filter((promoted) => promoted !== undefined)).toMatchObject([{ keyId: 'key-2', state: 'active' }])
    const [active, grace] = await keys().live('jwt')
    expect(active).toMatchObject({ keyId: 'key-2', state: 'active', generation: 2 })
    expect(grace).toMatchObject({ keyId: 'key-1', state: 'grace', sealedPrivateKey: null })
    expect((grace?.verifiesUntil ?? 0) - (active?.activatedAt ?? 0)).toBeGreaterThanOrEqual(days(15) - 10)
    const promoted = (await around.audited('jwt-key.promoted')).filter(({ details }) =>
      JSON.stringify(details).includes('replaced'),
    )
    expect(promoted).toHaveLength(1)
    expect(promoted[0]).toMatchObject({ subject_id: 'key-2', details: { generation: 2, replaced: 1 } })
  })

  it('[2.13] promote late: who looked before another promoted changes nothing', async () => {
    await activeAndNext()
    await Promise.all([age('key-1', days(5)), age('key-2', days(5))])
    expect(await keys().promote('jwt', promotion, system)).toMatchObject({ keyId: 'key-2' })
    await age('key-2', days(30))
    await keys().ensureNext('jwt', days(25), create, system)
    await age('key-3', days(5))
    expect(await keys().promote('jwt', { ...promotion, keyId: 'key-3' }, system)).toBeUndefined()
    expect(await states()).toEqual(['key-3 next', 'key-2 active', 'key-1 grace'])
  })
})

describe('a promotion', () => {
  it.each([
    ['before the active key is old enough', days(5) - hours(1), days(5)],
    ['before the next key was published for long enough', days(5), days(5) - hours(1)],
  ])('does nothing %s', async (_when, activeAges, nextAges) => {
    await activeAndNext()
    await Promise.all([age('key-1', activeAges), age('key-2', nextAges)])
    expect(await keys().promote('jwt', promotion, system)).toBeUndefined()
    expect(await states()).toEqual(['key-2 next', 'key-1 active'])
  })

  it('of a key that was withdrawn meanwhile leaves the active one active', async () => {
    await activeAndNext()
    await Promise.all([age('key-1', days(5)), age('key-2', days(5))])
    const [promoted] = await Promise.all([
      keysOf(0).promote('jwt', promotion, system),
      keysOf(1).retireCompromised('jwt', 'key-2', system),
    ])
    // Whichever came first: something signs, or nothing does and the next look makes it; never two, and never the withdrawn one.
    const left = await states()
    expect(left).not.toContain('key-2 active')
    expect(left).toEqual([promoted === undefined ? 'key-1 active' : 'key-1 grace'])
    expect((await keys().ensureActive('jwt', create, system)).keyId).toBe(promoted === undefined ? 'key-1' : 'key-3')
  })
})

describe('the end of a key', () => {
  it('[2.4] comes when its grace is over, and not before', async () => {
    await activeAndNext()
    await Promise.all([age('key-1', days(5)), age('key-2', days(5))])
    await keys().promote('jwt', promotion, system)
    await age('key-1', days(15) - minutes(1))
    expect(await keys().retireLapsed('jwt', system)).toEqual([])
    await age('key-1', minutes(1))
    expect(await Promise.all(times(10, (index) => keysOf(index).retireLapsed('jwt', system)))).toContainEqual(['key-1'])
    expect(await states()).toEqual(['key-2 active'])
    expect(await around.audited('jwt-key.retired')).toContainEqual(
      expect.objectContaining({ subject_id: 'key-1', details: { because: 'lapsed' } }),
    )
  })

  it('that others may have comes at once: the next key signs, and everybody is told', async () => {
    await activeAndNext()
    const heard: string[] = []
    const stop = await other.listen(
      'keys_changed',
      (payload) => heard.push(payload),
      () => undefined,
    )
    expect(await keys().retireCompromised('jwt', 'key-1', system)).toBe(true)
    expect(await keys().retireCompromised('jwt', 'key-1', system)).toBe(false)
    expect(await states()).toEqual(['key-2 active'])
    await expect
      .poll(() => heard.map((payload) => JSON.parse(payload)))
      .toEqual([
        { purpose: 'jwt', keyId: 'key-1', state: 'retired' },
        { purpose: 'jwt', keyId: 'key-2', state: 'active' },
      ])
    const { rows } = await around.tables.query(`select sealed_private_key from installation_key where key_id = 'key-1'`)
    expect(rows).toEqual([{ sealed_private_key: null }])
    await expect(keys().retireCompromised('jwt', 'no-such-key', system)).rejects.toMatchObject({ code: 'not-found' })
    await stop()
  })
})
