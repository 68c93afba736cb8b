/** The routes of the web socket. */

import { registerCreateSocketTicket } from './create-socket-ticket.ts'
import { registerOpenSocket } from './open-socket.ts'
import { registerReadAsyncApi } from './read-async-api.ts'

export const socketRoutes = [registerCreateSocketTicket, registerOpenSocket, registerReadAsyncApi] as const
