/**
 * GET /api/v1/socket: the handshake of the web socket (RFC 6455 section 4), judged like any other request before there is a
 * socket: origin, ticket, room. A refusal is an HTTP answer, and costs no more than one.
 */

import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, publicAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { endOfAccess } from '../../live-access.ts'
import { LiveSockets } from '../../socket/live-sockets.ts'
import { readCaller, ticketHash, ticketIn } from '../../socket/socket-ticket.ts'

interface Upgrade {
  readonly stream: Duplex
  readonly head: Buffer
  readonly response: ServerResponse
}

const path = '/api/v1/socket'

/** For the server: this one path may become another protocol. */
export const upgradesToSocket = (request: IncomingMessage): boolean =>
  request.url?.split('?', 1)[0] === path && request.headers.upgrade?.toLowerCase() === 'websocket'

export function registerOpenSocket(server: HttpServer, ports: ApiPorts): void {
  const upgrades = new WeakMap<IncomingMessage, Upgrade>()
  const sockets = new LiveSockets(ports, ports.socketLimits)
  server.addHook('preClose', () => sockets.close())
  server.server.on('upgrade', (request, stream, head) => {
    const response = new ServerResponse(request)
    upgrades.set(request, { stream, head, response })
    // Until the handshake is answered this is an ordinary exchange: every hook runs, and a refusal is an answer.
    response.shouldKeepAlive = false
    stream.on('error', () => stream.destroy())
    response.assignSocket(stream as Parameters<ServerResponse['assignSocket']>[0])
    response.on('finish', () => stream.end())
    server.routing(request, response)
  })
  server.get(
    path,
    {
      // The ticket is the credential.
      config: { access: publicAccess },
      // What goes over it is in the AsyncAPI document: it is no exchange of HTTP.
      schema: { hide: true },
    },
    async (request, reply) => {
      const upgrade = upgrades.get(request.raw)
      if (upgrade === undefined) {
        reply.header('upgrade', 'websocket')
        throw new CodedError('malformed-request', 'This is a web socket: send its handshake (RFC 6455).')
      }
      refuseForeignOrigin(request.headers.origin, ports)
      const ticket = ticketIn(request.headers['sec-websocket-protocol'])
      if (ticket === undefined) {
        ports.metrics.streamClosed('socket', 'ticket-refused')
        throw new CodedError('token-missing', 'Offer the subprotocols sallyport.v1 and ticket.… with a fresh ticket.')
      }
      const written = await ports.store.socketTickets.redeem(ticketHash(ticket))
      if (written === undefined) {
        ports.metrics.streamClosed('socket', 'ticket-refused')
        throw new CodedError('token-invalid', 'This ticket does not exist, was used, or is older than 30 s.')
      }
      const caller = readCaller(written)
      if ((await endOfAccess(ports, caller, undefined)) !== undefined || ports.clock.now() >= caller.expiresAt) {
        ports.metrics.streamClosed('socket', 'ticket-refused')
        throw new CodedError('token-revoked', 'The session has ended.')
      }
      sockets.makeRoomFor(caller)
      reply.hijack()
      upgrade.response.detachSocket(upgrade.stream as Parameters<ServerResponse['detachSocket']>[0])
      sockets.open(request.raw, upgrade.stream, upgrade.head, caller)
    },
  )
}

/**
 * A browser says whose page it is, and only ours and those that are allowed may. Programs send no Origin, and could send any: the
 * ticket is what lets them in.
 */
function refuseForeignOrigin(origin: string | undefined, ports: ApiPorts): void {
  if (origin === undefined || ports.socketOrigins().includes(origin)) return
  ports.metrics.streamClosed('socket', 'origin-refused')
  throw new CodedError('origin-refused', 'Pages of this origin may not open the socket.')
}
