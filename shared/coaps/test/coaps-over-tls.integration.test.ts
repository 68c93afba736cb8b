/** CoAP over TLS (RFC 8323) between our ends, and with libcoap on OpenSSL and on GnuTLS. */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { milliseconds, seconds } from '@sallyport/clock'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type Association,
  type AssociationCloseReason,
  type CoapResource,
  type CoapsClient,
  type CoapsServer,
  connectCoaps,
  type HandshakeFailure,
  listenCoaps,
  type PeerVerdict,
  type VerifyPeer,
} from '../src/index.ts'
import { type DtlsCertificates, makeDtlsCertificates } from './dtls-certificates.ts'

const run = promisify(execFile)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytesOf = (words: string) => new TextEncoder().encode(words)
const long = (length: number) => Uint8Array.from({ length }, (_, index) => 97 + (index % 26))
const versions = ['TLSv1.2', 'TLSv1.3'] as const

let certificates: DtlsCertificates
let server: CoapsServer<string>
let temperature = 20
let uploaded = 0
const watchers = new Set<() => void>()
const clients: CoapsClient<string>[] = []
const opened: Association<string>[] = []
const closed: AssociationCloseReason[] = []
const failures: HandshakeFailure[] = []
const chains: (readonly Uint8Array[])[] = []

const resources: CoapResource<string>[] = [
  { path: '/x.plgd.dev/time', handlers: { GET: () => ({ code: '2.05', payload: bytesOf('noon') }) } },
  { path: '/long', handlers: { GET: () => ({ code: '2.05', payload: long(50_000) }) } },
  {
    path: '/upload',
    maxRequestBytes: 300_000,
    handlers: {
      POST: ({ payload }) => {
        uploaded = payload.length
        return { code: '2.04', payload: bytesOf(`${payload.length}`) }
      },
    },
  },
  {
    path: '/slow',
    handlers: {
      GET: () => new Promise((resolve) => setTimeout(() => resolve({ code: '2.05', payload: bytesOf('abc') }), 1200)),
    },
  },
  {
    path: '/temperature',
    handlers: { GET: () => ({ code: '2.05', payload: bytesOf(`${temperature}`) }) },
    observe: (_request, changed) => {
      watchers.add(changed)
      return () => watchers.delete(changed)
    },
  },
]

/** Knows the two devices by their certificates; every other peer has an authority that nobody knows. */
const verifyPeer: VerifyPeer<string> = async (chain): Promise<PeerVerdict<string>> => {
  chains.push(chain)
  for (const name of ['device', 'device-big'] as const) {
    const [leaf] = certificates.credentials(name).chain
    if (leaf !== undefined && Buffer.compare(leaf, chain[0] ?? new Uint8Array()) === 0)
      return { accepted: true, identity: name }
  }
  return { accepted: false, alert: 'unknown_ca', code: 'certificate-authority-unknown', detail: 'not known here' }
}

beforeAll(async () => {
  certificates = makeDtlsCertificates()
  server = await listenCoaps<string>({
    host: '127.0.0.1',
    port: 0,
    tls: { host: '127.0.0.1', port: 0 },
    credentials: certificates.credentials('server-big'),
    verifyPeer,
    resources,
    associationsPerPeer: { keyOf: (identity) => identity, most: 1500 },
    observer: {
      associationOpened: (association) => opened.push(association),
      associationClosed: (_association, reason) => closed.push(reason),
      handshakeFailed: (failure) => failures.push(failure),
    },
  })
})

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  await expect.poll(() => server.counts).toMatchObject({ live: 0, halfOpen: 0, exchanges: 0, observations: 0 })
  failures.length = 0
  closed.length = 0
})

afterAll(async () => {
  await server?.close()
  certificates?.remove()
})

const portOf = (transport: 'dtls' | 'tls'): number =>
  (transport === 'tls' ? server.tlsAddress?.port : server.address.port) ?? 0

async function client(
  options: {
    transport?: 'dtls' | 'tls'
    tlsVersion?: 'TLSv1.2' | 'TLSv1.3'
    as?: 'device' | 'device-big' | 'device-p384'
    resources?: readonly CoapResource<string>[]
  } = {},
): Promise<CoapsClient<string>> {
  const { transport = 'tls', tlsVersion, as = 'device' } = options
  const known = opened.length
  const connected = await connectCoaps<string>({
    transport,
    ...(tlsVersion === undefined ? {} : { tlsVersion }),
    host: '127.0.0.1',
    port: portOf(transport),
    credentials: certificates.credentials(as),
    verifyPeer: async (chain) => {
      expect(chain).toEqual(certificates.credentials('server-big').chain)
      return { accepted: true, identity: 'server' }
    },
    resources: options.resources ?? [],
  })
  clients.push(connected)
  // With TLS 1.3 the client is done before the server has judged it.
  const { id } = connected.association
  if (as !== 'device-p384') await expect.poll(() => opened.length, { message: id }).toBeGreaterThan(known)
  return connected
}

describe.each(versions)('[6.4] our client and our server over %s', (tlsVersion) => {
  it('requests, long bodies both ways, errors and pings work', async () => {
    const device = await client({ tlsVersion })
    expect(device.association).toMatchObject({ transport: 'tls', identity: 'server' })
    expect(opened.at(-1)).toMatchObject({ transport: 'tls', identity: 'device' })
    expect(opened.at(-1)?.cipherSuite).toMatch(/^TLS_(ECDHE_ECDSA_WITH_)?AES_128_GCM_SHA256$/)
    expect(text((await device.request({ method: 'GET', path: '/x.plgd.dev/time' })).payload)).toBe('noon')
    expect((await device.request({ method: 'GET', path: '/long' })).payload).toEqual(long(50_000))
    const post = (length: number) => device.request({ method: 'POST', path: '/upload', payload: long(length) })
    expect(text((await post(20_000)).payload)).toBe('20000')
    expect(text((await post(300_000)).payload)).toBe('300000')
    expect((await post(300_001)).code).toBe('4.13')
    expect(text((await device.request({ method: 'GET', path: '/slow' })).payload)).toBe('abc')
    expect((await device.request({ method: 'GET', path: '/nothing' })).code).toBe('4.04')
    expect((await device.request({ method: 'GET', path: '/upload' })).code).toBe('4.05')
    expect(await device.ping(seconds(2))).toBe(true)
    expect(server.counts.byTransport).toEqual({ dtls: { live: 0, halfOpen: 0 }, tls: { live: 1, halfOpen: 0 } })
  })

  it('the server reads and observes the device on the connection that the device opened', async () => {
    let state = 'off'
    let tell: (() => void) | undefined
    await client({
      tlsVersion,
      resources: [
        {
          path: '/light/1',
          handlers: {
            GET: () => ({ code: '2.05', payload: bytesOf(state) }),
            POST: ({ payload }) => {
              state = text(payload)
              tell?.()
              return { code: '2.04' }
            },
          },
          observe: (_request, changed) => {
            tell = changed
            return () => {
              tell = undefined
            }
          },
        },
      ],
    })
    const association = opened.at(-1)
    if (association === undefined) throw new Error('no association')
    const seen: string[] = []
    const observation = await server.observe(
      association,
      { method: 'GET', path: '/light/1' },
      (response) => seen.push(text(response.payload)),
      () => undefined,
    )
    expect(text(observation.first.payload)).toBe('off')
    for (const value of ['on', 'off', 'on']) {
      await server.request(association, { method: 'POST', path: '/light/1', payload: bytesOf(value) })
    }
    await expect.poll(() => seen).toEqual(['on', 'off', 'on'])
    observation.cancel()
    await expect.poll(() => tell).toBeUndefined()
    expect(await server.ping(association, seconds(2))).toBe(true)
  })

  it('verifyPeer is given the chain as it was presented, leaf first', async () => {
    chains.length = 0
    await client({ tlsVersion, as: 'device-big' })
    expect(certificates.credentials('device-big').chain).toHaveLength(2)
    expect(chains).toEqual([certificates.credentials('device-big').chain])
  })

  it('a peer that verifyPeer refuses is told by an Abort, and leaves nothing', async () => {
    const refused = await client({ tlsVersion, as: 'device-p384' })
    await expect(refused.request({ method: 'GET', path: '/x.plgd.dev/time' })).rejects.toMatchObject({
      code: 'association-closed',
    })
    expect(failures).toMatchObject([{ transport: 'tls', code: 'certificate-authority-unknown', direction: 'none' }])
    expect(failures[0]?.chain).toEqual(certificates.credentials('device-p384').chain)
    await expect.poll(() => refused.association.closed).toBe(true)
  })

  it('a close by the server reaches the device at once, with what it is owed', async () => {
    const device = await client({ tlsVersion })
    const association = opened.at(-1)
    const answer = device.request({ method: 'GET', path: '/long' })
    await answer
    association?.close()
    await expect.poll(() => device.association.closed, { timeout: 1000 }).toBe(true)
    expect(closed).toEqual(['local'])
  })
})

it('[6.4] one peer has its places on both transports together: the oldest association gives way', async () => {
  const small = await listenCoaps<string>({
    host: '127.0.0.1',
    port: 0,
    tls: { host: '127.0.0.1', port: 0 },
    credentials: certificates.credentials('server'),
    verifyPeer,
    resources,
    associationsPerPeer: { keyOf: (identity) => identity, most: 2 },
  })
  const connect = async (transport: 'dtls' | 'tls') =>
    connectCoaps<string>({
      transport,
      host: '127.0.0.1',
      port: (transport === 'tls' ? small.tlsAddress : small.address)?.port ?? 0,
      credentials: certificates.credentials('device'),
      verifyPeer: () => ({ accepted: true, identity: 'server' }),
    })
  const first = await connect('dtls')
  const second = await connect('tls')
  const third = await connect('tls')
  await expect.poll(() => first.association.closed).toBe(true)
  const fourth = await connect('dtls')
  await expect.poll(() => second.association.closed).toBe(true)
  expect(small.counts.byTransport).toEqual({ dtls: { live: 1, halfOpen: 0 }, tls: { live: 1, halfOpen: 0 } })
  expect([...small.associations].map(({ transport }) => transport).sort()).toEqual(['dtls', 'tls'])
  await small.close()
  for (const one of [third, fourth]) await expect.poll(() => one.association.closed).toBe(true)
  for (const one of [first, second, third, fourth]) await one.close()
})

it('[6.4] a peer that is idle is asked whether it is there, and closed when it does not answer', async () => {
  const quick = await listenCoaps<string>({
    host: '127.0.0.1',
    port: 0,
    tls: { host: '127.0.0.1', port: 0, limits: { idleAfter: milliseconds(200) } },
    credentials: certificates.credentials('server'),
    verifyPeer,
    resources,
  })
  const device = await connectCoaps<string>({
    transport: 'tls',
    host: '127.0.0.1',
    port: quick.tlsAddress?.port ?? 0,
    credentials: certificates.credentials('device'),
    verifyPeer: () => ({ accepted: true, identity: 'server' }),
  })
  await new Promise((resolve) => setTimeout(resolve, 1000))
  expect(device.association.closed).toBe(false)
  expect(quick.counts.live).toBe(1)
  await quick.close()
  await device.close()
})

describe('[6.4] [6.6] libcoap as a client over coaps+tcp (RFC 8323 section 9)', () => {
  const libcoap = async (flavour: 'openssl' | 'gnutls', path: string, ...words: string[]) => {
    const { stdout, stderr } = await run(
      `coap-client-${flavour}`,
      [
        ...words,
        ...['-B', '5', '-C', certificates.file('anchors.pem')],
        ...['-c', certificates.file('device.pem')],
        ...['-j', certificates.file(flavour === 'openssl' ? 'device.key' : 'device.p8.key')],
        `coaps+tcp://127.0.0.1:${portOf('tls')}${path}`,
      ],
      { timeout: 20_000 },
    )
    return `${stdout}${stderr}`
  }
  it.each(['openssl', 'gnutls'] as const)('on %s: GET, long bodies both ways, Observe, an error', async (flavour) => {
    expect(await libcoap(flavour, '/x.plgd.dev/time', '-m', 'get')).toContain('noon')
    expect(opened.at(-1)).toMatchObject({ transport: 'tls', identity: 'device' })
    expect(await libcoap(flavour, '/long', '-m', 'get')).toContain(text(long(50_000)))
    expect(await libcoap(flavour, '/long', '-m', 'get', '-b', '256')).toContain(text(long(50_000)))
    // libcoap on GnuTLS sends no message that is longer than a TLS record.
    const most = flavour === 'gnutls' ? 10_000 : 50_000
    expect(await libcoap(flavour, '/upload', '-m', 'post', '-e', text(long(most)))).toContain(`${most}`)
    expect(uploaded).toBe(most)
    expect(await libcoap(flavour, '/upload', '-m', 'post', '-b', '64', '-e', text(long(5000)))).toContain('5000')
    expect(await libcoap(flavour, '/slow', '-m', 'get')).toContain('abc')
    expect(await libcoap(flavour, '/nothing', '-m', 'get')).toContain('4.04')
    const watching = libcoap(flavour, '/temperature', '-m', 'get', '-s', '2')
    await expect.poll(() => watchers.size).toBe(1)
    temperature = 31
    for (const changed of watchers) changed()
    expect(await watching).toContain('31')
    temperature = 20
  })
})
