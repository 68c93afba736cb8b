import { randomUUID } from 'node:crypto'
import { startMailServer } from '@sallyport/development'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let owner: Session
beforeAll(async () => {
  running = await RunningControlPlane.start()
  owner = await running.logIn()
})
afterAll(() => running.stop())

const password = 'a password of twelve or more'
const withinASecond = { timeout: 1000, interval: 20 }

/** Invited by the owner, accepted, logged in. */
async function joined(...roles: string[]): Promise<{ id: string; session: Session; username: string }> {
  const username = `user-${randomUUID()}`
  const { status, body: invitation } = await owner.call('POST', '/api/v1/invitations', {
    body: { email: `${username}@example.com`, roles },
  })
  expect(status).toBe(201)
  const accepted = await running.call('POST', '/api/v1/invitations/accept', {
    body: { token: invitation.token, username, password },
  })
  expect(accepted.status).toBe(201)
  return { id: accepted.body.id, username, session: await running.logIn({ username, password }) }
}

const versionOf = async (path: string): Promise<string> =>
  (await owner.call('GET', path)).headers.get('etag') ?? 'no ETag'

const change = (session: Session, path: string, body: unknown, etag: string) =>
  session.call('PATCH', path, { body, headers: { 'if-match': etag } })

describe('an invitation', () => {
  it('[6.31] makes a member with its roles, once, and the token is shown once and kept as a hash', async () => {
    const { body: invitation, headers } = await owner.call('POST', '/api/v1/invitations', {
      body: { email: 'new@example.com', roles: ['operator'] },
    })
    expect(invitation).toMatchObject({ state: 'open', roles: ['operator'], acceptedAt: null })
    expect(headers.get('cache-control')).toBe('no-store')
    const acceptance = { body: { token: invitation.token, username: 'new', password } }
    const { status, body: member } = await running.call('POST', '/api/v1/invitations/accept', acceptance)
    expect([status, member]).toMatchObject([201, { email: 'new@example.com', roles: ['operator'] }])
    const again = await running.call('POST', '/api/v1/invitations/accept', acceptance)
    expect([again.status, again.body.code]).toEqual([403, 'invitation-invalid'])

    const session = await running.logIn({ username: 'new', password })
    const { body: me } = await session.call('GET', '/api/v1/me')
    expect(me).toMatchObject({ id: member.id, organizationId: running.admin.organizationId, roles: ['operator'] })
    expect(me.permissions).toContain('devices:command')
    expect((await session.call('GET', '/api/v1/members')).body).toMatchObject({
      code: 'permission-denied',
      details: { permission: 'members:read' },
    })
    const { body: list } = await owner.call('GET', '/api/v1/invitations')
    expect(list.items[0]).toMatchObject({ id: invitation.id, state: 'accepted', userId: member.id })
    const everything = running.sql(`select (select string_agg(i::text, '') from invitation i)
      || (select string_agg(e::text, '') from audit_event e)`)
    expect(JSON.stringify(list) + everything).not.toContain(invitation.token)
  })

  it('is refused with one answer whether it was guessed, revoked or used, and a weak password before it is used', async () => {
    const { body: invitation } = await owner.call('POST', '/api/v1/invitations', {
      body: { email: 'revoked@example.com', roles: ['member'] },
    })
    const accept = (token: string, secret = password) =>
      running.call('POST', '/api/v1/invitations/accept', { body: { token, username: 'revoked', password: secret } })
    expect((await accept(invitation.token, 'short')).body.code).toBe('validation-failed')
    expect((await owner.call('DELETE', `/api/v1/invitations/${invitation.id}`)).status).toBe(204)
    expect((await owner.call('DELETE', `/api/v1/invitations/${invitation.id}`)).status).toBe(404)
    const [revoked, guessed] = [await accept(invitation.token), await accept('guessed')]
    const { correlationId: _one, ...problem } = revoked.body
    expect(guessed.body).toMatchObject(problem)
    expect(revoked.body.code).toBe('invitation-invalid')
  })

  it('[1.23] [1.24] names roles that are there, and none beyond the inviter’s own', async () => {
    const { session: admin } = await joined('admin')
    const invite = (role: string) =>
      admin.call('POST', '/api/v1/invitations', { body: { email: 'x@example.com', roles: [role] } })
    expect(await invite('no-such')).toMatchObject({ status: 422, body: { code: 'role-not-found' } })
    expect(await invite('owner')).toMatchObject({
      status: 403,
      body: { code: 'policy-violated', details: { policy: 'no-escalation', permissions: ['organization:write'] } },
    })
  })
})

describe('a change of roles', () => {
  it('[1.9] counts within a second for tokens that were issued before, and needs no Redis for it', async () => {
    const { id, session } = await joined('member')
    const path = `/api/v1/members/${id}`
    expect((await session.call('GET', '/api/v1/audit-events')).status).toBe(403)
    expect((await change(owner, path, { roles: ['auditor'] }, await versionOf(path))).status).toBe(200)
    await expect.poll(async () => (await session.call('GET', '/api/v1/audit-events')).status, withinASecond).toBe(200)
    const { body } = await change(owner, path, { roles: ['member'] }, await versionOf(path))
    expect(body).toMatchObject({ roles: ['member'], version: 3 })
    await expect.poll(async () => (await session.call('GET', '/api/v1/audit-events')).status, withinASecond).toBe(403)
  })

  it('needs the version that was read', async () => {
    const { id } = await joined('member')
    const path = `/api/v1/members/${id}`
    const body = { roles: ['operator'] }
    expect((await owner.call('PATCH', path, { body })).status).toBe(428)
    expect((await change(owner, path, body, '"7"')).status).toBe(412)
  })

  it('of a role of the organization’s own counts for everybody who has it', async () => {
    const { body: role, headers } = await owner.call('POST', '/api/v1/roles', {
      body: { name: 'trail-reader', permissions: ['audit:read'] },
    })
    expect(role).toMatchObject({ name: 'trail-reader', builtIn: false, permissions: ['audit:read'] })
    const { session } = await joined('trail-reader')
    expect((await session.call('GET', '/api/v1/audit-events')).status).toBe(200)
    expect((await owner.call('DELETE', '/api/v1/roles/trail-reader', { headers: { 'if-match': '*' } })).status).toBe(
      409,
    )
    await change(owner, '/api/v1/roles/trail-reader', { permissions: ['devices:read'] }, headers.get('etag') ?? '')
    await expect.poll(async () => (await session.call('GET', '/api/v1/audit-events')).status, withinASecond).toBe(403)
    expect((await session.call('GET', '/api/v1/devices')).status).toBe(200)
    const { body: roles } = await owner.call('GET', '/api/v1/roles')
    expect(roles.items.map((each: { name: string }) => each.name)).toEqual(
      expect.arrayContaining(['owner', 'admin', 'operator', 'manufacturer', 'auditor', 'member', 'trail-reader']),
    )
  })
})

describe('a removed member', () => {
  it('[6.31] has nothing left within a second: access token, refresh token, log-in, open feed', async () => {
    const { id, session, username } = await joined('member')
    const feed = await fetch(`${running.controlPlane.addresses.http}/api/v1/events`, {
      headers: { authorization: `Bearer ${session.accessToken}` },
    })
    expect(feed.status).toBe(200)
    const ended = feed.text()
    expect((await owner.call('DELETE', `/api/v1/members/${id}`)).status).toBe(204)
    await expect
      .poll(async () => (await session.call('GET', '/api/v1/me')).body.code, withinASecond)
      .toBe('token-revoked')
    expect(await ended).toContain('event: end\ndata: {"reason":"session-ended"}')
    const refresh = await running.call('POST', '/api/v1/auth/refresh', {
      body: { refresh_token: session.refreshToken },
    })
    expect([refresh.status, refresh.body.code]).toEqual([401, 'refresh-failed'])
    const login = await running.call('POST', '/api/v1/auth/login', { body: { username, password } })
    expect([login.status, login.body.code]).toEqual([401, 'invalid-credentials'])
    const { body: trail } = await owner.call('GET', `/api/v1/audit-events?subjectId=${id}&type=user.removed`)
    expect(trail.items).toHaveLength(1)
  })

  it('[1.24] is not the last owner, who hears which policy keeps them', async () => {
    const { body: me } = await owner.call('GET', '/api/v1/me')
    expect(await owner.call('DELETE', `/api/v1/members/${me.id}`)).toMatchObject({
      status: 403,
      body: { code: 'policy-violated', details: { policy: 'last-owner' } },
    })
  })
})

describe('the organization', () => {
  it('is read by its people and renamed by its owners, with an audit event', async () => {
    const { session: admin } = await joined('admin')
    expect((await admin.call('GET', '/api/v1/organization')).body).toMatchObject({
      id: running.admin.organizationId,
      version: 1,
    })
    const rename = (session: Session, etag: string) =>
      change(session, '/api/v1/organization', { name: 'Lamps and Sons' }, etag)
    expect((await rename(admin, '"1"')).status).toBe(403)
    expect((await rename(owner, '"1"')).body).toMatchObject({ name: 'Lamps and Sons', version: 2 })
    expect((await rename(owner, '"1"')).status).toBe(412)
    const { body: trail } = await owner.call('GET', '/api/v1/audit-events?type=organization.changed')
    expect(trail.items[0]).toMatchObject({ details: { name: 'Lamps and Sons', version: 2 } })
  })
})

describe('an invitation by mail', () => {
  it('[6.31] carries the token to the address alone: who accepts it has shown that they read the address', async () => {
    const mailServer = await startMailServer({ port: 0 })
    const mailing = await RunningControlPlane.start({ SALLYPORT_SMTP_URL: mailServer.url })
    try {
      const inviter = await mailing.logIn()
      const { status, body: invitation } = await inviter.call('POST', '/api/v1/invitations', {
        body: { email: 'ada@example.com', roles: ['operator'] },
      })
      expect([status, invitation.token]).toEqual([201, undefined])
      await expect.poll(() => mailServer.received.length, { timeout: 15_000 }).toBe(1)
      const { recipients, mail } = mailServer.received[0] ?? {}
      expect(recipients).toEqual(['ada@example.com'])
      expect(mail?.text).toContain('admin invites you to First organization on Sallyport, with the role operator')
      const token = /(?<![\w-])[\w-]{43}(?![\w-])/.exec(mail?.text ?? '')?.[0]
      const { body: member } = await mailing.call('POST', '/api/v1/invitations/accept', {
        body: { token, username: 'ada', password },
      })
      expect(member).toMatchObject({ email: 'ada@example.com', roles: ['operator'] })
      expect(Date.parse(member.emailVerifiedAt)).toBeGreaterThan(Date.now() - 60_000)
    } finally {
      await mailing.stop()
      await mailServer.stop()
    }
  })
})
