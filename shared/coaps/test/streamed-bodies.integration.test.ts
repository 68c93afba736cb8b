/** Bodies longer than a process would hold, and bodies that never end: what the server's process takes for them. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { minutes, seconds } from '@sallyport/clock'
import { blockValue, encodeFrame, encodeMessage, signalCodes, uintValue } from '@sallyport/coap'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Association, type CoapsClient, connectCoaps, connectDtls, connectTls } from '../src/index.ts'
import { streamOf } from './byte-stream.ts'
import { certificatesFromOpenssl, type TestCertificates } from './certificates-from-openssl.ts'

const total = 10 * 1024 * 1024
const transports = ['dtls', 'tls'] as const
const mebi = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`

interface Facts {
  readonly rss: number
  /** What is alive after a garbage collection: heap and buffers, in bytes. */
  readonly held: number
  readonly receivedBytes: number
  readonly digest: string
  readonly live: number
}

let certificates: TestCertificates
let server: ChildProcessByStdio<Writable, Readable, null>
let lines: AsyncIterator<string>
let ports: Readonly<Record<'dtls' | 'tls', number>>

const said = async () => JSON.parse((await lines.next()).value ?? '{}')
const facts = async (): Promise<Facts> => {
  server.stdin.write('\n')
  return await said()
}

beforeAll(async () => {
  certificates = certificatesFromOpenssl()
  const program = fileURLToPath(new URL('./streaming-server.ts', import.meta.url))
  server = spawn(process.execPath, ['--expose-gc', program, `${total}`], { stdio: ['pipe', 'pipe', 'inherit'] })
  lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]()
  ports = await said()
})
afterAll(async () => {
  server?.stdin.end()
  await new Promise((resolve) => server?.once('exit', resolve))
  certificates?.remove()
})

/** While `work` runs, how much more than before the server has held at most; looked at ten times a second. */
async function mostHeldDuring<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly held: number }> {
  const before = await facts()
  let most = before.held
  let over = false
  const watching = (async () => {
    while (!over) {
      most = Math.max(most, (await facts()).held)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  })()
  try {
    const result = await work()
    return { result, held: most - before.held }
  } finally {
    over = true
    await watching
  }
}

/** A body that is kept is 10 MiB of them. */
const mostHeld = 4 * 2 ** 20

const options = (transport: 'dtls' | 'tls') => ({
  transport,
  host: '127.0.0.1',
  port: ports[transport],
  credentials: certificates.device,
  verifyPeer: () => ({ accepted: true as const, identity: 'server' }),
})

describe.each(transports)('[6.7] 10 MiB over %s, on real sockets', (transport) => {
  let device: CoapsClient<string>
  beforeAll(async () => {
    device = await connectCoaps<string>(options(transport))
    // What the first requests load stays.
    await device.request({ method: 'PUT', path: '/file', payload: streamOf(0, 500_000), timeout: seconds(30) })
    await device.request({ method: 'GET', path: '/file', maxResponseBytes: 2 * total, timeout: seconds(60) })
  })
  afterAll(() => device.close())

  it(
    'to a device: the process does not grow by the body',
    async () => {
      const before = await facts()
      const startedAt = performance.now()
      const { result, held } = await mostHeldDuring(() =>
        device.request({ method: 'GET', path: '/file', maxResponseBytes: total, timeout: seconds(30) }),
      )
      const { payload } = result
      const took = performance.now() - startedAt
      const grown = (await facts()).rss - before.rss
      process.stdout.write(
        `10 MiB to a device over ${transport}: ${Math.round(took)} ms, server ${mebi(grown)} larger, held at most ${mebi(held)} more\n`,
      )
      expect(payload.length).toBe(total)
      expect(createHash('sha256').update(payload).digest('hex')).toBe(
        createHash('sha256').update(streamOf(0, total)).digest('hex'),
      )
      expect(held).toBeLessThan(mostHeld)
    },
    minutes(2),
  )

  it(
    'from a device: the process does not grow by the body',
    async () => {
      const payload = streamOf(0, total)
      const before = await facts()
      const startedAt = performance.now()
      const { result, held } = await mostHeldDuring(() =>
        device.request({ method: 'PUT', path: '/file', payload, timeout: seconds(30) }),
      )
      const took = performance.now() - startedAt
      const after = await facts()
      const grown = after.rss - before.rss
      process.stdout.write(
        `10 MiB from a device over ${transport}: ${Math.round(took)} ms, server ${mebi(grown)} larger, held at most ${mebi(held)} more\n`,
      )
      expect(result.code).toBe('2.04')
      expect(after.receivedBytes).toBe(total)
      expect(after.digest).toBe(createHash('sha256').update(payload).digest('hex'))
      expect(held).toBeLessThan(mostHeld)
    },
    minutes(2),
  )
})

/** 50 associations, 200 bodies each that begin with a block and never go on. */
describe.each(transports)('[6.7] 10 000 unfinished transfers over %s', (transport) => {
  it(
    'cost a bounded amount, and everybody else is served',
    async () => {
      const before = await facts()
      const associations: Association<string>[] = []
      for (let count = 0; count < 50; count++) {
        const { transport: _, ...rest } = options(transport)
        const hooks = { onData: () => undefined, onClosed: () => undefined }
        associations.push(
          await (transport === 'dtls'
            ? connectDtls<string>({ ...rest, ...hooks })
            : connectTls<string>({ ...rest, ...hooks })),
        )
      }
      const connected = await facts()
      let messageId = 0
      for (const association of associations) {
        if (transport === 'tls')
          association.send(
            encodeFrame(
              { code: signalCodes.csm, token: new Uint8Array(), options: [], payload: new Uint8Array() },
              100,
            ),
          )
        for (let transfer = 0; transfer < 200; transfer++) {
          const content = {
            code: 2,
            token: uintValue(transfer + 1),
            options: [
              { number: 11, value: Buffer.from('whole') },
              { number: 15, value: Buffer.from(`transfer=${transfer}`) },
              { number: 27, value: blockValue({ number: 0, more: true, size: 1024 }) },
            ],
            payload: new Uint8Array(1024),
          }
          messageId = (messageId + 1) & 0xffff
          association.send(
            transport === 'tls' ? encodeFrame(content, 2000) : encodeMessage({ type: 0, messageId, ...content }),
          )
          if (transfer % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 5))
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 500))
      const after = await facts()
      const grown = after.rss - connected.rss
      process.stdout.write(
        `10 000 unfinished transfers over ${transport}: ${mebi(grown)} (their 50 associations ${mebi(connected.rss - before.rss)})\n`,
      )
      expect(grown).toBeLessThan(24 * 2 ** 20)
      const good = await connectCoaps<string>(options(transport))
      expect((await good.request({ method: 'POST', path: '/whole', payload: new Uint8Array(60_000) })).code).toBe(
        '2.04',
      )
      await good.close()
      for (const association of associations) association.close()
      await expect.poll(async () => (await facts()).live, { timeout: 5000 }).toBe(0)
    },
    minutes(2),
  )
})

it(
  '[6.4] 1000 idle connections by TLS cost a bounded amount each',
  async () => {
    const most = 1000
    const before = await facts()
    const idle: CoapsClient<string>[] = []
    while (idle.length < most) {
      idle.push(...(await Promise.all(Array.from({ length: 25 }, () => connectCoaps<string>(options('tls'))))))
    }
    await expect.poll(async () => (await facts()).live).toBe(most)
    const each = ((await facts()).rss - before.rss) / most
    process.stdout.write(`${most} idle TLS connections: ${(each / 1024).toFixed(0)} KiB of the server's memory each\n`)
    expect(each).toBeLessThan(200 * 1024)
    for (const client of idle) client.association.close()
    await expect.poll(async () => (await facts()).live, { timeout: 10_000 }).toBe(0)
  },
  minutes(2),
)
