/**
 * Live streams for `make bench`, in a process of their own: server-sent feeds on bare connections. On standard input first the port
 * and a JSON array of access tokens, each good for ten feeds; when all are open, `open` on standard output. Each further line is
 * answered by one of JSON: how many events came, and how late; `reset` begins anew.
 *
 * An event's `data.at` is when it was handed to Postgres, in milliseconds since the epoch, on the same machine. Every stream counts,
 * one in ten is also read for lateness, so that the reader is not what is measured.
 */

import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const feedsOfOneSession = 10
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const port = Number((await lines.next()).value)
const tokens: string[] = JSON.parse((await lines.next()).value ?? '[]')

const late: number[] = []
let events = 0
let ended = 0

function open(token: string, isRead: boolean): Promise<void> {
  return new Promise((resolve) => {
    let rest = ''
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(
        `GET /api/v1/events?topic=device.changed HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      ),
    )
    socket.on('data', (chunk) => {
      const text = rest + chunk.toString('latin1')
      if (text.startsWith('HTTP/1.1 200')) resolve()
      const end = text.lastIndexOf('\n\n') + 2
      rest = end > 1 ? text.slice(end) : text
      const whole = end > 1 ? text.slice(0, end) : ''
      const now = Date.now()
      for (let at = whole.indexOf('\nevent: device.'); at >= 0; at = whole.indexOf('\nevent: device.', at + 1)) {
        events += 1
        if (!isRead) continue
        const [, sent] = /"at":(\d+)/.exec(whole.slice(at, at + 1000)) ?? []
        if (sent !== undefined) late.push(now - Number(sent))
      }
    })
    socket.on('close', () => {
      ended += 1
      resolve()
    })
    socket.on('error', () => undefined)
  })
}

await Promise.all(
  tokens.flatMap((token, session) =>
    Array.from({ length: feedsOfOneSession }, (_, index) => open(token, (session + index) % 10 === 0)),
  ),
)
process.stdout.write('open\n')
for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
  late.sort((a, b) => a - b)
  const share = (part: number): number => late[Math.min(late.length - 1, Math.floor(late.length * part))] ?? 0
  process.stdout.write(`${JSON.stringify({ events, ended, p50: share(0.5), p99: share(0.99) })}\n`)
  if (next.value === 'reset') {
    late.length = 0
    events = 0
  }
}
process.exit(0)
