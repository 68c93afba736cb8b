/** Peers that speak TLS badly, or CoAP over it badly, or nothing at all: each is ended, and leaves nothing behind. */

import { exec } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect, type SecureVersion, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { milliseconds, seconds } from '@sallyport/clock'
import { type CoapContent, encodeFrame, MessageStream, signalCodes, uintValue } from '@sallyport/coap'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type AssociationCloseReason,
  type CoapsServer,
  connectCoaps,
  type HandshakeFailure,
  type ListenCoapsOptions,
  listenCoaps,
} from '../src/index.ts'
import { type DtlsCertificates, makeDtlsCertificates } from './dtls-certificates.ts'

/** Both streams; whatever the exit code. */
const shell = async (line: string) => (await promisify(exec)(`(${line}) 2>&1 || true`)).stdout
const versions = ['TLSv1.2', 'TLSv1.3'] as const
const noBytes = new Uint8Array()
const frame = (code: number, options: { number: number; value: Uint8Array }[] = [], payload: Uint8Array = noBytes) =>
  encodeFrame({ code, token: Uint8Array.of(1), options, payload }, 1_000_000)
const csm = encodeFrame(
  { code: signalCodes.csm, token: noBytes, options: [{ number: 2, value: uintValue(1152) }], payload: noBytes },
  100,
)
const getTime = frame(1, [{ number: 11, value: Buffer.from('time') }])

let certificates: DtlsCertificates
const servers: CoapsServer<string>[] = []
const sockets: Socket[] = []

interface UnderTest {
  readonly server: CoapsServer<string>
  readonly port: number
  readonly failures: HandshakeFailure[]
  readonly closed: AssociationCloseReason[]
  readonly discarded: string[]
  changed(): void
}

async function listen(
  limits: NonNullable<ListenCoapsOptions<string>['tls']>['limits'] = {},
  bothTransports: NonNullable<ListenCoapsOptions<string>['limits']> = {},
): Promise<UnderTest> {
  const failures: HandshakeFailure[] = []
  const closed: AssociationCloseReason[] = []
  const discarded: string[] = []
  const watchers = new Set<() => void>()
  const server = await listenCoaps<string>({
    host: '127.0.0.1',
    port: 0,
    limits: bothTransports,
    tls: { host: '127.0.0.1', port: 0, limits },
    credentials: certificates.credentials('server'),
    verifyPeer: async () => ({ accepted: true, identity: 'device' }),
    resources: [
      { path: '/time', handlers: { GET: () => ({ code: '2.05', payload: Buffer.from('noon') }) } },
      {
        path: '/large',
        handlers: { GET: () => ({ code: '2.05', payload: Buffer.alloc(200_000) }) },
        observe: (_request, changed) => {
          watchers.add(changed)
          return () => watchers.delete(changed)
        },
      },
    ],
    observer: {
      handshakeFailed: (failure) => failures.push(failure),
      associationClosed: (_association, reason) => closed.push(reason),
      discarded: (reason) => discarded.push(reason),
    },
  })
  servers.push(server)
  const changed = () => {
    for (const watcher of watchers) watcher()
  }
  return { server, port: server.tlsAddress?.port ?? 0, failures, closed, discarded, changed }
}

beforeAll(() => {
  certificates = makeDtlsCertificates()
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) {
    await expect
      .poll(() => server.counts, { timeout: 5000 })
      .toMatchObject({ live: 0, halfOpen: 0, exchanges: 0, observations: 0 })
    await server.close()
  }
})
afterAll(() => certificates?.remove())

/** A TLS client of node's own; CoAP is up to the test. */
async function peer(
  port: number,
  version: SecureVersion,
  withCertificate = true,
  socketBelow = connectTcp(port, '127.0.0.1'),
): Promise<TLSSocket> {
  const socket = connect({
    socket: socketBelow,
    minVersion: version,
    maxVersion: version,
    rejectUnauthorized: false,
    ...(withCertificate
      ? { cert: readFileSync(certificates.file('device.pem')), key: readFileSync(certificates.file('device.key')) }
      : {}),
  })
  sockets.push(socket)
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.on('error', reject)
    socketBelow.on('error', reject)
  })
  return socket
}

/** All that the server says until it ends the connection. */
async function heard(socket: Socket, within = 5000): Promise<CoapContent[]> {
  const messages: CoapContent[] = []
  const stream = new MessageStream(1_000_000, { held: 0, most: 10_000_000 })
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the connection stays open')), within)
    socket.on('data', (chunk) => stream.feed(chunk, (message) => messages.push(structuredClone(message)) > 0))
    const over = () => {
      clearTimeout(timer)
      resolve()
    }
    socket.once('end', over)
    socket.once('close', over)
  })
  return messages
}

const reasonOf = (messages: readonly CoapContent[]) => {
  const last = messages.at(-1)
  return last?.code === signalCodes.abort ? Buffer.from(last.payload).toString() : undefined
}

describe.each(versions)('[6.4] [5.9] CoAP spoken badly over %s', (version) => {
  it.each([
    ['a request before the CSM', [getTime], 'the first message is no CSM'],
    ['garbage', [Uint8Array.of(0x0f, 0x99, 0x13)], 'reserved token length'],
    ['garbage after the CSM', [csm, Uint8Array.of(0x2f, 0x99, 0x13)], 'reserved token length'],
    ['a message of 4 GB', [csm, Uint8Array.of(0xf0, 0xff, 0xff, 0xff, 0xff, 1)], 'message over Max-Message-Size'],
    ['a message of 4 GB as the first', [Uint8Array.of(0xf0, 0xff, 0xff, 0xff, 0xff)], 'message over Max-Message-Size'],
    ['an HTTP request', [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')], 'reserved option length'],
    ['an option past the end', [csm, Uint8Array.of(0x20, 1, 0x35, 0xaa)], 'option past the end'],
  ])('is answered by an Abort: %s', async (_, parts, reason) => {
    const { port, closed } = await listen()
    const socket = await peer(port, version)
    for (const part of parts) socket.write(part)
    const messages = await heard(socket)
    expect(messages[0]?.code).toBe(signalCodes.csm)
    expect(reasonOf(messages)).toBe(reason)
    await expect.poll(() => closed).toHaveLength(1)
  })

  it('bytes one by one are served like others', async () => {
    const { port } = await listen()
    const socket = await peer(port, version)
    for (const byte of Buffer.concat([csm, getTime])) {
      socket.write(Uint8Array.of(byte))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const answer = await new Promise<CoapContent>((resolve) => {
      const stream = new MessageStream(10_000, { held: 0, most: 10_000 })
      socket.on('data', (chunk) =>
        stream.feed(chunk, (message) => {
          if (message.code === 0x45) resolve(structuredClone(message))
          return true
        }),
      )
    })
    expect(Buffer.from(answer.payload).toString()).toBe('noon')
  })

  it('a half-close ends the connection', async () => {
    const { port, closed } = await listen()
    const socket = await peer(port, version)
    socket.write(csm)
    socket.end(getTime)
    await heard(socket)
    await expect.poll(() => closed).toEqual(['close-notify'])
  })

  it('a reset ends the association', async () => {
    const { port, closed, server } = await listen()
    const raw = connectTcp(port, '127.0.0.1')
    const socket = await peer(port, version, true, raw)
    socket.write(csm)
    await expect.poll(() => server.counts.live).toBe(1)
    raw.resetAndDestroy()
    await expect.poll(() => closed).toEqual(['connection-lost'])
  })

  it('a peer without a certificate is told so, and nothing of it is read', async () => {
    const { port, failures } = await listen()
    const socket = await peer(port, version, false)
    socket.write(Buffer.concat([csm, getTime]))
    const messages = await heard(socket)
    expect(messages.map(({ code }) => code)).toEqual([signalCodes.csm, signalCodes.abort])
    expect(reasonOf(messages)).toBe('handshake_failure')
    expect(failures).toMatchObject([{ transport: 'tls', code: 'certificate-missing', direction: 'none' }])
  })

  it('a peer that does not read what it asked for is closed, and costs no more than its queue', async () => {
    const { port, closed, server, changed } = await listen({ maxQueuedBytes: 600_000 })
    const socket = await peer(port, version)
    socket.pause()
    const large = { number: 11, value: Buffer.from('large') }
    const roomy = encodeFrame(
      {
        code: signalCodes.csm,
        token: noBytes,
        options: [{ number: 2, value: uintValue(1_000_000) }],
        payload: noBytes,
      },
      100,
    )
    socket.write(Buffer.concat([roomy, frame(1, [{ number: 6, value: noBytes }, large])]))
    await expect.poll(() => server.counts.observations).toBe(1)
    const before = process.memoryUsage().arrayBuffers
    for (let round = 0; round < 400 && closed.length === 0; round++) {
      changed()
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    expect(closed).toEqual(['not-reading'])
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024)
  })

  it('a peer that reads nothing gets no more of its own requests served than fit its queue', async () => {
    const { port, server, closed } = await listen()
    const socket = await peer(port, version)
    socket.pause()
    const roomy = encodeFrame(
      {
        code: signalCodes.csm,
        token: noBytes,
        options: [{ number: 2, value: uintValue(1_000_000) }],
        payload: noBytes,
      },
      100,
    )
    socket.write(roomy)
    const large = frame(1, [{ number: 11, value: Buffer.from('large') }])
    for (let count = 0; count < 2000; count++) socket.write(large)
    await new Promise((resolve) => setTimeout(resolve, 1000))
    // Closed, or not read from any further: both bound what it costs.
    expect(closed.length + server.counts.live).toBe(1)
  })

  it('an idle peer that answers no Ping is closed', async () => {
    const { port, closed } = await listen({ idleAfter: milliseconds(300) })
    const socket = await peer(port, version)
    socket.write(csm)
    const messages = await heard(socket)
    expect(messages.map(({ code }) => code)).toContain(signalCodes.ping)
    expect(closed).toEqual(['local'])
  })

  it('has no resumption and no renegotiation', async () => {
    const { port } = await listen()
    const option = version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3'
    const session = certificates.file(`session-${version}`)
    const common = [
      's_client',
      '-connect',
      `127.0.0.1:${port}`,
      option,
      '-cert',
      certificates.file('device.pem'),
      '-key',
      certificates.file('device.key'),
    ]
    const run = (input: string, ...more: string[]) =>
      shell(`(sleep 0.4; printf '${input}'; sleep 0.4) | timeout 5 openssl ${[...common, ...more].join(' ')}`)
    expect(await run('', '-sess_out', session)).toContain('New, ')
    for (let round = 0; round < 2; round++) {
      const again = await run('', '-sess_in', session)
      expect(again).toContain('New, ')
      expect(again).not.toContain('Reused')
    }
    if (version === 'TLSv1.2') expect(await run('R\\n')).toMatch(/no renegotiation|handshake failure/)
  })
})

describe('[6.4] [5.9] TLS spoken badly', () => {
  const openssl = (port: number, ...more: string[]) =>
    shell(`echo | timeout 5 openssl s_client -connect 127.0.0.1:${port} ${more.join(' ')}`)

  it('older versions and other protocols are refused with TLS’s own alerts', async () => {
    const { port, failures } = await listen()
    expect(await openssl(port, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0')).toContain('alert protocol version')
    expect(await openssl(port, '-alpn', 'h2')).toContain('alert no application protocol')
    expect(await openssl(port, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA')).toContain('alert handshake failure')
    expect(await openssl(port, '-tls1_2', '-cipher', 'AES128-GCM-SHA256')).toContain('alert handshake failure')
    await expect.poll(() => failures).toHaveLength(4)
    expect(failures.every(({ code, transport }) => code === 'handshake-failed' && transport === 'tls')).toBe(true)
  })

  it('offers `coap` by ALPN', async () => {
    const { port } = await listen()
    expect(
      await openssl(
        port,
        '-alpn',
        'coap',
        '-cert',
        certificates.file('device.pem'),
        '-key',
        certificates.file('device.key'),
      ),
    ).toContain('ALPN protocol: coap')
  })

  it('garbage, silence and connections that come and go leave nothing', async () => {
    const { port, failures, discarded, server } = await listen({ handshakeTimeout: milliseconds(500) })
    const tcp = (bytes?: Uint8Array | string) =>
      new Promise<void>((resolve) => {
        const socket = connectTcp(port, '127.0.0.1', () => {
          if (bytes !== undefined) socket.write(bytes)
        })
        sockets.push(socket)
        socket.on('error', () => undefined)
        socket.on('data', () => undefined)
        socket.once('close', () => resolve())
      })
    await Promise.all([
      tcp(),
      tcp(Uint8Array.of(0x16, 3, 1)),
      tcp('GET / HTTP/1.0\r\n\r\n'),
      tcp(new Uint8Array(4000).fill(0x16)),
    ])
    expect(failures.filter(({ code }) => code === 'handshake-timed-out')).toHaveLength(2)
    for (let round = 0; round < 100; round++) {
      await new Promise<void>((resolve) => {
        const socket = connectTcp(port, '127.0.0.1', () => {
          socket.destroy()
          resolve()
        })
      })
    }
    await expect.poll(() => server.counts.halfOpen).toBe(0)
    expect(discarded.length).toBeGreaterThan(0)
  })

  it('half-open connections of one host have a bound; where the share is full, the longest still gives way', async () => {
    const { port, server, discarded } = await listen({ maxHalfOpen: 100, maxHalfOpenPerHost: 5 })
    const open: Socket[] = []
    for (let count = 0; count < 8; count++) {
      const socket = connectTcp(port, '127.0.0.1')
      socket.on('error', () => undefined)
      sockets.push(socket)
      open.push(socket)
    }
    await expect.poll(() => discarded.filter((reason) => reason === 'too many half-open connections')).toHaveLength(3)
    expect(server.counts.halfOpen).toBe(5)
    await new Promise((resolve) => setTimeout(resolve, 2100))
    const live = await peer(port, 'TLSv1.3')
    live.write(csm)
    await expect.poll(() => server.counts.live).toBe(1)
    expect(server.counts.halfOpen).toBe(4)
  })

  it('live connections and handshakes per second have a bound', async () => {
    const few = await listen({ maxAssociations: 2, maxAssociationsPerNetwork: 2 })
    for (let count = 0; count < 2; count++) (await peer(few.port, 'TLSv1.3')).write(csm)
    await expect.poll(() => few.server.counts.live).toBe(2)
    const third = await peer(few.port, 'TLSv1.3').catch((error: unknown) => error)
    expect(third).toBeInstanceOf(Error)
    expect(few.discarded).toContain('too many connections')
    const one = { maxHandshakesPerSecond: 1, maxHandshakesPerSecondPerHost: 1, maxHandshakesPerSecondPerNetwork: 1 }
    const slow = await listen({}, one)
    for (let count = 0; count < 8; count++)
      connectTcp(slow.port, '127.0.0.1')
        .on('error', () => undefined)
        .unref()
    await expect.poll(() => slow.discarded.filter((reason) => reason === 'too many handshakes').length).toBe(4)
    await slow.server.close()
  })

  it('a full listener lets its longest silent association give way to a newcomer that was accepted, and none that lives', async () => {
    const { port, server, closed, discarded } = await listen({
      maxAssociations: 2,
      maxAssociationsPerNetwork: 10,
      staleAfter: milliseconds(1500),
    })
    const silent = await peer(port, 'TLSv1.3')
    silent.write(csm)
    await expect.poll(() => server.counts.live).toBe(1)
    const lively = await peer(port, 'TLSv1.2')
    lively.write(csm)
    await expect.poll(() => server.counts.live).toBe(2)
    const [longestSilent] = server.associations
    // Nobody is stale yet.
    await expect(peer(port, 'TLSv1.3')).rejects.toThrow()
    expect(discarded).toContain('too many connections')
    const speaking = setInterval(() => lively.write(getTime), 200)
    try {
      await new Promise((resolve) => setTimeout(resolve, 1800))
      // Who merely connects, or does not say who it is, costs nobody its place.
      const stranger = connectTcp(port, '127.0.0.1')
      sockets.push(stranger)
      await expect(peer(port, 'TLSv1.2', false).then((socket) => heard(socket))).resolves.toBeDefined()
      expect(longestSilent?.closed).toBe(false)
      const newcomer = await peer(port, 'TLSv1.3')
      newcomer.write(csm)
      await expect.poll(() => closed).toEqual(['evicted'])
      expect(longestSilent?.closed).toBe(true)
      expect(server.counts.live).toBe(2)
      expect(lively.destroyed).toBe(false)
      // Both that are left live.
      await expect(peer(port, 'TLSv1.3')).rejects.toThrow()
      expect(closed).toEqual(['evicted'])
    } finally {
      clearInterval(speaking)
    }
  })

  it('handshakes of a host have one budget: those that it begins over TLS are not left for DTLS, nor the other way', async () => {
    const rates = { maxHandshakesPerSecond: 1000, maxHandshakesPerSecondPerHost: 1 }
    const overTls = await listen({}, rates)
    const connecting = (port: number) =>
      connectCoaps<string>({
        host: '127.0.0.1',
        port,
        credentials: certificates.credentials('device'),
        verifyPeer: () => ({ accepted: true, identity: 'server' }),
      })
    // One a second, on average over four.
    for (let count = 0; count < 4; count++) await peer(overTls.port, 'TLSv1.3')
    const late = connecting(overTls.server.address.port)
    await expect.poll(() => overTls.discarded).toContain('handshake-rate-limit')
    // A second later there is one for it, and its hello comes again.
    await (await late).close()

    const overDtls = await listen({}, rates)
    for (let count = 0; count < 4; count++) await (await connecting(overDtls.server.address.port)).close()
    await expect(peer(overDtls.port, 'TLSv1.3')).rejects.toThrow()
    expect(overDtls.discarded).toContain('too many handshakes')
  })

  it('a chain of 50 certificates is refused unjudged, and counts as many handshakes', async () => {
    const rates = { maxHandshakesPerSecond: 1000, maxHandshakesPerSecondPerHost: 5 }
    const { port, failures, discarded } = await listen({}, rates)
    const cert = readFileSync(certificates.file('device.pem'), 'utf8').repeat(50)
    const key = readFileSync(certificates.file('device.key'))
    const attempt = async () => {
      const socket = connect({ host: '127.0.0.1', port, cert, key, rejectUnauthorized: false })
      sockets.push(socket)
      socket.on('error', () => undefined)
      return reasonOf(await heard(socket))
    }
    expect(await attempt()).toBe('bad_certificate')
    expect(failures).toMatchObject([{ code: 'certificate-malformed', detail: 'the chain is too long' }])
    expect(await attempt()).toBe('bad_certificate')
    expect(await attempt()).toBeUndefined()
    expect(discarded).toContain('too many handshakes')
  })

  it(
    'a peer that never says its CSM, or drips one, is aborted after 10 s',
    async () => {
      const { port } = await listen()
      const [silent, dripping] = await Promise.all([peer(port, 'TLSv1.3'), peer(port, 'TLSv1.2')])
      const drip = setInterval(() => dripping.write(Uint8Array.of(0xf0)), 3000)
      const [first, second] = await Promise.all([heard(silent, 15_000), heard(dripping, 15_000)])
      clearInterval(drip)
      expect(reasonOf(first)).toBe('no CSM in time')
      expect(reasonOf(second)).toBeDefined()
    },
    seconds(20),
  )
})
