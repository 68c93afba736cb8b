/**
 * The id that joins one act over datagram, HTTP, log and audit: taken from `x-correlation-id` where it is a UUID, else made.
 *
 * Anything else in the header is dropped, not echoed: it goes to logs and to the audit trail.
 */

import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export const correlationHeader = 'x-correlation-id'

export function correlationIdOf(headers: IncomingHttpHeaders): string {
  const given = headers[correlationHeader]
  if (typeof given === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(given))
    return given.toLowerCase()
  return randomUUID()
}
