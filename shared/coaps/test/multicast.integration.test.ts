/** Multicast (RFC 7252 section 8): there is none over DTLS, and what is sent to all CoAP nodes opens nothing here. */

import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { DtlsClient } from '@sallyport/dtls'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { monotonicClock } from '../src/dtls-socket.ts'
import { makeDtlsCertificates } from './dtls-certificates.ts'
import { startEchoServer } from './dtls-echo-server.ts'

const allCoapNodes = '224.0.1.187'
const loopback = '127.0.0.1'
const closings: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close()
})

const certificates = makeDtlsCertificates()
afterAll(() => certificates.remove())

/** Hears for `milliseconds`. */
async function heardBy(socket: Socket, milliseconds: number): Promise<Buffer[]> {
  const heard: Buffer[] = []
  const hear = (datagram: Buffer) => heard.push(datagram)
  socket.on('message', hear)
  await new Promise((resolve) => setTimeout(resolve, milliseconds))
  socket.off('message', hear)
  return heard
}

async function boundTo(address: string, prepare: (socket: Socket) => void = () => undefined): Promise<Socket> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, address, resolve))
  prepare(socket)
  closings.push(() => socket.close())
  return socket
}

/** The first datagram of a client. */
function clientHello(): Uint8Array {
  const client = new DtlsClient(
    { random: randomBytes(32), server: { address: allCoapNodes, port: 5684 } },
    monotonicClock.now(),
  )
  for (let output = client.takeOutput(); output !== undefined; output = client.takeOutput()) {
    if (output.kind === 'send') return output.datagram
  }
  throw new Error('our client says nothing')
}

describe('a listener at every address (RFC 7252 section 8)', () => {
  it('is in no group: a hello to all CoAP nodes does not reach it, and one to itself does', async () => {
    const server = await startEchoServer({ host: '0.0.0.0', credentials: certificates.credentials('server') })
    closings.push(() => server.listener.close())
    const sender = await boundTo(loopback, (socket) => socket.setMulticastInterface(loopback))
    const hello = clientHello()
    sender.send(hello, server.port, allCoapNodes)
    expect(await heardBy(sender, 300)).toEqual([])
    sender.send(hello, server.port, loopback)
    expect(await heardBy(sender, 300)).toHaveLength(1)
  })

  it('answers nothing but a HelloVerifyRequest, no larger than the hello, where another program has joined the group', async () => {
    const server = await startEchoServer({ host: '0.0.0.0', credentials: certificates.credentials('server') })
    closings.push(() => server.listener.close())
    const member = await boundTo('0.0.0.0', (socket) => socket.addMembership(allCoapNodes, loopback))
    const sender = await boundTo(loopback, (socket) => socket.setMulticastInterface(loopback))
    const hello = clientHello()
    const atMember = heardBy(member, 300)
    sender.send(hello, member.address().port, allCoapNodes)
    expect(await atMember).toEqual([Buffer.from(hello)])
    for (let count = 0; count < 20; count += 1) sender.send(hello, server.port, allCoapNodes)
    const answers = await heardBy(sender, 300)
    // Type and message: a handshake record with a HelloVerifyRequest.
    expect(answers.filter((answer) => answer[0] !== 22 || answer[13] !== 3)).toEqual([])
    expect(Math.max(0, ...answers.map(({ length }) => length))).toBeLessThanOrEqual(hello.length)
    expect(server.listener.counts).toEqual({ live: 0, halfOpen: 0 })
    expect(server.opened).toEqual([])
  })
})
