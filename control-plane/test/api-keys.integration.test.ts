import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { clockFrom } from '@sallyport/clock'
import { readConfiguration } from '@sallyport/config'
import { problemStatus } from '@sallyport/http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeApiKey } from '../src/api-key.ts'
import { openApiKeys } from '../src/api-keys.ts'
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

interface Person extends Session {
  readonly id: string
  readonly username: string
  readonly password: string
}

/** Somebody of the organization with these roles and a verified address. */
async function member(...roles: string[]): Promise<Person> {
  const [id, username, password] = [randomUUID(), `user-${randomUUID()}`, randomUUID()]
  running.sql(
    `insert into user_account (id, organization_id, email, username, password_hash, roles, email_verified_at)
     values ('${id}', '${running.admin.organizationId}', '${username}@example.com', '${username}',
       '${await hashPassword(password)}', '{${roles.join(',')}}', now())`,
  )
  return { id, username, password, ...(await running.logIn({ username, password })) }
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

describe('making an API key', () => {
  it('[1.3] asks for a verified address: without it nothing is made', async () => {
    const { username, ...person } = await member('operator')
    running.sql(`update user_account set email_verified_at = null where username = '${username}'`)
    expect(await codeOf(create(person))).toEqual([403, 'email-unverified'])
    running.verifyEmailOf(username)
    expect((await create(person)).status).toBe(201)
  })

  it('[1.3] asks for a password that was shown a short while ago; shown again, the session goes on with a token that says so', async () => {
    const person = await member('operator')
    const environment = { ...running.environment, SALLYPORT_RECENT_AUTHENTICATION: '4s' }
    const hasty = await startControlPlane(readConfiguration(controlPlaneSettings, environment))
    const at = (accessToken: string) => running.session(accessToken, '', hasty.addresses.http)
    try {
      const before = at(person.accessToken)
      await new Promise((resolve) => setTimeout(resolve, 4200))
      const refused = await create(before)
      expect([refused.status, refused.body.code]).toEqual([401, 'reauthentication-required'])
      expect(refused.headers.get('www-authenticate')).toBe(
        'Bearer error="insufficient_user_authentication", max_age="4"',
      )
      expect(await codeOf(before.call('POST', '/api/v1/auth/reauthenticate', { body: { password: 'wrong' } }))).toEqual(
        [401, 'invalid-credentials'],
      )
      const { body } = await before.call('POST', '/api/v1/auth/reauthenticate', { body: { password: person.password } })
      expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 900 })
      expect((await create(at(body.access_token))).status).toBe(201)
      // A token that somebody else may have is not made good by it.
      expect(await codeOf(create(before))).toEqual([401, 'reauthentication-required'])
      const refreshed = await running.callAt(hasty.addresses.http, 'POST', '/api/v1/auth/refresh', {
        body: { refresh_token: person.refreshToken },
      })
      expect((await create(at(refreshed.body.access_token))).status).toBe(201)
      const { body: trail } = await owner.call('GET', `/api/v1/audit-events?subjectId=${person.id}`)
      const outcomes = trail.items.filter(({ type }: { type: string }) => type === 'user.reauthenticated')
      expect(outcomes.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['succeeded', 'failed'])
    } finally {
      await hasty.close()
    }
  })

  it('[1.24] gives no scope that its maker does not hold, whatever the body says besides (F32)', async () => {
    const person = await member('manufacturer')
    expect((await create(person, { scopes: ['devices:read', 'audit:read'] })).body).toMatchObject({
      code: 'policy-violated',
      details: { policy: 'no-escalation', permissions: ['audit:read'] },
    })
    for (const more of [
      { madeBy: randomUUID() },
      { organizationId: randomUUID() },
      { id: randomUUID() },
      { key: 'sallyport_mine' },
      { constructor: {} },
    ]) {
      expect((await create(person, more)).status, JSON.stringify(more)).toBeOneOf([400, 422])
    }
    const { body: list } = await person.call('GET', '/api/v1/api-keys')
    expect(list.items).toEqual([])
  })

  it.each([
    [{ expiresAt: inDays(-1) }],
    [{ expiresAt: inDays(367) }],
    [{ expiresAt: 'tomorrow' }],
    [{ expiresAt: undefined }],
    [{ scopes: [] }],
    [{ scopes: ['everything'] }],
    [{ name: '' }],
    [{ allowedAddresses: ['192.0.2.7/24'] }],
    [{ allowedAddresses: ['192.0.2.0/33'] }],
    [{ allowedAddresses: ['192.0.2'] }],
    [{ allowedAddresses: ['fe80::1%eth0'] }],
    [{ allowedAddresses: ['example.com'] }],
    [{ requestsPerMinute: 0 }],
  ])('is refused for %j', async (overrides) => {
    expect(await codeOf(create(owner, overrides))).toEqual([422, 'validation-failed'])
  })

  it('[1.14] without randomness is 503, and with a database that does not answer too: nothing is stored', async () => {
    const apiKeys = await openApiKeys({
      store: running.store,
      clock: clockFrom(() => Date.now()),
      log: { warn: () => undefined } as never,
      metrics: { apiKeyPresented: () => undefined },
      randomness: () => {
        throw new Error('the generator is broken')
      },
    })
    try {
      expect(() => apiKeys.generate()).toThrow(expect.objectContaining({ code: 'key-generation-failed' }))
      expect(problemStatus['key-generation-failed']).toBe(503)
    } finally {
      await apiKeys.close()
    }
    const count = () => running.sql('select count(*) from api_key')
    const before = count()
    const lock = await lockedTable('api_key')
    const key = randomUUID()
    const refused = await create(owner, {}, { 'idempotency-key': key })
    lock.kill()
    await once(lock, 'exit')
    expect([refused.status, refused.body.code]).toEqual([503, 'database-unavailable'])
    expect(refused.headers.get('retry-after')).not.toBeNull()
    await expect.poll(count, { timeout: 5000 }).toBe(before)
    // The same request may be made again: its key was not used up.
    expect((await create(owner, {}, { 'idempotency-key': key })).status).toBe(201)
  })

  it('ten times at once under one Idempotency-Key makes one, and every one of them is shown the same key in the end', async () => {
    const person = await member('operator')
    const headers = { 'idempotency-key': randomUUID() }
    const wantedOnce = wanted({ name: 'once' })
    const untilAnswered = async (): Promise<Answer> => {
      const answer = await person.call('POST', '/api/v1/auth/api-key', { body: wantedOnce, headers })
      if (answer.body.code !== 'idempotency-in-progress') return answer
      await new Promise((resolve) => setTimeout(resolve, 100))
      return untilAnswered()
    }
    const answers = await Promise.all(Array.from({ length: 10 }, untilAnswered))
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.key}`)).size).toBe(1)
    expect((await person.call('GET', '/api/v1/api-keys')).body.items).toHaveLength(1)
    const sealed = running.sql(
      `select encode(sealed_answer, 'escape') from idempotency_key order by created_at desc limit 1`,
    )
    expect(sealed).not.toContain(answers[0]?.body.key.slice(43))
    // Somebody else with the same name for their request is shown nothing of it.
    const other = await owner.call('POST', '/api/v1/auth/api-key', { body: wantedOnce, headers })
    expect(other.body.id).not.toBe(answers[0]?.body.id)
  })
})

describe('an API key that is refused', () => {
  const refusalOf = async (key: string, headers: Record<string, string> = {}): Promise<Answer> =>
    running.call('GET', '/api/v1/devices', { headers: { authorization: `Bearer ${key}`, ...headers } })

  it('[1.15] is answered alike whether it is malformed, mistyped, unknown, or has another secret', async () => {
    const { id, key } = await made(owner)
    const other = key.at(60) === 'a' ? 'b' : 'a'
    const wrong = [
      'sallyport_',
      `${key}0`,
      key.slice(0, -1),
      key.toUpperCase().replace('SALLYPORT', 'sallyport'),
      key.slice(0, 60) + other + key.slice(61),
      writeApiKey(randomUUID(), randomBytes(32)),
      writeApiKey(id, randomBytes(32)),
      // The secret of this one under the id of another that exists.
      writeApiKey((await made(owner)).id, randomBytes(32)),
    ]
    const answers = await Promise.all(wrong.map((each) => refusalOf(each)))
    for (const { status, body, headers } of answers) {
      const { correlationId: _, ...problem } = body
      expect([status, problem.code]).toEqual([401, 'api-key-invalid'])
      expect(problem).toEqual({ ...answers[0]?.body, correlationId: undefined })
      expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
    }
    expect((await refusalOf(key)).status).toBe(200)
  })

  it('[1.15] [1.16] says that it has expired or was revoked to who has the secret, and to nobody else', async () => {
    const brief = await made(owner, { expiresAt: new Date(Date.now() + 2000).toISOString() })
    expect((await refusalOf(brief.key)).status).toBe(200)
    await expect.poll(async () => (await refusalOf(brief.key)).body.code, { timeout: 5000 }).toBe('api-key-expired')
    const revoked = await made(owner)
    await owner.call('DELETE', `/api/v1/api-keys/${revoked.id}`)
    await expect.poll(async () => (await refusalOf(revoked.key)).body.code, withinASecond).toBe('api-key-revoked')
    for (const { id } of [brief, revoked]) {
      expect((await refusalOf(writeApiKey(id, randomBytes(32)))).body.code).toBe('api-key-invalid')
    }
    const { body: list } = await owner.call('GET', '/api/v1/api-keys?limit=200')
    const stateOf = (id: string) => list.items.find((item: { id: string }) => item.id === id).state
    expect([stateOf(brief.id), stateOf(revoked.id)]).toEqual(['expired', 'revoked'])
    await expect
      .poll(() =>
        running.sql(`select count(*) from audit_event where type = 'access.refused' and actor_id = '${revoked.id}'`),
      )
      .not.toBe('0')
  })

  it('[1.7] is refused from an address that is not on its list, which a header does not change', async () => {
    const elsewhere = await made(owner, { allowedAddresses: ['192.0.2.0/24', '2001:db8::/32'] })
    expect(elsewhere).toBeDefined()
    for (const headers of [{}, { 'x-forwarded-for': '192.0.2.7' }, { forwarded: 'for=192.0.2.7' }]) {
      const { status, body } = await refusalOf(elsewhere.key, headers)
      expect([status, body.code]).toEqual([403, 'api-key-address-refused'])
      expect(JSON.stringify(body)).not.toContain('192.0.2')
    }
    for (const allowedAddresses of [['127.0.0.1'], ['127.0.0.0/8'], ['192.0.2.1', '0.0.0.0/0'], []]) {
      expect((await refusalOf((await made(owner, { allowedAddresses })).key)).status).toBe(200)
    }
  })
})

describe('what an API key may do', () => {
  it('[1.7] [1.9] shrinks and grows with the roles of its maker, within a second, on every node', async () => {
    const person = await member('auditor', 'operator')
    const key = await made(person, { scopes: ['audit:read', 'devices:read'] })
    const onSecondNode = running.session(key.key, '', secondNode.addresses.http)
    const become = (roles: readonly string[]) =>
      owner.call('PATCH', `/api/v1/members/${person.id}`, { body: { roles }, headers: { 'if-match': '*' } })
    const statuses = async () => [
      (await key.call('GET', '/api/v1/audit-events')).status,
      (await onSecondNode.call('GET', '/api/v1/audit-events')).status,
      (await key.call('GET', '/api/v1/devices')).status,
    ]
    expect(await statuses()).toEqual([200, 200, 200])
    await become(['operator'])
    await expect.poll(statuses, withinASecond).toEqual([403, 403, 200])
    await become(['auditor'])
    await expect.poll(statuses, withinASecond).toEqual([200, 200, 200])
  })

  it('[1.7] ends when its maker is removed, for good', async () => {
    const person = await member('operator')
    const key = await made(person)
    expect((await key.call('GET', '/api/v1/devices')).status).toBe(200)
    expect((await owner.call('DELETE', `/api/v1/members/${person.id}`)).status).toBe(204)
    await expect.poll(() => codeOf(key.call('GET', '/api/v1/devices')), withinASecond).toEqual([401, 'api-key-revoked'])
    expect((await owner.call('GET', `/api/v1/api-keys/${key.id}`)).body.state).toBe('revoked')
  })

  it('[1.24] gives nothing on that it does not hold, although its maker does; what was given with it ends with it', async () => {
    const key = await made(owner, { scopes: ['invitations:write', 'groups:read'] })
    const invite = (roles: readonly string[]) =>
      key.call('POST', '/api/v1/invitations', { body: { email: `${randomUUID()}@example.com`, roles } })
    expect((await invite(['member'])).body).toMatchObject({
      code: 'policy-violated',
      details: { policy: 'no-escalation' },
    })
    await owner.call('POST', '/api/v1/roles', { body: { name: 'group-reader', permissions: ['groups:read'] } })
    const { body: invitation } = await invite(['group-reader'])
    expect(invitation.invitedBy).toBe(key.id)
    await owner.call('DELETE', `/api/v1/api-keys/${key.id}`)
    const accepted = await running.call('POST', '/api/v1/invitations/accept', {
      body: { token: invitation.token, username: `user-${randomUUID()}`, password: randomUUID() },
    })
    expect([accepted.status, accepted.body.code]).toEqual([403, 'invitation-invalid'])
  })

  it('[1.9] [1.25] is looked at, changed and ended by its maker and by overseers alone', async () => {
    const [person, other, auditor] = [await member('operator'), await member('operator'), await member('auditor')]
    const { id } = await made(person)
    const path = `/api/v1/api-keys/${id}`
    const patch = { body: { name: 'mine' }, headers: { 'if-match': '*' } }
    expect(await codeOf(other.call('GET', path))).toEqual([404, 'not-found'])
    expect(await codeOf(other.call('PATCH', path, patch))).toEqual([404, 'not-found'])
    expect(await codeOf(other.call('DELETE', path))).toEqual([404, 'not-found'])
    expect((await other.call('GET', '/api/v1/api-keys')).body.items).toEqual([])
    expect((await auditor.call('GET', path)).status).toBe(200)
    expect(await codeOf(create(auditor))).toEqual([403, 'permission-denied'])
    expect((await person.call('PATCH', path, patch)).body).toMatchObject({ name: 'mine', version: 2 })
    expect((await owner.call('DELETE', path)).status).toBe(204)
    expect(await codeOf(person.call('PATCH', path, patch))).toEqual([404, 'not-found'])
  })

  it('is changed by who has read it, to less and never to more, on every node within a second', async () => {
    const key = await made(owner, { scopes: ['devices:read', 'audit:read'] })
    const path = `/api/v1/api-keys/${key.id}`
    const change = (body: object, etag?: string) =>
      owner.call('PATCH', path, { body, ...(etag === undefined ? {} : { headers: { 'if-match': etag } }) })
    expect((await change({ name: 'x' })).status).toBe(428)
    expect((await change({ name: 'x' }, '"7"')).status).toBe(412)
    expect((await change({ scopes: ['devices:read', 'groups:read'] }, '"1"')).body.code).toBe('policy-violated')
    expect((await change({ expiresAt: inDays(300) }, '"1"')).status).toBe(422)
    const onSecondNode = running.session(key.key, '', secondNode.addresses.http)
    expect((await onSecondNode.call('GET', '/api/v1/audit-events')).status).toBe(200)
    expect((await change({ scopes: ['devices:read'] }, '"1"')).status).toBe(200)
    await expect
      .poll(async () => (await onSecondNode.call('GET', '/api/v1/audit-events')).status, withinASecond)
      .toBe(403)
    expect((await change({ scopes: ['devices:read', 'audit:read'] }, '*')).body.code).toBe('policy-violated')
    expect((await change({ allowedAddresses: ['192.0.2.7'] }, '*')).body.allowedAddresses).toEqual(['192.0.2.7/32'])
    await expect
      .poll(() => codeOf(onSecondNode.call('GET', '/api/v1/devices')), withinASecond)
      .toEqual([403, 'api-key-address-refused'])
  })

  it('is used under fire until it is revoked: no request that begins a second later is let in anywhere', async () => {
    const key = await made(owner)
    const nodes = [key, running.session(key.key, '', secondNode.addresses.http)]
    const letIn: number[] = []
    let firing = true
    const fire = async (node: Session): Promise<void> => {
      while (firing) {
        const begun = performance.now()
        const { status } = await node.call('GET', '/api/v1/devices?limit=1')
        if (status === 200) letIn.push(begun)
        else expect(status).toBe(401)
      }
    }
    const users = nodes.flatMap((node) => [fire(node), fire(node)])
    await expect.poll(() => letIn.length, { timeout: 5000 }).toBeGreaterThan(10)
    expect((await owner.call('DELETE', `/api/v1/api-keys/${key.id}`)).status).toBe(204)
    const revokedAt = performance.now()
    await new Promise((resolve) => setTimeout(resolve, 2000))
    firing = false
    await Promise.all(users)
    expect(Math.max(...letIn) - revokedAt).toBeLessThan(1000)
  })

  it('[1.7] is seen in when and from where it was last used, to the minute, whoever asks how often', async () => {
    const key = await made(owner)
    const row = () => running.sql(`select xmin, last_used_at, last_used_address from api_key where id = '${key.id}'`)
    await key.call('GET', '/api/v1/devices')
    await expect.poll(row, { timeout: 5000 }).toContain('127.0.0.1')
    const first = row()
    const onSecondNode = running.session(key.key, '', secondNode.addresses.http)
    await Promise.all(
      Array.from({ length: 10 }, (_, index) => (index % 2 ? key : onSecondNode).call('GET', '/api/v1/me')),
    )
    expect(row()).toBe(first)
    const { body } = await owner.call('GET', `/api/v1/api-keys/${key.id}`)
    expect(Date.parse(body.lastUsedAt)).toBeGreaterThan(Date.now() - 60_000)
    expect(body.lastUsedAddress).toBe('127.0.0.1')
  })

  it('[1.7] has an open feed that ends within a second of being revoked', async () => {
    const key = await made(owner, { scopes: ['events:read'] })
    const feed = await fetch(`${secondNode.addresses.http}/api/v1/events`, {
      headers: { authorization: `Bearer ${key.key}` },
    })
    expect(feed.status).toBe(200)
    const ended = feed.text()
    await owner.call('DELETE', `/api/v1/api-keys/${key.id}`)
    const asked = performance.now()
    expect(await ended).toContain('event: end\ndata: {"reason":"session-ended"}')
    expect(performance.now() - asked).toBeLessThan(1000)
  })
})

describe('the requests of an API key', () => {
  it('[1.17] are counted by themselves, beside those of its maker and of other keys, with a limit of its own', async () => {
    const [key, other] = [await made(owner, { requestsPerMinute: 5 }), await made(owner)]
    const answers: Answer[] = []
    for (let request = 0; request < 6; request += 1) answers.push(await key.call('GET', '/api/v1/devices'))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429])
    expect(answers[0]?.headers.get('ratelimit-policy')).toBe('"requests";q=5;w=60')
    expect(answers[4]?.headers.get('ratelimit')).toMatch(/^"requests";r=0;t=\d+$/)
    expect(answers[5]?.body.code).toBe('rate-limited')
    expect(Number(answers[5]?.headers.get('retry-after'))).toBeGreaterThan(0)
    for (const session of [owner, other]) expect((await session.call('GET', '/api/v1/devices')).status).toBe(200)
  })

  // The last one: Redis does not come back.
  it('need no Redis: without it they are let in, uncounted, and a revoked key is refused within a second all the same', async () => {
    const [key, revoked] = [await made(owner, { requestsPerMinute: 2 }), await made(owner)]
    await running.redis.stop()
    for (let request = 0; request < 4; request += 1) {
      const asked = performance.now()
      const answer = await key.call('GET', '/api/v1/devices')
      expect([answer.status, answer.headers.get('ratelimit')]).toEqual([200, null])
      expect(performance.now() - asked).toBeLessThan(4000)
    }
    expect((await revoked.call('GET', '/api/v1/devices')).status).toBe(200)
    const act = { actor: { kind: 'system', id: 'test' }, correlationId: randomUUID() } as const
    await running.store.apiKeys.revoke(running.admin.organizationId, revoked.id, undefined, act)
    await expect
      .poll(() => codeOf(revoked.call('GET', '/api/v1/devices')), { timeout: 2000, interval: 20 })
      .toEqual([401, 'api-key-revoked'])
  })
})

/** Nobody reads or writes it until this ends. */
async function lockedTable(table: string): Promise<ChildProcess> {
  const psql = spawn('psql', ['-X', '-q', '-A', '-t', '-d', running.databaseUrl], { stdio: ['pipe', 'pipe', 'ignore'] })
  psql.stdin.write(`begin; lock table ${table} in access exclusive mode; select 'locked';\n`)
  await once(psql.stdout, 'data')
  return psql
}
