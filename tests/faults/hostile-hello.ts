/** A ClientHello written by hand, byte by byte, and the sockets of a flood: a peer that never means to finish. */

import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'

/** RFC 5246 section 7.4.1.4 and its extensions: groups, point formats, signature algorithms, extended master secret. */
const extensions = Buffer.from('000a00040002001700' + '0b00020100' + '000d000400020403' + '00170000', 'hex')
const afterCookie = Buffer.concat([
  // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 and the renegotiation signal; null compression.
  Buffer.from('0004c02b00ff0100', 'hex'),
  Buffer.of(extensions.length >> 8, extensions.length & 0xff),
  extensions,
])

/** One record with a whole ClientHello (RFC 6347 section 4.2.2). @param cookie empty for the first */
export function clientHello(random: Uint8Array, cookie: Uint8Array = new Uint8Array(0)): Buffer {
  const body = Buffer.concat([Buffer.of(0xfe, 0xfd), random, Buffer.of(0, cookie.length), cookie, afterCookie])
  const sequence = cookie.length === 0 ? 0 : 1
  const handshake = Buffer.alloc(12)
  handshake[0] = 1
  handshake.writeUIntBE(body.length, 1, 3)
  handshake.writeUInt16BE(sequence, 4)
  handshake.writeUIntBE(body.length, 9, 3)
  const record = Buffer.from('16fefd0000000000000000' + '0000', 'hex')
  record[10] = sequence
  record.writeUInt16BE(handshake.length + body.length, 11)
  return Buffer.concat([record, handshake, body])
}

/** The cookie of a HelloVerifyRequest in a datagram of its own; undefined when it is something else. */
export function cookieOf(datagram: Buffer): Buffer | undefined {
  const [type, message] = [datagram[0], datagram[13]]
  const length = datagram[27]
  return type === 22 && message === 3 && length !== undefined ? datagram.subarray(28, 28 + length) : undefined
}

/** All of 127/8 is loopback: floods come from many addresses and networks without leaving the machine. */
export function sourceAddress(index: number): string {
  return `127.${1 + (index % 200)}.${Math.floor(index / 200) % 250}.${1 + (Math.floor(index / 50_000) % 250)}`
}

export interface Source {
  /** Datagrams that came back. */
  readonly answers: number
  readonly largestAnswer: number
  send(datagram: Uint8Array): void
  /** The next answer; undefined when none comes in time. */
  answer(milliseconds: number): Promise<Buffer | undefined>
  close(): void
}

/** A socket with an address of its own, connected to the target. */
export async function openSource(index: number, target: { host: string; port: number }): Promise<Source> {
  const socket: Socket = createSocket('udp4')
  let answers = 0
  let largestAnswer = 0
  let waiting: ((datagram: Buffer | undefined) => void) | undefined
  socket.on('error', () => undefined)
  socket.on('message', (datagram) => {
    answers += 1
    largestAnswer = Math.max(largestAnswer, datagram.length)
    waiting?.(datagram)
    waiting = undefined
  })
  await new Promise<void>((resolve) => socket.bind(0, sourceAddress(index), resolve))
  return {
    get answers() {
      return answers
    },
    get largestAnswer() {
      return largestAnswer
    },
    send: (datagram) => socket.send(datagram, target.port, target.host),
    answer: (milliseconds) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => {
          waiting = undefined
          resolve(undefined)
        }, milliseconds)
        waiting = (datagram) => {
          clearTimeout(timer)
          resolve(datagram)
        }
      }),
    close: () => socket.close(),
  }
}

/** Proves its address with the cookie and waits for nothing; false when no cookie came. */
export async function begin(source: Source): Promise<boolean> {
  const random = randomBytes(32)
  source.send(clientHello(random))
  for (let answers = 0; answers < 20; answers += 1) {
    const datagram = await source.answer(1_000)
    if (datagram === undefined) return false
    const cookie = cookieOf(datagram)
    // What comes besides are flights of handshakes that were begun before.
    if (cookie === undefined) continue
    source.send(clientHello(random, cookie))
    return true
  }
  return false
}

/** Proves its address with the cookie, is served the first flight, and says no more; false when it was not heard. */
export async function stall(source: Source): Promise<boolean> {
  const random = randomBytes(32)
  for (let attempt = 0; attempt < 3; attempt += 1) {
    source.send(clientHello(random))
    const datagram = await source.answer(2_000)
    const cookie = datagram === undefined ? undefined : cookieOf(datagram)
    if (cookie === undefined) continue
    source.send(clientHello(random, cookie))
    const flight = await source.answer(2_000)
    if (flight !== undefined && flight[0] === 22 && flight[13] === 2) return true
  }
  return false
}
