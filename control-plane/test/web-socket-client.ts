/** Web sockets as a client holds them; each message that comes is judged by the checked-in AsyncAPI document. */

import { readFileSync } from 'node:fs'
import { Compile } from 'typebox/schema'
import { WebSocket } from 'ws'
import type { RunningControlPlane, Session } from './running-control-plane.ts'

// biome-ignore lint/suspicious/noExplicitAny: a test says by its expectations what it takes a message for
export type Message = any

interface Document {
  readonly components: {
    readonly messages: Readonly<Record<string, { readonly payload: object }>>
    readonly schemas: Readonly<Record<string, object>>
  }
}

export const asyncApi: Document = JSON.parse(readFileSync(new URL('../asyncapi.json', import.meta.url), 'utf8'))

/** With what the document refers to in its place. */
function resolved(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(resolved)
  if (typeof value !== 'object' || value === null) return value
  if ('$ref' in value && typeof value.$ref === 'string') {
    return resolved(asyncApi.components.schemas[value.$ref.replace('#/components/schemas/', '')])
  }
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, resolved(part)]))
}

const checks = new Map(
  Object.entries(asyncApi.components.messages).map(([name, { payload }]) => [
    name,
    Compile(resolved(payload) as object),
  ]),
)

/** @throws Error for what the document does not describe. */
export function requireDescribed(name: string, message: unknown): void {
  if (checks.get(name)?.Check(message) === true) return
  throw new Error(`the AsyncAPI document does not describe ${name}: ${JSON.stringify(message)}`)
}

export interface Closed {
  readonly code: number
  readonly reason: string
}

export interface Connected {
  readonly socket: WebSocket
  readonly messages: readonly Message[]
  readonly events: readonly Message[]
  readonly closed: Promise<Closed>
  send(message: object): void
  of(type: string): readonly Message[]
}

export async function ticketFor(session: Session): Promise<string> {
  const { status, body } = await session.call('POST', '/api/v1/socket/tickets')
  if (status !== 201) throw new Error(`no ticket: ${status} ${body?.code}`)
  return body.ticket
}

export const socketUrl = (http: string): string => `${http.replace(/^http/, 'ws')}/api/v1/socket`

/** Resolves once the welcome is there; rejects with the HTTP status where the handshake is refused. */
export async function connect(
  running: RunningControlPlane,
  session: Session,
  options: { readonly origin?: string; readonly ticket?: string; readonly http?: string } = {},
): Promise<Connected> {
  const ticket = options.ticket ?? (await ticketFor(session))
  const socket = new WebSocket(
    socketUrl(options.http ?? running.controlPlane.addresses.http),
    ['sallyport.v1', `ticket.${ticket}`],
    options.origin === undefined ? {} : { headers: { origin: options.origin } },
  )
  const messages: Message[] = []
  const broken: unknown[] = []
  socket.on('message', (data) => {
    const message = JSON.parse(String(data))
    messages.push(message)
    try {
      requireDescribed(message.type, message)
    } catch (error) {
      broken.push(error)
    }
  })
  const closed = new Promise<Closed>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }))
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('message', () => resolve())
    socket.on('unexpected-response', (_request, response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => reject(new Error(`${response.statusCode} ${JSON.parse(text).code}`)))
    })
    socket.on('error', reject)
  })
  const connected: Connected = {
    socket,
    get messages() {
      if (broken.length > 0) throw broken[0]
      return messages
    },
    get events() {
      return connected.of('event')
    },
    closed,
    send(message) {
      requireDescribed((message as { type: string }).type, message)
      socket.send(JSON.stringify(message))
    },
    of(type) {
      return connected.messages.filter((message) => message.type === type)
    },
  }
  return connected
}
