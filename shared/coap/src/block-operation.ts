/**
 * What makes messages parts of one block-wise operation (RFC 9175 section 3.3): method, address and the options that a
 * body depends on, the Request-Tags among them.
 *
 * Two requests with equal operations and bodies of their own must not be under way at once; a client tells them apart by
 * a Request-Tag, a server keeps what it holds of them by this text.
 */

import type { CoapMethod } from './code-registry.ts'
import type { RequestMessage } from './exchange.ts'
import type { RequestOptions } from './request-options.ts'

/** Equal for messages of one operation. No part can contain the separator: a control character is refused in an address. */
export function operationOf(method: CoapMethod, path: string, options: RequestOptions): string {
  const { query, accept, requestTags, ifMatch, ifNoneMatch } = options
  const conditions = `${listed(ifMatch)} ${ifNoneMatch}`
  return `${method}\n${path}\n${query.join('\n')}\n${accept}\n${conditions}\n${listed(requestTags)}`
}

/** Absent, one that is empty, and two that are empty are three different things. */
const listed = (values: readonly Uint8Array[]): string =>
  values.length === 0 ? '' : values.map((value) => `#${Buffer.from(value).toString('hex')}`).join('')

/** True when a server could take the blocks of one for those of the other, were it not for a Request-Tag. */
export function couldBeMixedUp(a: RequestMessage, b: RequestMessage): boolean {
  // Every GET of a resource has the same answer, and its ETag tells one state from another.
  if (a.method === 'GET' || a.method !== b.method || a.path !== b.path) return false
  return (a.query ?? []).join('\n') === (b.query ?? []).join('\n')
}
