import { randomUUID } from 'node:crypto'
import { type MailServer, startMailServer } from '@sallyport/development'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, RunningControlPlane, type Session } from './running-control-plane.ts'

let mailServer: MailServer
let running: RunningControlPlane
beforeAll(async () => {
  mailServer = await startMailServer({ port: 0 })
  running = await RunningControlPlane.start({
    SALLYPORT_SMTP_URL: mailServer.url,
    SALLYPORT_FIRST_ADMIN_EMAIL: 'ada@example.com',
  })
})
afterAll(async () => {
  await running.stop()
  await mailServer.stop()
})

const request = (session: Session): Promise<Answer> => session.call('POST', '/api/v1/me/email-verification')
const confirm = (token: string): Promise<Answer> =>
  running.call('POST', '/api/v1/auth/verify-email', { body: { token } })
/** Of the newest mail to this address. */
async function mailedTo(address: string, count = 1): Promise<string> {
  const mails = () => mailServer.received.filter(({ recipients }) => recipients.includes(address))
  await expect.poll(() => mails().length, { timeout: 15_000 }).toBe(count)
  const token = /(?<![\w-])[\w-]{43}(?![\w-])/.exec(mails().at(-1)?.mail.text ?? '')?.[0]
  if (token === undefined) throw new Error('the mail holds no token')
  return token
}
const aMinuteLater = () => running.sql(`update email_verification set created_at = created_at - interval '61 seconds'`)
const createKey = (session: Session): Promise<Answer> =>
  session.call('POST', '/api/v1/auth/api-key', {
    body: { name: 'k', scopes: ['devices:read'], expiresAt: new Date(Date.now() + 3_600_000).toISOString() },
  })

describe('an e-mail address', () => {
  it('[1.3] [1.5] is verified by the token of a mail to it, once; the newest mail counts; until then no API key is made', async () => {
    const session = await running.logIn()
    expect((await createKey(session)).body.code).toBe('email-unverified')
    expect((await request(session)).status).toBe(204)
    const first = await mailedTo('ada@example.com')
    const tooSoon = await request(session)
    expect([tooSoon.status, tooSoon.body.code]).toEqual([429, 'rate-limited'])
    expect(Number(tooSoon.headers.get('retry-after'))).toBeGreaterThan(0)
    aMinuteLater()
    expect((await request(session)).status).toBe(204)
    const second = await mailedTo('ada@example.com', 2)
    const kept = running.sql(`select (select string_agg(v::text, '') from email_verification v)
      || (select string_agg(e::text, '') from audit_event e)`)
    expect(kept).not.toContain(second)
    expect(kept).not.toContain(Buffer.from(second).toString('hex'))
    for (const wrong of [first, second.slice(1), randomUUID()]) {
      const { status, body } = await confirm(wrong)
      expect([status, body.code]).toEqual([403, 'email-verification-invalid'])
    }
    expect((await createKey(session)).body.code).toBe('email-unverified')
    // At once, ten times: once.
    const confirmed = await Promise.all(Array.from({ length: 10 }, () => confirm(second)))
    expect(confirmed.map(({ status }) => status).sort()).toEqual([204, ...Array(9).fill(403)])
    expect((await createKey(session)).status).toBe(201)
    expect(await request(session)).toMatchObject({ status: 409, body: { code: 'conflict' } })
    const { body: trail } = await session.call('GET', '/api/v1/audit-events?type=user.email-verified')
    expect(trail.items).toHaveLength(1)
    expect(trail.items[0].actor.kind).toBe('user')
  })

  it('is not verified by a token that is too old, or that went to the address that somebody had before', async () => {
    const { session, userId } = await running.person('operator')
    const addressOf = () => running.sql(`select email from user_account where id = '${userId}'`)
    const verified = () => running.sql(`select email_verified_at is not null from user_account where id = '${userId}'`)
    expect((await request(session)).status).toBe(204)
    const old = await mailedTo(addressOf())
    running.sql(
      `update email_verification set created_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'`,
    )
    expect((await confirm(old)).status).toBe(403)
    expect((await request(session)).status).toBe(204)
    const moved = await mailedTo(addressOf(), 2)
    running.sql(`update user_account set email = 'another-${userId}@example.com' where id = '${userId}'`)
    expect((await confirm(moved)).status).toBe(403)
    expect(verified()).toBe('f')
  })
})

describe('without a mail server', () => {
  it('nobody is told that a mail is on its way', async () => {
    await running.restart({ SALLYPORT_SMTP_URL: '' })
    const { session } = await running.person('operator')
    const { status, body } = await request(session)
    expect([status, body.code]).toEqual([503, 'dependency-unavailable'])
    await running.restart()
  })
})
