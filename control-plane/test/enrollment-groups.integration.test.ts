import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let session: Session
const path = '/api/v1/enrollment-groups'

beforeAll(async () => {
  running = await RunningControlPlane.start()
  session = await running.logIn()
})
afterAll(() => running.stop())

let made = 0

/** A chain whose authority no group has. */
function newChain(): string {
  const name = `Authority ${++made}`
  running.certificates.intermediate(name, 'Manufacturer')
  return running.certificates.pem(name, 'Manufacturer')
}
const create = (body: unknown, as = session) => as.call('POST', path, { body })

describe('enrollment groups', () => {
  it('[4.2] are created from a chain as PEM, and read back', async () => {
    const certificateChain = newChain()
    const { status, body, headers } = await create({ name: 'Lamps', certificateChain, expectedIntervalSeconds: 30 })
    expect(status).toBe(201)
    expect(body).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{14}7/),
      name: 'Lamps',
      state: expect.stringMatching(/^(active|pending-proof)$/),
      certificateChain,
      leadCertificateName: `Authority ${made}`,
      expectedIntervalSeconds: 30,
      version: expect.any(Number),
    })
    expect(headers.get('location')).toBe(`${path}/${body.id}`)
    const read = await session.call('GET', `${path}/${body.id}`)
    expect(read.body).toEqual(body)
    expect(read.headers.get('etag')).toBe(`"${body.version}"`)
  })

  it('[4.2] are listed in pages, by name and by state', async () => {
    for (const name of ['Page 1', 'Page 2', 'Page 3']) await create({ name, certificateChain: newChain() })
    const names: string[] = []
    let cursor = ''
    do {
      const { body } = await session.call('GET', `${path}?limit=2${cursor}`)
      expect(body.items.length).toBeLessThanOrEqual(2)
      names.push(...body.items.map(({ name }: { name: string }) => name))
      cursor = body.nextCursor === null ? '' : `&cursor=${encodeURIComponent(body.nextCursor)}`
    } while (cursor !== '')
    expect(names).toEqual(expect.arrayContaining(['Page 1', 'Page 2', 'Page 3']))
    expect(new Set(names).size).toBe(names.length)
    const { body } = await session.call('GET', `${path}?name=Page%202`)
    expect(body.items.map(({ name }: { name: string }) => name)).toEqual(['Page 2'])
    expect((await session.call('GET', `${path}?state=disabled`)).body.items).toEqual([])
  })

  it('[4.2] change only what was read last: If-Match is needed and must fit', async () => {
    const { body: group, headers } = await create({ name: 'Changing', certificateChain: newChain() })
    const change = (ifMatch?: string) =>
      session.call('PATCH', `${path}/${group.id}`, {
        body: { name: 'Changed', state: 'disabled' },
        headers: ifMatch === undefined ? {} : { 'if-match': ifMatch },
      })
    const etag = headers.get('etag') ?? ''
    expect((await change()).body.code).toBe('precondition-required')
    expect((await change('"999"')).body.code).toBe('precondition-failed')
    const changed = await change(etag)
    expect(changed.body).toMatchObject({ name: 'Changed', state: 'disabled', version: group.version + 1 })
    expect(changed.headers.get('etag')).toBe(`"${group.version + 1}"`)
    expect((await change(etag)).status).toBe(412)
  })

  it('[4.2] of ten parallel changes of one version one is made', async () => {
    const { body: group, headers } = await create({ name: 'Raced', certificateChain: newChain() })
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        session.call('PATCH', `${path}/${group.id}`, {
          body: { name: `Winner ${index}` },
          headers: { 'if-match': headers.get('etag') ?? '' },
        }),
      ),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(9)
  })

  it('[4.2] take a new chain, whose first certificate leads then', async () => {
    const { body: group } = await create({ name: 'Renewed', certificateChain: newChain() })
    const certificateChain = newChain()
    const { status, body } = await session.call('PATCH', `${path}/${group.id}`, {
      body: { certificateChain },
      headers: { 'if-match': '*' },
    })
    expect([status, body.leadCertificateName]).toEqual([200, `Authority ${made}`])
  })

  it('[4.2] are deleted with If-Match, and gone then', async () => {
    const certificateChain = newChain()
    const { body: group } = await create({ name: 'Deleted', certificateChain })
    const remove = (headers: Record<string, string>) => session.call('DELETE', `${path}/${group.id}`, { headers })
    expect((await remove({})).status).toBe(428)
    expect((await remove({ 'if-match': '"999"' })).status).toBe(412)
    expect((await remove({ 'if-match': `"${group.version}"` })).status).toBe(204)
    expect((await session.call('GET', `${path}/${group.id}`)).status).toBe(404)
    expect((await remove({ 'if-match': '*' })).status).toBe(404)
    expect((await create({ name: 'Again', certificateChain })).status).toBe(201)
  })

  it('[4.2] have an authority of their own: a second group with it conflicts, in another organization too', async () => {
    const certificateChain = newChain()
    await create({ name: 'First', certificateChain })
    const other = await running.anotherOrganization()
    for (const as of [session, other]) {
      const { status, body } = await create({ name: 'Second', certificateChain }, as)
      expect([status, body.code]).toEqual([409, 'conflict'])
      expect(JSON.stringify(body)).not.toContain(running.admin.organizationId)
    }
  })

  it('[4.2] say what is wrong with a chain', async () => {
    const wrong = await create({ name: 'x', certificateChain: running.certificates.pem('dps', 'Service CA') })
    expect(wrong.status).toBe(422)
    expect(wrong.body).toMatchObject({
      type: 'urn:sallyport:error:certificate-purpose-wrong',
      detail: expect.stringContaining('Certificate 1 of the chain (CN=dps) is not a certificate authority'),
      details: { certificate: 1, subject: 'CN=dps' },
    })
    const none = await create({ name: 'x', certificateChain: 'hello' })
    expect([none.status, none.body.code]).toEqual([422, 'certificate-malformed'])
  })

  it.each([
    ['an organization of the caller’s choice', { organizationId: '00000000-0000-4000-8000-000000000000' }],
    ['a state', { state: 'active' }],
    ['an id', { id: '00000000-0000-4000-8000-000000000000' }],
    ['a version', { version: 7 }],
  ])('take no %s in a body', async (_what, extra) => {
    const { status, body } = await create({ name: 'x', certificateChain: newChain(), ...extra })
    expect([status, body.code]).toEqual([422, 'validation-failed'])
  })

  it('stand in the audit trail with who, what and the request’s correlation id', async () => {
    const correlationId = '0190e4b0-aaaa-7000-8000-00000000abcd'
    const { body: group } = await session.call('POST', path, {
      body: { name: 'Audited', certificateChain: newChain() },
      headers: { 'x-correlation-id': correlationId },
    })
    const { body } = await session.call('GET', `/api/v1/audit-events?correlationId=${correlationId}`)
    expect(body.items).toHaveLength(1)
    expect(body.items[0]).toMatchObject({
      type: 'group.created',
      outcome: 'succeeded',
      actor: { kind: 'user' },
      subject: { kind: 'group', id: group.id },
      correlationId,
      address: '127.0.0.1',
    })
    const bySubject = await session.call('GET', `/api/v1/audit-events?subjectId=${group.id}&type=group.created`)
    expect(bySubject.body.items).toEqual(body.items)
  })
})
