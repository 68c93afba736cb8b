/** Optimistic concurrency for what people edit: the version of a row as a strong ETag (RFC 9110 sections 8.8.3, 13.1.1). */

import { Type } from '@fastify/type-provider-typebox'
import { CodedError } from '@sallyport/errors'
import type { FastifyReply, FastifyRequest } from 'fastify'

export const entityTag = (version: number): string => `"${version}"`

export const withEntityTag = (reply: FastifyReply, { version }: { readonly version: number }): FastifyReply =>
  reply.header('etag', entityTag(version))

/** Optional, so that its absence is answered with the code that says so (428). */
export const IfMatchHeader = Type.Object({
  'if-match': Type.Optional(Type.String({ description: 'The `ETag` that was read. Needed.' })),
})

/**
 * The version that the change may replace; undefined for `If-Match: *`.
 * @throws CodedError `precondition-required` without the header, `precondition-failed` for a tag that is none of ours.
 */
export function expectedVersion(request: FastifyRequest): number | undefined {
  const given = request.headers['if-match']
  if (given === undefined) throw new CodedError('precondition-required', 'Send the ETag that you read as If-Match.')
  if (given.trim() === '*') return undefined
  const version = /^"(\d{1,15})"$/.exec(given.trim())?.[1]
  if (version === undefined) throw new CodedError('precondition-failed', 'If-Match is not an ETag of this object.')
  return Number(version)
}
