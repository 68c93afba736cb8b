import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openApiDocument } from '../src/open-api-document.ts'
import { type Answer, RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let session: Session
let groupId: string
let authorities = 0

/** Each group needs an authority of its own. */
const newGroup = (name: string) => {
  authorities += 1
  return {
    name,
    certificateChain: running.certificates.root(`Once ${authorities}`).pem(`Once ${authorities}`),
    allowsPsk: true,
  }
}
const create = (by: Session, body: unknown, key: string): Promise<Answer> =>
  by.call('POST', '/api/v1/enrollment-groups', { body, headers: { 'idempotency-key': key } })
const groupsNamed = async (name: string): Promise<number> => {
  const { body } = await session.call('GET', '/api/v1/enrollment-groups?limit=100')
  return body.items.filter((group: { name: string }) => group.name === name).length
}
const registerPsk = (key: string) =>
  session.call('POST', `/api/v1/enrollment-groups/${groupId}/psk-devices`, {
    body: {},
    headers: { 'idempotency-key': key },
  })

beforeAll(async () => {
  running = await RunningControlPlane.start()
  session = await running.logIn()
  groupId = (await create(session, newGroup('Sensors'), randomUUID())).body.id
})
afterAll(() => running.stop())

describe('a request that is repeated with its Idempotency-Key', () => {
  it('gets the answer that it got, and does nothing again', async () => {
    const [key, group] = [randomUUID(), newGroup('Lamps')]
    const first = await create(session, group, key)
    expect(first.status).toBe(201)
    expect(first.headers.get('idempotency-replayed')).toBeNull()
    for (const spelled of [key, `"${key}"`]) {
      const again = await create(session, group, spelled)
      expect([again.status, again.body]).toEqual([201, first.body])
      expect(again.headers.get('idempotency-replayed')).toBe('true')
      for (const name of ['location', 'etag', 'content-type'])
        expect(again.headers.get(name)).toBe(first.headers.get(name))
    }
    expect(await groupsNamed('Lamps')).toBe(1)
    const { body: audit } = await session.call('GET', `/api/v1/audit-events?subjectId=${first.body.id}`)
    expect(audit.items).toHaveLength(1)
  })

  it('twenty times at once makes one, and each of them has its answer in the end', async () => {
    const [key, group] = [randomUUID(), newGroup('At once')]
    const untilAnswered = async (): Promise<Answer> => {
      const answer = await create(session, group, key)
      if (answer.body.code !== 'idempotency-in-progress') return answer
      expect(answer.status).toBe(409)
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
      await new Promise((resolve) => setTimeout(resolve, 100))
      return untilAnswered()
    }
    const answers = await Promise.all(Array.from({ length: 20 }, untilAnswered))
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1)
    expect(answers[0]?.status).toBe(201)
    expect(await groupsNamed('At once')).toBe(1)
  })

  it('shows once more what is shown once, which the database holds sealed alone', async () => {
    const key = randomUUID()
    const first = await registerPsk(key)
    expect(first.status).toBe(201)
    expect((await registerPsk(key)).body).toEqual(first.body)
    const dump =
      running.sql(`select idempotency_key::text from idempotency_key where subject_id = '${first.body.deviceId}' or
      subject_id = '${first.body.id}'`)
    expect(dump).not.toBe('')
    for (const text of [dump, Buffer.from(dump.replace(/^.*\\x|[^0-9a-f].*$/g, ''), 'hex').toString('latin1')]) {
      expect(text).not.toContain(first.body.key)
      expect(text).not.toContain(key)
    }
  })

  it('commands a device once', async () => {
    const device = await running.register({ id: groupId, organizationId: running.admin.organizationId })
    const act = { actor: { kind: 'system', id: 'test' }, correlationId: randomUUID() } as const
    await running.store.resources.publish(device.deviceId, [{ href: '/light/1', rt: [], if: [] }], 0, act)
    const key = randomUUID()
    const put = () =>
      session.call('PUT', `/api/v1/devices/${device.deviceId}/resources/light/1`, {
        body: { state: true },
        headers: { 'idempotency-key': key },
      })
    const [first, again] = [await put(), await put()]
    expect([first.status, again.status]).toEqual([202, 202])
    expect(again.body.id).toBe(first.body.id)
    const { body } = await session.call('GET', `/api/v1/devices/${device.deviceId}/commands`)
    expect(body.items).toHaveLength(1)
  })
})

describe('a command that the device refuses', () => {
  it('is answered so, and so again: it is not sent a second time', async () => {
    const lamp = await running.register({ id: groupId, organizationId: running.admin.organizationId })
    const act = { actor: { kind: 'system', id: 'test' }, correlationId: randomUUID() } as const
    await running.store.resources.publish(lamp.deviceId, [{ href: '/light/1', rt: [], if: [] }], 0, act)
    await running.signIn(lamp)
    const refused: string[] = []
    const end = await running.store.listen(
      'command_created',
      (payload) => {
        const { commandId } = JSON.parse(payload)
        refused.push(commandId)
        void running.store.commands
          .claim(commandId, 'gateway-test')
          .then(() =>
            running.store.commands.complete(
              commandId,
              { state: 'refused', coapCode: '4.00', errorCode: 'device-refused' },
              act,
            ),
          )
      },
      () => {},
    )
    const key = randomUUID()
    const put = () =>
      session.call('PUT', `/api/v1/devices/${lamp.deviceId}/resources/light/1`, {
        body: { state: 'maybe' },
        headers: { 'idempotency-key': key },
      })
    const [first, again] = [await put(), await put()]
    await end()
    expect([first.status, first.body.code]).toEqual([400, 'device-refused'])
    expect([again.status, again.body]).toEqual([400, first.body])
    expect(again.headers.get('content-type')).toBe('application/problem+json')
    expect(refused).toHaveLength(1)
  })
})

describe('an Idempotency-Key', () => {
  it('that comes with another request is refused, and nothing is done', async () => {
    const key = randomUUID()
    expect((await create(session, newGroup('First'), key)).status).toBe(201)
    const other = await create(session, newGroup('Second'), key)
    expect([other.status, other.body.code]).toEqual([422, 'idempotency-key-reused'])
    expect((await registerPsk(key)).body.code).toBe('idempotency-key-reused')
    expect(await groupsNamed('Second')).toBe(0)
  })

  it('of a request that failed is free again', async () => {
    const [key, group] = [randomUUID(), newGroup('Mended')]
    expect((await create(session, { ...group, certificateChain: 'none' }, key)).status).toBe(422)
    expect((await create(session, group, key)).status).toBe(201)
  })

  it('belongs to its caller: the same one of another organization is another', async () => {
    const other = await running.anotherOrganization()
    const key = randomUUID()
    const [mine, theirs] = [await create(session, newGroup('Mine'), key), await create(other, newGroup('Theirs'), key)]
    expect([mine.status, theirs.status]).toEqual([201, 201])
    expect(theirs.body.id).not.toBe(mine.body.id)
  })

  it('of an act whose answer was lost says what was done', async () => {
    const [key, group] = [randomUUID(), newGroup('Answered to nobody')]
    const { body: made } = await create(session, group, key)
    // As the process leaves it that ended between its commit and its answer.
    running.sql(`update idempotency_key set sealed_answer = null where subject_id = '${made.id}'`)
    const soon = await create(session, group, key)
    expect([soon.status, soon.body.code]).toEqual([409, 'idempotency-in-progress'])
    running.sql(`update idempotency_key set created_at = now() - interval '2 minutes' where subject_id = '${made.id}'`)
    const later = await create(session, group, key)
    expect([later.status, later.body.code]).toEqual([409, 'idempotency-answer-lost'])
    expect(later.body.detail).toContain(made.id)
    expect(await groupsNamed('Answered to nobody')).toBe(1)
  })

  it('is forgotten after 24 hours', async () => {
    const [key, group] = [randomUUID(), newGroup('Yesterday')]
    const { body: made } = await create(session, group, key)
    const count = () => running.sql(`select count(*) from idempotency_key where subject_id = '${made.id}'`)
    await running.store.housekeep()
    expect(count()).toBe('1')
    running.sql(`update idempotency_key set created_at = now() - interval '25 hours' where subject_id = '${made.id}'`)
    await running.store.housekeep()
    expect(count()).toBe('0')
  })

  it('is 1 to 255 visible characters, sent once', async () => {
    for (const key of ['', ' ', '""', 'a b', 'ü', 'x'.repeat(256), '"open']) {
      const answer = await create(session, newGroup('Never'), key)
      // What fetch itself leaves out is no key at all.
      if (key.trim() === '') continue
      expect([answer.status, answer.body.code], key).toEqual([400, 'malformed-request'])
    }
  })

  it('is taken by every route that makes something', async () => {
    const document = JSON.parse(JSON.stringify(await openApiDocument()))
    const without: string[] = []
    for (const [path, operations] of Object.entries<Record<string, Operation>>(document.paths)) {
      for (const [method, { responses, parameters = [] }] of Object.entries(operations)) {
        const takesKey = parameters.some(({ name }) => name === 'idempotency-key')
        if ((responses['201'] !== undefined || responses['202'] !== undefined) && method !== 'get' && !takesKey) {
          without.push(`${method} ${path}`)
        }
      }
    }
    // An invitation is good once by itself, and who accepts it may be nobody yet; a ticket lasts for seconds, and one more does no harm.
    expect(without.sort()).toEqual([
      'post /api/v1/invitations/accept',
      'post /api/v1/organizations/join',
      'post /api/v1/socket/tickets',
    ])
  })
})

interface Operation {
  readonly responses: Readonly<Record<string, unknown>>
  readonly parameters?: readonly { readonly name: string }[]
}
