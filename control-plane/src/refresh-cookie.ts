/**
 * The refresh token of a page in a browser: in a cookie that no script reads, in place of the answer's body. A page asks for it
 * with `Sallyport-Session: cookie` at log-in and says so again to refresh; without that header the cookie means nothing.
 *
 * Since the browser adds the cookie by itself, such requests must come from a page of this origin (`requireSameOrigin`). The
 * header and the JSON body would have a foreign page ask first (CORS preflight), and nobody is ever allowed credentials.
 */

import cookie from '@fastify/cookie'
import { type HttpServer, requireSameOrigin } from '@sallyport/http'
import type { FastifyRequest } from 'fastify'
import { decodeJwt } from 'jose'

/** The request header by which a page says that its refresh token is in the cookie. */
export const sessionHeader = 'sallyport-session'

/** Those that take the refresh token. */
const takingRoutes: ReadonlySet<string> = new Set(['/api/v1/auth/refresh', '/api/v1/auth/organization'])
const cookieRoutes: ReadonlySet<string> = new Set(['/api/v1/auth/login', '/api/v1/auth/logout', ...takingRoutes])

/** To be called before the routes are registered. @param ownOrigin where people reach the API, if that is configured. */
export async function keepRefreshTokensInCookies(server: HttpServer, ownOrigin: string | undefined): Promise<void> {
  await server.register(cookie)

  server.addHook('onRequest', async (request) => {
    if (asksForCookie(request)) requireSameOrigin(request, ownOrigin)
  })

  server.addHook('preValidation', async (request) => {
    if (!asksForCookie(request) || !takingRoutes.has(request.routeOptions.url ?? '')) return
    const token = request.cookies[cookieName(request)]
    if (token !== undefined && isObject(request.body)) request.body = { ...request.body, refresh_token: token }
  })

  server.addHook('preSerialization', async (request, reply, payload: unknown) => {
    if (!asksForCookie(request) || !isObject(payload) || typeof payload.refresh_token !== 'string') return payload
    const { refresh_token: token, ...rest } = payload
    reply.setCookie(cookieName(request), token, {
      ...attributes(request),
      expires: new Date((decodeJwt(token).exp ?? 0) * 1000),
    })
    return rest
  })

  server.addHook('onSend', async (request, reply, payload) => {
    const { url } = request.routeOptions
    const isOver =
      (url === '/api/v1/auth/logout' && reply.statusCode === 204) ||
      (url === '/api/v1/auth/refresh' && reply.statusCode === 401)
    if (isOver && asksForCookie(request)) reply.clearCookie(cookieName(request), attributes(request))
    return payload
  })
}

const asksForCookie = (request: FastifyRequest): boolean =>
  cookieRoutes.has(request.routeOptions.url ?? '') && request.headers[sessionHeader] === 'cookie'

/** Over TLS a name that no sub-domain and no plain HTTP can plant (RFC 6265bis section 4.1.3.2). */
const cookieName = (request: FastifyRequest): string =>
  request.protocol === 'https' ? '__Host-sallyport-refresh' : 'sallyport-refresh'

const attributes = (request: FastifyRequest) =>
  ({ path: '/', httpOnly: true, sameSite: 'strict', secure: request.protocol === 'https' }) as const

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null
