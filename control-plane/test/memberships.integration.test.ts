import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let owner: Session
beforeAll(async () => {
  running = await RunningControlPlane.start()
  owner = await running.logIn()
})
afterAll(() => running.stop())

const password = 'a password of twelve or more'
const withinASecond = { timeout: 1000, interval: 20 }

interface Person {
  readonly id: string
  readonly username: string
  readonly email: string
  readonly session: Session
}

const invite = async (session: Session, email: string, ...roles: string[]): Promise<string> => {
  const { status, body } = await session.call('POST', '/api/v1/invitations', { body: { email, roles } })
  expect(status).toBe(201)
  return body.token
}

/** Somebody with an account, in the first organization. */
async function person(...roles: string[]): Promise<Person> {
  const username = `user-${randomUUID()}`
  const email = `${username}@example.com`
  const token = await invite(owner, email, ...roles)
  const { body } = await running.call('POST', '/api/v1/invitations/accept', { body: { token, username, password } })
  return { id: body.id, username, email, session: await running.logIn({ username, password }) }
}

const enter = (session: Session, organizationId: string, refreshToken = session.refreshToken): Promise<Answer> =>
  session.call('POST', '/api/v1/auth/organization', { body: { organizationId, refresh_token: refreshToken } })

async function entered(session: Session, organizationId: string): Promise<Session> {
  const { status, body } = await enter(session, organizationId)
  expect([status, body.user?.organizationId]).toEqual([200, organizationId])
  return running.session(body.access_token, body.refresh_token)
}

const refresh = (session: Session): Promise<Answer> =>
  running.call('POST', '/api/v1/auth/refresh', { body: { refresh_token: session.refreshToken } })

/** An organization of somebody else's: its owner's session, and the organization. */
async function elsewhere(): Promise<{ readonly session: Session; readonly organizationId: string }> {
  const session = await running.anotherOrganization()
  const { body } = await session.call('GET', '/api/v1/organization')
  return { session, organizationId: body.id }
}

/** Somebody in the first organization who has joined another one too. */
async function inTwo(...roles: string[]): Promise<Person & { readonly there: string; readonly host: Session }> {
  const someone = await person('member')
  const { session: host, organizationId: there } = await elsewhere()
  const token = await invite(host, someone.email, ...(roles.length === 0 ? ['operator'] : roles))
  const joined = await someone.session.call('POST', '/api/v1/organizations/join', { body: { token } })
  expect([joined.status, joined.body.organizationId]).toEqual([201, there])
  return { ...someone, there, host }
}

describe('a person in two organizations', () => {
  it('[6.31] has an account once, and by each token what they are in that token’s organization', async () => {
    const { id, session, there } = await inTwo('operator')
    const { body: list } = await session.call('GET', '/api/v1/organizations')
    expect(list).toMatchObject({
      items: [
        { id: there, name: 'Other', roles: ['operator'], current: false },
        { id: running.admin.organizationId, roles: ['member'], current: true },
      ],
      nextCursor: null,
    })
    const here = (await session.call('GET', '/api/v1/me')).body
    expect(here).toMatchObject({ id, organizationId: running.admin.organizationId, roles: ['member'] })
    const moved = await entered(session, there)
    expect((await moved.call('GET', '/api/v1/me')).body).toMatchObject({
      id,
      organizationId: there,
      roles: ['operator'],
    })
    expect((await moved.call('GET', '/api/v1/jobs')).status).toBe(200)
  })

  it('[6.31] finds by one token nothing of the other organization: things, people, trail, notifications, keys', async () => {
    const { id, session, there, username } = await inTwo('owner')
    const inside = await entered(session, there)
    const create = (name: string, as: Session) =>
      as.call('POST', '/api/v1/enrollment-groups', {
        body: { name, certificateChain: running.certificates.pem('Issuing', 'Manufacturer') },
        headers: { 'idempotency-key': 'the same' },
      })
    const { body: group } = await create('Theirs', inside)
    running.sql(`insert into notification (id, organization_id, user_id, kind, data) values ('${randomUUID()}',
      '${there}', '${id}', 'job-dead', '{"jobId": "x", "kind": "x", "about": "x", "errorCode": "x"}')`)
    expect((await inside.call('GET', '/api/v1/notifications')).body.items).toHaveLength(1)
    const outside = await running.logIn({ username, password })
    // The last one used is the one in which a log-in begins.
    expect((await outside.call('GET', '/api/v1/organization')).body.id).toBe(there)
    const { body: named } = await running.call('POST', '/api/v1/auth/login', {
      body: { username, password, organizationId: running.admin.organizationId },
    })
    const here = running.session(named.access_token, named.refresh_token)
    expect((await here.call('GET', '/api/v1/organization')).body.id).toBe(running.admin.organizationId)
    expect((await here.call('GET', `/api/v1/enrollment-groups/${group.id}`)).status).toBe(404)
    expect((await here.call('GET', '/api/v1/notifications')).body.items).toEqual([])
    // A key of one organization says nothing in another: here it is a new one, and this person may make no group.
    const again = await create('Theirs', here)
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([403, null])
    const { body: trail } = await owner.call('GET', '/api/v1/audit-events?limit=200')
    expect(JSON.stringify(trail)).not.toContain(there)
    expect((await inside.call('GET', `/api/v1/members/${id}`)).body).toMatchObject({ roles: ['owner'] })
  })

  it('[6.31] hears by one token no event of the other organization', async () => {
    const { session, there, host } = await inTwo('operator')
    const leaving = new AbortController()
    const feed = await fetch(`${running.controlPlane.addresses.http}/api/v1/events`, {
      headers: { authorization: `Bearer ${session.accessToken}` },
      signal: leaving.signal,
    })
    const heard: string[] = []
    const reading = (async () => {
      for await (const chunk of feed.body ?? []) heard.push(Buffer.from(chunk).toString())
    })().catch(() => undefined)
    const group = (as: Session, name: string, issuing: string) =>
      as.call('POST', '/api/v1/enrollment-groups', {
        body: { name, certificateChain: running.certificates.pem(issuing, `${issuing} root`) },
      })
    running.certificates.root('Feed here root').intermediate('Feed here', 'Feed here root')
    running.certificates.root('Feed there root').intermediate('Feed there', 'Feed there root')
    expect((await group(host, 'Foreign', 'Feed there')).status).toBe(201)
    expect((await group(owner, 'Own', 'Feed here')).status).toBe(201)
    await expect.poll(() => heard.join(''), { timeout: 5000 }).toContain('Own')
    expect(heard.join('')).not.toContain('Foreign')
    expect(heard.join('')).not.toContain(there)
    leaving.abort()
    await reading
  })

  it('[6.31] loses what they have in the one that removes them, within a second, and nothing in the other', async () => {
    const { id, session, there, host, username } = await inTwo('operator')
    const inside = await entered(session, there)
    const { body: named } = await running.call('POST', '/api/v1/auth/login', {
      body: { username, password, organizationId: running.admin.organizationId },
    })
    const here = running.session(named.access_token, named.refresh_token)
    expect((await host.call('DELETE', `/api/v1/members/${id}`)).status).toBe(204)
    await expect
      .poll(async () => (await inside.call('GET', '/api/v1/me')).body.code, withinASecond)
      .toBe('token-revoked')
    expect((await refresh(inside)).body.code).toBe('refresh-failed')
    expect((await here.call('GET', '/api/v1/me')).status).toBe(200)
    expect((await refresh(here)).status).toBe(200)
    expect((await here.call('GET', '/api/v1/organizations')).body.items).toHaveLength(1)
  })

  it('that was removed and has joined again gets nothing back: tokens of the membership before stay void', async () => {
    const { id, session, there, host, email, username } = await inTwo('owner')
    const inside = await entered(session, there)
    expect((await host.call('DELETE', `/api/v1/members/${id}`)).status).toBe(204)
    const here = await running.logIn({ username, password })
    const token = await invite(host, email, 'owner')
    expect((await here.call('POST', '/api/v1/organizations/join', { body: { token } })).status).toBe(201)
    expect((await inside.call('GET', '/api/v1/me')).body.code).toBe('token-revoked')
    expect((await refresh(inside)).body.code).toBe('refresh-failed')
    expect((await (await entered(here, there)).call('GET', '/api/v1/me')).body.roles).toEqual(['owner'])
  })
})

describe('going on in another organization', () => {
  it('ends the session before it: tokens, refresh token and feed; the new one lives no longer', async () => {
    const { session, there } = await inTwo()
    const feed = await fetch(`${running.controlPlane.addresses.http}/api/v1/events`, {
      headers: { authorization: `Bearer ${session.accessToken}` },
    })
    const moved = await entered(session, there)
    expect((await session.call('GET', '/api/v1/me')).body.code).toBe('token-revoked')
    expect((await refresh(session)).body.code).toBe('refresh-failed')
    const started = ({ refreshToken }: Session): unknown =>
      JSON.parse(Buffer.from(refreshToken.split('.')[1] ?? '', 'base64url').toString()).auth_time
    expect(started(moved)).toBe(started(session))
    expect((await refresh(moved)).body.user.organizationId).toBe(there)
    expect(await feed.text()).toContain('session-ended')
  })

  it('needs the refresh token of the very session: an access token alone begins no other one', async () => {
    const { session, there } = await inTwo()
    const another = await person('member')
    for (const wrong of ['x', session.accessToken, another.session.refreshToken]) {
      const answer = await enter(session, there, wrong)
      expect([answer.status, answer.body.code]).toEqual([401, 'refresh-failed'])
    }
    // A refresh token that was replaced is none: the session goes on with the other one.
    const { body } = await refresh(session)
    expect((await enter(session, there)).body.code).toBe('refresh-failed')
    expect((await enter(session, there, body.refresh_token)).status).toBe(200)
  })

  it('happens once, however often it is asked for at one moment', async () => {
    const { session, there } = await inTwo()
    const answers = await Promise.all(Array.from({ length: 6 }, () => enter(session, there)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    for (const { status, body } of answers)
      if (status !== 200) expect(body.code).toBeOneOf(['refresh-failed', 'token-revoked'])
  })

  it('[1.25] answers alike for an organization of others and for none, and the session goes on', async () => {
    const { session } = await person('member')
    const { organizationId } = await elsewhere()
    const [foreign, none] = [await enter(session, organizationId), await enter(session, randomUUID())]
    const { correlationId: _one, ...problem } = foreign.body
    expect([foreign.status, problem.code]).toEqual([404, 'not-found'])
    expect(none.body).toMatchObject(problem)
    expect((await session.call('GET', '/api/v1/me')).status).toBe(200)
    expect((await refresh(session)).status).toBe(200)
  })

  it('is one event in the trail of the organization that is entered, and none in the other', async () => {
    const { id, session, there, host } = await inTwo()
    await entered(session, there)
    const { body } = await host.call('GET', `/api/v1/audit-events?subjectId=${id}`)
    expect(body.items.map(({ type }: { type: string }) => type)).toEqual(['user.organization-entered'])
  })
})

describe('a log-in that names an organization', () => {
  it('that the person is not in answers like one that does not exist, and only to who has the password', async () => {
    const { username } = await person('member')
    const { organizationId } = await elsewhere()
    const logIn = (id: string, secret = password) =>
      running.call('POST', '/api/v1/auth/login', { body: { username, password: secret, organizationId: id } })
    const [foreign, none] = [await logIn(organizationId), await logIn(randomUUID())]
    const { correlationId: _one, ...problem } = foreign.body
    expect([foreign.status, problem.code]).toEqual([404, 'not-found'])
    expect(none.body).toMatchObject(problem)
    expect((await logIn(organizationId, 'another password')).body.code).toBe('invalid-credentials')
    expect((await logIn(running.admin.organizationId, 'another password')).body.code).toBe('invalid-credentials')
  })
})

describe('an invitation to an address that has an account', () => {
  it('[6.31] is accepted by that person alone, and makes no second account', async () => {
    const someone = await person('member')
    const thief = await person('member')
    const { session: host } = await elsewhere()
    const token = await invite(host, someone.email, 'member')
    const anonymous = await running.call('POST', '/api/v1/invitations/accept', {
      body: { token, username: `second-${randomUUID()}`, password },
    })
    expect([anonymous.status, anonymous.body.code]).toEqual([409, 'sign-in-to-accept'])
    const join = (as: Session, which = token) =>
      as.call('POST', '/api/v1/organizations/join', { body: { token: which } })
    const [stolen, guessed] = [await join(thief.session), await join(thief.session, 'guessed')]
    const { correlationId: _one, ...problem } = stolen.body
    expect([stolen.status, problem.code]).toEqual([403, 'invitation-invalid'])
    expect(guessed.body).toMatchObject(problem)
    expect((await join(someone.session)).status).toBe(201)
    expect((await join(someone.session)).body.code).toBe('invitation-invalid')
  })

  it('is answered to who invites like one to an address that has none', async () => {
    const someone = await person('member')
    const { session: host } = await elsewhere()
    const answers = await Promise.all(
      [someone.email, `${randomUUID()}@example.com`].map((email) =>
        host.call('POST', '/api/v1/invitations', { body: { email, roles: ['member'] } }),
      ),
    )
    const [known, unknown] = answers.map(({ status, body }) => [status, Object.keys(body), body.state, body.userId])
    expect(known).toEqual(unknown)
  })
})

describe('POST /api/v1/organizations', () => {
  const create = (session: Session, name: string, headers: Record<string, string> = {}) =>
    session.call('POST', '/api/v1/organizations', { body: { name }, headers })

  it('[6.31] makes an organization whose owner is who asked, once for an Idempotency-Key, and they go on in it', async () => {
    const operator = await running.logIn()
    const key = { 'idempotency-key': randomUUID() }
    const { status, body: made } = await create(operator, 'Second customer', key)
    expect([status, made.name, made.version]).toEqual([201, 'Second customer', 1])
    const again = await create(operator, 'Second customer', key)
    expect([again.body, again.headers.get('idempotency-replayed')]).toEqual([made, 'true'])
    const inside = await entered(operator, made.id)
    expect((await inside.call('GET', '/api/v1/me')).body).toMatchObject({ organizationId: made.id, roles: ['owner'] })
    expect((await inside.call('GET', '/api/v1/members')).body.items).toHaveLength(1)
    const { body: trail } = await inside.call('GET', '/api/v1/audit-events')
    expect(trail.items.map(({ type }: { type: string }) => type)).toEqual([
      'user.organization-entered',
      'organization.created',
    ])
    // Back, for those who come after.
    await entered(inside, running.admin.organizationId)
  })

  it('[1.24] is for owners of the first organization, as long as the installation says nothing else', async () => {
    const { session: foreign } = await elsewhere()
    const { session: admin } = await person('admin')
    const forbidden = {
      status: 403,
      body: { code: 'policy-violated', details: { policy: 'organization-creation', allowedTo: 'operators' } },
    }
    expect(await create(foreign, 'Mine')).toMatchObject(forbidden)
    expect(await create(admin, 'Mine')).toMatchObject(forbidden)
    expect((await create(owner, 'line\nbreak')).body.code).toBe('validation-failed')
  })

  it('[1.24] is for everybody with an address of their own where the installation says so, up to its limit', async () => {
    const { session, email, username } = await person('member')
    await running.restart({ SALLYPORT_ORGANIZATION_CREATION: 'anybody', SALLYPORT_ORGANIZATIONS_PER_PERSON: '2' })
    try {
      expect((await create(session, 'Unverified')).body.details.policy).toBe('organization-creation')
      running.sql(`update user_account set email_verified_at = now() where email = '${email}'`)
      const answers = await Promise.all(['One', 'Two', 'Three', 'Four'].map((name) => create(session, name)))
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 403, 403])
      expect(answers.find(({ status }) => status === 403)?.body.details).toEqual({
        policy: 'organization-limit',
        most: 2,
      })
      expect(username).toBeTruthy()
    } finally {
      await running.restart()
    }
  })
})
