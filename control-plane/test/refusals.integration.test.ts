/** Refused access: what of it stands in the audit trail, and that nobody fills the trail by knocking. */

import { randomUUID } from 'node:crypto'
import { clockFrom, ManualClock, milliseconds, minutes } from '@sallyport/clock'
import { eventually } from '@sallyport/development'
import { createLogger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import type { FastifyRequest } from 'fastify'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { rememberIdentified } from '../src/identified-caller.ts'
import { openRefusalTrail, type RefusalTrail } from '../src/refusal-trail.ts'
import { type Answer, RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let owner: Session
let ownerId: string
beforeAll(async () => {
  running = await RunningControlPlane.start()
  owner = await running.logIn()
  ownerId = (await owner.call('GET', '/api/v1/me')).body.id
})
afterAll(() => running.stop())

interface Event {
  readonly type: string
  readonly outcome: string
  readonly actor_id: string
  readonly organization_id: string | null
  readonly subject_id: string
  readonly details: Readonly<Record<string, unknown>>
}

const rows = (condition: string): readonly Event[] =>
  running
    .sql(`select to_jsonb(audit_event) from audit_event where ${condition} order by occurred_at, id`)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

/** The one event of the request, and the code as a label of the metric. */
async function refusalIn(answer: Answer): Promise<Event> {
  const events = rows(`correlation_id = '${answer.headers.get('x-correlation-id')}'`)
  expect(events).toHaveLength(1)
  const [event] = events
  if (event === undefined) throw new Error('no event')
  expect(answer.body.type).toBe(`urn:sallyport:error:${answer.body.code}`)
  const metrics = await (await fetch(`${running.controlPlane.addresses.management}/metrics`)).text()
  expect(metrics).toMatch(new RegExp(`sallyport_http_problems_total{.*code="${answer.body.code}".*} [1-9]`))
  return event
}

const refresh = (token: string): Promise<Answer> =>
  running.call('POST', '/api/v1/auth/refresh', { body: { refresh_token: token } })

describe('a refusal', () => {
  it('[1.13] of a token that is not valid names the route and nobody', async () => {
    const answer = await running.session('no.token.atall', '').call('GET', '/api/v1/devices')
    expect([answer.status, answer.body.code]).toEqual([401, 'token-invalid'])
    expect(await refusalIn(answer)).toMatchObject({
      type: 'access.refused',
      outcome: 'failed',
      actor_id: 'unknown',
      organization_id: null,
      subject_id: 'GET /api/v1/devices',
      details: { code: 'token-invalid' },
    })
  })

  it('[1.18] of an expired token names whose it was', async () => {
    await running.restart({ SALLYPORT_ACCESS_TOKEN_LIFETIME: '1s' })
    const brief = await running.logIn()
    await eventually('it has expired', async () => (await brief.call('GET', '/api/v1/me')).status === 401)
    const answer = await brief.call('GET', '/api/v1/devices')
    expect([answer.status, answer.body.code]).toEqual([401, 'token-expired'])
    expect(await refusalIn(answer)).toMatchObject({
      type: 'access.refused',
      actor_id: ownerId,
      organization_id: running.admin.organizationId,
      details: { code: 'token-expired' },
    })
    await running.restart()
  })

  it('[1.21] of a token whose session has ended names whose it was', async () => {
    const ended = await running.logIn()
    await ended.call('POST', '/api/v1/auth/logout')
    const answer = await ended.call('GET', '/api/v1/me')
    expect([answer.status, answer.body.code]).toEqual([401, 'token-revoked'])
    expect(await refusalIn(answer)).toMatchObject({ actor_id: ownerId, details: { code: 'token-revoked' } })
  })

  it('[1.20] of a refresh names the person where the token does', async () => {
    const answer = await refresh('no.token.atall')
    expect([answer.status, answer.body.code]).toEqual([401, 'refresh-failed'])
    expect(await refusalIn(answer)).toMatchObject({
      type: 'access.refused',
      actor_id: 'unknown',
      details: { code: 'refresh-failed' },
    })
    const ended = await running.logIn()
    await ended.call('POST', '/api/v1/auth/logout')
    const after = await refresh(ended.refreshToken)
    expect([after.status, after.body.code]).toEqual([401, 'refresh-failed'])
    expect(await refusalIn(after)).toMatchObject({ actor_id: ownerId, organization_id: running.admin.organizationId })
  })

  it('[1.22] for a permission that is missing names it', async () => {
    const member = await running.anotherOrganization()
    running.sql(`update user_account set roles = '{member}' where username like 'other-%'`)
    const answer = await eventually('the new roles count', async () => {
      const given = await member.call('GET', '/api/v1/audit-events')
      return given.status === 403 ? given : undefined
    })
    expect(answer.body.details).toEqual({ permission: 'audit:read' })
    const event = await refusalIn(answer)
    expect(event).toMatchObject({
      type: 'access.refused',
      subject_id: 'GET /api/v1/audit-events',
      details: { code: 'permission-denied', permission: 'audit:read' },
    })
    expect(event.organization_id).not.toBe(running.admin.organizationId)
  })

  it('[1.23] of a role that does not exist is in the trail of the organization', async () => {
    const answer = await owner.call('POST', '/api/v1/invitations', {
      body: { email: 'x@example.com', roles: ['no-such-role'] },
    })
    expect([answer.status, answer.body.code]).toEqual([422, 'role-not-found'])
    expect(await refusalIn(answer)).toMatchObject({
      type: 'access.refused',
      actor_id: ownerId,
      organization_id: running.admin.organizationId,
      details: { code: 'role-not-found' },
    })
  })

  it('[1.24] by a policy names the policy', async () => {
    const answer = await owner.call('PATCH', `/api/v1/members/${ownerId}`, {
      body: { roles: ['member'] },
      headers: { 'if-match': '*' },
    })
    expect([answer.status, answer.body.code]).toEqual([403, 'policy-violated'])
    expect(await refusalIn(answer)).toMatchObject({
      type: 'access.refused',
      details: { code: 'policy-violated', policy: 'last-owner' },
    })
  })

  it('[1.10] of a login has the event of the login alone', async () => {
    const answer = await running.call('POST', '/api/v1/auth/login', { body: { username: 'nobody', password: 'wrong' } })
    expect(await refusalIn(answer)).toMatchObject({ type: 'user.login', outcome: 'failed' })
  })

  it('is none where nobody claimed to be anybody', async () => {
    const answer = await running.call('GET', '/api/v1/me')
    expect([answer.status, answer.body.code]).toEqual([401, 'token-missing'])
    expect(rows(`correlation_id = '${answer.headers.get('x-correlation-id')}'`)).toEqual([])
  })
})

describe('a flood of refusals', () => {
  const clock = new ManualClock()
  let trail: RefusalTrail
  afterEach(() => trail.close())

  const open = (limits: { perCaller?: number; perProcess?: number } = {}) =>
    openRefusalTrail({
      store: running.store,
      clock,
      log: createLogger({ service: 'test', level: 'silent' }),
      period: milliseconds(60_000),
      ...limits,
    })

  /** As a request comes to the trail. */
  function refused(address: string, code: 'token-invalid' | 'permission-denied' = 'token-invalid', userId?: string) {
    const request = {
      id: randomUUID(),
      ip: address,
      method: 'GET',
      routeOptions: { url: `/flood/${marker}` },
    } as unknown as FastifyRequest
    if (userId !== undefined) rememberIdentified(request, { userId })
    return trail.record({ request, error: new CodedError(code, 'no'), status: code === 'token-invalid' ? 401 : 403 })
  }
  let marker = ''
  const leftOut = (events: readonly Event[]): number =>
    events.reduce((sum, { details }) => sum + Number(details.leftOut ?? 0), 0)

  it('of one caller has ten events a minute, and one that counts the others', async () => {
    marker = randomUUID()
    trail = open()
    await Promise.all(Array.from({ length: 500 }, () => refused('192.0.2.1')))
    await refused('192.0.2.2')
    expect(rows(`subject_id = 'GET /flood/${marker}'`)).toHaveLength(11)
    await trail.close()
    const events = rows(`subject_id = 'GET /flood/${marker}'`)
    expect(events).toHaveLength(12)
    expect(leftOut(events)).toBe(490)
  })

  it('of one network of IPv6 counts as one caller', async () => {
    marker = randomUUID()
    trail = open()
    for (let host = 1; host <= 40; host++) await refused(`2001:db8::${host.toString(16)}`)
    expect(rows(`subject_id = 'GET /flood/${marker}'`)).toHaveLength(10)
  })

  it('of any number of callers has so many events as the process may write, and one for each code', async () => {
    marker = randomUUID()
    trail = open({ perProcess: 20 })
    const before = rows("subject_id = 'any'").length
    await Promise.all(Array.from({ length: 2000 }, (_, index) => refused(`198.51.${index >> 8}.${index & 255}`)))
    await Promise.all(Array.from({ length: 100 }, () => refused('192.0.2.9', 'permission-denied', randomUUID())))
    expect(rows(`subject_id = 'GET /flood/${marker}'`)).toHaveLength(20)
    await trail.close()
    const summed = rows("subject_id = 'any'").slice(before)
    expect(summed.map(({ details }) => details)).toEqual([
      { code: 'token-invalid', leftOut: 1980 },
      { code: 'permission-denied', leftOut: 100 },
    ])
    expect(summed.map(({ actor_id }) => actor_id)).toEqual(['unknown', 'unknown'])
  })

  it('begins anew with the next minute', async () => {
    marker = randomUUID()
    trail = open({ perCaller: 2 })
    for (let count = 0; count < 3; count++) await refused('192.0.2.1')
    clock.advance(minutes(1))
    await eventually('the minute is summed up', async () => {
      return leftOut(rows(`subject_id = 'GET /flood/${marker}'`)) === 1
    })
    await refused('192.0.2.1')
    expect(rows(`subject_id = 'GET /flood/${marker}'`)).toHaveLength(4)
  })

  it('while the trail takes nothing is refused all the same, and counted until it can be written', async () => {
    marker = randomUUID()
    let away = true
    trail = openRefusalTrail({
      store: {
        auditEvents: {
          ...running.store.auditEvents,
          recordRefusals: async (refusals) => {
            if (away) throw new CodedError('database-unavailable', 'away')
            await running.store.auditEvents.recordRefusals(refusals)
          },
        } as typeof running.store.auditEvents,
      },
      clock: clockFrom(Date.now),
      log: createLogger({ service: 'test', level: 'silent' }),
    })
    for (let count = 0; count < 5; count++) await refused('192.0.2.77')
    expect(rows(`subject_id = 'GET /flood/${marker}'`)).toEqual([])
    away = false
    await trail.close()
    expect(leftOut(rows(`subject_id = 'GET /flood/${marker}'`))).toBe(5)
  })
})
