import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { freeTcpPort, type MailServer, nodeProgram, startMailServer } from '@sallyport/development'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { smtpSender } from '../src/mail/smtp.ts'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let admin: Session
let port: number
let server: MailServer
const servers: MailServer[] = []

const startServer = async (options: Partial<Parameters<typeof startMailServer>[0]> = {}) => {
  const started = await startMailServer({ port: 0, ...options })
  servers.push(started)
  return started
}

beforeAll(async () => {
  port = await freeTcpPort()
  running = await RunningControlPlane.start({
    SALLYPORT_SMTP_URL: `smtp://127.0.0.1:${port}`,
    SALLYPORT_MAIL_FROM: 'Sällyport, the mailer <no-reply@example.com>',
  })
  admin = await running.logIn()
})
afterEach(async () => {
  for (const each of servers.splice(0)) await each.stop()
})
afterAll(() => running.stop())

const act = { actor: { kind: 'system', id: 'test' }, correlationId: randomUUID() } as const
const invite = (to: string, name = 'Grüße & <Co>') =>
  running.store.jobs.add(
    {
      kind: 'send-mail',
      organizationId: running.admin.organizationId,
      payload: {
        to,
        template: 'invitation',
        parameters: {
          organizationName: name,
          invitedBy: 'Ada',
          role: 'viewer',
          code: 'K7QX-33PM',
          expiresAt: '2026-11-22T15:04:05.000Z',
        },
      },
    },
    act,
  )
const jobOf = async (id: string) => (await admin.call('GET', `/api/v1/jobs/${id}`)).body
const becomes = (id: string, state: string) =>
  expect.poll(async () => (await jobOf(id)).state, { timeout: 15_000, interval: 50 }).toBe(state)
const hurry = () => running.sql("update job set run_at = now() where state = 'waiting'")

describe('a mail', () => {
  it('is read at a real server: once, as text and HTML, from our address, to one recipient, with an id of its own', async () => {
    server = await startServer({ port })
    const id = await invite('ada@example.com')
    await becomes(id, 'done')
    expect(server.received).toHaveLength(1)
    const [{ recipients, mail, source } = { recipients: [], mail: undefined, source: '' }] = server.received
    expect(recipients).toEqual(['ada@example.com'])
    expect(mail?.from).toMatchObject({ name: 'Sällyport, the mailer', address: 'no-reply@example.com' })
    expect(mail?.subject).toBe('Invitation to Grüße & <Co>')
    expect(mail?.text).toContain('K7QX-33PM')
    expect(mail?.html).toContain('Grüße &#38; &#60;Co&#62;')
    expect(mail?.messageId).toBe(`<${id}@example.com>`)
    expect(source).toMatch(/^Auto-Submitted: auto-generated\r$/m)
  })

  it('keeps its code to its recipient: no list, no log, no figure shows it', async () => {
    const id = await invite('ada@example.com')
    const { body } = await admin.call('GET', '/api/v1/jobs')
    expect(JSON.stringify([body, await jobOf(id)])).not.toContain('K7QX')
    expect((await jobOf(id)).about).toBe('invitation to ada@example.com')
    await becomes(id, 'waiting')
    expect((await admin.call('DELETE', `/api/v1/jobs/${id}`)).status).toBe(204)
    expect(running.sql(`select payload is null from job where id = '${id}'`)).toBe('t')
  })

  it('waits for a server that is away, and is delivered once it is there', async () => {
    const id = await invite('late@example.com')
    await becomes(id, 'waiting')
    expect((await jobOf(id)).lastErrorCode).toBe('dependency-unavailable')
    server = await startServer({ port })
    await becomes(id, 'done')
    expect(server.received.map(({ recipients }) => recipients)).toEqual([['late@example.com']])
  })

  it.each([
    ['rcpt', 450],
    ['data', 451],
    ['data', 421],
  ] as const)('that is put off (%s, %i) is tried again', async (at, status) => {
    server = await startServer({ port })
    server.treat(() => ({ at, status }))
    const id = await invite('grey@example.com')
    await becomes(id, 'waiting')
    server.treat(() => undefined)
    hurry()
    await becomes(id, 'done')
    expect(server.received).toHaveLength(1)
  })

  it.each([
    ['rcpt', 550],
    ['data', 554],
  ] as const)(
    '[3.45] that is refused for good (%s, %i) is dead at once, and goes out when an operator retries it',
    async (at, status) => {
      server = await startServer({ port })
      server.treat(() => ({ at, status }))
      const id = await invite('nobody@example.com')
      await becomes(id, 'dead')
      const job = await jobOf(id)
      expect([job.attempts, job.lastErrorCode, job.lastError]).toEqual([
        1,
        'mail-refused',
        expect.stringContaining(`${status}`),
      ])
      const { body: dead } = await admin.call('GET', '/api/v1/jobs?state=dead')
      expect(dead.items.map((item: { id: string }) => item.id)).toContain(id)
      server.treat(() => undefined)
      expect((await admin.call('POST', `/api/v1/jobs/${id}/retry`)).status).toBe(200)
      await becomes(id, 'done')
      expect((await admin.call('POST', `/api/v1/jobs/${id}/retry`)).body.code).toBe('conflict')
      expect(server.received).toHaveLength(1)
    },
  )

  it.each([
    'a@example.com\r\nBcc: b@example.com',
    'a@example.com, b@example.com',
    'a@example.com> SIZE=1',
    '"a b"@example.com',
    'a@example.com\u0000',
    'a@[127.0.0.1]',
    '@example.com',
    'a@example..com',
  ])('goes to no such address: %j', async (to) => {
    await expect(invite(to)).rejects.toMatchObject({ code: 'internal' })
  })

  it('carries no name with a line break, and another one’s header syntax as mere text', async () => {
    await expect(invite('a@example.com', 'Co\r\nBcc: b@example.com')).rejects.toMatchObject({ code: 'internal' })
    server = await startServer({ port })
    const id = await invite('a@example.com', '=?utf-8?q?x?= <b@example.com>, "c"')
    await becomes(id, 'done')
    expect(server.received[0]?.recipients).toEqual(['a@example.com'])
    expect(server.received[0]?.mail.bcc ?? []).toEqual([])
  })
})

describe('the sender', () => {
  const mail = { id: 'x', to: 'a@example.com', content: { subject: 's', text: 't', html: '<p>t</p>' } }
  const settings = { passwordFile: undefined, authorityFile: undefined, from: 'no-reply@example.com', requireTls: true }
  const secured = () => {
    running.certificates.leaf('mail', 'Service CA', 'DNS:localhost,IP:127.0.0.1')
    running.certificates.bundle('mail-chain.pem', 'mail', 'Service CA')
    return {
      key: readFileSync(running.certificates.path('mail.key'), 'utf8'),
      cert: readFileSync(running.certificates.path('mail-chain.pem'), 'utf8'),
      user: 'sally',
      password: 'a/secret',
    }
  }

  it('says nothing to a server without TLS where TLS is required', async () => {
    server = await startServer()
    expect(await smtpSender({ ...settings, url: server.url }).send(mail)).toMatchObject({ outcome: 'unavailable' })
    expect(server.received).toEqual([])
  })

  it('speaks to the server that its CA vouches for, with a password from a file, and to no other', async () => {
    server = await startServer({ secured: secured() })
    const passwordFile = running.certificates.path('smtp-password')
    writeFileSync(passwordFile, 'a/secret\n', { mode: 0o600 })
    const url = server.url.replace('//', '//sally@')
    const authorityFile = running.certificates.path('authority.pem')
    const send = (over: Partial<Parameters<typeof smtpSender>[0]>) =>
      smtpSender({ ...settings, url, passwordFile, authorityFile, ...over }).send(mail)
    expect(await send({})).toEqual({ outcome: 'accepted' })
    expect(await send({ authorityFile: undefined })).toMatchObject({ outcome: 'unavailable' })
    writeFileSync(passwordFile, 'wrong')
    // Somebody can set the password right: the mail is not lost to it.
    const refused = await send({})
    expect(refused).toMatchObject({ outcome: 'unavailable' })
    expect(JSON.stringify(refused)).not.toContain('wrong')
    expect(server.received).toHaveLength(1)
  })

  it.each([
    'Name <a@example.com>, b@example.com',
    'a@example.com\nBcc: b@example.com',
    'Name',
    'N\r\nX: y <a@example.com>',
  ])('refuses to be called %j', (from) => {
    expect(() => smtpSender({ ...settings, url: 'smtp://localhost', from })).toThrowError(/SALLYPORT_MAIL_FROM/)
  })
})

describe('a control plane that is killed', () => {
  it('between the adding of a mail and its sending leaves it to its successor, which delivers it once', {
    timeout: 90_000,
  }, async () => {
    const parts = await RunningControlPlane.start()
    await parts.controlPlane.close()
    const smtp = await startServer()
    smtp.treat(() => 'stall')
    const readyFile = parts.certificates.path('killed.json')
    const start = async () => {
      rmSync(readyFile, { force: true })
      const child = spawn(nodeProgram, [new URL('../src/main.ts', import.meta.url).pathname], {
        env: {
          PATH: process.env.PATH,
          SOFTHSM2_CONF: process.env.SOFTHSM2_CONF,
          ...parts.environment,
          SALLYPORT_SMTP_URL: smtp.url,
          SALLYPORT_READY_FILE: readyFile,
        },
        stdio: 'inherit',
      })
      await expect.poll(() => existsSync(readyFile), { timeout: 30_000 }).toBe(true)
      return child
    }
    const stateOf = (id: string) => parts.sql(`select state from job where id = '${id}'`)
    const payload = {
      to: 'a@example.com',
      template: 'security-notice',
      parameters: { username: 'u', happened: 'x', occurredAt: '2026-11-21T15:00:00.000Z', address: '192.0.2.1' },
    } as const
    const organizationId = parts.admin.organizationId
    // Added while nobody runs, and one that is under way when its process is killed.
    const first = await parts.store.jobs.add({ kind: 'send-mail', organizationId, payload }, act)
    const victim = await start()
    await expect.poll(() => stateOf(first), { timeout: 15_000 }).toBe('running')
    const second = await parts.store.jobs.add({ kind: 'send-mail', organizationId, payload }, act)
    victim.kill('SIGKILL')
    await once(victim, 'exit')
    expect(smtp.received).toEqual([])
    smtp.treat(() => undefined)
    const successor = await start()
    for (const id of [first, second]) await expect.poll(() => stateOf(id), { timeout: 40_000 }).toBe('done')
    expect(smtp.received.map(({ mail }) => mail.messageId).sort()).toEqual(
      [first, second].map((id) => `<${id}@localhost>`).sort(),
    )
    successor.kill('SIGTERM')
    await once(successor, 'exit')
    await parts.stop()
  })
})
