/**
 * `Idempotency-Key`: a request that is repeated because its answer was lost gets that answer, and nothing is done again.
 *
 * The key is written in the transaction of the act (`ActContext.once`), so that neither a crash nor two requests at once make
 * two of anything. The answer is kept sealed, since it may hold what is shown once, for as long as the key: 24 h.
 *
 * Keys belong to their caller. A request that has done nothing leaves its key free; one that has done something and still came
 * to no good, like a command that the device refused, is answered the same again.
 */

import { createHash, randomUUID } from 'node:crypto'
import { canonicalJson } from '@sallyport/audit'
import { fromUtf8, utf8 } from '@sallyport/bytes'
import { between, type Clock, seconds, toRfc3339 } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError, isCodedError } from '@sallyport/errors'
import type { SealingKey } from '@sallyport/hsm'
import { acceptedLanguage, type HttpServer, problemDocument, problemHeaders } from '@sallyport/http'
import type { DoneOnce, IdempotencyKey, Store } from '@sallyport/store'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { callerIdOf, callerOf, rememberKey } from './caller.ts'
import { readJsonValue } from './json-value.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Takes an `Idempotency-Key`. */
    once?: boolean
  }
}

export interface IdempotencyOptions {
  readonly store: Pick<Store, 'idempotencyKeys'>
  readonly sealingKey: Pick<SealingKey, 'seal' | 'open'>
  readonly clock: Clock
  readonly log: Logger
}

interface KeptAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** An answer that has not come by then will not: the process that was to give it has ended. */
const longestAnswer = seconds(60)
const keptHeaders = ['content-type', 'content-language', 'location', 'etag'] as const

export const idempotencyKeyHeader = {
  type: 'string',
  maxLength: 255,
  description:
    'A name of your own for this request (a UUID is a good one). Repeated with it within 24 h, the request gets the answer that it got.',
} as const

export function answerRepeats(server: HttpServer, options: IdempotencyOptions): void {
  const { store, sealingKey, clock, log } = options
  const fresh = new WeakMap<FastifyRequest, IdempotencyKey>()

  server.addHook('preHandler', async (request, reply) => {
    if (request.routeOptions.config.once !== true) return
    const key = keyOf(request)
    if (key === undefined) return
    const done = await store.idempotencyKeys.find(key)
    if (done === undefined) {
      fresh.set(request, key)
      rememberKey(request, key)
      return
    }
    const answer = await answerOf(key, done)
    await replay(reply, answer)
      .serializer((body: unknown) => String(body))
      .send(answer.body)
  })

  server.addHook('onSend', async (request, reply, payload) => {
    const key = fresh.get(request)
    if (key === undefined || typeof payload !== 'string') return payload
    const done = reply.statusCode < 300 ? undefined : await store.idempotencyKeys.find(key).catch(() => undefined)
    if (reply.statusCode < 300 || done?.attempt === key.attempt) {
      await keep(key, reply, payload, request.id)
      return payload
    }
    if (done === undefined) return payload
    // Of two at once, the later one may have failed on what the first has made, before it came to the key.
    try {
      const answer = await answerOf(key, done)
      replay(reply, answer)
      return answer.body
    } catch (error) {
      if (!isCodedError(error)) throw error
      const path = request.url.split('?', 1)[0] ?? '/'
      const language = acceptedLanguage(request.headers['accept-language'])
      const problem = problemDocument(error, { path, correlationId: request.id, language })
      reply.code(problem.status).headers({ ...problemHeaders(error), 'content-language': language })
      return JSON.stringify(problem)
    }
  })

  async function keep(key: IdempotencyKey, reply: FastifyReply, body: string, correlationId: string): Promise<void> {
    const headers = keptHeaders.flatMap((name) => {
      const value = reply.getHeader(name)
      return value === undefined ? [] : [[name, String(value)]]
    })
    const answer: KeptAnswer = { status: reply.statusCode, headers: Object.fromEntries(headers), body }
    try {
      const sealed = await sealingKey.seal(utf8(JSON.stringify(answer)), sealingContext(key))
      await store.idempotencyKeys.keepAnswer(key, sealed)
    } catch (error) {
      log.warn({ correlationId, err: error }, 'an answer could not be kept for a repeated request')
    }
  }

  /** @throws CodedError `idempotency-key-reused`, `idempotency-in-progress`, `idempotency-answer-lost` */
  async function answerOf(key: IdempotencyKey, done: DoneOnce): Promise<KeptAnswer> {
    if (done.fingerprint !== key.fingerprint) {
      throw new CodedError('idempotency-key-reused', 'This Idempotency-Key came with another request before.')
    }
    if (done.sealedAnswer !== undefined) return openAnswer(key, done.sealedAnswer)
    if (between(done.at, clock.now()) < longestAnswer) {
      throw new CodedError(
        'idempotency-in-progress',
        'The first request with this Idempotency-Key is not answered yet.',
        { details: { retryAfterSeconds: 1 } },
      )
    }
    const { kind, id } = done.subject
    throw new CodedError('idempotency-answer-lost', `It was done at ${toRfc3339(done.at)}: see ${kind} ${id}.`)
  }

  async function openAnswer(key: IdempotencyKey, sealed: Uint8Array): Promise<KeptAnswer> {
    const opened = await sealingKey.open(sealed, sealingContext(key))
    return JSON.parse(fromUtf8(opened)) as KeptAnswer
  }
}

const replay = (reply: FastifyReply, { status, headers }: KeptAnswer): FastifyReply =>
  reply.code(status).headers({ ...headers, 'idempotency-replayed': 'true' })

/** @throws CodedError `malformed-request` */
function keyOf(request: FastifyRequest): IdempotencyKey | undefined {
  const given = request.headers['idempotency-key']
  if (given === undefined) return undefined
  // A string in quotes, as the draft has it (RFC 9651 section 3.3.3), or bare, as most send it.
  const key =
    typeof given === 'string' ? /^(?:"([\x20-\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255}))$/.exec(given) : null
  if (key === null) {
    throw new CodedError('malformed-request', 'Idempotency-Key: send 1 to 255 visible ASCII characters, once.')
  }
  const caller = callerOf(request)
  const asked = `${request.method}\n${request.url}\n${canonicalJson(readJsonValue(request.body ?? null))}`
  return {
    organizationId: caller.organizationId,
    callerId: callerIdOf(caller),
    keySha256: sha256(key[1] ?? key[2] ?? ''),
    fingerprint: sha256(asked),
    attempt: randomUUID(),
  }
}

/** Bound to the key and to what was asked: an answer cannot be passed off as that to something else. */
const sealingContext = ({ organizationId, callerId, keySha256, fingerprint }: IdempotencyKey): Uint8Array =>
  utf8(`sallyport answer ${organizationId} ${callerId} ${keySha256} ${fingerprint}`)

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
