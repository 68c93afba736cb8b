/** The audit trail as people read it: what is sealed opens in the HSM, and the rest is there without it. */

import { randomUUID } from 'node:crypto'
import { clockFrom } from '@sallyport/clock'
import { createLogger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import type { Token } from '@sallyport/hsm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openAuditOpening } from '../src/audit-opening.ts'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let owner: Session
beforeAll(async () => {
  running = await RunningControlPlane.start()
  owner = await running.logIn()
})
afterAll(() => running.stop())

const system = { actor: { kind: 'system', id: 'test' }, correlationId: randomUUID() } as const
const email = 'somebody.private@example.com'

async function newest(type: string) {
  const { status, body } = await owner.call('GET', `/api/v1/audit-events?type=${type}&limit=1`)
  expect(status).toBe(200)
  return body.items[0]
}

describe('the audit trail', () => {
  it('[0.47] shows who may read it what is sealed, and the database holds none of it', async () => {
    const { body: invitation } = await owner.call('POST', '/api/v1/invitations', { body: { email, roles: ['member'] } })
    const username = `private-${randomUUID().slice(0, 8)}`
    await running.call('POST', '/api/v1/invitations/accept', {
      body: { token: invitation.token, username, password: randomUUID() },
    })
    expect(await newest('invitation.created')).toMatchObject({
      address: '127.0.0.1',
      details: { email, roles: ['member'] },
      sealed: { address: 'opened', email: 'opened' },
    })
    expect(await newest('invitation.accepted')).toMatchObject({ details: { username }, sealed: { username: 'opened' } })
    const trail = running.sql('select audit_event::text from audit_event')
    for (const text of [email, username, '127.0.0.1']) expect(trail).not.toContain(text)
  })

  it('[0.47] shows the events of an erased person without what told of them', async () => {
    const { body } = await owner.call('GET', '/api/v1/me')
    await running.store.auditSubjects.erase(`user/${body.id}`, system)
    expect(await newest('invitation.created')).toMatchObject({
      address: null,
      details: { email },
      sealed: { address: 'erased', email: 'opened' },
    })
  })

  it('[0.47] has one key, also when control planes start again', async () => {
    await running.restart()
    const made = running.sql("select count(*) from audit_event where type = 'audit-opening-key.created'")
    expect(made).toBe('1')
    expect(await newest('invitation.created')).toMatchObject({ details: { email } })
  })

  it('shows the rest while the HSM is away', async () => {
    let up = true
    const away = async (): Promise<never> => {
      throw new CodedError('hsm-unavailable', 'the token is away')
    }
    const spki = Buffer.from(
      running.sql('select encode(spki, $$hex$$) from audit_opening_key order by recorded_at desc limit 1'),
      'hex',
    )
    const id = Buffer.from(running.sql('select id from audit_opening_key order by recorded_at desc limit 1'), 'hex')
    const key = { id, spki, label: 'audit-opening', curve: 'P-256', sign: away, agree: away } as const
    const opening = await openAuditOpening({
      store: running.store,
      token: {
        listEcKeys: async () => [key],
        generateEcKey: away,
        findEcKey: async () => (up ? key : await away()),
      } as unknown as Token,
      clock: clockFrom(Date.now),
      log: createLogger({ service: 'test', level: 'silent' }),
    })
    for (up of [true, false]) {
      const { items } = await running.store.auditEvents.list(running.admin.organizationId, {
        limit: 20,
        type: 'invitation.created',
      })
      const opened = await opening.open(running.admin.organizationId, items)
      expect(opened.length).toBeGreaterThan(0)
      expect(opened.map(({ event }) => event)).toEqual(items)
      expect(opened[0]?.sealed.get('email')).toEqual({ state: 'unavailable' })
      expect(opened[0]?.sealed.get('address')).toEqual({ state: 'erased' })
    }
  })
})
