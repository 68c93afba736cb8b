/**
 * Many web sockets in a process of their own, written by hand on bare connections so that they cost next to nothing: each opens
 * with a ticket, subscribes, and waits. Tickets come on standard input, one for each line, after the port; each line on standard
 * output is how many have been told `subscribed`, and how many an event.
 */

import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

const [port = '', ...tickets] = (await text(process.stdin)).trim().split('\n')
const told = { subscribed: 0, event: 0, closed: 0 }
const atOnce = 50
let opened = 0

/** A text frame of less than 126 bytes, masked with zeroes (RFC 6455 section 5.2). */
const frame = (message: string): Buffer =>
  Buffer.concat([Buffer.from([0x81, 0x80 | message.length, 0, 0, 0, 0]), Buffer.from(message)])

function open(ticket: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => {
      socket.write(
        `GET /api/v1/socket HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString('base64')}\r\nsec-websocket-protocol: sallyport.v1, ticket.${ticket}\r\n\r\n`,
      )
    })
    socket.on('data', (chunk) => {
      const message = chunk.toString('latin1')
      if (message.includes('"type":"welcome"')) socket.write(frame('{"type":"subscribe","subscription":"s"}'))
      if (message.includes('"type":"event"')) told.event += 1
      if (message.includes('"type":"subscribed"')) {
        told.subscribed += 1
        resolve()
      }
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      told.closed += 1
      resolve()
    })
  })
}

setInterval(() => process.stdout.write(`${told.subscribed} ${told.event} ${told.closed}\n`), 50)
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let next = tickets[opened++]; next !== undefined; next = tickets[opened++]) await open(next)
  }),
)
