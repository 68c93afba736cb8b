/**
 * Cross-site request forgery: what a browser adds to a request by itself, a cookie, proves nothing about who made it send the
 * request. Such a request must come from a page of this very origin: a foreign one, a sub-domain's, a sandboxed one (`null`)
 * and one that does not say are refused (Fetch standard section 3.1, Fetch Metadata section 2).
 *
 * Requests with a bearer token are not asked: no browser adds that by itself.
 */

import { CodedError } from '@sallyport/errors'
import type { FastifyRequest } from 'fastify'

/**
 * @param ownOrigin where people reach the API. Without it the origin that the request itself names (`Host`): a page can choose
 * neither that nor `Origin`, and the browser sends the cookie nowhere else.
 * @throws CodedError `origin-refused`
 */
export function requireSameOrigin(request: FastifyRequest, ownOrigin?: string): void {
  const { origin } = request.headers
  const site = request.headers['sec-fetch-site']
  const own = ownOrigin ?? `${request.protocol}://${request.host}`
  if (origin === undefined || origin !== own || (site !== undefined && site !== 'same-origin')) {
    throw new CodedError('origin-refused', 'A request with the cookie comes from a page of this origin alone.')
  }
}
