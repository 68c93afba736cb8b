/**
 * Every route that changes something, from the routes as they are declared: one that this file does not know how to use fails it.
 */

import { randomUUID } from 'node:crypto'
import { readConfiguration } from '@sallyport/config'
import { eventually } from '@sallyport/development'
import type { DeclaredRoute } from '@sallyport/http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { controlPlaneSettings } from '../src/config.ts'
import { type ControlPlane, startControlPlane } from '../src/control-plane.ts'
import { publicRoutes } from '../src/open-api-document.ts'
import { hashPassword } from '../src/password-hash.ts'
import { type Answer, RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let session: Session
let group: { readonly id: string; readonly organizationId: string }
let pskGroupId: string

const routes = (await publicRoutes()).filter(({ method, url }) => url.startsWith('/api/') && method !== 'GET')
const nameOf = ({ method, url }: DeclaredRoute): string => `${method} ${url}`

interface Use {
  readonly path?: string
  readonly body?: unknown
  /** Without it the admin's. */
  readonly as?: Session
}

interface AuditedRoute {
  /** The one event. */
  readonly event: string
  /** Makes what the route is used on. */
  readonly prepare: () => Promise<Use> | Use
}

const json = async (method: string, path: string, body?: unknown): Promise<Answer['body']> => {
  const answer = await session.call(method, path, body === undefined ? {} : { body })
  if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.body?.code}`)
  return answer.body
}
const anyName = (): string => `n-${randomUUID().slice(0, 8)}`
const role = () => json('POST', '/api/v1/roles', { name: anyName(), permissions: ['devices:read'] })
const invitation = () => json('POST', '/api/v1/invitations', { email: `${anyName()}@example.com`, roles: ['member'] })
const device = async () => (await running.register(group)).deviceId
const pskDevice = () => json('POST', `/api/v1/enrollment-groups/${pskGroupId}/psk-devices`, {})

const newApiKey = () => ({
  name: anyName(),
  scopes: ['devices:read'],
  expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
})
const apiKey = () => json('POST', '/api/v1/auth/api-key', newApiKey())

/** What stands in a mail that went out to the person. */
function mailedToken(userId: string): string {
  const token = randomUUID()
  running.sql(`insert into email_verification (user_id, organization_id, id, email, token_hash, expires_at)
    select id, organization_id, '${randomUUID()}', email, sha256('${token}'), now() + interval '1 hour'
    from user_account where id = '${userId}'`)
  return token
}

/** Somebody whose address is not verified, at a node that has a mail server: the others here count on there being none. */
async function unverifiedWithMailServer(): Promise<Session> {
  const [name, password] = [anyName(), randomUUID()]
  running.sql(`insert into user_account (id, organization_id, email, username, password_hash, roles)
    values ('${randomUUID()}', '${group.organizationId}', '${name}@example.com', '${name}',
      '${await hashPassword(password)}', '{member}')`)
  const { accessToken, refreshToken } = await running.logIn({ username: name, password })
  const environment = { ...running.environment, SALLYPORT_SMTP_URL: 'smtp://127.0.0.1:9' }
  const node = await startControlPlane(readConfiguration(controlPlaneSettings, environment))
  nodes.push(node)
  return running.session(accessToken, refreshToken, node.addresses.http)
}
const nodes: ControlPlane[] = []
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close()
})

function member(): string {
  const [id, name] = [randomUUID(), anyName()]
  running.sql(
    `insert into user_account (id, organization_id, email, username, password_hash, roles)
     values ('${id}', '${group.organizationId}', '${name}@example.com', '${name}', 'none', '{member}')`,
  )
  return id
}

async function deadJob(): Promise<string> {
  const id = await running.store.jobs.add(
    {
      kind: 'send-mail',
      organizationId: group.organizationId,
      payload: {
        to: 'nobody@example.com',
        template: 'notification',
        parameters: { username: 'u', title: 't', text: 't', occurredAt: '2026-11-21T15:00:00.000Z' },
      },
    },
    { actor: { kind: 'system', id: 'test' }, correlationId: randomUUID() },
  )
  await eventually('no mail server: the job is dead', async () => {
    return running.sql(`select state from job where id = '${id}'`) === 'dead'
  })
  return id
}

function notification(): string {
  const id = randomUUID()
  running.sql(`insert into notification (id, organization_id, user_id, kind, data)
    select '${id}', organization_id, id, 'job-dead', '{"jobId": "x", "kind": "x", "about": "x", "errorCode": "x"}'
    from user_account where username = '${running.admin.username}'`)
  return id
}

const audited: Readonly<Record<string, AuditedRoute>> = {
  'POST /api/v1/auth/login': { event: 'user.login', prepare: () => ({ body: running.login }) },
  'POST /api/v1/auth/refresh': {
    event: 'user.session-refreshed',
    prepare: async () => ({ body: { refresh_token: (await running.logIn()).refreshToken } }),
  },
  'POST /api/v1/auth/logout': { event: 'user.logout', prepare: async () => ({ as: await running.logIn() }) },
  'POST /api/v1/auth/organization': {
    event: 'user.organization-entered',
    prepare: async () => {
      const as = await running.logIn()
      const organizationId = running.admin.organizationId
      return { as, body: { organizationId, refresh_token: as.refreshToken } }
    },
  },
  'POST /api/v1/organizations': { event: 'organization.created', prepare: () => ({ body: { name: anyName() } }) },
  'POST /api/v1/organizations/join': {
    event: 'invitation.accepted',
    prepare: async () => {
      const host = await running.anotherOrganization()
      const body = { email: running.admin.email, roles: ['member'] }
      return { body: { token: (await host.call('POST', '/api/v1/invitations', { body })).body.token } }
    },
  },
  'POST /api/v1/auth/reauthenticate': {
    event: 'user.reauthenticated',
    prepare: () => ({ body: { password: running.login.password } }),
  },
  'POST /api/v1/me/email-verification': {
    event: 'user.email-verification-requested',
    prepare: async () => ({ as: await unverifiedWithMailServer() }),
  },
  'POST /api/v1/auth/verify-email': {
    event: 'user.email-verified',
    prepare: () => ({ body: { token: mailedToken(member()) } }),
  },
  'POST /api/v1/auth/api-key': { event: 'api-key.created', prepare: () => ({ body: newApiKey() }) },
  'PATCH /api/v1/api-keys/:apiKeyId': {
    event: 'api-key.changed',
    prepare: async () => ({ path: `/api/v1/api-keys/${(await apiKey()).id}`, body: { name: anyName() } }),
  },
  'DELETE /api/v1/api-keys/:apiKeyId': {
    event: 'api-key.revoked',
    prepare: async () => ({ path: `/api/v1/api-keys/${(await apiKey()).id}` }),
  },
  'POST /api/v1/socket/tickets': { event: 'user.socket-ticket-issued', prepare: () => ({}) },
  'PATCH /api/v1/organization': { event: 'organization.changed', prepare: () => ({ body: { name: anyName() } }) },
  'PATCH /api/v1/members/:userId': {
    event: 'user.roles-changed',
    prepare: () => ({ path: `/api/v1/members/${member()}`, body: { roles: ['auditor'] } }),
  },
  'DELETE /api/v1/members/:userId': {
    event: 'user.removed',
    prepare: () => ({ path: `/api/v1/members/${member()}` }),
  },
  'POST /api/v1/roles': { event: 'role.created', prepare: () => ({ body: { name: anyName(), permissions: [] } }) },
  'PATCH /api/v1/roles/:role': {
    event: 'role.changed',
    prepare: async () => ({ path: `/api/v1/roles/${(await role()).name}`, body: { permissions: ['groups:read'] } }),
  },
  'DELETE /api/v1/roles/:role': {
    event: 'role.deleted',
    prepare: async () => ({ path: `/api/v1/roles/${(await role()).name}` }),
  },
  'POST /api/v1/invitations': {
    event: 'invitation.created',
    prepare: () => ({ body: { email: `${anyName()}@example.com`, roles: ['member'] } }),
  },
  'DELETE /api/v1/invitations/:invitationId': {
    event: 'invitation.revoked',
    prepare: async () => ({ path: `/api/v1/invitations/${(await invitation()).id}` }),
  },
  'POST /api/v1/invitations/accept': {
    event: 'invitation.accepted',
    prepare: async () => ({
      body: { token: (await invitation()).token, username: anyName(), password: randomUUID() },
    }),
  },
  'POST /api/v1/enrollment-groups': {
    event: 'group.created',
    prepare: () => {
      const name = `Root ${anyName()}`
      running.certificates.root(name)
      return { body: { name, certificateChain: running.certificates.pem(name) } }
    },
  },
  'PATCH /api/v1/enrollment-groups/:groupId': {
    event: 'group.changed',
    prepare: () => ({ path: `/api/v1/enrollment-groups/${group.id}`, body: { name: anyName() } }),
  },
  'DELETE /api/v1/enrollment-groups/:groupId': {
    event: 'group.deleted',
    prepare: async () => {
      const name = `Root ${anyName()}`
      running.certificates.root(name)
      const body = { name, certificateChain: running.certificates.pem(name) }
      return { path: `/api/v1/enrollment-groups/${(await json('POST', '/api/v1/enrollment-groups', body)).id}` }
    },
  },
  'POST /api/v1/enrollment-groups/:groupId/psk-devices': {
    event: 'psk.created',
    prepare: () => ({ path: `/api/v1/enrollment-groups/${pskGroupId}/psk-devices`, body: {} }),
  },
  'POST /api/v1/devices/:deviceId/psks': {
    event: 'psk.created',
    prepare: async () => ({ path: `/api/v1/devices/${(await pskDevice()).deviceId}/psks`, body: {} }),
  },
  'POST /api/v1/devices/:deviceId/onboarding-codes': {
    event: 'psk.code-created',
    prepare: async () => ({ path: `/api/v1/devices/${(await pskDevice()).deviceId}/onboarding-codes` }),
  },
  'DELETE /api/v1/psks/:pskId': {
    event: 'psk.revoked',
    prepare: async () => ({ path: `/api/v1/psks/${(await pskDevice()).id}` }),
  },
  'PATCH /api/v1/devices/:deviceId': {
    event: 'device.changed',
    prepare: async () => ({ path: `/api/v1/devices/${await device()}`, body: { name: anyName() } }),
  },
  'DELETE /api/v1/devices/:deviceId': {
    event: 'device.deleted',
    prepare: async () => ({ path: `/api/v1/devices/${await device()}` }),
  },
  'PUT /api/v1/devices/:deviceId/resources/*': {
    event: 'command.created',
    prepare: async () => {
      const deviceId = await device()
      const act = { actor: { kind: 'system', id: 'test' }, correlationId: randomUUID() } as const
      await running.store.resources.publish(deviceId, [{ href: '/light/1', rt: [], if: [] }], 0, act)
      return { path: `/api/v1/devices/${deviceId}/resources/light/1`, body: { state: true } }
    },
  },
  'POST /api/v1/jobs/:jobId/retry': {
    event: 'job.retried',
    prepare: async () => ({ path: `/api/v1/jobs/${await deadJob()}/retry` }),
  },
  'DELETE /api/v1/jobs/:jobId': {
    event: 'job.dropped',
    prepare: async () => ({ path: `/api/v1/jobs/${await deadJob()}` }),
  },
  'POST /api/v1/notifications/:notificationId/read': {
    event: 'user.notifications-read',
    prepare: () => ({ path: `/api/v1/notifications/${notification()}/read` }),
  },
  'POST /api/v1/notifications/read': {
    event: 'user.notifications-read',
    prepare: () => {
      notification()
      return {}
    },
  },
  'PATCH /api/v1/notification-preferences': {
    event: 'user.notification-preferences-changed',
    prepare: () => ({ body: { items: [{ kind: 'devices-offline', inApp: true, mail: Math.random() < 0.5 }] } }),
  },
}

beforeAll(async () => {
  running = await RunningControlPlane.start()
  running.verifyEmailOf(running.admin.username)
  session = await running.logIn()
  const begun = await json('POST', '/api/v1/enrollment-groups', {
    name: 'Lamps',
    certificateChain: running.certificates.pem('Issuing', 'Manufacturer'),
  })
  group = { id: begun.id, organizationId: running.admin.organizationId }
  running.certificates.root('PSK')
  const body = { name: 'PSK', certificateChain: running.certificates.pem('PSK'), allowsPsk: true }
  pskGroupId = (await json('POST', '/api/v1/enrollment-groups', body)).id
})
afterAll(() => running.stop())

/** As it is done by who uses it: If-Match where it is wanted, the device's answer not waited for. */
function use(route: DeclaredRoute, { path, body, as = session }: Use): Promise<Answer> {
  const headers = { 'if-match': '*', prefer: 'wait=0' }
  return as.call(route.method as string, path ?? route.url, body === undefined ? { headers } : { headers, body })
}

const eventsOf = (correlationId: string): string[] =>
  lines(running.sql(`select type || ' ' || outcome from audit_event where correlation_id = '${correlationId}'`))

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')

function entryFor(route: DeclaredRoute): AuditedRoute {
  const entry = audited[nameOf(route)]
  if (entry === undefined) throw new Error(`the test does not know how to use ${nameOf(route)}: say so`)
  return entry
}

describe('a route that changes something', () => {
  it('is known to this test, each and no other', () => {
    expect(Object.keys(audited).sort()).toEqual(routes.map(nameOf).sort())
  })

  it.each(routes.map((route) => [nameOf(route), route] as const))(
    '[0.46] %s writes exactly one audit event',
    async (_name, route) => {
      const { event, prepare } = entryFor(route)
      const answer = await use(route, await prepare())
      expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
      expect(eventsOf(answer.headers.get('x-correlation-id') ?? '')).toEqual([`${event} succeeded`])
    },
  )
})

describe('where the audit trail takes no event', () => {
  // Those that were made above are removed as they expire, which is no deed of any route.
  beforeAll(() => void running.sql('delete from socket_ticket'))
  beforeAll(() => {
    running.sql(`create function refuse_event() returns trigger language plpgsql as
      $$ begin raise exception 'no space left' using errcode = 'disk_full'; end $$`)
  })
  afterEach(() => {
    running.sql('drop trigger if exists full_up on audit_event')
  })

  it.each(routes.map((route) => [nameOf(route), route] as const))(
    '[0.46] %s changes nothing: one transaction holds both',
    async (_name, route) => {
      const used = await entryFor(route).prepare()
      await eventually('all that was announced is published', async () => {
        return running.sql('select count(*) from outbox where published_at is null') === '0'
      })
      running.sql(
        'create trigger full_up before insert on audit_event for each statement execute function refuse_event()',
      )
      const before = everyTable()
      const answer = await use(route, used)
      expect(answer.status, JSON.stringify(answer.body)).toBeGreaterThanOrEqual(500)
      expect(everyTable()).toEqual(before)
    },
  )

  /** What stands in each table, as a digest of it; without what is written by itself as time passes. */
  function everyTable(): Readonly<Record<string, string>> {
    const tables = lines(
      running.sql(`select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
        and relname <> 'gateway_instance' order by 1`),
    )
    const digest = (table: string): string =>
      `select '${table}=' || coalesce(md5(string_agg(t::text, ',' order by t::text)), 'empty') from ${table} t`
    return Object.fromEntries(
      lines(running.sql(tables.map(digest).join(' union all '))).map((line) => line.split('=') as [string, string]),
    )
  }
})
