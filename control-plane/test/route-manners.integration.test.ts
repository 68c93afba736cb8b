/** What every route of the API has in common, tried on each: the routes come from the document, so that a new one is tried too. */

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openApiDocument } from '../src/open-api-document.ts'
import { type Answer, RunningControlPlane, type Session } from './running-control-plane.ts'

interface Schema {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly format?: string
  readonly minLength?: number
  readonly minItems?: number
  readonly minimum?: number
}

interface Operation {
  readonly operationId: string
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >
  readonly security?: unknown
}

interface Route {
  readonly method: string
  readonly path: string
  readonly operation: Operation
  readonly body: Schema | undefined
}

let running: RunningControlPlane
let owner: Session
const document = JSON.parse(JSON.stringify(await openApiDocument()))
const routes: readonly Route[] = Object.entries<Record<string, Operation>>(document.paths).flatMap(
  ([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: path.replace('{role}', 'no-such').replace(/\{(\w+)\}/g, '0190e4b0-0000-7000-8000-00000000ffff'),
      operation,
      body: operation.requestBody?.content['application/json']?.schema,
    })),
)
const named = routes.map((route): [string, Route] => [route.operation.operationId, route])
const takes = ({ operation }: Route, name: string): boolean =>
  (operation.parameters ?? []).some((parameter) => parameter.name === name)

beforeAll(async () => {
  running = await RunningControlPlane.start()
  running.sql('update user_account set email_verified_at = now()')
  owner = await running.logIn()
})
afterAll(() => running.stop())

/** Those that end what the other tests need, or do not end. */
const notCalled = new Set(['followEvents', 'logOut'])

const call = (route: Route, options: { body?: unknown; headers?: Record<string, string> } = {}): Promise<Answer> =>
  (route.operation.security === undefined ? running : owner).call(route.method, route.path, options)

describe('a list', () => {
  /** Why these are one page always: an organization's roles and a device's resources are bounded, and read as a whole. */
  const whole = new Set(['listRoles', 'listResources'])
  const lists = named.filter(([name]) => name.startsWith('list'))

  it.each(lists)('of %s is a page: items, and where the next begins', async (operationId, route) => {
    for (const name of whole.has(operationId) ? [] : ['cursor', 'limit']) expect(takes(route, name), name).toBe(true)
    const schema = route.operation.responses['200']?.content?.['application/json']?.schema
    expect(Object.keys(schema?.properties ?? {}).sort()).toEqual(['items', 'nextCursor'])
    const answer = await call(route)
    // What belongs to a thing that is not there has no list.
    if (answer.status === 404) expect(route.path).toContain('00000000ffff')
    else {
      expect(answer.status).toBe(200)
      expect(Object.keys(answer.body).sort()).toEqual(['items', 'nextCursor'])
      if (whole.has(operationId)) return
      expect((await owner.call('GET', `${route.path}?cursor=forged`)).status).toBe(422)
      expect((await owner.call('GET', `${route.path}?limit=1000000`)).status).toBe(422)
    }
  })

  it('is never bare', () => {
    for (const [name, { operation }] of named) {
      const schema = operation.responses['200']?.content?.['application/json']?.schema
      expect(schema?.type, name).not.toBe('array')
    }
  })
})

describe('a change of what people edit', () => {
  /** Why these need none: settings of one's own that are set one by one; a command to a device, whose state is the device's. */
  const unversioned = new Set(['changeNotificationPreferences', 'updateResource'])
  const changes = named.filter(([name, { method }]) => /^(PATCH|PUT)$/.test(method) && !unversioned.has(name))

  it.each(changes)(
    '%s needs the ETag that was read: 428 without it, 412 with one that is none of ours',
    async (_name, route) => {
      expect(takes(route, 'if-match')).toBe(true)
      const body = sampleOf(route.body ?? {})
      const without = await call(route, { body })
      expect([without.status, without.body.code], JSON.stringify(without.body)).toEqual([428, 'precondition-required'])
      for (const tag of ['W/"1"', '1', '"x"', '"1", "2"']) {
        const answer = await call(route, { body, headers: { 'if-match': tag } })
        expect([answer.status, answer.body.code]).toEqual([412, 'precondition-failed'])
      }
    },
  )

  it('of what is versioned is the only one that takes an ETag', () => {
    const taking = named.filter(([, route]) => takes(route, 'if-match')).map(([name]) => name)
    const known = [
      ...changes.map(([name]) => name),
      ...named.filter(([, { method }]) => method === 'DELETE').map(([name]) => name),
    ]
    for (const name of taking) expect(known).toContain(name)
  })
})

describe('a request that makes something', () => {
  /** Why these take no key: an invitation's token is good once, and is its own key. */
  const without = new Set(['acceptInvitation', 'joinOrganization', 'createSocketTicket'])
  const making = named.filter(
    ([name, { method, operation }]) => method === 'POST' && '201' in operation.responses && !without.has(name),
  )

  it.each(making)('%s takes an Idempotency-Key, and refuses one that is none', async (_name, route) => {
    expect(takes(route, 'idempotency-key')).toBe(true)
    const body = route.body === undefined ? undefined : sampleOf(route.body)
    const answer = await call(route, {
      ...(body === undefined ? {} : { body }),
      headers: { 'idempotency-key': 'ü'.repeat(3) },
    })
    expect([400, 404, 422]).toContain(answer.status)
  })
})

describe('every route', () => {
  it.each(named.filter(([name]) => !notCalled.has(name)))(
    '%s says how many requests are left, and answers nothing that is not documented',
    async (name, route) => {
      const answers = [await call(route), await running.call(route.method, route.path)]
      if (route.body !== undefined) {
        answers.push(await call(route, { body: {} }), await call(route, { body: [] }))
        answers.push(await call(route, { body: {}, headers: { 'content-type': 'text/plain' } }))
        answers.push(await call(route, { body: 'x'.repeat(300_000) }))
      }
      for (const { status, headers, body } of answers) {
        expect(headers.get('ratelimit-policy'), `${name}: ${status}`).toMatch(/^"requests";q=\d+;w=60$/)
        expect(Object.keys(route.operation.responses), `${name}: ${JSON.stringify(body)}`).toContain(String(status))
        if (status < 400) continue
        expect(headers.get('content-type')).toMatch(/^application\/problem\+json/)
        expect(body).toMatchObject({
          status,
          code: expect.stringMatching(/^[a-z-]+$/),
          type: `urn:sallyport:error:${body.code}`,
        })
      }
    },
  )
})

describe('F32: fields that nobody may assign', () => {
  const writing = named.filter(([, { body }]) => body !== undefined)
  const smuggled = {
    role: 'owner',
    roles: ['owner'],
    isAdmin: true,
    permissions: ['*'],
    tenantId: randomUUID(),
    organizationId: randomUUID(),
    organization_id: randomUUID(),
    userId: randomUUID(),
    mfaEnabled: false,
    emailVerifiedAt: '2026-01-01T00:00:00Z',
    version: 7,
    state: 'active',
    createdAt: '2026-01-01T00:00:00Z',
  }

  it.each(writing)('%s refuses each that its schema does not name', async (_name, route) => {
    const known = Object.keys(route.body?.properties ?? {})
    for (const [field, value] of Object.entries(smuggled)) {
      if (known.includes(field) || isFree(route.body)) continue
      const { status, body } = await call(route, { body: { ...sampleObject(route.body), [field]: value } })
      expect([field, status, body.code]).toEqual([field, 422, 'validation-failed'])
      expect(body.details.fields).toContain(`/${field}: is not known here`)
    }
  })

  it.each(writing)('%s takes no __proto__ and no constructor', async (_name, route) => {
    for (const text of [
      '{"__proto__":{"role":"owner"}}',
      '{"constructor":{"prototype":{"role":"owner"}}}',
      '{"a":{"__proto__":{"role":"owner"}}}',
      '{"\\u005f_proto__":{"role":"owner"}}',
    ]) {
      const { status, code } = await raw(route, text)
      expect([text, status, code]).toEqual([text, 400, 'malformed-request'])
    }
    expect(({} as { role?: string }).role).toBeUndefined()
  })

  it('are refused at every depth: no object in a body is open, but those whose names are the caller’s own', () => {
    /** Names and values of the caller's own. */
    const free = new Set(['/labels'])
    const open: string[] = []
    const visit = (schema: Schema | undefined, path: string): void => {
      if (schema === undefined || free.has(path)) return
      for (const each of schema.anyOf ?? []) visit(each, path)
      visit(schema.items, `${path}[]`)
      if (schema.properties !== undefined && schema.additionalProperties !== false) open.push(path)
      for (const [name, property] of Object.entries(schema.properties ?? {})) visit(property, `${path}/${name}`)
    }
    for (const [name, { body }] of writing) {
      const before = open.length
      visit(body, '')
      open.splice(before, open.length - before, ...open.slice(before).map((path) => `${name} ${path}`))
    }
    expect(open).toEqual([])
  })

  async function raw(route: Route, body: string): Promise<{ status: number; code: string }> {
    const response = await fetch(`${running.controlPlane.addresses.http}${route.path}`, {
      method: route.method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${owner.accessToken}` },
      body,
    })
    return { status: response.status, code: ((await response.json()) as { code: string }).code }
  }
})

/** Whatever a device understands. */
const isFree = (schema: Schema | undefined): boolean => schema?.properties === undefined && schema?.anyOf === undefined

const sampleObject = (schema: Schema | undefined): object => {
  const sample = sampleOf(schema ?? {})
  return typeof sample === 'object' && sample !== null ? sample : {}
}

/** The least that a schema takes. */
function sampleOf(schema: Schema): unknown {
  const first = schema.anyOf?.[0]
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return schema.enum[0]
  if (first !== undefined) return sampleOf(first)
  switch (schema.type) {
    case 'object': {
      // A change of nothing may be refused: everything that may be given is.
      const names = schema.required ?? Object.keys(schema.properties ?? {})
      return Object.fromEntries(names.map((name) => [name, sampleOf(schema.properties?.[name] ?? {})]))
    }
    case 'array':
      return Array.from({ length: schema.minItems ?? 0 }, () => sampleOf(schema.items ?? {}))
    case 'integer':
    case 'number':
      return schema.minimum ?? 0
    case 'boolean':
      return true
    default:
      return schema.format === 'uuid' ? randomUUID() : 'a'.repeat(Math.max(1, schema.minLength ?? 1))
  }
}
