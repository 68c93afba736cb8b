import { randomUUID } from 'node:crypto'
import { type MailServer, startMailServer } from '@sallyport/development'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashPassword } from '../src/password-hash.ts'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let smtp: MailServer
let admin: Session

beforeAll(async () => {
  smtp = await startMailServer({ port: 0 })
  running = await RunningControlPlane.start({
    SALLYPORT_SMTP_URL: smtp.url,
    SALLYPORT_TRUSTED_PROXIES: '127.0.0.1',
    SALLYPORT_FIRST_ADMIN_EMAIL: 'ada@example.com',
  })
  admin = await running.logIn()
})
afterAll(async () => {
  await running.stop()
  await smtp.stop()
})

const act = { actor: { kind: 'system', id: 'test' }, correlationId: randomUUID() } as const
const logInFrom = async (address: string, login: object = running.login) => {
  const { status, body } = await running.call('POST', '/api/v1/auth/login', {
    body: login,
    headers: { 'x-forwarded-for': address },
  })
  expect(status).toBe(200)
  return running.session(body.access_token, body.refresh_token)
}
const list = async (session: Session, query = '') =>
  (await session.call('GET', `/api/v1/notifications${query}`)).body.items
const unread = async (session: Session) => (await session.call('GET', '/api/v1/notifications/unread-count')).body.count
const kindsOf = async (session: Session) => (await list(session)).map(({ kind }: { kind: string }) => kind)

/** A person of the admin's organization, logged in. */
async function person(
  role: string,
): Promise<{ session: Session; login: { username: string; password: string }; email: string }> {
  const username = `user-${randomUUID().slice(0, 8)}`
  const login = { username, password: randomUUID() }
  const email = `${username}@example.com`
  running.sql(
    `insert into user_account (id, organization_id, email, username, password_hash, roles)
     values ('${randomUUID()}', '${running.admin.organizationId}', '${email}', '${username}', '${await hashPassword(login.password)}', '{${role}}')`,
  )
  return { session: await logInFrom('192.0.2.1', login), login, email }
}

/** Reads the feed until an event of this name came. */
async function* eventsOf(session: Session, signal: AbortSignal) {
  const response = await fetch(`${running.controlPlane.addresses.http}/api/v1/events?topic=notification.*`, {
    headers: { authorization: `Bearer ${session.accessToken}` },
    signal,
  })
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString('utf8')
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1]
      if (block.includes('event: notification.') && data !== undefined) yield JSON.parse(data)
    }
  }
}

describe('a log-in from a network that was not used before', () => {
  it('is told to its person: in the product, over their own feed, and by mail; the first of all is no news, nor one from the same network', async () => {
    const { session, login, email } = await person('operator')
    expect(await list(session)).toEqual([])
    const feed = new AbortController()
    const mine = eventsOf(session, feed.signal)
    const theirs = eventsOf(admin, feed.signal)
    const leaked: unknown[] = []
    void (async () => {
      for await (const event of theirs) leaked.push(event)
    })().catch(() => undefined)
    const first = mine.next()
    await new Promise((resolve) => setTimeout(resolve, 300))
    await logInFrom('192.0.2.1', login)
    await Promise.all([logInFrom('198.51.100.7', login), logInFrom('198.51.100.7', login)])
    const { value: pushed } = await first
    const [notification, ...more] = await list(session)
    expect(more).toEqual([])
    expect(notification).toMatchObject({
      kind: 'login-from-new-address',
      data: { address: '198.51.100.7' },
      readAt: null,
    })
    expect(pushed).toMatchObject({ topic: 'notification.created', data: { notificationId: notification.id } })
    await expect
      .poll(() => smtp.received.filter(({ recipients }) => recipients[0] === email), { timeout: 15_000 })
      .toHaveLength(1)
    const received = smtp.received.find(({ recipients }) => recipients[0] === email)
    expect(received?.mail.subject).toBe('Security notice for your account')
    expect(received?.mail.text).toContain('198.51.100.7')
    // By day another address of the same network, as IPv6 hosts have it.
    await logInFrom('2001:db8:1:2::1', login)
    await logInFrom('2001:db8:1:2:ffff::9', login)
    expect(await kindsOf(session)).toEqual(['login-from-new-address', 'login-from-new-address'])
    expect(leaked).toEqual([])
    feed.abort()
  })

  it('reaches the first admin at the address that the installation was given', async () => {
    await logInFrom('198.51.100.50')
    await expect
      .poll(() => smtp.received.map(({ recipients }) => recipients[0]), { timeout: 15_000 })
      .toContain('ada@example.com')
  })

  it('that fails tells nobody', async () => {
    const { session, login } = await person('operator')
    await running.call('POST', '/api/v1/auth/login', {
      body: { ...login, password: 'wrong' },
      headers: { 'x-forwarded-for': '198.51.100.8' },
    })
    expect(await list(session)).toEqual([])
  })
})

describe('notifications', () => {
  it('are read once, one by one or all, and counted', async () => {
    const { session, login } = await person('operator')
    for (const host of [1, 2, 3]) await logInFrom(`203.0.113.${host}`, login)
    const [newest, middle] = await list(session)
    expect(await unread(session)).toBe(3)
    for (const _again of [1, 2]) {
      expect((await session.call('POST', `/api/v1/notifications/${newest.id}/read`)).status).toBe(204)
    }
    expect(await unread(session)).toBe(2)
    expect((await list(session, '?unread=true')).map(({ id }: { id: string }) => id)).not.toContain(newest.id)
    const until = encodeURIComponent(middle.createdAt)
    await logInFrom('203.0.113.4', login)
    expect((await session.call('POST', `/api/v1/notifications/read?until=${until}`)).body).toEqual({ marked: 2 })
    expect(await unread(session)).toBe(1)
    const { body: page } = await session.call('GET', '/api/v1/notifications?limit=3')
    const { body: rest } = await session.call('GET', `/api/v1/notifications?limit=3&cursor=${page.nextCursor}`)
    expect([page.items.length, rest.items.length, rest.nextCursor]).toEqual([3, 1, null])
  })

  it('of another person are not there, in the same organization either', async () => {
    const { session, login } = await person('operator')
    await logInFrom('203.0.113.9', login)
    const [{ id }] = await list(session)
    for (const stranger of [admin, await running.anotherOrganization()]) {
      expect((await stranger.call('POST', `/api/v1/notifications/${id}/read`)).body.code).toBe('not-found')
      expect(JSON.stringify(await list(stranger))).not.toContain(id)
      await stranger.call('POST', '/api/v1/notifications/read')
    }
    expect(await unread(session)).toBe(1)
  })

  it('[3.41] come by the ways that somebody wants, kind by kind, and a change of that is audited', async () => {
    const { session, login, email } = await person('operator')
    const { body: before } = await session.call('GET', '/api/v1/notification-preferences')
    expect(before.items).toContainEqual({ kind: 'login-from-new-address', inApp: true, mail: true, canBeMailed: true })
    const change = (items: object[]) => session.call('PATCH', '/api/v1/notification-preferences', { body: { items } })
    const { body } = await change([{ kind: 'login-from-new-address', inApp: false, mail: false }])
    expect(body.items).toContainEqual({ kind: 'login-from-new-address', inApp: false, mail: false, canBeMailed: true })
    await logInFrom('203.0.113.20', login)
    expect(await list(session)).toEqual([])
    expect((await change([{ kind: 'job-dead', inApp: true, mail: true }])).body.code).toBe('validation-failed')
    expect((await change([{ kind: 'job-dead', inApp: true, mail: false, userId: randomUUID() }])).status).toBe(422)
    expect(smtp.received.filter(({ recipients }) => recipients[0] === email)).toEqual([])
    const { body: audit } = await admin.call('GET', '/api/v1/audit-events?type=user.notification-preferences-changed')
    expect(audit.items).toHaveLength(1)
  })

  it('tell of devices that went quiet, together, whoever may see devices', async () => {
    const [operator, nobody] = [await person('operator'), await person('')]
    const { body: group } = await admin.call('POST', '/api/v1/enrollment-groups', {
      body: { name: 'g', certificateChain: running.certificates.pem('Issuing', 'Manufacturer') },
    })
    const of = { id: group.id, organizationId: running.admin.organizationId }
    const devices = [await running.register(of), await running.register(of)]
    for (const device of devices) await running.signIn(device)
    running.sql("update gateway_instance set lease_renewed_at = now() - interval '1 hour'")
    await running.store.gateways.sweepExpired(act)
    await expect.poll(() => kindsOf(operator.session), { timeout: 15_000 }).toEqual(['devices-offline'])
    const [{ data }] = await list(operator.session)
    expect(data.count).toBe(2)
    expect([...data.deviceIds].sort()).toEqual(devices.map(({ deviceId }) => deviceId).sort())
    expect(await list(nobody.session)).toEqual([])
  })

  it('tell operators of a job that is dead', async () => {
    const { session } = await person('operator')
    smtp.treat(() => ({ at: 'rcpt', status: 550 }))
    const jobId = await running.store.jobs.add(
      {
        kind: 'send-mail',
        organizationId: running.admin.organizationId,
        payload: {
          to: 'gone@example.com',
          template: 'notification',
          parameters: { username: 'u', title: 't', text: 't', occurredAt: '2026-11-21T15:00:00.000Z' },
        },
      },
      act,
    )
    await expect.poll(() => kindsOf(session), { timeout: 15_000 }).toEqual(['job-dead'])
    smtp.treat(() => undefined)
    expect((await list(session))[0].data).toMatchObject({ jobId, errorCode: 'mail-refused' })
  })

  it('go after 90 days', async () => {
    const { session, login } = await person('operator')
    await logInFrom('203.0.113.30', login)
    await logInFrom('203.0.113.31', login)
    const [{ id }] = await list(session)
    running.sql(`update notification set created_at = now() - interval '91 days' where id = '${id}'`)
    await running.store.housekeep()
    expect(await list(session)).toHaveLength(1)
  })
})
