/** `Vary`: by which request headers an answer differs (RFC 9110 section 12.5.5), each named once. */

import type { FastifyReply } from 'fastify'

export function variesBy(reply: FastifyReply, ...headers: readonly string[]): void {
  const present = String(reply.getHeader('vary') ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  reply.header('vary', [...new Set([...present, ...headers])].join(', '))
}
