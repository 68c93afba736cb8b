import { randomUUID } from 'node:crypto'
import { builtInRoles, permissions } from '@sallyport/fleet'
import type { DeclaredRoute } from '@sallyport/http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openApiDocument, publicRoutes } from '../src/open-api-document.ts'
import { hashPassword } from '../src/password-hash.ts'
import { type Answer, RunningControlPlane, type Session } from './running-control-plane.ts'

/**
 * Every route × role × organization, from the routes as they are declared: one that this file does not know how to call fails it.
 */

let running: RunningControlPlane
let owner: Session
let other: Session
/** The owner's again, by a token of another organization of theirs. */
let same: Session
type Ids = Readonly<Record<string, string>>
/** Every id of the owner's that a path may name. */
let ids: Ids
/** The same of `same`, in its organization. */
let ownIds: Ids
const routes = (await publicRoutes()).filter(({ url }) => url.startsWith('/api/v1/'))
const nameOf = ({ method, url }: DeclaredRoute): string => `${method} ${url}`
const withIds = routes.filter(({ url }) => url.includes('/:'))

beforeAll(async () => {
  running = await RunningControlPlane.start()
  running.verifyEmailOf(running.admin.username)
  owner = await running.logIn()
  other = await running.anotherOrganization()
  ids = await furnish(owner, running.admin.organizationId, 'watcher')
  const { body: second } = await owner.call('POST', '/api/v1/organizations', { body: { name: 'Second' } })
  const login = { ...running.login, organizationId: second.id }
  same = await running.logIn(login)
  ownIds = await furnish(same, second.id, 'guard')
})
afterAll(() => running.stop())

/** One of everything that has an id. */
async function furnish(session: Session, organizationId: string, roleName: string): Promise<Ids> {
  running.certificates.root(`Root of ${roleName}`)
  const { body: group } = await session.call('POST', '/api/v1/enrollment-groups', {
    body: { name: 'Theirs', certificateChain: running.certificates.pem(`Root of ${roleName}`), allowsPsk: true },
  })
  const device = await running.register({ id: group.id, organizationId })
  const act = { actor: { kind: 'system', id: 'test' }, correlationId: randomUUID() } as const
  await running.store.resources.publish(device.deviceId, [{ href: '/light/1', rt: [], if: [] }], 0, act)
  const { body: command } = await session.call('PUT', `/api/v1/devices/${device.deviceId}/resources/light/1`, {
    body: { state: true },
  })
  const { body: psk } = await session.call('POST', `/api/v1/enrollment-groups/${group.id}/psk-devices`, { body: {} })
  const jobId = await running.store.jobs.add(
    {
      kind: 'send-mail',
      organizationId,
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
    select '${notificationId}', organization_id, user_id, 'job-dead', '{"jobId": "x", "kind": "x", "about": "x", "errorCode": "x"}'
    from membership where organization_id = '${organizationId}'`)
  const { body: role } = await session.call('POST', '/api/v1/roles', {
    body: { name: roleName, permissions: ['devices:read'] },
  })
  const { body: invitation } = await session.call('POST', '/api/v1/invitations', {
    body: { email: `${roleName}@example.com`, roles: [roleName] },
  })
  const { body: apiKey } = await session.call('POST', '/api/v1/auth/api-key', { body: newApiKey(['devices:read']) })
  const userId = randomUUID()
  running.sql(
    `insert into user_account (id, organization_id, email, username, password_hash, roles)
     values ('${userId}', '${organizationId}', 'a-${roleName}@example.com', 'a-${roleName}', 'none', '{member}')`,
  )
  return {
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
}

const newApiKey = (scopes: readonly string[]) => ({
  name: 'a key',
  scopes,
  expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
})

const pathOf = ({ url }: DeclaredRoute, known: Ids = ids): string =>
  url.replace(/:(\w+)|\*/g, (parameter, name: string | undefined) => {
    const id = known[name ?? '*']
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

describe.each([
  ['a person of another organization', () => other],
  ['a person of both, by a token of the other organization', () => same],
])('%s', (_who, session) => {
  /** Every id of the owner's. */
  let strange: readonly string[]
  beforeAll(() => {
    strange = Object.entries(ids).flatMap(([name, id]) => (name === '*' ? [] : [id]))
  })

  it.each(withIds.map((route) => [nameOf(route), route] as const))(
    '[6.31] [1.25] [F31] finds nothing at %s, as if there were no such id',
    async (_name, route) => {
      const theirs = await call(session(), route)
      expect([theirs.status, theirs.body.code]).toEqual([404, 'not-found'])
      const nowhere = await session().call(route.method as string, elsewhere(pathOf(route)), {
        ...bodyOf(route),
        headers: { 'if-match': '*' },
      })
      const { correlationId: _one, instance: _two, ...problem } = theirs.body
      expect(nowhere.body).toMatchObject(problem)
    },
  )

  it('[6.31] sees none of it in any list', async () => {
    expect(strange).toHaveLength(Object.keys(ids).length - 1)
    const lists = routes.filter(
      ({ method, url }) =>
        method === 'GET' &&
        !url.includes('/:') &&
        !/me$|events$|socket$|asyncapi.json$|export$|organizations?$|unread-count$|preferences$/.test(url),
    )
    expect(lists.length).toBeGreaterThanOrEqual(3)
    for (const route of lists) {
      const { status, body } = await session().call('GET', route.url)
      expect(status, route.url).toBe(200)
      for (const id of strange) expect(JSON.stringify(body), route.url).not.toContain(id)
    }
    const { body: trail } = await session().call('GET', '/api/v1/audit-events')
    for (const id of strange) expect(JSON.stringify(trail)).not.toContain(id)
    const { body: organization } = await session().call('GET', '/api/v1/organization')
    expect(organization.id).not.toBe(running.admin.organizationId)
  })

  it('[6.31] finds nothing by an id in a query, as if there were no such id', async () => {
    for (const { path, query } of await queriesWithIds()) {
      const ask = async (id: string) => (await session().call('GET', `${path}?${query}=${id}`)).body
      const nowhere = await ask(randomUUID())
      expect(nowhere, `${path} ${query}`).toEqual({ items: [], nextCursor: null })
      for (const id of strange.filter((each) => each.includes('-'))) {
        expect(await ask(id), `${path}?${query}=${id}`).toEqual(nowhere)
      }
    }
  })

  it('has changed nothing: the owner still finds all of it', async () => {
    for (const route of withIds.filter(({ method }) => method === 'GET')) {
      expect((await call(owner, route)).status, nameOf(route)).toBe(200)
    }
  })
})

describe('one foreign id among own ones', () => {
  const swapped = withIds.flatMap((route) =>
    [...route.url.matchAll(/:(\w+)/g)].map(([, name = '']) => [`${nameOf(route)}, its ${name}`, route, name] as const),
  )
  it.each(swapped)('[6.31] [F31] %s, is answered like one that does not exist', async (_name, route, name) => {
    const ask = (id: string) =>
      same.call(route.method as string, pathOf(route, { ...ownIds, [name]: id }), {
        ...bodyOf(route),
        headers: { 'if-match': '*' },
      })
    const foreign = await ask(ids[name] ?? '')
    const none = await ask(name === 'role' ? 'no-such-role' : randomUUID())
    const { correlationId: _one, instance: _two, ...problem } = foreign.body
    expect([foreign.status, problem.code]).toEqual([404, 'not-found'])
    expect(none.body).toMatchObject(problem)
  })

  it('[F31] takes as long as one that does not exist, not as long as an own one', async () => {
    const reading = withIds.filter(({ method, url }) => method === 'GET' && !url.includes('*'))
    const took = { foreign: [] as number[], none: [] as number[] }
    const time = async (path: string): Promise<number> => {
      const began = performance.now()
      await other.call('GET', path)
      return performance.now() - began
    }
    for (let round = 0; round < 12; round += 1) {
      for (const route of reading) {
        took.foreign.push(await time(pathOf(route)))
        took.none.push(await time(elsewhere(pathOf(route))))
      }
    }
    const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0
    const ratio = median(took.foreign) / median(took.none)
    // The same query, whose rows the database does not show: what is left is the noise of the machine.
    expect(ratio).toBeGreaterThan(0.75)
    expect(ratio).toBeLessThan(1.33)
  })

  it('is in the bodies of these routes alone, each with a test of its own', async () => {
    const paths = await openApiPaths()
    const found = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { requestBody }]) => {
        const properties = requestBody?.content?.['application/json']?.schema?.properties ?? {}
        return Object.entries(properties).flatMap(([name, { format }]) =>
          format === 'uuid' || name.endsWith('Id') ? [`${method} ${path} ${name}`] : [],
        )
      }),
    )
    expect(found.sort()).toEqual([
      'post /api/v1/auth/login organizationId',
      'post /api/v1/auth/organization organizationId',
    ])
  })
})

interface DescribedRoute {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: {
    readonly content?: Readonly<
      Record<string, { readonly schema?: { readonly properties?: Readonly<Record<string, { format?: string }>> } }>
    >
  }
}

const openApiPaths = async () =>
  ((await openApiDocument()) as { paths: Readonly<Record<string, Readonly<Record<string, DescribedRoute>>>> }).paths

/** Of the live feed `[F31]` in live-events.integration.test.ts speaks. */
const queriesWithIds = async () =>
  Object.entries(await openApiPaths()).flatMap(([path, { get }]) =>
    path === '/api/v1/events'
      ? []
      : (get?.parameters ?? [])
          .filter((parameter) => parameter.in === 'query' && parameter.name.endsWith('Id'))
          .map(({ name }) => ({ path, query: name })),
  )

describe('a command is found only under its own device', () => {
  it('not under another device of the same organization', async () => {
    const path = `/api/v1/devices/${randomUUID()}/commands/${ids.commandId}`
    expect((await owner.call('GET', path)).status).toBe(404)
  })
})

describe('every route that is for who is signed in', () => {
  const signedIn = routes.filter(({ access }) => access?.kind === 'signed-in')
  it.each(signedIn.map((route) => [nameOf(route), route] as const))(
    '[1.9] %s is for nobody else',
    async (_name, route) => {
      const anonymous = await running.call(route.method as string, pathOf(route), {
        headers: { 'content-type': 'application/json' },
      })
      expect([anonymous.status, anonymous.body.code]).toEqual([401, 'token-missing'])
    },
  )
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
        if (access?.kind === 'signed-in' && access.apiKeys === true) expect(answer.status).toBeOneOf([200, 201])
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
