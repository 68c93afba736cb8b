/**
 * What opens a web socket: 256 random bits, good once and for 30 s, for whoever asked with a credential of theirs.
 *
 * It travels as a subprotocol (`Sec-WebSocket-Protocol: sallyport.v1, ticket.…`), the one header that a browser lets a page choose:
 * not in the URL, which ends up in logs, and not in a first message, before which a socket would be open for nobody. The access
 * token itself never goes there. A cookie opens nothing, so a foreign page has nothing to ride on.
 */

import { createHash, randomBytes } from 'node:crypto'
import { instant, seconds } from '@sallyport/clock'
import type { JsonValue, Permission } from '@sallyport/fleet'
import type { Caller } from '../caller.ts'
import { socketProtocol } from './socket-messages.ts'

export const ticketLifetime = seconds(30)
const prefix = 'ticket.'

export const newTicket = (): string => randomBytes(32).toString('base64url')

export const ticketHash = (ticket: string): string => createHash('sha256').update(ticket).digest('hex')

/** Of the offered subprotocols; undefined where it, or ours, is missing. */
export function ticketIn(protocols: string | undefined): string | undefined {
  const offered = (protocols ?? '').split(',').map((protocol) => protocol.trim())
  if (!offered.includes(socketProtocol)) return undefined
  const ticket = offered.find((protocol) => protocol.startsWith(prefix))?.slice(prefix.length)
  return ticket !== undefined && /^[\w-]{43}$/.test(ticket) ? ticket : undefined
}

export const writtenCaller = (caller: Caller): JsonValue =>
  JSON.parse(JSON.stringify({ ...caller, permissions: [...caller.permissions] }))

/** What we wrote ourselves, into our own table. What the caller may do is asked anew, not believed. */
export function readCaller(written: JsonValue): Caller {
  const { permissions, ...caller } = written as unknown as Caller & { readonly permissions: Iterable<Permission> }
  return { ...caller, permissions: new Set(permissions), expiresAt: instant(caller.expiresAt) }
}
