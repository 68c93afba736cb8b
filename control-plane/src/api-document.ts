/** The OpenAPI 3.1 document of the public API, made from the routes' own schemas, at /openapi.json; a page to browse it at /docs. */

import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import {
  type HttpServer,
  type PersonConditions,
  ProblemSchema,
  problemContentType,
  publicAccess,
  type RouteAccess,
} from '@sallyport/http'
import type { FastifyContextConfig, FastifySchema } from 'fastify'
import { type DocumentedOperation, refusalComponents, refusalsOf } from './documented-refusals.ts'
import { idempotencyKeyHeader } from './idempotency.ts'

const description = `The API of Sallyport for the people who own devices.

Errors are problem documents (RFC 9457) with a stable \`type\` and \`code\`; their texts are in English, German, French or Spanish,
as \`Accept-Language\` asks. Lists are pages: pass \`nextCursor\` as \`cursor\`.
Changes of what people edit need \`If-Match\` with the \`ETag\` that was read. What makes something takes an \`Idempotency-Key\`:
repeated with it, a request whose answer was lost does nothing again and gets that answer.`

/** To be called before the routes are registered. */
export async function describeApi(server: HttpServer): Promise<void> {
  server.addSchema(ProblemSchema)
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sallyport',
        version: '1',
        description,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          person: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The access token of a log-in.' },
          apiKey: { type: 'http', scheme: 'bearer', bearerFormat: 'sallyport_…', description: 'An API key, whole.' },
        },
      },
      tags: [
        { name: 'auth', description: 'Sessions of people, API keys' },
        { name: 'organization', description: 'The organization, its members, roles and invitations' },
        { name: 'enrollment', description: 'Whose devices may come' },
        { name: 'devices', description: 'Devices, their resources, commands and telemetry' },
        { name: 'events', description: 'What is happening' },
        { name: 'audit', description: 'What has happened' },
      ],
    },
    refResolver: { buildLocalReference: (schema) => String(schema.$id) },
    transform: ({ schema, url, route }) => ({
      schema: described(schema, route.config),
      url: namedWildcard(url),
    }),
    transformObject: (document) => ('openapiObject' in document ? withRefusals(document.openapiObject) : {}),
  })
  await server.register(async (docs) => {
    docs.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: publicAccess }
    })
    docs.addHook('onRequest', async (_request, reply) => {
      // The page is ours, with its scripts and styles beside it; it calls nothing but this origin.
      reply.header(
        'content-security-policy',
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
      )
    })
    await docs.register(swaggerUi, { routePrefix: '/docs', uiConfig: { persistAuthorization: false } })
  })
}

export function registerApiDocument(server: HttpServer): void {
  server.get('/openapi.json', { config: { access: publicAccess }, schema: { hide: true } }, async () =>
    server.swagger(),
  )
}

/** A route's schema with what is the same for all: the problem document, who may, and the name of a wildcard. */
function described(schema: FastifySchema | undefined, config: FastifyContextConfig = {}): FastifySchema {
  const { params, headers, response, ...own } = schema ?? {}
  const { access, once } = config
  return {
    ...own,
    ...(params === undefined ? {} : { params: namedParameter(params) }),
    ...(once === true ? { headers: withKey(headers) } : headers === undefined ? {} : { headers }),
    response: {
      ...withDescriptions(response),
      default: { description: 'What went wrong.', content: { [problemContentType]: { schema: { $ref: 'Problem#' } } } },
    },
    ...(access === undefined || access.kind === 'public' ? {} : { security: credentialsFor(access) }),
    ...(access?.kind === 'permission' ? { 'x-permission': access.permission } : {}),
    ...(asksOf(access, 'verifiedEmail') ? { 'x-verified-email': true } : {}),
    ...(asksOf(access, 'recentAuthentication') ? { 'x-recent-authentication': true } : {}),
  }
}

const asksOf = (access: RouteAccess | undefined, condition: keyof PersonConditions): boolean =>
  access?.kind === 'permission' && access[condition] === true

function credentialsFor(access: RouteAccess) {
  const person = { person: [] }
  const forKeys =
    access.kind === 'permission'
      ? !asksOf(access, 'verifiedEmail') && !asksOf(access, 'recentAuthentication')
      : access.kind === 'signed-in' && access.apiKeys === true
  return forKeys ? [person, { apiKey: [] }] : [person]
}

/** To each operation the refusals that it may answer. */
function withRefusals(document: object): object {
  const {
    components = {},
    paths = {},
    ...rest
  } = document as {
    readonly components?: object
    readonly paths?: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>
  }
  const withThem = Object.entries(paths).map(([path, operations]) => [
    path,
    Object.fromEntries(
      Object.entries(operations).map(([method, operation]) => [
        method,
        { ...operation, responses: { ...refusalsOf(operation), ...operation.responses } },
      ]),
    ),
  ])
  return {
    ...rest,
    components: { ...components, responses: refusalComponents() },
    paths: Object.fromEntries(withThem),
  }
}

const withKey = (headers: unknown): unknown => {
  const properties = isObjectSchema(headers) ? headers.properties : {}
  return { type: 'object', properties: { ...properties, 'idempotency-key': idempotencyKeyHeader } }
}

const isObjectSchema = (schema: unknown): schema is { readonly properties: Readonly<Record<string, unknown>> } =>
  typeof schema === 'object' && schema !== null && 'properties' in schema

const responseDescriptions: Readonly<Record<string, string>> = {
  200: 'As asked.',
  201: 'Made; Location says where.',
  202: 'Not done yet; Location says where to look.',
  204: 'Done.',
}

function withDescriptions(response: unknown): Readonly<Record<string, object>> {
  const described = Object.entries(response ?? {}).map(([status, schema]: [string, object]) => [
    status,
    { description: responseDescriptions[status] ?? 'An answer.', ...schema },
  ])
  return Object.fromEntries(described)
}

/** Fastify's wildcard has no name; a reader of the document needs one. */
const namedWildcard = (url: string): string => url.replace('/*', '/:href')

function namedParameter(params: unknown): unknown {
  return JSON.parse(JSON.stringify(params).replaceAll('"*"', '"href"'))
}
