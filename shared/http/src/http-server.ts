/**
 * The base of every HTTP server of ours: Fastify 5 with problem documents (RFC 9457), correlation ids, security headers,
 * limits, and a declared access for each route.
 *
 * It takes JSON bodies alone unless a content type parser is added: no text/plain, which a foreign page could post without
 * a preflight. It takes no encoded (compressed) bodies.
 */

import { createServer as createPlainServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Clock, Duration } from '@sallyport/clock'
import { between, milliseconds, seconds } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import { CodedError, isCodedError } from '@sallyport/errors'
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions,
} from 'fastify'
import { acceptedLanguage } from './accept-language.ts'
import { answerBrokenRequest, refuseExpectation } from './broken-request.ts'
import { limitConnections } from './connection-limit.ts'
import { correlationHeader, correlationIdOf } from './correlation-id.ts'
import { answerCrossOrigin } from './cross-origin.ts'
import type { MutualTls } from './mutual-tls.ts'
import { problemContentType, problemDocument, problemHeaders } from './problem-document.ts'
import type { DeclaredRoute, RouteAccess } from './route-access.ts'
import { compileValidator } from './schema-validation.ts'
import { securityHeaders } from './security-headers.ts'
import type { ServerCertificate } from './server-certificate.ts'
import { variesBy } from './vary.ts'

export type HttpServer = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

export interface ServedRequest {
  readonly method: string
  /** The route's pattern, or `unmatched`. */
  readonly route: string
  readonly status: number
  readonly duration: Duration
  readonly correlationId: string
  readonly errorCode: ErrorCode | undefined
}

export interface RefusedRequest {
  readonly request: FastifyRequest
  readonly error: CodedError
  readonly status: number
}

export interface HttpObserver {
  requestServed?(request: ServedRequest): void
  /** What the caller is to blame for; waited for before it is answered. It must not fail. */
  requestRefused?(refusal: RefusedRequest): void | Promise<void>
  /** Our own fault: the error that the caller was not shown. */
  requestFailed?(failure: { readonly error: unknown; readonly correlationId: string; readonly route: string }): void
  /** A connection too many of one network was closed. */
  connectionRefused?(): void
}

export interface HttpServerOptions {
  readonly clock: Clock
  /** Runs before the body is read; throws a CodedError to refuse. Not called for routes that are public. */
  readonly authorize: (request: FastifyRequest, access: RouteAccess) => void | Promise<void>
  /** Every permission there is. A route that requires another one, which nobody could have, keeps the server from starting. */
  readonly permissions?: readonly string[]
  readonly observer?: HttpObserver
  /** Mutual TLS; without it or a certificate the server speaks plain HTTP. */
  readonly mutualTls?: MutualTls
  /** HTTPS for callers without a certificate of their own. */
  readonly certificate?: ServerCertificate
  /** Largest body, in bytes. Default 262 144. */
  readonly maxBodyBytes?: number
  /** For receiving a whole request. Default 30 s. */
  readonly requestTimeout?: Duration
  /** For receiving the head of a request, or the first byte of a connection. Default 10 s. */
  readonly headersTimeout?: Duration
  /** Open connections of one network (an IPv4 address, an IPv6 /64) that is no trusted proxy. Default: as many as come. */
  readonly connectionsPerNetwork?: number
  /** Addresses of proxies whose `x-forwarded-for` is believed. Default none. */
  readonly trustedProxies?: readonly string[]
  /** Which requests for another protocol are handed to the server's `upgrade` event; the others are answered as any. Default none. */
  readonly upgrades?: (request: IncomingMessage) => boolean
  /** Content-Security-Policy; the default lets a page do nothing. */
  readonly contentSecurityPolicy?: string
  /** Whose pages may call and read the answers (`originsIn`). Default none. */
  readonly allowedOrigins?: readonly string[]
}

/** A server without routes and not yet listening. `routesOf` lists what was declared on it. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const failures = new WeakMap<FastifyRequest, ErrorCode>()
  const startedAt = new WeakMap<FastifyRequest, number>()
  const server = fastify({
    logger: false,
    genReqId: (request) => correlationIdOf(request.headers),
    requestIdHeader: false,
    bodyLimit: options.maxBodyBytes ?? 262_144,
    trustProxy: options.trustedProxies === undefined ? false : [...options.trustedProxies],
    forceCloseConnections: 'idle',
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    routerOptions: { maxParamLength: 512 },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => void answerProblem(error, request, reply),
    serverFactory: (handler) => openServer(handler, options),
  }).withTypeProvider<TypeBoxTypeProvider>()

  server.removeContentTypeParser('text/plain')
  server.setValidatorCompiler(compileValidator)
  // Responses are serialized as they are: a schema documents them, it does not drop what it does not name.
  server.setSerializerCompiler(() => (value) => JSON.stringify(value))

  const routes: RouteOptions[] = []
  declaredRoutes.set(server, routes)
  server.addHook('onRoute', (route) => {
    routes.push(route)
  })
  server.addHook('onReady', async () => {
    const open = routes.filter((route) => route.config?.access === undefined).map((route) => route.url)
    if (open.length > 0) throw new Error(`routes without a declared access: ${open.join(', ')}`)
    const { permissions } = options
    if (permissions === undefined) return
    for (const { url, config } of routes) {
      const access = config?.access
      if (access?.kind !== 'permission' || permissions.includes(access.permission)) continue
      throw new Error(`${url} requires ${access.permission}, which is no permission`)
    }
  })

  server.addHook('onRequest', async (request, reply) => {
    startedAt.set(request, options.clock.now())
    reply.headers({ ...headersFor(request), [correlationHeader]: request.id })
    const methods = (): string[] => methodsAt(routes, pathOf(request))
    if (answerCrossOrigin(request, reply, { origins: options.allowedOrigins ?? [], methods })) return
    refuseAmbiguousHead(request)
    if (request.is404) return
    refuseEncodedBody(request)
    const access = request.routeOptions.config.access
    if (access === undefined) throw new CodedError('permission-denied', 'This route declares no access.')
    if (access.kind !== 'public') await options.authorize(request, access)
  })

  server.addHook('onResponse', async (request, reply) => {
    const start = startedAt.get(request)
    options.observer?.requestServed?.({
      method: request.method,
      route: request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched'),
      status: reply.statusCode,
      duration: start === undefined ? milliseconds(0) : between(start as never, options.clock.now()),
      correlationId: request.id,
      errorCode: failures.get(request),
    })
  })

  function headersFor(request: FastifyRequest): Readonly<Record<string, string>> {
    const { contentSecurityPolicy } = options
    return securityHeaders({ overTls: request.protocol === 'https', contentSecurityPolicy })
  }

  async function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const coded = withCode(error)
    const language = acceptedLanguage(request.headers['accept-language'])
    const problem = problemDocument(coded, { path: pathOf(request), correlationId: request.id, language })
    failures.set(request, problem.code)
    if (problem.status < 500 && isCodedError(coded)) {
      await options.observer?.requestRefused?.({ request, error: coded, status: problem.status })
    }
    if (problem.status >= 500) {
      const route = request.routeOptions.url ?? 'unmatched'
      options.observer?.requestFailed?.({ error, correlationId: request.id, route })
    }
    variesBy(reply, 'accept-language')
    // A path that does not decode is refused before any hook has run.
    const missing = reply.hasHeader('x-content-type-options') ? {} : headersFor(request)
    return reply
      .code(problem.status)
      .headers({ ...missing, ...problemHeaders(coded), 'content-language': language, [correlationHeader]: request.id })
      .type(problemContentType)
      .serializer((body: unknown) => JSON.stringify(body))
      .send(problem)
  }

  server.setErrorHandler(answerProblem)
  server.setNotFoundHandler((request) => {
    const allow = methodsAt(routes, pathOf(request))
    if (allow.length === 0) throw new CodedError('not-found', 'There is nothing at this address.')
    throw new CodedError('method-not-allowed', `Allowed here: ${allow.join(', ')}.`, { details: { allow } })
  })
  return server
}

const declaredRoutes = new WeakMap<object, readonly RouteOptions[]>()

/** Every route of the server with its declared access, one entry per method. HEAD goes with its GET. */
export function routesOf(server: HttpServer): readonly DeclaredRoute[] {
  return (declaredRoutes.get(server) ?? []).flatMap((route) =>
    [route.method]
      .flat()
      .filter((method) => method !== 'HEAD')
      .map((method) => ({ method, url: route.url, access: route.config?.access })),
  )
}

/** How long a stopping server waits for what is in flight before it cuts the connections. */
const closeGrace = seconds(20)

/** Takes no more connections, lets what is in flight finish, and ends the rest after 20 s. */
export async function closeGracefully(server: HttpServer, grace: Duration = closeGrace): Promise<void> {
  const cut = setTimeout(() => server.server.closeAllConnections(), grace)
  const closeUnused = (): void => {
    // Kept open for a next request, after the last answer was given.
    server.server.closeIdleConnections()
    // Opened ahead of a first request that has not come: Node takes these for busy.
    for (const socket of silentSockets.get(server.server) ?? []) socket.destroy()
  }
  const sweep = setInterval(closeUnused, 50)
  try {
    await server.close()
  } finally {
    clearTimeout(cut)
    clearInterval(sweep)
  }
}

const silentSockets = new WeakMap<Server, ReadonlySet<Socket>>()

/** @param event what the server calls a connection on which requests come: on TLS the one after the handshake. */
function rememberSilentSockets(server: Server, event: 'connection' | 'secureConnection'): void {
  const silent = new Set<Socket>()
  silentSockets.set(server, silent)
  server.on(event, (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  server.on('request', ({ socket }: IncomingMessage) => silent.delete(socket))
  server.on('upgrade', ({ socket }: IncomingMessage) => silent.delete(socket))
}

function openServer(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  options: HttpServerOptions,
): Server {
  const limits = {
    requestTimeout: options.requestTimeout ?? seconds(30),
    headersTimeout: options.headersTimeout ?? seconds(10),
    // How late a time-out may be noticed; Node's own 30 s would be three times the time-out.
    connectionsCheckingInterval: seconds(1),
    keepAliveTimeout: seconds(72),
    maxHeaderSize: 16_384,
    requireHostHeader: true,
    insecureHTTPParser: false,
    rejectNonStandardBodyWrites: true,
    shouldUpgradeCallback: options.upgrades ?? (() => false),
  }
  const tls = options.mutualTls ?? options.certificate
  if (tls === undefined) return prepared(createPlainServer(limits, handler), 'connection', options)
  const handshake = { handshakeTimeout: seconds(10) }
  const server = createTlsServer({ ...limits, ...handshake, ...tls.serverOptions() }, handler)
  tls.serve(server)
  return prepared(server, 'secureConnection', options)
}

function prepared(server: Server, event: 'connection' | 'secureConnection', options: HttpServerOptions): Server {
  rememberSilentSockets(server, event)
  server.on('checkExpectation', refuseExpectation)
  const { connectionsPerNetwork: perNetwork, trustedProxies: exempt = [], observer } = options
  if (perNetwork !== undefined) {
    limitConnections(server, { perNetwork, exempt, refused: () => observer?.connectionRefused?.() })
  }
  return server
}

/** What Node's parser lets pass: HTTP/0.9, and a second Host, of which a proxy may have believed the other (RFC 9112 section 3.2). */
function refuseAmbiguousHead({ raw }: FastifyRequest): void {
  if (raw.httpVersionMajor !== 1) throw new CodedError('malformed-request', 'Speak HTTP/1.1.')
  let hosts = 0
  for (let index = 0; index < raw.rawHeaders.length; index += 2) {
    if (raw.rawHeaders[index]?.toLowerCase() === 'host') hosts += 1
  }
  if (hosts > 1) throw new CodedError('malformed-request', 'Send one Host.')
}

/** A body may be small on the wire and huge when it is decoded: none is decoded. */
function refuseEncodedBody(request: FastifyRequest): void {
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return
  throw new CodedError('unsupported-content-format', 'Send the body without a content encoding.')
}

function methodsAt(routes: readonly RouteOptions[], path: string): string[] {
  const methods = routes.filter((route) => patternOf(route.url).test(path)).flatMap((route) => [route.method].flat())
  return [...new Set(methods)].sort()
}

function patternOf(url: string): RegExp {
  const source = url
    .split('/')
    .map((segment) => {
      if (segment === '*') return '.*'
      if (segment.startsWith(':')) return '[^/]+'
      return segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    })
    .join('/')
  return new RegExp(`^${source}$`)
}

const pathOf = (request: FastifyRequest): string => request.url.split('?', 1)[0] ?? '/'

/** Fastify's own refusals by our codes; every other error without a code stays what it is and becomes `internal`. */
function withCode(error: unknown): unknown {
  if (isCodedError(error) || !isFastifyError(error)) return error
  const known = frameworkCodes[error.code]
  if (known !== undefined) return new CodedError(known, error.message, { cause: error })
  const status = error.statusCode ?? 500
  return status >= 400 && status < 500 ? new CodedError('malformed-request', error.message, { cause: error }) : error
}

const isFastifyError = (error: unknown): error is FastifyError =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'

const frameworkCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-content-format',
  FST_ERR_CTP_BODY_TOO_LARGE: 'request-too-large',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed-request',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed-request',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed-request',
  FST_ERR_BAD_URL: 'malformed-request',
  FST_ERR_MAX_PARAM_LENGTH: 'not-found',
}
