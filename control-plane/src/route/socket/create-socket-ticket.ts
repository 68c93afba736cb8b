/** POST /api/v1/socket/tickets: what opens one web socket, once, within 30 s. */

import { Type } from '@fastify/type-provider-typebox'
import { inSeconds } from '@sallyport/clock'
import { anyCallerAccess, type HttpServer } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { newTicket, ticketHash, ticketLifetime, writtenCaller } from '../../socket/socket-ticket.ts'

export function registerCreateSocketTicket(server: HttpServer, ports: ApiPorts): void {
  server.post(
    '/api/v1/socket/tickets',
    {
      config: { access: anyCallerAccess },
      schema: {
        operationId: 'createSocketTicket',
        summary: 'A ticket that opens one web socket',
        description:
          'Good once, for 30 s: open `/api/v1/socket` with the subprotocols `sallyport.v1` and `ticket.` followed by the ticket.',
        tags: ['events'],
        response: { 201: Type.Object({ ticket: Type.String(), expiresInSeconds: Type.Integer() }) },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const ticket = newTicket()
      await ports.store.socketTickets.create(
        caller.organizationId,
        {
          sha256: ticketHash(ticket),
          userId: caller.userId,
          caller: writtenCaller(caller),
          lifetime: ticketLifetime,
        },
        actOf(request),
      )
      return reply.code(201).send({ ticket, expiresInSeconds: inSeconds(ticketLifetime) })
    },
  )
}
