import { randomUUID } from 'node:crypto'
import { days } from '@sallyport/clock'
import { databaseForTest } from '@sallyport/development'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ActContext, migrate, type OrganizationCreation } from '../src/index.ts'
import { digestOf, outcomesOf, StoreAroundDevices, system, times } from './store-around-devices.ts'

let around: StoreAroundDevices
let first: string
beforeAll(async () => {
  around = await StoreAroundDevices.open()
  first = around.organizationId
})
afterAll(() => around.close())

const by = (userId: string): ActContext => ({ actor: { kind: 'user', id: userId }, correlationId: randomUUID() })
const anybody: OrganizationCreation = { allowedTo: 'anybody', mostOfOnePerson: 50 }

interface Person {
  readonly id: string
  readonly email: string
}

/** Somebody with an account, in this organization alone, whose address is shown to be theirs. */
async function person(organizationId = first, ...roles: string[]): Promise<Person> {
  const id = randomUUID()
  const email = `${id}@acme.test`
  await around.tables.query(
    `insert into user_account (id, organization_id, email, username, password_hash, roles, email_verified_at)
     values ($1, $2, $3, $4, '$argon2id$', $5, now())`,
    [id, organizationId, email, `user-${id}`, roles.length === 0 ? ['member'] : roles],
  )
  return { id, email }
}

async function organizationOf(owner: Person, from = first): Promise<string> {
  const made = await around.store.organizations.create(
    { name: `of ${owner.id}`, ownerId: owner.id, from },
    anybody,
    by(owner.id),
  )
  return made.id
}

async function invited(organizationId: string, email: string, roles: readonly string[] = ['member'], mailed = false) {
  const token = randomUUID()
  await around.store.invitations.create(
    organizationId,
    {
      email,
      roles,
      tokenHash: digestOf(token),
      lifetime: days(1),
      delivery: mailed ? { mailedToken: token } : 'shown',
    },
    system,
  )
  return digestOf(token)
}

const join = ({ id }: Person, tokenHash: Uint8Array) => around.store.invitations.join({ tokenHash, userId: id }, by(id))
const idsOf = async ({ id }: Person) =>
  (await around.store.organizations.listOf(id, { limit: 100 })).items.map((each) => each.id)
const accounts = async ({ id }: Person): Promise<number> =>
  (await around.tables.query('select 1 from user_account where id = $1', [id])).rowCount ?? 0

describe('a person in several organizations', () => {
  it('[6.31] has other roles in each, and what changes in one changes in that one', async () => {
    const { store } = around
    const someone = await person(first, 'auditor')
    const second = await organizationOf(someone)
    expect(await idsOf(someone)).toEqual([second, first])
    expect((await store.members.permissions(first, someone.id))?.has('organization:write')).toBe(false)
    expect((await store.members.permissions(second, someone.id))?.has('organization:write')).toBe(true)
    await store.members.changeRoles(first, someone.id, ['member'], 1, system)
    expect(await store.members.read(first, someone.id)).toMatchObject({ roles: ['member'], version: 2 })
    expect(await store.members.read(second, someone.id)).toMatchObject({ roles: ['owner'], version: 1 })
    // An act in one is allowed by what the person may there, whatever they may elsewhere.
    const other = await person()
    await expect(
      store.members.changeRoles(first, other.id, ['owner'], undefined, by(someone.id)),
    ).rejects.toMatchObject({ code: 'policy-violated' })
  })

  it('is the last owner of one, whoever owns another', async () => {
    const someone = await person(first, 'owner')
    const second = await organizationOf(someone)
    const lastOwner = { code: 'policy-violated', details: { policy: 'last-owner' } }
    await expect(around.store.members.remove(second, someone.id, by(someone.id))).rejects.toMatchObject(lastOwner)
    await around.store.members.remove(first, someone.id, by(someone.id))
    expect(await idsOf(someone)).toEqual([second])
  })

  it('[6.31] that is removed from one keeps what they have in the others, and loses there what they were told', async () => {
    const { store, tables } = around
    const someone = await person()
    const second = await organizationOf(someone)
    for (const organizationId of [first, second]) {
      await tables.query(
        `insert into notification (id, organization_id, user_id, kind, data) values ($1, $2, $3, 'job-dead', '{}')`,
        [randomUUID(), organizationId, someone.id],
      )
      await store.personNotifications.prefer(
        { organizationId, userId: someone.id },
        [{ kind: 'job-dead', inApp: organizationId === first, mail: false }],
        by(someone.id),
      )
    }
    // Preferences are each organization's own.
    const inApp = async (organizationId: string) =>
      (await store.personNotifications.preferences({ organizationId, userId: someone.id })).find(
        ({ kind }) => kind === 'job-dead',
      )?.inApp
    expect([await inApp(first), await inApp(second)]).toEqual([true, false])
    await store.members.remove(first, someone.id, system)
    expect(await idsOf(someone)).toEqual([second])
    expect(await store.users.read(someone.id, first)).toBeUndefined()
    expect(await store.users.findByLogin(someone.email)).toMatchObject({ organizationId: second, roles: ['owner'] })
    const { rows } = await tables.query('select organization_id from notification where user_id = $1', [someone.id])
    expect(rows).toEqual([{ organization_id: second }])
  })

  it('comes back by another membership than the one that ended', async () => {
    const { store } = around
    const someone = await person()
    await organizationOf(someone)
    const before = await store.members.held(first, someone.id)
    await store.members.remove(first, someone.id, system)
    expect(await store.members.held(first, someone.id)).toBeUndefined()
    await join(someone, await invited(first, someone.email))
    const after = await store.members.held(first, someone.id)
    expect([before?.membershipId, after?.membershipId === before?.membershipId]).toEqual([someone.id, false])
  })

  it('keeps the account until the last membership ends, also when two end at one moment', async () => {
    const { store } = around
    for (let round = 0; round < 8; round += 1) {
      const someone = await person()
      const second = await organizationOf(await person())
      await join(someone, await invited(second, someone.email))
      const outcomes = await outcomesOf(
        [first, second].map((organizationId) => store.members.remove(organizationId, someone.id, system)),
      )
      expect(outcomes, `round ${round}`).toEqual({ resolved: 2 })
      expect(await accounts(someone)).toBe(0)
    }
  })

  it('is in one organization or in none when they join one and are removed from the other at one moment', async () => {
    for (let round = 0; round < 8; round += 1) {
      const someone = await person()
      const second = await organizationOf(await person())
      const token = await invited(second, someone.email)
      const [joined] = await Promise.allSettled([
        join(someone, token),
        around.store.members.remove(first, someone.id, system),
      ])
      const found = await idsOf(someone)
      expect(found, `round ${round}`).toEqual(joined.status === 'fulfilled' ? [second] : [])
      expect(await accounts(someone)).toBe(found.length)
      if (joined.status === 'rejected') expect(joined.reason).toMatchObject({ code: 'invitation-invalid' })
    }
  })

  it('logs in where they were last, and a log-in that names an organization makes it that one', async () => {
    const { store } = around
    const someone = await person()
    const second = await organizationOf(someone)
    const lastOf = async () => (await store.users.findByLogin(someone.email))?.organizationId
    expect(await lastOf()).toBe(first)
    await store.users.recordLogin(
      { userId: someone.id, organizationId: second, login: someone.email, outcome: 'succeeded', sessionId: 's' },
      by(someone.id),
    )
    expect(await lastOf()).toBe(second)
    const events = (await around.audited('user.login')).filter((event) => event.subject_id === someone.id)
    expect(events).toHaveLength(1)
    await store.users.recordEntry(
      { userId: someone.id, organizationId: first, from: second, sessionId: 't' },
      by(someone.id),
    )
    expect(await lastOf()).toBe(first)
  })
})

describe('an invitation to an address that has an account', () => {
  it('[6.31] is accepted with that account, once, and by no other one', async () => {
    const { store } = around
    const someone = await person()
    const other = await person()
    const second = await organizationOf(await person())
    const token = await invited(second, someone.email.toUpperCase(), ['operator'])
    expect(await store.invitations.openFor(token)).toBe('account-holder')
    await expect(join(other, token)).rejects.toMatchObject({ code: 'invitation-invalid' })
    await expect(
      store.invitations.accept(
        { tokenHash: token, username: `user-${randomUUID()}`, passwordHash: 'x' },
        { correlationId: 'x' },
      ),
    ).rejects.toMatchObject({ code: 'sign-in-to-accept' })
    const outcomes = await outcomesOf(times(6, () => join(someone, token)))
    expect(outcomes).toEqual({ resolved: 1, 'invitation-invalid': 5 })
    expect(await store.members.read(second, someone.id)).toMatchObject({ roles: ['operator'], email: someone.email })
    const events = (await around.audited('invitation.accepted')).filter(
      ({ details }) => (details as { userId?: string }).userId === someone.id,
    )
    expect(events).toHaveLength(1)
    await expect(invited(second, someone.email)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('is made, mailed and kept like one to an address that has none', async () => {
    const { store } = around
    const someone = await person()
    const second = await organizationOf(await person())
    await invited(second, someone.email, ['member'], true)
    await invited(second, `${randomUUID()}@nowhere.test`, ['member'], true)
    const { items } = await store.invitations.list(second, { limit: 10 })
    const [one, two] = items.map(({ id: _id, email: _email, createdAt: _at, expiresAt: _until, ...rest }) => rest)
    expect(one).toEqual(two)
    const { rows } = await around.tables.query(
      `select payload #- '{parameters,code}' #- '{parameters,expiresAt}' #- '{to}' as mail from job
       where organization_id = $1`,
      [second],
    )
    expect(rows).toHaveLength(2)
    expect(rows[0]).toEqual(rows[1])
  })

  it('verifies the address when the token went there by mail', async () => {
    const someone = await person()
    await around.tables.query('update user_account set email_verified_at = null where id = $1', [someone.id])
    const second = await organizationOf(await person())
    await join(someone, await invited(second, someone.email, ['member'], true))
    expect((await around.store.members.read(first, someone.id))?.emailVerifiedAt).toBeGreaterThan(0)
  })
})

describe('a new organization', () => {
  it('is made whole, once for each time that it is asked for, and by who the installation lets', async () => {
    const { store, userId } = around
    const someone = await person()
    const create = (owner: Person, from: string, policy: OrganizationCreation) =>
      store.organizations.create({ name: 'New', ownerId: owner.id, from }, policy, by(owner.id))
    const forbidden = { code: 'policy-violated', details: expect.objectContaining({ policy: 'organization-creation' }) }
    const operators = { allowedTo: 'operators', mostOfOnePerson: 50 } as const
    await expect(create(someone, first, operators)).rejects.toMatchObject(forbidden)
    const operator = { id: userId, email: '' }
    const made = await create(operator, first, operators)
    expect(await store.members.read(made.id, userId)).toMatchObject({ roles: ['owner'] })
    expect((await around.audited('organization.created')).filter((event) => event.subject_id === made.id)).toHaveLength(
      1,
    )
    // An owner of the first organization is an operator in it, not in another.
    await expect(create(operator, made.id, operators)).rejects.toMatchObject(forbidden)
    await expect(create(operator, first, { ...operators, allowedTo: 'nobody' })).rejects.toMatchObject(forbidden)
    await around.tables.query('update user_account set email_verified_at = null where id = $1', [someone.id])
    await expect(create(someone, first, anybody)).rejects.toMatchObject(forbidden)
  })

  it('is one of a limited number, however many are asked for at one moment', async () => {
    const someone = await person()
    const outcomes = await outcomesOf(
      times(8, () =>
        around.store.organizations.create(
          { name: 'One of many', ownerId: someone.id, from: first },
          { ...anybody, mostOfOnePerson: 3 },
          by(someone.id),
        ),
      ),
    )
    expect(outcomes).toEqual({ resolved: 3, 'policy-violated': 5 })
    expect(await idsOf(someone)).toHaveLength(4)
  })
})

describe('an installation in which people were in one organization each', () => {
  it('keeps people, roles and versions, and understands a version before this one that still runs', async () => {
    const database = await databaseForTest()
    // As an owner that sees through no row-level security of its own.
    const tables = new pg.Client({ connectionString: database.url })
    await tables.connect()
    try {
      await migrate({ connectionString: database.url, upTo: 17 })
      const [organizationId, userId, otherId] = [randomUUID(), randomUUID(), randomUUID()]
      await tables.query("insert into organization (id, name, is_first) values ($1, 'Acme', true)", [organizationId])
      const insert = (id: string) =>
        tables.query(
          `insert into user_account (id, organization_id, email, username, password_hash, roles, version)
           values ($1, $2, $3 || '@acme.test', $3, 'hash', '{owner}', 3)`,
          [id, organizationId, `user-${id}`],
        )
      await insert(userId)
      await tables.query(
        `insert into notification_preference (user_id, organization_id, kind, in_app, mail) values ($1, $2, 'job-dead', false, true)`,
        [userId, organizationId],
      )
      await migrate({ connectionString: database.url })
      const memberships = async () =>
        (await tables.query('select user_id, id, roles, version from membership order by created_at, user_id')).rows
      expect(await memberships()).toEqual([{ user_id: userId, id: userId, roles: ['owner'], version: 3 }])
      const { rows: preferences } = await tables.query('select in_app, mail from member_notification_preference')
      expect(preferences).toEqual([{ in_app: false, mail: true }])

      // Its statements, in an organization's scope as it runs them.
      const within = async (statement: string, values: unknown[]) => {
        await tables.query(
          `begin; set local role sallyport_tenant; set local sallyport.organization = '${organizationId}'`,
        )
        try {
          const { rowCount } = await tables.query(statement, values)
          await tables.query('commit')
          return rowCount
        } catch (error) {
          await tables.query('rollback')
          throw error
        }
      }
      await within(
        `insert into user_account (id, organization_id, email, username, password_hash, roles, email_verified_at)
         values ($1, $2, 'b@acme.test', 'b', 'hash', '{member}', null)
         returning id, organization_id as "organizationId", email, username, roles, version`,
        [otherId, organizationId],
      )
      await within(
        'update user_account set roles = $1::text[], version = version + 1 where id = $2 and organization_id = $3 returning id, roles',
        [['operator'], otherId, organizationId],
      )
      expect((await memberships()).find((row) => row.user_id === otherId)).toMatchObject({
        roles: ['operator'],
        version: 2,
      })
      // What the new version changes, the old one finds in its column.
      await within(`update membership set roles = '{auditor}', version = version + 1 where user_id = $1`, [otherId])
      const { rows: seen } = await tables.query('select roles, version from user_account where id = $1', [otherId])
      expect(seen).toEqual([{ roles: ['auditor'], version: 3 }])
      // Somebody who is elsewhere too is not deleted by one that does not know it.
      const second = randomUUID()
      await tables.query("insert into organization (id, name) values ($1, 'Second')", [second])
      await tables.query(`insert into membership values ($1, $2, $3, '{owner}')`, [second, userId, randomUUID()])
      const remove = 'delete from user_account where id = $1 and organization_id = $2'
      await expect(within(remove, [userId, organizationId])).rejects.toMatchObject({ code: '23503' })
      expect(await within(remove, [otherId, organizationId])).toBe(1)
      expect((await memberships()).map((row) => row.user_id)).toEqual([userId, userId])
    } finally {
      await tables.end()
      await database.drop()
    }
  })
})
