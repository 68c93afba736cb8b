/**
 * Refused access in the audit trail: `access.refused` for every 401, 403 and 429 that somebody was answered, and for a role
 * that does not exist. A request without any credential is none: nobody claimed to be anybody.
 *
 * Who knocks must not be able to fill the trail. Each caller gets some events a minute for each code, the whole process some
 * more; what is beyond is counted, and stands at the end of the minute in one event for the caller and the code, or, once the
 * whole process had its share, for the code alone. A refusal is answered once its event is committed. An event that could not be
 * written makes nobody come in, and is counted with those that were left out.
 */

import { randomUUID } from 'node:crypto'
import type { AuditActor } from '@sallyport/audit'
import { type Clock, type Duration, type Instant, later, minutes } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import type { CodedError, ErrorCode } from '@sallyport/errors'
import { callerNetwork, type RefusedRequest } from '@sallyport/http'
import type { AccessRefusal, Store } from '@sallyport/store'
import type { FastifyRequest } from 'fastify'
import { type IdentifiedCaller, identifiedBehind } from './identified-caller.ts'

export interface RefusalTrail {
  /** Resolves once the refusal is in the trail or counted; never rejects. */
  record(refusal: RefusedRequest): Promise<void>
  /** Writes what was left out. */
  close(): Promise<void>
}

export interface RefusalTrailOptions {
  readonly store: Pick<Store, 'auditEvents'>
  readonly clock: Clock
  readonly log: Logger
  /** Events a minute for one caller and code. Default 10. */
  readonly perCaller?: number
  /** Events a minute of this process. Default 300. */
  readonly perProcess?: number
  /** Default 1 min. */
  readonly period?: Duration
}

interface Tally {
  readonly refusal: AccessRefusal
  events: number
  leftOut: number
}

/** Refusals of one transaction. */
const batch = 50

/** `user.login` and `user.refresh-token-reused` say the same and more. */
const haveEventsOfTheirOwn: ReadonlySet<ErrorCode> = new Set(['token-missing', 'invalid-credentials'])
const refusedStatus: ReadonlySet<number> = new Set([401, 403, 429])

export function openRefusalTrail(options: RefusalTrailOptions): RefusalTrail {
  const { store, clock, log, perCaller = 10, perProcess = 300, period = minutes(1) } = options
  let tallies = new Map<string, Tally>()
  let events = 0
  let endsAt: Instant | undefined
  let waiting: { readonly refusal: AccessRefusal; readonly tally: Tally; readonly written: () => void }[] = []
  let writing: Promise<void> | undefined
  let failing = false

  const tallyOf = (key: string, refusal: AccessRefusal): Tally => {
    const known = tallies.get(key)
    if (known !== undefined) return known
    const tally = { refusal, events: 0, leftOut: 0 }
    tallies.set(key, tally)
    return tally
  }

  async function write(refusals: readonly AccessRefusal[]): Promise<boolean> {
    try {
      await store.auditEvents.recordRefusals(refusals)
      if (failing) log.info({}, 'refusals are in the audit trail again')
      failing = false
      return true
    } catch (error) {
      if (!failing) log.warn({ err: error }, 'refusals are not in the audit trail: they are counted until they can be')
      failing = true
      return false
    }
  }

  /** One transaction at a time: who is refused takes no more than one connection from the others. */
  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const taken = waiting.slice(0, batch)
      waiting = waiting.slice(batch)
      const written = await write(taken.map(({ refusal }) => refusal))
      for (const { tally, written: done } of taken) {
        if (!written) tally.leftOut += 1
        done()
      }
    }
  }

  async function sumUp(): Promise<void> {
    const before = tallies
    tallies = new Map()
    events = 0
    endsAt = undefined
    const left = [...before.values()].filter(({ leftOut }) => leftOut > 0)
    for (let from = 0; from < left.length; from += batch) {
      const part = left.slice(from, from + batch)
      const summed = part.map(({ refusal, leftOut }) => ({ ...refusal, correlationId: randomUUID(), leftOut }))
      if (await write(summed)) continue
      for (const { refusal, leftOut } of part)
        tallyOf(keyOf(undefined, refusal.code), anybody(refusal)).leftOut += leftOut
      endsAt ??= later(clock.now(), period)
    }
  }

  const timer = setInterval(
    () => {
      if (endsAt !== undefined && clock.now() >= endsAt) void sumUp()
    },
    Math.min(period, 1000),
  )
  timer.unref()

  return {
    async record({ request, error, status }) {
      if (!isAudited(error.code, status)) return
      const identified = identifiedBehind(request)
      if (identified?.hasEvent === true) return
      endsAt ??= later(clock.now(), period)
      const refusal = refusalOf(request, error, identified)
      const caller = identified?.apiKeyId ?? identified?.userId ?? callerNetwork(request.ip)
      const known = tallies.get(keyOf(caller, error.code))
      if (events >= perProcess || (known?.events ?? 0) >= perCaller) {
        // A caller that has no tally yet gets none any more: there are never more tallies than events, and one for each code.
        const tally = known ?? tallyOf(keyOf(undefined, error.code), anybody(refusal))
        tally.leftOut += 1
        return
      }
      const tally = known ?? tallyOf(keyOf(caller, error.code), refusal)
      tally.events += 1
      events += 1
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.push({ refusal, tally, written: resolve })
      writing ??= drain().finally(() => {
        writing = undefined
      })
      await promise
    },
    async close() {
      clearInterval(timer)
      await writing
      await sumUp()
    },
  }
}

const isAudited = (code: ErrorCode, status: number): boolean =>
  code === 'role-not-found' || (refusedStatus.has(status) && !haveEventsOfTheirOwn.has(code))

const keyOf = (caller: string | undefined, code: ErrorCode): string => `${code} ${caller ?? ''}`

const nobodyKnown: AuditActor = { kind: 'user', id: 'unknown' }

/** What stands for the callers of whom none had an event. */
const anybody = ({ code, correlationId }: AccessRefusal): AccessRefusal => ({
  code,
  correlationId,
  route: 'any',
  actor: nobodyKnown,
})

const actorOf = ({ userId, apiKeyId }: IdentifiedCaller): AuditActor =>
  apiKeyId === undefined ? { kind: 'user', id: userId } : { kind: 'api-key', id: apiKeyId }

function refusalOf(
  request: FastifyRequest,
  { code, details }: CodedError,
  identified: ReturnType<typeof identifiedBehind>,
): AccessRefusal {
  const { permission, policy } = details
  return {
    code,
    route: `${request.method} ${request.routeOptions.url ?? 'unmatched'}`,
    actor: identified === undefined ? nobodyKnown : actorOf(identified),
    organizationId: identified?.organizationId,
    address: request.ip,
    correlationId: request.id,
    permission: typeof permission === 'string' ? permission : undefined,
    policy: typeof policy === 'string' ? policy : undefined,
  }
}
