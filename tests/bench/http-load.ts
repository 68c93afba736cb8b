/**
 * Asks one address again and again over kept connections, each with one request at a time, on bare sockets: the least that a
 * generator can cost. `node http-load.ts <port> <connections> <milliseconds>`, the head of the request on stdin; prints JSON.
 */

import { readFileSync } from 'node:fs'
import { connect } from 'node:net'

const [port, connections, duration] = process.argv.slice(2).map(Number)
const head = readFileSync(0, 'utf8')
const took: number[] = []
const statuses: Record<string, number> = {}
const deadline = performance.now() + (duration ?? 0)

function work(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port ?? 0, '127.0.0.1')
    let received = ''
    let asked = 0
    const ask = (): void => {
      received = ''
      asked = performance.now()
      socket.write(head)
    }
    socket.setEncoding('latin1')
    socket.on('connect', ask)
    socket.on('error', reject)
    socket.on('close', () => resolve())
    socket.on('data', (chunk: string) => {
      received += chunk
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(received.slice(0, end))?.[1] ?? Number.NaN)
      if (!(received.length >= end + 4 + length)) return
      const status = received.slice(9, 12)
      statuses[status] = (statuses[status] ?? 0) + 1
      took.push(performance.now() - asked)
      if (performance.now() < deadline) ask()
      else socket.end()
    })
  })
}

await Promise.all(Array.from({ length: connections ?? 1 }, work))
took.sort((a, b) => a - b)
const at = (share: number): number => took[Math.floor(share * (took.length - 1))] ?? 0
process.stdout.write(`${JSON.stringify({ requests: took.length, statuses, p50: at(0.5), p99: at(0.99) })}\n`)
