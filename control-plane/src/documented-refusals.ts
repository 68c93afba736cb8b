/** The refusals that an operation may answer, by what it takes and whom it asks for: generated, so that none is forgotten. */

import { problemContentType } from '@sallyport/http'

/** What the document says of one operation. */
export interface DocumentedOperation {
  readonly parameters?: readonly { readonly name?: string; readonly in?: string }[]
  readonly requestBody?: unknown
  readonly security?: readonly unknown[]
  readonly 'x-permission'?: string
  readonly responses?: Readonly<Record<string, unknown>>
}

const meanings = {
  400: 'The request cannot be read (`malformed-request`).',
  401: 'Nobody is logged in, or not any more (`token-…`, `invalid-credentials`, `refresh-failed`).',
  403: 'Who asks may not (`permission-denied`, `policy-violated`, `origin-refused`).',
  404: 'There is no such thing, or it is not theirs (`not-found`).',
  409: 'It conflicts with what is there, or with another request (`conflict`, `idempotency-…`, `refresh-superseded`).',
  412: 'It has changed since it was read (`precondition-failed`).',
  413: 'The body is too large (`request-too-large`).',
  415: 'The body is not JSON, or is encoded (`unsupported-content-format`).',
  422: 'A value is not allowed (`validation-failed`, and codes that say more).',
  428: '`If-Match` is missing (`precondition-required`).',
  429: 'Too many requests; `Retry-After` says when to come again (`rate-limited`).',
  503: 'Something that this runs on is away; `Retry-After` says when to come again (`database-unavailable`, …).',
} as const

type Refusal = keyof typeof meanings

/** For `components.responses`. */
export const refusalComponents = (): Readonly<Record<string, object>> =>
  Object.fromEntries(
    Object.entries(meanings).map(([status, description]) => [
      `refused-${status}`,
      { description, content: { [problemContentType]: { schema: { $ref: '#/components/schemas/Problem' } } } },
    ]),
  )

/** For the operation's `responses`, beside its own. */
export function refusalsOf(operation: DocumentedOperation): Readonly<Record<string, object>> {
  const { parameters = [], requestBody, security } = operation
  const takes = (place: string, name?: string): boolean =>
    parameters.some((parameter) => parameter.in === place && (name === undefined || parameter.name === name))
  const isPublic = security === undefined
  const changes = takes('header', 'if-match')
  const may: Readonly<Record<Refusal, boolean>> = {
    400: true,
    401: !isPublic || requestBody !== undefined,
    403: !isPublic || requestBody !== undefined,
    404: takes('path') || !isPublic,
    409: requestBody !== undefined || changes || takes('header', 'idempotency-key'),
    412: changes,
    413: requestBody !== undefined,
    415: requestBody !== undefined,
    422: requestBody !== undefined || takes('query') || takes('header'),
    428: changes,
    429: true,
    503: true,
  }
  return Object.fromEntries(
    Object.entries(may)
      .filter(([, possible]) => possible)
      .map(([status]) => [status, { $ref: `#/components/responses/refused-${status}` }]),
  )
}
