/** The OpenAPI 3.1 document of the public API, made from the routes' own schemas, at /openapi.json; a page to browse it at /docs. */

import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { type HttpServer, ProblemSchema, problemContentType, publicAccess, type RouteAccess } from '@sallyport/http'
import type { RouteOptions } from 'fastify'

const description = `The API of Sallyport for the people who own devices.

Errors are problem documents (RFC 9457) with a stable \`type\` and \`code\`. Lists are pages: pass \`nextCursor\` as \`cursor\`.
Changes of what people edit need \`If-Match\` with the \`ETag\` that was read.`

/** To be called before the routes are registered. */
export async function describeApi(server: HttpServer): Promise<void> {
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
        securitySchemes: { person: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      },
      tags: [
        { name: 'auth', description: 'Sessions of people' },
        { name: 'enrollment', description: 'Whose devices may come' },
        { name: 'devices', description: 'Devices, their resources, commands and telemetry' },
        { name: 'events', description: 'What is happening' },
        { name: 'audit', description: 'What has happened' },
      ],
    },
    transform: ({ schema, url, route }) => ({ schema: withProblems(schema, accessOf(route)), url: namedWildcard(url) }),
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

const accessOf = (route: RouteOptions): RouteAccess | undefined => route.config?.access

function withProblems(schema: RouteOptions['schema'], access: RouteAccess | undefined): object {
  const own = schema ?? {}
  const responses: object =
    'response' in own && typeof own.response === 'object' && own.response !== null ? own.response : {}
  const secured = access !== undefined && access.kind !== 'public'
  return {
    ...own,
    response: {
      ...responses,
      default: { description: 'What went wrong', content: { [problemContentType]: { schema: ProblemSchema } } },
    },
    ...(secured ? { security: [{ person: [] }] } : {}),
    ...(access?.kind === 'permission' ? { 'x-permission': access.permission } : {}),
  }
}

/** Fastify's wildcard has no name; a reader of the document needs one. */
const namedWildcard = (url: string): string => url.replace('/*', '/:href')
