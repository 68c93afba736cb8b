import { randomUUID } from 'node:crypto'
import { days } from '@sallyport/clock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ActContext } from '../src/index.ts'
import { digestOf, outcomesOf, StoreAroundDevices, system, times } from './store-around-devices.ts'

let around: StoreAroundDevices
let organizationId: string
beforeAll(async () => {
  around = await StoreAroundDevices.open()
  organizationId = around.organizationId
})
afterAll(() => around.close())

const by = (userId: string): ActContext => ({ actor: { kind: 'user', id: userId }, correlationId: randomUUID() })

async function member(...roles: string[]): Promise<string> {
  const id = randomUUID()
  await around.tables.query(
    `insert into user_account (id, organization_id, email, username, password_hash, roles)
     values ($1, $2, $3, $4, '$argon2id$', $5)`,
    [id, organizationId, `${id}@acme.test`, `user-${id}`, roles],
  )
  return id
}

async function invite(roles: readonly string[], act: ActContext = system, delivery: 'mail' | 'shown' = 'shown') {
  const token = randomUUID()
  const email = `${token}@acme.test`
  const by = delivery === 'mail' ? { mailedToken: token } : delivery
  const invitation = { email, roles, tokenHash: digestOf(token), lifetime: days(1), delivery: by } as const
  return { ...(await around.store.invitations.create(organizationId, invitation, act)), token }
}

const accept = (token: string, username: string = `user-${randomUUID()}`) =>
  around.store.invitations.accept(
    { tokenHash: digestOf(token), username, passwordHash: '$argon2id$' },
    { correlationId: randomUUID() },
  )

const policy = (name: string) => ({ code: 'policy-violated', details: expect.objectContaining({ policy: name }) })

describe('the last owner', () => {
  it('[1.24] can neither be removed nor demoted, not by the system either', async () => {
    const { store, userId } = around
    await expect(store.members.remove(organizationId, userId, by(userId))).rejects.toMatchObject(policy('last-owner'))
    await expect(
      store.members.changeRoles(organizationId, userId, ['admin'], undefined, by(userId)),
    ).rejects.toMatchObject(policy('last-owner'))
    await expect(
      store.members.changeRoles(organizationId, userId, ['member'], undefined, system),
    ).rejects.toMatchObject(policy('last-owner'))
    expect(await store.members.read(organizationId, userId)).toMatchObject({ roles: ['owner'], version: 1 })
  })

  it('[1.24] of two owners who are demoted, removed or leave at one moment, one stays', async () => {
    const { store, userId } = around
    for (let round = 0; round < 8; round += 1) {
      const second = await member('owner')
      const [demote, remove] = [
        (id: string) => store.members.changeRoles(organizationId, id, ['admin'], undefined, by(id)),
        (id: string) => store.members.remove(organizationId, id, by(id)),
      ]
      const [one, two] = round % 2 === 0 ? [demote, demote] : [demote, remove]
      const outcomes = await outcomesOf([one(userId), two(second)])
      expect(outcomes, `round ${round}`).toEqual({ resolved: 1, 'policy-violated': 1 })
      // Back to one owner, the first one.
      await around.tables.query(`update user_account set roles = '{owner}' where id = $1`, [userId])
      await around.tables.query('delete from user_account where id = $1', [second])
    }
  })
})

describe('roles are given and taken', () => {
  it('[1.24] only by who holds all that they allow: an admin makes no owner, unmakes none, and invites none', async () => {
    const { store, userId } = around
    const admin = await member('admin')
    const someone = await member('member')
    const act = by(admin)
    await store.members.changeRoles(organizationId, someone, ['admin', 'auditor'], undefined, act)
    for (const attempt of [
      () => store.members.changeRoles(organizationId, someone, ['owner'], undefined, act),
      () => store.members.changeRoles(organizationId, admin, ['owner', 'admin'], undefined, act),
      () => store.members.changeRoles(organizationId, userId, ['member'], undefined, act),
      () => store.members.remove(organizationId, userId, act),
      () => invite(['owner'], act),
    ]) {
      await expect(attempt()).rejects.toMatchObject(policy('no-escalation'))
    }
    await expect(
      store.customRoles.create(organizationId, { name: 'sovereign', permissions: ['organization:write'] }, act),
    ).rejects.toMatchObject({ details: { policy: 'no-escalation', permissions: ['organization:write'] } })
  })

  it('[1.23] only if they are there: an unknown role is refused on assignment and on invitation', async () => {
    const { store, userId } = around
    const someone = await member('member')
    const unknown = { code: 'role-not-found', details: { roles: ['no-such'] } }
    await expect(
      store.members.changeRoles(organizationId, someone, ['no-such'], undefined, by(userId)),
    ).rejects.toMatchObject(unknown)
    await expect(invite(['no-such'], by(userId))).rejects.toMatchObject(unknown)
  })

  it('by what the caller may at that moment, not when the request was let in', async () => {
    const { store } = around
    const [first, second] = [await member('admin'), await member('admin')]
    // Each takes the other's rights at once: the one who comes second has none any more.
    const outcomes = await outcomesOf([
      store.members.changeRoles(organizationId, second, ['member'], undefined, by(first)),
      store.members.changeRoles(organizationId, first, ['member'], undefined, by(second)),
    ])
    expect(outcomes).toEqual({ resolved: 1, 'policy-violated': 1 })
  })

  it('with an audit event and a notification in the same transaction, once for each version', async () => {
    const { store, userId } = around
    const someone = await member('member')
    const heard: string[] = []
    const stop = await store.listen(
      'access_changed',
      (payload) => heard.push(payload),
      () => undefined,
    )
    const outcomes = await outcomesOf(
      times(5, () => store.members.changeRoles(organizationId, someone, ['operator'], 1, by(userId))),
    )
    expect(outcomes).toEqual({ resolved: 1, 'precondition-failed': 4 })
    const events = (await around.audited('user.roles-changed')).filter((event) => event.subject_id === someone)
    expect(events.map(({ details }) => details)).toEqual([
      {
        username: expect.objectContaining({ sealed: expect.any(String) }),
        before: ['member'],
        roles: ['operator'],
        revokedInvitations: 0,
      },
    ])
    await expect.poll(() => heard).toEqual([JSON.stringify({ organizationId, userId: someone })])
    await stop()
  })
})

describe('a role of the organization’s own', () => {
  it('allows what it names to whoever has it, and is not deleted while somebody has it or is invited to it', async () => {
    const { store, userId } = around
    const act = by(userId)
    const { version } = await store.customRoles.create(
      organizationId,
      { name: 'night-shift', permissions: ['devices:read', 'devices:command'] },
      act,
    )
    const someone = await member('member', 'night-shift')
    const held = await store.members.permissions(organizationId, someone)
    expect(held?.has('devices:command')).toBe(true)
    await store.customRoles.change(organizationId, 'night-shift', ['devices:write'], version, act)
    const changed = await store.members.permissions(organizationId, someone)
    expect([changed?.has('devices:command'), changed?.has('devices:write')]).toEqual([false, true])
    const remove = () => store.customRoles.delete(organizationId, 'night-shift', undefined, act)
    await expect(remove()).rejects.toMatchObject({ code: 'conflict' })
    await store.members.remove(organizationId, someone, act)
    const invitation = await invite(['night-shift'])
    await expect(remove()).rejects.toMatchObject({ code: 'conflict' })
    await store.invitations.revoke(organizationId, invitation.id, act)
    await remove()
    expect(await store.customRoles.read(organizationId, 'night-shift')).toBeUndefined()
  })

  it('is never deleted under somebody to whom it is given at that moment', async () => {
    const { store, userId } = around
    for (const name of times(6, (index) => `race-${index}`)) {
      await store.customRoles.create(organizationId, { name, permissions: ['devices:read'] }, system)
      const someone = await member('member')
      await Promise.allSettled([
        store.customRoles.delete(organizationId, name, undefined, by(userId)),
        store.members.changeRoles(organizationId, someone, ['member', name], undefined, by(userId)),
      ])
      const given = (await store.members.read(organizationId, someone))?.roles.includes(name)
      const there = (await store.customRoles.read(organizationId, name)) !== undefined
      expect(there, name).toBe(given)
    }
  })

  it('does not exist in another organization, and a name is taken once', async () => {
    const { store } = around
    const other = (await around.secondOrganization()).organizationId
    const role = { name: 'painter', permissions: ['devices:read'] } as const
    const outcomes = await outcomesOf(times(4, () => store.customRoles.create(organizationId, role, system)))
    expect(outcomes).toEqual({ resolved: 1, conflict: 3 })
    await expect(
      store.invitations.create(
        other,
        { email: 'x@other.test', roles: ['painter'], tokenHash: digestOf('x'), lifetime: days(1), delivery: 'shown' },
        system,
      ),
    ).rejects.toMatchObject({ code: 'role-not-found' })
  })
})

describe('an invitation', () => {
  it('[6.31] is accepted once, however many try at one moment: one member, one audit event', async () => {
    const { token, id, email } = await invite(['operator'])
    const outcomes = await outcomesOf(times(8, () => accept(token)))
    expect(outcomes).toEqual({ resolved: 1, 'invitation-invalid': 7 })
    const { rows } = await around.tables.query('select roles, email_verified_at from user_account where email = $1', [
      email,
    ])
    // Whoever invited has seen the token: that it came back says nothing about the address.
    expect(rows).toEqual([{ roles: ['operator'], email_verified_at: null }])
    const events = (await around.audited('invitation.accepted')).filter((event) => event.subject_id === id)
    expect(events).toHaveLength(1)
  })

  it('that went to the address alone verifies it', async () => {
    const { token } = await invite(['member'], system, 'mail')
    expect((await accept(token)).emailVerifiedAt).toBeGreaterThan(0)
  })

  it('is good until it is revoked, replaced or expired, and not a moment longer', async () => {
    const { store } = around
    const revoked = await invite(['member'])
    const raced = await outcomesOf([
      accept(revoked.token),
      store.invitations.revoke(organizationId, revoked.id, system),
    ])
    expect(Object.values(raced).reduce((sum, count) => sum + count)).toBe(2)
    expect(raced.resolved).toBe(1)

    const replaced = await invite(['member'])
    await store.invitations.create(
      organizationId,
      {
        email: replaced.email.toUpperCase(),
        roles: ['member'],
        tokenHash: digestOf('again'),
        lifetime: days(1),
        delivery: 'shown',
      },
      system,
    )
    await expect(accept(replaced.token)).rejects.toMatchObject({ code: 'invitation-invalid' })

    const expired = await invite(['member'])
    await around.tables.query(
      `update invitation set created_at = now() - interval '2 days', expires_at = now() - interval '1 second' where id = $1`,
      [expired.id],
    )
    expect(await store.invitations.openFor(digestOf(expired.token))).toBeUndefined()
    await expect(accept(expired.token)).rejects.toMatchObject({ code: 'invitation-invalid' })
  })

  it('stays open when the username is taken', async () => {
    const { token } = await invite(['member'])
    await expect(accept(token, 'ADMIN')).rejects.toMatchObject({ code: 'conflict' })
    expect(await accept(token)).toMatchObject({ roles: ['member'] })
  })

  it('for one address at one moment is one: the others wait, and replace it', async () => {
    const outcomes = await outcomesOf(
      times(6, (index) =>
        around.store.invitations.create(
          organizationId,
          {
            email: 'Busy@acme.test',
            roles: ['member'],
            tokenHash: digestOf(`busy-${index}`),
            lifetime: days(1),
            delivery: 'shown',
          },
          system,
        ),
      ),
    )
    expect(outcomes).toEqual({ resolved: 6 })
    const { items } = await around.store.invitations.list(organizationId, { limit: 100 })
    expect(items.filter(({ email, state }) => email === 'Busy@acme.test' && state === 'open')).toHaveLength(1)
  })

  it('ends with the rights of who gave it: a removed or demoted inviter has no way back', async () => {
    const { store, userId } = around
    for (const end of [
      (id: string) => store.members.remove(organizationId, id, by(userId)),
      (id: string) => store.members.changeRoles(organizationId, id, ['member'], undefined, by(userId)),
    ]) {
      const admin = await member('admin')
      const { token } = await invite(['admin'], by(admin))
      await end(admin)
      await expect(accept(token)).rejects.toMatchObject({ code: 'invitation-invalid' })
    }
  })
})
