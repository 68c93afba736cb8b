/**
 * How many requests one caller may make in a minute: a person, an API key, or a network where nobody is known yet. Counted in Redis for all
 * processes; said in every answer by `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10), and with 429
 * by `Retry-After`.
 *
 * While Redis cannot be reached nobody is limited: the limit protects neighbours, and is no lock.
 */

import { type Clock, inSeconds, milliseconds, minutes, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { RedisConnection } from '@sallyport/events'
import {
  acceptedLanguage,
  CircuitBreaker,
  callerNetwork,
  type HttpServer,
  problemDocument,
  problemHeaders,
} from '@sallyport/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Caller, callerIdOf, knownCallerOf } from './caller.ts'

export interface RequestLimit {
  readonly perMinute: number
  /**
   * Counts a request.
   * @param most what this caller may make, where it is less than others may.
   * @returns undefined: Redis does not answer.
   */
  count(caller: string, most?: number): Promise<RequestQuota | undefined>
}

export interface RequestQuota {
  readonly perMinute: number
  readonly remaining: number
  /** Whether this request is one too many. */
  readonly exceeded: boolean
  /** Whole seconds until the count begins anew; at least 1. */
  readonly resetAfter: number
}

const window = minutes(1)

const countScript = `
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return { count, redis.call('PTTL', KEYS[1]) }
`

export function redisRequestLimit(
  redis: RedisConnection,
  options: { readonly perMinute: number; readonly clock: Clock },
): RequestLimit {
  const { clock } = options
  // A Redis that hangs costs a second for each command: after three it is not asked for a moment.
  const breaker = new CircuitBreaker({ clock, threshold: 3, pause: seconds(1) })
  return {
    perMinute: options.perMinute,
    async count(caller, most = options.perMinute) {
      const perMinute = Math.min(most, options.perMinute)
      if (!breaker.admit()) return undefined
      try {
        const [count, left] = readCount(
          await redis.eval(countScript, 1, `sallyport:requests:${caller}`, String(window)),
        )
        breaker.succeeded()
        return {
          perMinute,
          remaining: Math.max(0, perMinute - count),
          exceeded: count > perMinute,
          resetAfter: Math.max(1, inSeconds(milliseconds(left))),
        }
      } catch {
        breaker.failed()
        return undefined
      }
    },
  }
}

/**
 * To be called before the routes are registered. A request that authorization refuses is counted for its network all the same:
 * whoever tries tokens is nobody's neighbour.
 */
export function limitRequests(server: HttpServer, { requestLimit }: { readonly requestLimit: RequestLimit }): void {
  const counted = new WeakSet<FastifyRequest>()
  const count = async (request: FastifyRequest, reply: FastifyReply): Promise<CodedError | undefined> => {
    counted.add(request)
    const caller = knownCallerOf(request)
    const quota = await requestLimit.count(callerNameOf(request, caller), requestsOf(caller))
    if (quota === undefined) return undefined
    const { perMinute, remaining, exceeded, resetAfter } = quota
    reply.headers({
      'ratelimit-policy': `"requests";q=${perMinute};w=${inSeconds(window)}`,
      ratelimit: `"requests";r=${remaining};t=${resetAfter}`,
    })
    if (!exceeded) return undefined
    return new CodedError('rate-limited', `More than ${perMinute} requests in a minute.`, {
      details: { retryAfterSeconds: resetAfter },
    })
  }

  server.addHook('onRequest', async (request, reply) => {
    const refusal = await count(request, reply)
    if (refusal !== undefined) throw refusal
  })

  server.addHook('onSend', async (request, reply, payload) => {
    if (counted.has(request) || reply.statusCode < 400) return payload
    const refusal = await count(request, reply)
    if (refusal === undefined) return payload
    const language = acceptedLanguage(request.headers['accept-language'])
    const path = request.url.split('?', 1)[0] ?? '/'
    const problem = problemDocument(refusal, { path, correlationId: request.id, language })
    reply.removeHeader('www-authenticate')
    reply.code(problem.status).headers(problemHeaders(refusal))
    return JSON.stringify(problem)
  })
}

/** A key's requests are not its maker's: a program gone wild leaves the person theirs. */
function callerNameOf(request: FastifyRequest, caller: Caller | undefined): string {
  if (caller === undefined) return `network:${callerNetwork(request.ip)}`
  return `${caller.kind === 'person' ? 'user' : 'api-key'}:${callerIdOf(caller)}`
}

const requestsOf = (caller: Caller | undefined): number | undefined =>
  caller?.kind === 'api-key' ? caller.requestsPerMinute : undefined

function readCount(answer: unknown): readonly [count: number, left: number] {
  const [count, left] = Array.isArray(answer) ? answer : []
  if (typeof count !== 'number' || typeof left !== 'number') throw new Error('the script answered something else')
  return [count, left]
}
