import { createSocket, type Socket } from 'node:dgram'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startChild } from '../src/child.ts'
import { eventually } from '../src/eventually.ts'
import { type HeldSocket, holdUdpSocket } from '../src/held-socket.ts'
import { nodeProgram } from '../src/home.ts'

/** A service that answers each datagram, on what it inherited as systemd says it. */
const service = `
  const { createSocket } = require('node:dgram')
  if (Number(process.env.LISTEN_PID) !== process.pid) throw new Error('not for us')
  const socket = createSocket('udp4')
  socket.on('message', (datagram, { address, port }) => socket.send('answer ' + datagram, port, address))
  socket.bind({ fd: 3 }, () => console.log('ready', process.env.LISTEN_FDS, process.env.LISTEN_FDNAMES))`

let folder: string
const held: HeldSocket[] = []
const clients: Socket[] = []
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-held-'))
  writeFileSync(join(folder, 'service.cjs'), service)
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  for (const socket of held.splice(0)) await socket.release()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function hold(): Promise<HeldSocket> {
  const socket = await holdUdpSocket('coaps', '127.0.0.1', 0)
  held.push(socket)
  return socket
}

/** Connected: it alone hears of ICMP errors. */
async function connectedClient({ port }: HeldSocket) {
  const client = createSocket('udp4')
  clients.push(client)
  const answers: string[] = []
  const errors: Error[] = []
  client.on('message', (datagram) => answers.push(datagram.toString()))
  client.on('error', (error) => errors.push(error))
  await new Promise<void>((resolve) => client.connect(port, '127.0.0.1', resolve))
  return { answers, errors, send: (text: string) => client.send(text) }
}

function startService(sockets: readonly HeldSocket[]) {
  const logFile = join(folder, 'service.log')
  const child = startChild({
    name: 'service',
    command: nodeProgram,
    args: [join(folder, 'service.cjs')],
    logFile,
    sockets,
  })
  return { child, said: () => readFileSync(logFile, 'utf8') }
}

describe('a held socket', () => {
  it('[6.3] keeps what comes while nobody serves, for the next who does; nobody is refused', async () => {
    const socket = await hold()
    const client = await connectedClient(socket)
    client.send('1')
    const first = startService([socket])
    await eventually('the first datagram is answered', async () => client.answers.includes('answer 1'))
    expect(first.said()).toContain('ready 1 coaps')
    first.child.kill('SIGKILL')
    await first.child.ended
    client.send('2')
    await new Promise((resolve) => setTimeout(resolve, 300))
    client.send('3')
    expect(client.answers).toEqual(['answer 1'])
    const second = startService([socket])
    await eventually('what waited is answered', async () => client.answers.length === 3)
    expect(client.answers).toEqual(['answer 1', 'answer 2', 'answer 3'])
    expect(client.errors).toEqual([])
    await second.child.stop('SIGKILL')
  })

  it('is gone once it is released', async () => {
    const socket = await hold()
    const client = await connectedClient(socket)
    await socket.release()
    client.send('1')
    await eventually('the sender is refused', async () => client.errors.length > 0)
    expect(client.errors[0]).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('is one of many, each with a port of its own, and says which port is taken', async () => {
    const [first, second] = [await hold(), await hold()]
    expect(first.port).not.toBe(second.port)
    expect(first.descriptor).not.toBe(second.descriptor)
    await expect(holdUdpSocket('coaps', '127.0.0.1', first.port)).rejects.toThrow(`127.0.0.1:${first.port}`)
  })
})
