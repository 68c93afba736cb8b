import { randomUUID } from 'node:crypto'
import { builtInRoles, type Role } from '@sallyport/fleet'
import type { DeclaredRoute } from '@sallyport/http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { publicRoutes } from '../src/open-api-document.ts'
import { hashPassword } from '../src/password-hash.ts'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let owner: Session
let other: Session
/** Every id of the owner's that a path may name. */
let ids: Readonly<Record<string, string>>
const routes = (await publicRoutes()).filter(({ url }) => url.startsWith('/api/v1/'))
const withIds = routes.filter(({ url }) => url.includes('/:'))

beforeAll(async () => {
  running = await RunningControlPlane.start()
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
  ids = {
    notificationId,
    jobId,
    pskId: psk.id,
    groupId: group.id,
    deviceId: device.deviceId,
    recordId: device.recordId,
    commandId: command.id,
    '*': 'light/1',
  }
})
afterAll(() => running.stop())

const pathOf = ({ url }: DeclaredRoute): string =>
  url.replace(/:(\w+)|\*/g, (parameter, name: string | undefined) => {
    const id = ids[name ?? '*']
    if (id === undefined) throw new Error(`the test knows no id for ${parameter}: make one`)
    return id
  })
const bodyOf = ({ method, url }: DeclaredRoute): { body?: unknown } => {
  if (method === 'PATCH') return { body: { name: 'taken over' } }
  if (url.includes('psk')) return method === 'POST' ? { body: {} } : {}
  if (url.endsWith('onboarding-codes')) return {}
  return method === 'PUT' || (method === 'POST' && !url.includes('auth')) ? { body: { state: false } } : {}
}
const call = (session: Session, route: DeclaredRoute) =>
  session.call(route.method as string, pathOf(route), { ...bodyOf(route), headers: { 'if-match': '*' } })
const nameOf = ({ method, url }: DeclaredRoute): string => `${method} ${url}`

describe('a person of another organization', () => {
  it.each(withIds.map((route) => [nameOf(route), route] as const))(
    'finds nothing at %s, as if there were no such id',
    async (_name, route) => {
      const theirs = await call(other, route)
      expect([theirs.status, theirs.body.code]).toEqual([404, 'not-found'])
      const nowhere = await other.call(
        route.method as string,
        pathOf(route).replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, () => randomUUID()),
        { ...bodyOf(route), headers: { 'if-match': '*' } },
      )
      const { correlationId: _one, instance: _two, ...problem } = theirs.body
      expect(nowhere.body).toMatchObject(problem)
    },
  )

  it('sees none of it in any list', async () => {
    const lists = routes.filter(
      ({ method, url }) =>
        method === 'GET' && !url.includes('/:') && !/me$|events$|unread-count$|preferences$/.test(url),
    )
    expect(lists.length).toBeGreaterThanOrEqual(3)
    for (const route of lists) {
      const { status, body } = await other.call('GET', route.url)
      expect([status, body.items], route.url).toEqual([200, []])
    }
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
  const sessions = new Map<Role | 'nobody', Session>()

  beforeAll(async () => {
    const password = randomUUID()
    const hash = await hashPassword(password)
    for (const role of [...(Object.keys(builtInRoles) as Role[]), 'nobody'] as const) {
      const roles = role === 'nobody' ? '{}' : `{${role}}`
      running.sql(
        `insert into user_account (id, organization_id, email, username, password_hash, roles) values
         ('${randomUUID()}', '${running.admin.organizationId}', '${role}@example.com', 'user-${role}', '${hash}', '${roles}')`,
      )
      sessions.set(role, await running.logIn({ username: `user-${role}`, password }))
    }
  })

  const guarded = routes.filter(({ access }) => access?.kind === 'permission')
  it.each(guarded.map((route) => [nameOf(route), route] as const))(
    '%s is refused, with the missing permission, to roles that lack it, before anything else is looked at',
    async (_name, route) => {
      const permission = route.access?.kind === 'permission' ? route.access.permission : ''
      for (const [role, session] of sessions) {
        const allowed = role !== 'nobody' && builtInRoles[role].some((held) => held === permission)
        // Deletions and live feeds are tried where they must be refused; that they work is shown elsewhere.
        if (allowed && (route.method === 'DELETE' || route.url === '/api/v1/events')) continue
        const answer = await call(session, route)
        if (allowed) expect(answer.status, role).not.toBe(403)
        else {
          expect([answer.status, answer.body.code], role).toEqual([403, 'permission-denied'])
          expect(answer.body.details, role).toEqual({ permission })
        }
      }
    },
  )
})
