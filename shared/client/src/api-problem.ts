/** What a call comes to when it is not answered as asked: a problem document (RFC 9457) of the server, or no answer at all. */

import type { ErrorCode } from '@sallyport/errors'
import type { Problem } from './operations.ts'

/** A server may be newer than its client: its code may be one that the client does not know. */
export type ProblemCode = ErrorCode | 'unexpected-answer' | (string & Record<never, never>)

/** The server refused, or failed. `message` is the detail of its problem document. */
export class ApiProblem extends Error {
  readonly code: ProblemCode
  /** The same for each problem of the code. */
  readonly title: string
  readonly status: number
  /** The name of the request in the server's logs and audit trail; undefined when the answer did not carry one. */
  readonly correlationId: string | undefined
  readonly details: Readonly<Record<string, unknown>>
  /** Seconds that the server asked to wait. */
  readonly retryAfterSeconds: number | undefined

  constructor(problem: {
    readonly code: ProblemCode
    readonly title: string
    readonly detail: string
    readonly status: number
    readonly correlationId: string | undefined
    readonly details: Readonly<Record<string, unknown>>
    readonly retryAfterSeconds: number | undefined
  }) {
    super(problem.detail)
    this.name = 'ApiProblem'
    this.code = problem.code
    this.title = problem.title
    this.status = problem.status
    this.correlationId = problem.correlationId
    this.details = problem.details
    this.retryAfterSeconds = problem.retryAfterSeconds
  }
}

export const isApiProblem = (error: unknown): error is ApiProblem => error instanceof ApiProblem

/** True for an `ApiProblem` with one of the codes. */
export const hasProblemCode = (error: unknown, ...codes: readonly ErrorCode[]): error is ApiProblem =>
  isApiProblem(error) && codes.some((code) => code === error.code)

/** No answer came: the server is not there, or not in time. Whether the request was carried out is not known. */
export class ServerUnreachable extends Error {
  /** True when no connection came about, so that nothing was carried out. */
  readonly neverSent: boolean

  constructor(message: string, options: { readonly cause: unknown; readonly neverSent: boolean }) {
    super(message, { cause: options.cause })
    this.name = 'ServerUnreachable'
    this.neverSent = options.neverSent
  }
}

export const isServerUnreachable = (error: unknown): error is ServerUnreachable => error instanceof ServerUnreachable

/** What an answer tells beside its body. */
export interface RefusedAnswer {
  readonly status: number
  readonly contentType: string
  readonly correlationId: string | undefined
  readonly retryAfterSeconds: number | undefined
  readonly text: string
}

export function problemOf(answer: RefusedAnswer): ApiProblem {
  const { status, correlationId, retryAfterSeconds } = answer
  const document = problemDocumentIn(answer)
  if (document === undefined) {
    return new ApiProblem({
      code: 'unexpected-answer',
      title: 'The answer is none of this API.',
      detail: `The server answered ${status} without a problem document; is this the address of a Sallyport server?`,
      ...{ status, correlationId, retryAfterSeconds, details: {} },
    })
  }
  return new ApiProblem({
    code: document.code,
    title: document.title,
    detail: document.detail,
    status,
    correlationId: document.correlationId ?? correlationId,
    details: document.details ?? {},
    retryAfterSeconds,
  })
}

function problemDocumentIn({ contentType, text }: RefusedAnswer): Problem | undefined {
  if (!contentType.startsWith('application/problem+json')) return undefined
  try {
    const document = JSON.parse(text) as Problem | null
    const strings = [document?.code, document?.title, document?.detail]
    return strings.every((value) => typeof value === 'string') ? (document ?? undefined) : undefined
  } catch {
    return undefined
  }
}
