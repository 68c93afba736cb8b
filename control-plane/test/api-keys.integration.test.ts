import { randomUUID } from 'node:crypto'
import { readConfiguration } from '@sallyport/config'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { controlPlaneSettings } from '../src/config.ts'
import { type ControlPlane, startControlPlane } from '../src/control-plane.ts'
import { hashPassword } from '../src/password-hash.ts'
import { type Answer, RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let owner: Session
/** Another control plane of the same installation. */
let secondNode: ControlPlane

beforeAll(async () => {
  running = await RunningControlPlane.start()
  running.verifyEmailOf(running.admin.username)
  owner = await running.logIn()
  secondNode = await startControlPlane(readConfiguration(controlPlaneSettings, running.environment))
})
afterAll(async () => {
  await secondNode.close()
  await running.stop()
})

const withinASecond = { timeout: 1000, interval: 20 }
const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString()
const wanted = (overrides: object = {}) => ({
  name: 'backup',
  scopes: ['devices:read'],
  expiresAt: inDays(30),
  ...overrides,
})
const create = (by: Session, overrides: object = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  by.call('POST', '/api/v1/auth/api-key', { body: wanted(overrides), headers })

interface MadeKey extends Session {
  readonly id: string
  readonly key: string
}

async function made(by: Session, overrides: object = {}): Promise<MadeKey> {
  const { status, body } = await create(by, overrides)
  if (status !== 201) throw new Error(`a key was refused: ${status} ${body.code} ${body.detail}`)
  return { id: body.id, key: body.key, ...running.session(body.key, '') }
}

/** Somebody of the organization with these roles and a verified address. */
export async function member(
  ...roles: string[]
): Promise<Session & { readonly id: string; readonly username: string }> {
  const [id, username, password] = [randomUUID(), `user-${randomUUID()}`, randomUUID()]
  running.sql(
    `insert into user_account (id, organization_id, email, username, password_hash, roles, email_verified_at)
     values ('${id}', '${running.admin.organizationId}', '${username}@example.com', '${username}',
       '${await hashPassword(password)}', '{${roles.join(',')}}', now())`,
  )
  return { id, username, ...(await running.logIn({ username, password })) }
}

const codeOf = async (answer: Promise<Answer>): Promise<readonly [number, string | undefined]> => {
  const { status, body } = await answer
  return [status, body?.code]
}

describe('an API key', () => {
  it('[1.3] is made by a verified person who has just logged in, shown once, and kept as a hash', async () => {
    const answer = await create(owner, { name: 'exporter', scopes: ['devices:read', 'audit:read', 'devices:read'] })
    expect(answer.status).toBe(201)
    const { key, ...shown } = answer.body
    expect(key).toMatch(/^sallyport_[0-9a-f]{32}_[0-9A-Za-z]{49}$/)
    expect(shown).toMatchObject({
      name: 'exporter',
      scopes: ['audit:read', 'devices:read'],
      state: 'active',
      prefix: key.slice(0, 42),
      lastUsedAt: null,
      requestsPerMinute: null,
    })
    expect(answer.headers.get('location')).toBe(`/api/v1/api-keys/${shown.id}`)
    const read = await owner.call('GET', `/api/v1/api-keys/${shown.id}`)
    expect(read.body).toEqual(shown)
    expect(read.headers.get('etag')).toBe('"1"')
    const { body: list } = await owner.call('GET', '/api/v1/api-keys')
    expect(list.items[0]).toEqual(shown)
    const secret = key.slice(43)
    const kept = running.sql(`select (select string_agg(k::text, '') from api_key k)
      || (select string_agg(e::text, '') from audit_event e)`)
    for (const text of [kept, JSON.stringify(list)]) expect(text).not.toContain(secret)
    const { body: trail } = await owner.call('GET', `/api/v1/audit-events?subjectId=${shown.id}`)
    expect(trail.items).toHaveLength(1)
    expect(trail.items[0]).toMatchObject({
      type: 'api-key.created',
      details: { scopes: ['audit:read', 'devices:read'] },
    })
  })

  it('[1.7] is taken wherever an access token is, and does what its scopes say and no more', async () => {
    const key = await made(owner, { scopes: ['devices:read', 'roles:write'] })
    expect((await key.call('GET', '/api/v1/devices')).status).toBe(200)
    expect((await key.call('GET', '/api/v1/audit-events')).body).toMatchObject({
      code: 'permission-denied',
      details: { permission: 'audit:read' },
    })
    const { body: me } = await key.call('GET', '/api/v1/me')
    expect(me).toMatchObject({
      organizationId: running.admin.organizationId,
      permissions: ['devices:read', 'roles:write'],
      apiKey: { id: key.id, name: 'backup' },
    })
    const role = { name: `role-${randomUUID().slice(0, 8)}`, permissions: ['devices:read'] }
    expect((await key.call('POST', '/api/v1/roles', { body: role })).status).toBe(201)
    const { body: trail } = await owner.call('GET', '/api/v1/audit-events?type=role.created')
    expect(trail.items[0].actor).toEqual({ kind: 'api-key', id: key.id, name: 'backup' })
  })

  it('[1.7] that is revoked is refused within a second on every node, with a type of its own [1.16]', async () => {
    const key = await made(owner)
    const onSecondNode = (): Promise<number> =>
      fetch(`${secondNode.addresses.http}/api/v1/devices`, {
        headers: { authorization: `Bearer ${key.key}` },
      }).then(({ status }) => status)
    expect([(await key.call('GET', '/api/v1/devices')).status, await onSecondNode()]).toEqual([200, 200])
    expect((await owner.call('DELETE', `/api/v1/api-keys/${key.id}`)).status).toBe(204)
    await expect.poll(() => codeOf(key.call('GET', '/api/v1/devices')), withinASecond).toEqual([401, 'api-key-revoked'])
    await expect.poll(onSecondNode, withinASecond).toBe(401)
    const { body, headers } = await key.call('GET', '/api/v1/devices')
    expect(body.type).toBe('urn:sallyport:error:api-key-revoked')
    expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
  })
})
