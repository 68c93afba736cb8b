/**
 * The sockets that node-coap gets: two of dgram's shape over one DTLS association, one for its client (Agent) and one for
 * its server, so that both roles share the association without hearing each other's messages.
 *
 * Incoming messages are told apart by their fixed header (RFC 7252 section 3): requests go to the server, responses to the
 * client, empty acknowledgements and resets to the role that used the message id. Pings (an empty confirmable message,
 * section 4.3) are answered with a reset here, since node-coap's server would run them as requests.
 *
 * node-coap deduplicates and answers errors only where the socket is `instanceof dgram.Socket`, hence the prototype; it never
 * becomes a real one.
 */

import { Socket } from 'node:dgram'
import { EventEmitter } from 'node:events'

export interface DtlsSockets {
  readonly client: Socket
  readonly server: Socket
  /** One decrypted record from the peer, copied before it is kept. */
  receive(plaintext: Uint8Array): void
}

type Role = 'client' | 'server'

const confirmable = 0
const reset = 3
const emptyCode = 0
const fixedHeaderBytes = 4

/** Message ids whose role is remembered: more than a device has in flight on one association. */
const rememberedIds = 256

/** @param transmit sends one CoAP message as one DTLS record. */
export function dtlsSockets(transmit: (message: Uint8Array) => void): DtlsSockets {
  const rolesByMessageId = new Map<number, Role>()
  const sockets = { client: socketOf('client'), server: socketOf('server') }

  function socketOf(role: Role): Socket {
    return dgramShaped((message) => {
      if (message.length >= fixedHeaderBytes && typeOf(message) <= 1) remember(messageIdOf(message), role)
      transmit(message)
    })
  }

  function remember(messageId: number, role: Role): void {
    rolesByMessageId.delete(messageId)
    rolesByMessageId.set(messageId, role)
    if (rolesByMessageId.size <= rememberedIds) return
    for (const oldest of rolesByMessageId.keys()) {
      rolesByMessageId.delete(oldest)
      return
    }
  }

  function receive(plaintext: Uint8Array): void {
    if (plaintext.length < fixedHeaderBytes) return
    const message = Buffer.from(plaintext)
    const type = typeOf(message)
    const code = message[1]
    if (code === emptyCode && type === confirmable) {
      transmit(resetOf(message))
      return
    }
    const role = code === emptyCode ? rolesByMessageId.get(messageIdOf(message)) : roleOfCode(code ?? 0)
    if (role !== undefined) sockets[role].emit('message', message, peerInfo(message.length))
  }

  return { ...sockets, receive }
}

/** What node-coap calls on a socket: `send`, `address`, `close`, and the emitter. */
function dgramShaped(send: (message: Uint8Array) => void): Socket {
  const socket: Socket = Object.assign(Object.create(Socket.prototype), {
    type: 'udp4',
    // node-coap leaves out address and callback in some of its calls; there is only one peer anyway.
    send(
      buffer: Uint8Array,
      offset: number,
      length: number,
      _port?: number,
      _address?: string,
      sent?: (error: Error | null, bytes: number) => void,
    ): void {
      send(buffer.subarray(offset, offset + length))
      if (sent !== undefined) setImmediate(sent, null, length)
    },
    address: () => ({ address: 'dtls', family: 'IPv4', port: 0 }),
    close: () => socket,
  })
  EventEmitter.call(socket)
  return socket
}

const typeOf = (message: Uint8Array): number => ((message[0] ?? 0) >> 4) & 3
const messageIdOf = (message: Uint8Array): number => ((message[2] ?? 0) << 8) | (message[3] ?? 0)

/** Classes 0 are requests, 2 to 5 responses (section 12.1); others are nobody's. */
function roleOfCode(code: number): Role | undefined {
  const codeClass = code >> 5
  if (codeClass === 0) return 'server'
  return codeClass >= 2 && codeClass <= 5 ? 'client' : undefined
}

function resetOf(message: Uint8Array): Uint8Array {
  return Uint8Array.of(0x40 | (reset << 4), emptyCode, message[2] ?? 0, message[3] ?? 0)
}

const peerInfo = (size: number) => ({ address: 'peer', family: 'IPv4', port: 0, size })
