/**
 * The datagram side of DTLS on node:dgram: a socket, and the one timer that a machine asks for.
 *
 * Sending is fire and forget, as on the network: an error is a lost datagram, and DTLS or CoAP sends again.
 */

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { type Clock, clockFrom, type Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'

const { timeOrigin } = performance

/** Monotonic, and close to the time of day: what the machines are run by. */
export const monotonicClock: Clock = clockFrom(() => timeOrigin + performance.now())

export interface ResolvedHost {
  readonly address: string
  readonly family: 4 | 6
}

export async function resolveHost(host: string): Promise<ResolvedHost> {
  const { address, family } = await lookup(host)
  return { address, family: family === 6 ? 6 : 4 }
}

/** Takes bursts: handshakes of a fleet that comes back at once. The kernel grants what its limit allows. */
const receiveBufferBytes = 4 * 1024 * 1024

/** Addresses are numbers here, so nothing is looked up: node:dgram would go through its resolver for each datagram. */
function createDatagramSocket(family: 4 | 6): Socket {
  return createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    recvBufferSize: receiveBufferBytes,
    lookup: (address, _options, callback) => callback(null, address, family),
  })
}

/** @throws the system's error, such as EADDRINUSE */
export async function bindSocket(host: string, port: number): Promise<Socket> {
  const { address, family } = await resolveHost(host)
  const socket = createDatagramSocket(family)
  await settled(socket, 'listening', () => socket.bind({ address, port, exclusive: true }))
  return socket
}

/**
 * A socket that is bound already, under the number by which it was inherited. What arrived before waits in the kernel.
 *
 * @throws CodedError `configuration-invalid` for another kind of descriptor, or of another address family than `host`
 */
export async function adoptSocket(descriptor: number, host: string): Promise<Socket> {
  const { family } = await resolveHost(host)
  const socket = createDatagramSocket(family)
  try {
    await settled(socket, 'listening', () => socket.bind({ fd: descriptor, exclusive: true }))
  } catch (cause) {
    throw new CodedError('configuration-invalid', `Descriptor ${descriptor} is not a bound UDP socket.`, { cause })
  }
  const bound = socket.address()
  if (bound.family === `IPv${family}`) return socket
  socket.close()
  throw new CodedError(
    'configuration-invalid',
    `The inherited socket is bound to ${bound.address} (${bound.family}), the host is ${host}: use one family for both.`,
  )
}

/** A socket that only hears, and only speaks to, one address. */
export async function connectSocket(remote: ResolvedHost, port: number): Promise<Socket> {
  const socket = createDatagramSocket(remote.family)
  await settled(socket, 'connect', () => socket.connect(port, remote.address))
  return socket
}

function settled(socket: Socket, event: 'listening' | 'connect', start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      socket.close()
      reject(error)
    }
    socket.once('error', fail)
    socket.once(event, () => {
      socket.off('error', fail)
      // ICMP errors arrive here: anyone can send them, and what is lost is sent again.
      socket.on('error', () => undefined)
      resolve()
    })
    start()
  })
}

/**
 * From now on what arrives stays in the kernel, for whoever else holds the descriptor; sending goes on.
 *
 * node:dgram has no public way: closing would end sending too. Its state is looked up by the symbol's name, and a test
 * notices when a newer Node keeps it elsewhere. False then: datagrams are read on, and have to be dropped.
 */
export function stopReading(socket: Socket): boolean {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol')
  const state: unknown = symbol === undefined ? undefined : Reflect.get(socket, symbol)
  const handle: unknown = typeof state === 'object' && state !== null ? Reflect.get(state, 'handle') : undefined
  if (typeof handle !== 'object' || handle === null) return false
  const recvStop: unknown = Reflect.get(handle, 'recvStop')
  return typeof recvStop === 'function' && Reflect.apply(recvStop, handle, []) === 0
}

/** Closes once what was handed to the socket has left. */
export class DatagramSender {
  readonly #socket: Socket
  #closed = false

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Nearly always handed to the kernel at once: nobody waits for it, so there is no callback to make and call. */
  send(datagram: Uint8Array, to?: Pick<RemoteInfo, 'address' | 'port'>): void {
    if (this.#closed) return
    if (to === undefined) this.#socket.send(datagram)
    else this.#socket.send(datagram, to.port, to.address)
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#closed = true
    return new Promise((resolve) => {
      const closeWhenSent = (): void => {
        if (this.#socket.getSendQueueCount() === 0) this.#socket.close(resolve)
        else setTimeout(closeWhenSent, lookAgainAfter)
      }
      closeWhenSent()
    })
  }
}

/** Milliseconds: what is queued waits for room in the kernel's buffer. */
const lookAgainAfter = 5

/** The timer of a machine: it comes when the machine asked for, or earlier, which does no harm: it is set anew then. */
export class MachineTimer {
  readonly #due: () => void
  #timer: NodeJS.Timeout | undefined
  #at = Number.POSITIVE_INFINITY

  constructor(due: () => void) {
    this.#due = due
  }

  set(at: Instant | undefined): void {
    // In a handshake the next deadline moves with every message, nearly always away.
    if (at !== undefined && at >= this.#at) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#at = at ?? Number.POSITIVE_INFINITY
    if (at === undefined) return
    const delay = Math.min(Math.max(0, Math.ceil(at - monotonicClock.now())), 0x7fffffff)
    this.#timer = setTimeout(() => {
      this.#at = Number.POSITIVE_INFINITY
      this.#due()
    }, delay)
    // The socket is what keeps a process alive.
    this.#timer.unref()
  }
}
