/** `Prefer: wait=N` (RFC 7240 section 4.3): how long the caller waits for a device's answer. */

import { Type } from '@fastify/type-provider-typebox'
import type { Duration } from '@sallyport/clock'
import { seconds } from '@sallyport/clock'
import type { FastifyRequest } from 'fastify'

const defaultWaitSeconds = 10
const longestWaitSeconds = 60

export const PreferHeader = Type.Object({
  prefer: Type.Optional(
    Type.String({
      description: '`wait=N`: seconds to wait for the device’s answer, 0 to 60; 10 unless told.',
    }),
  ),
})

/** 0 to 60 s, 10 s unless it is said; a preference that cannot be understood is ignored, as the RFC asks. */
export function preferredWait(request: FastifyRequest): Duration {
  const wait = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?(?:$|[,;\s])/i.exec(
    [request.headers.prefer ?? ''].flat().join(','),
  )?.[1]
  return seconds(Math.min(wait === undefined ? defaultWaitSeconds : Number(wait), longestWaitSeconds))
}
