/**
 * The client of the HTTP API: one call for each operation of the OpenAPI document, with its types.
 *
 * It brings the token, and a new one when that has ended; an `Idempotency-Key` for what takes one; patience with a server that
 * asks for it; and errors that a program can act on. It runs where there is `fetch`. It follows no redirect: a token, or a
 * password, goes to the server that it was meant for.
 */

import { type ApiProblem, hasProblemCode, isApiProblem, problemOf, ServerUnreachable } from './api-problem.ts'
import { eventStreamParts } from './event-stream.ts'
import { type HttpRequest, httpRequest } from './http-request.ts'
import { type OperationDefinition, type OperationTypes, operations } from './operations.ts'
import { pauseBefore, retryAfterSeconds } from './retry.ts'
import type { TokenSource } from './token-source.ts'

export type OperationName = keyof OperationTypes
export type RequestOf<Name extends OperationName> = OperationTypes[Name]['request']
export type BodyOf<Name extends OperationName> = OperationTypes[Name]['answer']['body']

/** `status` tells which body it is, where there are several. */
export type AnswerOf<Name extends OperationName> = OperationTypes[Name]['answer'] & {
  /** For `ifMatch` of a change. */
  readonly etag: string | undefined
  readonly correlationId: string | undefined
}

export type PagedOperation = {
  [Name in OperationName]: (typeof operations)[Name]['answers'] extends 'page' ? Name : never
}[OperationName]

/** Answers as lines of JSON, of any number. */
export type LinesOperation = {
  [Name in OperationName]: (typeof operations)[Name]['answers'] extends 'lines' ? Name : never
}[OperationName]

export type ItemOf<Name extends PagedOperation> =
  BodyOf<Name> extends { readonly items: readonly (infer Item)[] } ? Item : never

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds for one attempt, instead of the client's. */
  readonly timeout?: number | undefined
  /** A UUID to find the request by, in logs and audit trail. */
  readonly correlationId?: string | undefined
}

type Arguments<Name extends OperationName> =
  Record<string, never> extends RequestOf<Name>
    ? [request?: RequestOf<Name>, options?: CallOptions]
    : [request: RequestOf<Name>, options?: CallOptions]

export interface Client {
  /** @throws ApiProblem, ServerUnreachable; the signal's reason when it aborts. */
  call<Name extends OperationName>(name: Name, ...args: Arguments<Name>): Promise<AnswerOf<Name>>
  /** All items from page to page, fetched as they are asked for; `limit` is the size of a page. Throws as `call`. */
  items<Name extends PagedOperation>(name: Name, ...args: Arguments<Name>): AsyncGenerator<ItemOf<Name>>
  /**
   * The lines of the answer as they come, as text; `timeout` bounds the wait for the first. A connection that breaks is an error, and
   * nothing is asked for again. Throws as `call`.
   */
  lines<Name extends LinesOperation>(name: Name, ...args: Arguments<Name>): AsyncGenerator<string>
  /**
   * Live events, from now on or after `lastEventId`. A feed that ends or breaks is followed on where it was, until the signal
   * aborts, which ends the iteration. Throws as `call` when the feed is refused.
   */
  events(request?: RequestOf<'followEvents'>, options?: CallOptions): AsyncGenerator<LiveEvent>
}

export type LiveEvent =
  | { readonly kind: 'event'; readonly id: string; readonly topic: string; readonly data: unknown }
  /** Events are lost: the present state has to be read. */
  | { readonly kind: 'reset'; readonly reason: string }

/** What is used of `fetch`: Node's, a browser's, or undici's with another trust. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchedResponse>

export interface FetchInit {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: string
  readonly signal: AbortSignal
  readonly redirect: 'manual'
}

export interface FetchedResponse {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  readonly body: AsyncIterable<Uint8Array> | null
  text(): Promise<string>
}

export interface ClientOptions {
  /** `https://host[:port]`, with a path when the API stands under one. */
  readonly baseUrl: string
  readonly tokens?: TokenSource | undefined
  readonly fetch?: Fetch | undefined
  /** Milliseconds for one attempt. Default 30 000. */
  readonly timeout?: number | undefined
  /** Attempts after the first. Default 3. */
  readonly retries?: number | undefined
  /** Milliseconds that a call waits between its attempts in all; a server that asks for more has its problem thrown. Default 60 000. */
  readonly patience?: number | undefined
  readonly userAgent?: string | undefined
  /** Ends every call that has no signal of its own. */
  readonly signal?: AbortSignal | undefined
  /** Told before each pause. */
  readonly onWait?: ((milliseconds: number, cause: unknown) => void) | undefined
}

/** Four heartbeats of the server. */
const longestSilence = 60_000
const longestPause = 30_000
const pageSize = 200

export function createClient(options: ClientOptions): Client {
  const { tokens, retries = 3, timeout = 30_000, patience = 60_000, onWait } = options
  const fetchOnce: Fetch = options.fetch ?? fetch
  const withOurs = (own: CallOptions): CallOptions => ({ signal: options.signal, ...own })

  async function open(
    definition: OperationDefinition,
    request: HttpRequest,
    callOptions: CallOptions,
  ): Promise<FetchedResponse> {
    let token = definition.authenticated ? await tokens?.token() : undefined
    let waited = 0
    let isRenewed = false
    for (let attempt = 1; ; ) {
      try {
        return await attemptOnce(
          request,
          token,
          callOptions,
          definition.answers === 'events' || definition.answers === 'lines',
        )
      } catch (error) {
        if (
          token !== undefined &&
          !isRenewed &&
          hasProblemCode(error, 'token-expired', 'token-revoked', 'token-invalid')
        ) {
          isRenewed = true
          token = await tokens?.renew(token)
          if (token === undefined) throw error
          continue
        }
        const pause = pauseBefore(attempt, error, definition, Math.random())
        if (pause === undefined || attempt > retries || waited + pause > patience) throw error
        onWait?.(pause, error)
        await sleep(pause, callOptions.signal)
        waited += pause
        attempt += 1
      }
    }
  }

  async function attemptOnce(
    request: HttpRequest,
    token: string | undefined,
    callOptions: CallOptions,
    streamed: boolean,
  ): Promise<FetchedResponse> {
    const expiry = new AbortController()
    const limit = callOptions.timeout ?? timeout
    const timer = setTimeout(() => expiry.abort(), limit)
    const signals = callOptions.signal === undefined ? [expiry.signal] : [expiry.signal, callOptions.signal]
    try {
      const response = await fetchOnce(request.url, {
        method: request.method,
        headers: {
          ...request.headers,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(options.userAgent === undefined ? {} : { 'user-agent': options.userAgent }),
          ...(callOptions.correlationId === undefined ? {} : { 'x-correlation-id': callOptions.correlationId }),
        },
        ...(request.body === undefined ? {} : { body: request.body }),
        signal: AbortSignal.any(signals),
        redirect: 'manual',
      })
      if (streamed && response.status === 200) return response
      // Read here, under the same limit.
      const text = await response.text()
      if (response.status < 200 || response.status > 299) throw refusal(response, text)
      return { status: response.status, headers: response.headers, body: null, text: async () => text }
    } catch (error) {
      callOptions.signal?.throwIfAborted()
      if (isApiProblem(error)) throw error
      throw unreachable(options.baseUrl, error, expiry.signal.aborted ? limit : undefined)
    } finally {
      clearTimeout(timer)
    }
  }

  async function call(name: OperationName, request: object = {}, own: CallOptions = {}) {
    const callOptions = withOurs(own)
    const definition: OperationDefinition = operations[name]
    const given: Readonly<Record<string, unknown>> = { ...request }
    const withKey = definition.once ? { ...given, idempotencyKey: given.idempotencyKey ?? crypto.randomUUID() } : given
    const response = await open(definition, httpRequest(options.baseUrl, definition, withKey), callOptions)
    const text = await response.text()
    return {
      status: response.status,
      body: text === '' ? undefined : jsonIn(response, text),
      etag: response.headers.get('etag') ?? undefined,
      correlationId: response.headers.get('x-correlation-id') ?? undefined,
    }
  }

  async function* items(name: PagedOperation, request: object = {}, callOptions: CallOptions = {}) {
    let cursor: string | undefined
    for (;;) {
      const page = { limit: pageSize, ...request, ...(cursor === undefined ? {} : { cursor }) }
      const { body } = await call(name, page, callOptions)
      const { items: found, nextCursor } = body as { items: readonly unknown[]; nextCursor: string | null }
      yield* found
      if (nextCursor === null || nextCursor === cursor) return
      cursor = nextCursor
    }
  }

  async function* lines(name: LinesOperation, request: object = {}, own: CallOptions = {}) {
    const callOptions = withOurs(own)
    const definition: OperationDefinition = operations[name]
    const response = await open(definition, httpRequest(options.baseUrl, definition, { ...request }), callOptions)
    const decoder = new TextDecoder()
    let begun = ''
    try {
      for await (const chunk of response.body ?? nothing()) {
        const parts = `${begun}${decoder.decode(chunk, { stream: true })}`.split('\n')
        begun = parts.pop() ?? ''
        yield* parts
      }
    } catch (error) {
      callOptions.signal?.throwIfAborted()
      throw unreachable(options.baseUrl, error, undefined)
    }
    if (begun !== '') yield begun
  }

  async function* events(request: RequestOf<'followEvents'> = {}, own: CallOptions = {}): AsyncGenerator<LiveEvent> {
    const callOptions = withOurs(own)
    const definition: OperationDefinition = operations.followEvents
    let lastEventId = request.lastEventId
    let pause = 2_000
    let wasOpen = false
    for (;;) {
      // Each feed has a signal of its own: a silent one is left.
      const silence = new AbortController()
      const signals = callOptions.signal === undefined ? [silence.signal] : [silence.signal, callOptions.signal]
      let cause: unknown
      try {
        const http = httpRequest(options.baseUrl, definition, { ...request, lastEventId })
        const response = await open(definition, http, { ...callOptions, signal: AbortSignal.any(signals) })
        wasOpen = true
        for await (const part of withoutLongSilence(eventStreamParts(response.body ?? nothing()), silence)) {
          if (part.kind === 'retry') pause = part.after
          if (part.kind !== 'event') continue
          const data: unknown = JSON.parse(part.data)
          if (part.name === 'end') break
          if (part.name === 'reset') yield { kind: 'reset', reason: reasonIn(data) }
          else {
            lastEventId = part.id
            yield { kind: 'event', id: part.id, topic: part.name, data }
          }
        }
      } catch (error) {
        if (callOptions.signal?.aborted === true) return
        // Refused, or never reached: no feed to go on with. Later, what was there is waited for.
        if (!wasOpen || !mayPass(error)) throw error
        cause = error
      } finally {
        silence.abort()
      }
      if (callOptions.signal?.aborted === true) return
      const wait = Math.min(longestPause, pause * (0.5 + Math.random()))
      onWait?.(wait, cause)
      try {
        await sleep(wait, callOptions.signal)
      } catch {
        return
      }
    }
  }

  // The table has made the types: what an operation answers is what its document says.
  return { call, items, lines, events } as unknown as Client
}

/** Whether a feed that was open may come back: not when it is refused, nor when it sends what is no event. */
const mayPass = (error: unknown): boolean =>
  isApiProblem(error)
    ? error.status >= 500 || error.status === 429
    : !(error instanceof SyntaxError || error instanceof RangeError)

async function* withoutLongSilence<Part>(parts: AsyncIterable<Part>, silence: AbortController): AsyncGenerator<Part> {
  let timer = setTimeout(() => silence.abort(), longestSilence)
  try {
    for await (const part of parts) {
      clearTimeout(timer)
      yield part
      timer = setTimeout(() => silence.abort(), longestSilence)
    }
  } finally {
    clearTimeout(timer)
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

const reasonIn = (data: unknown): string =>
  typeof data === 'object' && data !== null && 'reason' in data ? String(data.reason) : 'unknown'

function refusal(response: FetchedResponse, text: string): ApiProblem {
  return problemOf({
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    correlationId: response.headers.get('x-correlation-id') ?? undefined,
    retryAfterSeconds: retryAfterSeconds(response.headers.get('retry-after'), Date.now()),
    text,
  })
}

/** @throws ApiProblem `unexpected-answer`. */
function jsonIn(response: FetchedResponse, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw refusal(response, '')
  }
}

/** Failures of which it is known that no byte of a request went out. */
const neverSentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

function unreachable(baseUrl: string, error: unknown, limit: number | undefined): ServerUnreachable {
  if (limit !== undefined) {
    return new ServerUnreachable(`${baseUrl} did not answer within ${limit / 1000} s.`, {
      cause: error,
      neverSent: false,
    })
  }
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : undefined
  const said = cause instanceof Error && cause.message !== '' ? cause.message : (code ?? String(cause))
  return new ServerUnreachable(`${baseUrl} could not be reached: ${said}.`, {
    cause: error,
    neverSent: code !== undefined && neverSentCodes.has(code),
  })
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason)
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
