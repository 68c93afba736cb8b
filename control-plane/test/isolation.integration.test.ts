import { randomUUID } from 'node:crypto'
import { builtInRoles, permissions } from '@sallyport/fleet'
import type { DeclaredRoute } from '@sallyport/http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { publicRoutes } from '../src/open-api-document.ts'
import { hashPassword } from '../src/password-hash.ts'
import { type Answer, RunningControlPlane, type Session } from './running-control-plane.ts'

/**
 * Every route × role × organization, from the routes as they are declared: one that this file does not know how to call fails it.
 */

let running: RunningControlPlane
let owner: Session
let other: Session
/** Every id of the owner's that a path may name. */
let ids: Readonly<Record<string, string>>
const routes = (await publicRoutes()).filter(({ url }) => url.startsWith('/api/v1/'))
const nameOf = ({ method, url }: DeclaredRoute): string => `${method} ${url}`
const withIds = routes.filter(({ url }) => url.includes('/:'))

beforeAll(async () => {
  running = await RunningControlPlane.start()
  running.verifyEmailOf(running.admin.username)
  owner = await running.logIn()
  other = await running.anotherOrganization()
  const { body: group } = await owner.call('POST', '/api/v1/enrollment-groups', {
    body: {
      name: 'Owner’s',
      certificateChain: running.certificates.pem('Issuing', 'Manufacturer'),
      allowsPsk: true,
    },
  })
  const device = await running.register({ id: group.id, organizationId: running.admin.organizationId })
  const act = { actor: { kind: 'system', id: 'test' }, correlationId: randomUUID() } as const
  await running.store.resources.publish(device.deviceId, [{ href: '/light/1', rt: [], if: [] }], 0, act)
  const { body: command } = await owner.call('PUT', `/api/v1/devices/${device.deviceId}/resources/light/1`, {
    body: { state: true },
  })
  const { body: psk } = await owner.call('POST', `/api/v1/enrollment-groups/${group.id}/psk-devices`, { body: {} })
  const jobId = await running.store.jobs.add(
    {
      kind: 'send-mail',
      organizationId: running.admin.organizationId,
      payload: {
        to: 'owner@example.com',
        template: 'notification',
        parameters: { username: 'u', title: 't', text: 't', occurredAt: '2026-11-21T15:00:00.000Z' },
      },
    },
    act,
  )
  const notificationId = randomUUID()
  running.sql(`insert into notification (id, organization_id, user_id, kind, data)
    select '${notificationId}', organization_id, id, 'job-dead', '{"jobId": "x", "kind": "x", "about": "x", "errorCode": "x"}'
    from user_account where organization_id = '${running.admin.organizationId}'`)
  const { body: role } = await owner.call('POST', '/api/v1/roles', {
    body: { name: 'watcher', permissions: ['devices:read'] },
  })
  const { body: invitation } = await owner.call('POST', '/api/v1/invitations', {
    body: { email: 'invited@example.com', roles: ['watcher'] },
  })
  const { body: apiKey } = await owner.call('POST', '/api/v1/auth/api-key', { body: newApiKey(['devices:read']) })
  const userId = randomUUID()
  running.sql(
    `insert into user_account (id, organization_id, email, username, password_hash, roles)
     values ('${userId}', '${running.admin.organizationId}', 'someone@example.com', 'someone', 'none', '{member}')`,
  )
  ids = {
    notificationId,
    jobId,
    userId,
    apiKeyId: apiKey.id,
    role: role.name,
    invitationId: invitation.id,
    pskId: psk.id,
    groupId: group.id,
    deviceId: device.deviceId,
    recordId: device.recordId,
    commandId: command.id,
    '*': 'light/1',
  }
})
afterAll(() => running.stop())

const newApiKey = (scopes: readonly string[]) => ({
  name: 'a key',
  scopes,
  expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
})

const pathOf = ({ url }: DeclaredRoute): string =>
  url.replace(/:(\w+)|\*/g, (parameter, name: string | undefined) => {
    const id = ids[name ?? '*']
    if (id === undefined) throw new Error(`the test knows no id for ${parameter}: make one`)
    return id
  })

/** What each changing route is sent, so that nothing but the caller decides. */
const bodies: Readonly<Record<string, () => unknown>> = {
  'PATCH /api/v1/organization': () => ({ name: 'Renamed' }),
  'PATCH /api/v1/members/:userId': () => ({ roles: ['member'] }),
  'DELETE /api/v1/members/:userId': nothing,
  'POST /api/v1/roles': () => ({ name: `role-${randomUUID().slice(0, 8)}`, permissions: [] }),
  'PATCH /api/v1/roles/:role': () => ({ permissions: ['devices:read'] }),
  'DELETE /api/v1/roles/:role': nothing,
  'POST /api/v1/auth/api-key': () => newApiKey(['devices:read']),
  'PATCH /api/v1/api-keys/:apiKeyId': () => ({ name: 'taken over' }),
  'DELETE /api/v1/api-keys/:apiKeyId': nothing,
  'POST /api/v1/invitations': () => ({ email: `${randomUUID()}@example.com`, roles: ['member'] }),
  'DELETE /api/v1/invitations/:invitationId': nothing,
  'POST /api/v1/enrollment-groups': () => ({ state: false }),
  'PATCH /api/v1/enrollment-groups/:groupId': () => ({ name: 'taken over' }),
  'DELETE /api/v1/enrollment-groups/:groupId': nothing,
  'POST /api/v1/enrollment-groups/:groupId/psk-devices': () => ({}),
  'POST /api/v1/devices/:deviceId/psks': () => ({}),
  'POST /api/v1/devices/:deviceId/onboarding-codes': nothing,
  'DELETE /api/v1/psks/:pskId': nothing,
  'POST /api/v1/notifications/:notificationId/read': nothing,
  'POST /api/v1/jobs/:jobId/retry': nothing,
  'DELETE /api/v1/jobs/:jobId': nothing,
  'PATCH /api/v1/devices/:deviceId': () => ({ name: 'taken over' }),
  'DELETE /api/v1/devices/:deviceId': nothing,
  'PUT /api/v1/devices/:deviceId/resources/*': () => ({ state: false }),
}
function nothing(): undefined {}
const bodyOf = (route: DeclaredRoute): { body?: unknown } => {
  if (route.method === 'GET' || route.method === 'HEAD') return {}
  const make = bodies[nameOf(route)]
  if (make === undefined) throw new Error(`the test knows no body for ${nameOf(route)}: say what it is sent`)
  const body = make()
  return body === undefined ? {} : { body }
}
const call = (session: Session, route: DeclaredRoute) =>
  session.call(route.method as string, pathOf(route), { ...bodyOf(route), headers: { 'if-match': '*' } })

describe('a person of another organization', () => {
  it.each(withIds.map((route) => [nameOf(route), route] as const))(
    'finds nothing at %s, as if there were no such id',
    async (_name, route) => {
      const theirs = await call(other, route)
      expect([theirs.status, theirs.body.code]).toEqual([404, 'not-found'])
      const nowhere = await other.call(route.method as string, elsewhere(pathOf(route)), {
        ...bodyOf(route),
        headers: { 'if-match': '*' },
      })
      const { correlationId: _one, instance: _two, ...problem } = theirs.body
      expect(nowhere.body).toMatchObject(problem)
    },
  )

  it('sees none of it in any list', async () => {
    const lists = routes.filter(
      ({ method, url }) =>
        method === 'GET' &&
        !url.includes('/:') &&
        !/me$|events$|export$|organizations?$|unread-count$|preferences$/.test(url),
    )
    expect(lists.length).toBeGreaterThanOrEqual(3)
    for (const route of lists) {
      const { status, body } = await other.call('GET', route.url)
      expect(status, route.url).toBe(200)
      // Their own user and the built-in roles are all that they have.
      const strange = body.items.filter((item: { builtIn?: boolean; username?: string }) => {
        return item.builtIn !== true && item.username?.startsWith('other-') !== true
      })
      expect(strange, route.url).toEqual([])
    }
    const { body: organization } = await other.call('GET', '/api/v1/organization')
    expect(organization).toMatchObject({ name: 'Other' })
    const { body: organizations } = await other.call('GET', '/api/v1/organizations')
    expect(organizations.items).toMatchObject([{ id: organization.id, current: true }])
    const { body: audit } = await other.call('GET', '/api/v1/audit-events')
    for (const id of Object.values(ids)) expect(JSON.stringify(audit)).not.toContain(id)
    const filtered = await other.call('GET', `/api/v1/audit-events?subjectId=${ids.deviceId}`)
    expect(filtered.body.items).toEqual([])
    const byDevice = await other.call('GET', `/api/v1/provisioning-records?deviceId=${ids.deviceId}`)
    expect(byDevice.body.items).toEqual([])
  })

  it('has changed nothing: the owner still finds all of it', async () => {
    for (const route of withIds.filter(({ method }) => method === 'GET')) {
      expect((await call(owner, route)).status, nameOf(route)).toBe(200)
    }
  })
})

describe('a command is found only under its own device', () => {
  it('not under another device of the same organization', async () => {
    const path = `/api/v1/devices/${randomUUID()}/commands/${ids.commandId}`
    expect((await owner.call('GET', path)).status).toBe(404)
  })
})

describe('every route by role', () => {
  const custom = ['devices:command', 'roles:read'] as const
  const held = new Map<string, readonly string[]>([
    ...Object.entries(builtInRoles),
    ['commander', custom],
    ['nobody', []],
  ])
  const sessions = new Map<string, Session>()

  beforeAll(async () => {
    const password = randomUUID()
    const hash = await hashPassword(password)
    await owner.call('POST', '/api/v1/roles', { body: { name: 'commander', permissions: custom } })
    for (const role of held.keys()) {
      const roles = role === 'nobody' ? '{}' : `{${role}}`
      running.sql(
        `insert into user_account (id, organization_id, email, username, password_hash, roles, email_verified_at) values
         ('${randomUUID()}', '${running.admin.organizationId}', '${role}@example.com', 'user-${role}', '${hash}', '${roles}',
          now())`,
      )
      sessions.set(role, await running.logIn({ username: `user-${role}`, password }))
    }
  })

  const guarded = routes.filter(({ access }) => access?.kind === 'permission')
  it.each(guarded.map((route) => [nameOf(route), route] as const))(
    '[1.5] [1.9] [1.22] %s is refused, with the missing permission, to roles that lack it, before anything else is looked at',
    async (_name, route) => {
      const permission = route.access?.kind === 'permission' ? route.access.permission : ''
      for (const [role, session] of sessions) {
        if (held.get(role)?.includes(permission)) {
          expect(await statusFor(session, route), role).not.toBeOneOf([401, 403, 500, 503])
          continue
        }
        const answer = await call(session, route)
        expect([answer.status, answer.body.code], role).toEqual([403, 'permission-denied'])
        expect(answer.body.details, role).toEqual({ permission })
      }
      const anonymous = await running.call(route.method as string, pathOf(route), bodyOf(route))
      expect([anonymous.status, anonymous.body.code]).toEqual([401, 'token-missing'])
    },
  )
})

/** Deletions of what is not there: the handler ran, and the others still find it. A feed is opened and left. */
async function statusFor(session: Session, route: DeclaredRoute): Promise<number> {
  if (route.url === '/api/v1/events') {
    const leaving = new AbortController()
    const { status } = await fetch(`${running.controlPlane.addresses.http}${route.url}`, {
      headers: { authorization: `Bearer ${session.accessToken}` },
      signal: leaving.signal,
    })
    leaving.abort()
    return status
  }
  if (route.url === '/api/v1/audit-events/export') {
    const { status, body } = await call(session, route)
    // No dps runs here that signs heads: the handler ran, and says so.
    expect([status, body.code]).toEqual([503, 'dependency-unavailable'])
    return 200
  }
  if (route.method !== 'DELETE') return (await call(session, route)).status
  const { status } = await session.call('DELETE', elsewhere(pathOf(route)), { headers: { 'if-match': '*' } })
  expect(status, nameOf(route)).toBe(404)
  return status
}

describe('every route by API key', () => {
  /** Of the owner, who may everything: the scopes alone decide. */
  const keys = new Map<string, Session>()
  async function keyWith(scopes: readonly string[]): Promise<Session> {
    const known = keys.get(scopes.join())
    if (known !== undefined) return known
    const { body } = await owner.call('POST', '/api/v1/auth/api-key', { body: newApiKey(scopes) })
    const session = running.session(body.key, '')
    keys.set(scopes.join(), session)
    return session
  }
  const refusal = (answer: Answer) => [answer.status, answer.body?.code]

  const closed = routes.filter(({ access }) => access?.kind !== 'public')
  it.each(closed.map((route) => [nameOf(route), route] as const))(
    '[1.7] %s: a key that has no more than the scope is let in, one that has all others is not; what is a person’s alone is refused to all',
    async (_name, route) => {
      const { access } = route
      if (access?.kind !== 'permission') {
        // Refused before the body is read: it need not fit.
        const key = await keyWith(permissions)
        const body = route.method === 'GET' ? {} : { body: {} }
        const answer = await key.call(route.method as string, pathOf(route), body)
        if (access?.kind === 'signed-in' && access.apiKeys === true) expect(answer.status).toBe(200)
        else expect(refusal(answer)).toEqual([403, 'person-required'])
        return
      }
      const others = permissions.filter((permission) => permission !== access.permission)
      expect(refusal(await call(await keyWith(others), route))).toEqual([403, 'permission-denied'])
      const key = await keyWith([access.permission])
      if (access.recentAuthentication === true) {
        expect(refusal(await call(key, route))).toEqual([403, 'person-required'])
      } else if (expectsMore.has(nameOf(route))) {
        expect(refusal(await call(key, route))).toEqual([403, 'policy-violated'])
      } else {
        expect(await statusFor(key, route)).not.toBeOneOf([401, 403, 500, 503])
      }
    },
  )

  /** Who gives something has to hold it: the scope of the route alone is not enough. */
  const expectsMore = new Set(['POST /api/v1/invitations'])
})

/** The same path with ids of nothing. */
const elsewhere = (path: string): string =>
  path
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, () => randomUUID())
    .replace(/roles\/.*/, 'roles/no-such-role')
