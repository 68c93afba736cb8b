import { execFile } from 'node:child_process'
import { createSocket, Socket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import { promisify } from 'node:util'
import { minutes, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import coap from 'coap'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type Association,
  type CoapResource,
  type CoapsClient,
  type CoapsServer,
  connectCoaps,
  connectDtls,
  listenCoaps,
  type ServedRequest,
} from '../src/index.ts'
import { certificatesFromOpenssl, type TestCertificates } from './certificates-from-openssl.ts'

const run = promisify(execFile)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const long = (length: number) => Uint8Array.from({ length }, (_, index) => 97 + (index % 26))

let certificates: TestCertificates
let server: CoapsServer<string>
const served: ServedRequest<string>[] = []
const closed: string[] = []
const clients: CoapsClient<string>[] = []
const opened: Association<string>[] = []
let uploaded = 0
let temperature = 20
const watchers = new Set<() => void>()

const resources: CoapResource<string>[] = [
  {
    path: '/x.plgd.dev/time',
    attributes: { rt: 'x.plgd.dev.time', ct: [0] },
    handlers: { GET: () => ({ code: '2.05', payload: new TextEncoder().encode('noon'), contentFormat: 0 }) },
  },
  {
    path: '/long',
    handlers: { GET: () => ({ code: '2.05', payload: long(5000), contentFormat: 0 }) },
  },
  {
    path: '/upload',
    maxRequestBytes: 20_000,
    handlers: {
      POST: ({ payload }) => {
        uploaded = payload.length
        return { code: '2.04', payload: new TextEncoder().encode(`${payload.length}`) }
      },
    },
  },
  {
    path: '/slow',
    handlers: {
      GET: () => new Promise((resolve) => setTimeout(() => resolve({ code: '2.05', payload: long(3) }), 1500)),
    },
  },
  {
    path: '/temperature',
    handlers: { GET: () => ({ code: '2.05', payload: new TextEncoder().encode(`${temperature}`) }) },
    observe: (_request, changed) => {
      watchers.add(changed)
      return () => watchers.delete(changed)
    },
  },
  {
    path: '/private',
    handlers: {
      GET: () => {
        throw new CodedError('device-not-signed-in', 'sign in first')
      },
    },
  },
]

beforeAll(async () => {
  certificates = certificatesFromOpenssl()
  server = await listenCoaps<string>({
    host: '127.0.0.1',
    port: 0,
    credentials: certificates.server,
    verifyPeer: async () => ({ accepted: true, identity: 'device' }),
    resources,
    observer: {
      requestServed: (event) => served.push(event),
      associationOpened: (association) => opened.push(association),
      associationClosed: (_association, reason) => closed.push(reason),
    },
  })
})

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  served.length = 0
})

afterAll(async () => {
  await server?.close()
  certificates?.remove()
})

async function client(own: readonly CoapResource<string>[] = []): Promise<CoapsClient<string>> {
  const connected = await connectCoaps<string>({
    host: '127.0.0.1',
    port: server.address.port,
    credentials: certificates.device,
    verifyPeer: async () => ({ accepted: true, identity: 'server' }),
    resources: own,
  })
  clients.push(connected)
  return connected
}

describe('our client and our server over DTLS (RFC 7252 section 9)', () => {
  it('requests, blocks both ways, separate responses, errors and pings work', async () => {
    const device = await client()
    expect(text((await device.request({ method: 'GET', path: '/x.plgd.dev/time' })).payload)).toBe('noon')
    expect((await device.request({ method: 'GET', path: '/long' })).payload).toEqual(long(5000))
    expect(text((await device.request({ method: 'POST', path: '/upload', payload: long(20_000) })).payload)).toBe(
      '20000',
    )
    expect((await device.request({ method: 'POST', path: '/upload', payload: long(20_001) })).code).toBe('4.13')
    expect((await device.request({ method: 'GET', path: '/slow' })).payload).toHaveLength(3)
    expect((await device.request({ method: 'GET', path: '/private' })).code).toBe('4.01')
    expect((await device.request({ method: 'GET', path: '/nothing' })).code).toBe('4.04')
    expect((await device.request({ method: 'GET', path: '/upload' })).code).toBe('4.05')
    expect(await device.ping(seconds(2))).toBe(true)
    expect(served.map(({ path, code }) => `${path} ${code}`)).toContain('/private 4.01')
  })

  it('the server reads and observes the device on the association that the device opened', async () => {
    let state = 'off'
    let tell: (() => void) | undefined
    await client([
      {
        path: '/light/1',
        handlers: {
          GET: () => ({ code: '2.05', payload: new TextEncoder().encode(state) }),
          POST: ({ payload }) => {
            state = text(payload)
            tell?.()
            return { code: '2.04' }
          },
        },
        observe: (_request, changed) => {
          tell = changed
          return () => undefined
        },
      },
    ])
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
    await server.request(association, { method: 'POST', path: '/light/1', payload: new TextEncoder().encode('on') })
    await expect.poll(() => seen).toEqual(['on'])
    observation.cancel()
  })

  it('60 requests at once on one association are all answered', async () => {
    const device = await client()
    const answers = await Promise.all(
      Array.from({ length: 60 }, () => device.request({ method: 'GET', path: '/x.plgd.dev/time' })),
    )
    expect(answers.every(({ code }) => code === '2.05')).toBe(true)
  })

  it('nothing is left behind when a device goes', async () => {
    const device = await client()
    await device.observe(
      { method: 'GET', path: '/temperature' },
      () => undefined,
      () => undefined,
    )
    await expect.poll(() => server.counts.observations).toBe(1)
    await device.close()
    await expect.poll(() => server.counts).toMatchObject({ live: 0, halfOpen: 0, exchanges: 0, observations: 0 })
    expect(watchers.size).toBe(0)
  })
})

describe('[5.8] libcoap as a client', () => {
  const libcoap = async (flavour: 'openssl' | 'gnutls', path: string, ...words: string[]) => {
    const key = certificates.file(flavour === 'openssl' ? 'device.key' : 'device.p8.key')
    const { stdout, stderr } = await run(
      `coap-client-${flavour}`,
      [
        ...words,
        '-B',
        '5',
        '-c',
        certificates.file('device.pem'),
        '-j',
        key,
        '-C',
        certificates.file('ca.pem'),
        `coaps://127.0.0.1:${server.address.port}${path}`,
      ],
      { timeout: 20_000 },
    )
    return `${stdout}${stderr}`
  }
  for (const flavour of ['openssl', 'gnutls'] as const) {
    it(`on ${flavour}: GET, Block2, Block1, a separate response, discovery and an error`, async () => {
      expect(await libcoap(flavour, '/x.plgd.dev/time', '-m', 'get')).toContain('noon')
      expect(await libcoap(flavour, '/long', '-m', 'get')).toContain(text(long(5000)))
      expect(await libcoap(flavour, '/upload', '-m', 'post', '-e', text(long(5000)))).toContain('5000')
      expect(uploaded).toBe(5000)
      expect(await libcoap(flavour, '/long', '-m', 'get', '-b', '256')).toContain(text(long(5000)))
      expect(await libcoap(flavour, '/slow', '-m', 'get')).toContain('abc')
      expect(await libcoap(flavour, '/.well-known/core?rt=x.plgd.dev.time', '-m', 'get')).toContain(
        '</x.plgd.dev/time>',
      )
      expect(await libcoap(flavour, '/nothing', '-m', 'get')).toContain('4.04')
      expect(await libcoap(flavour, '/x.plgd.dev/time', '-m', 'get', '-N')).toContain('noon')
    })
  }
})

/** What node-coap takes for a UDP socket. Its checks ask for an instance of dgram.Socket. */
interface AssociationSocket extends Socket {
  deliver(plaintext: Uint8Array): void
}

async function nodeCoapSocket(): Promise<{ socket: AssociationSocket; association: Association<string> }> {
  const socket: AssociationSocket = Object.create(Socket.prototype)
  EventEmitter.call(socket)
  const rinfo = (size: number) => ({ address: 'dtls', port: 5684, family: 'IPv4', size })
  const association = await connectDtls<string>({
    host: '127.0.0.1',
    port: server.address.port,
    credentials: certificates.device,
    verifyPeer: async () => ({ accepted: true, identity: 'server' }),
    onData: (plaintext) => socket.emit('message', Buffer.from(plaintext), rinfo(plaintext.length)),
    onClosed: () => undefined,
  })
  Object.assign(socket, {
    send: (buffer: Buffer, offset: number, length: number, _port: number, _address: string, done?: () => void) => {
      association.send(buffer.subarray(offset, offset + length))
      if (typeof done === 'function') setImmediate(done)
    },
    address: () => ({ address: 'dtls', port: 5684, family: 'IPv4' }),
    close: () => undefined,
  })
  return { socket, association }
}

describe('node-coap over our DTLS client', () => {
  it('as a client: GET, Block2, Block1, Observe', async () => {
    const { socket, association } = await nodeCoapSocket()
    const agent = new coap.Agent({ type: 'udp4', socket })
    const request = (pathname: string, method: 'GET' | 'POST', payload?: Uint8Array, observe = false) =>
      new Promise<coap.IncomingMessage>((resolve, reject) => {
        const sent = coap.request({ hostname: 'dtls', port: 5684, pathname, method, observe, agent })
        sent.on('response', resolve)
        sent.on('error', reject)
        sent.end(payload === undefined ? undefined : Buffer.from(payload))
      })
    expect((await request('/x.plgd.dev/time', 'GET')).payload.toString()).toBe('noon')
    expect((await request('/long', 'GET')).payload.toString()).toBe(text(long(5000)))
    expect((await request('/upload', 'POST', long(900))).payload.toString()).toBe('900')
    expect((await request('/private', 'GET')).code).toBe('4.01')
    const stream = await request('/temperature', 'GET', undefined, true)
    const seen: string[] = []
    stream.on('data', (chunk: Buffer) => seen.push(chunk.toString()))
    await expect.poll(() => watchers.size).toBe(1)
    for (temperature = 21; temperature <= 23; temperature++) {
      for (const changed of watchers) changed()
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    await expect.poll(() => seen).toEqual(['20', '21', '22', '23'])
    association.close()
    await expect.poll(() => server.counts.observations).toBe(0)
  })

  it('as a device: the server reads, observes, commands and pings it', async () => {
    const { socket, association: near } = await nodeCoapSocket()
    const device = coap.createServer({ type: 'udp4' })
    let state = 'off'
    const observers = new Set<coap.ObserveWriteStream>()
    device.on('request', (request: coap.IncomingMessage, response: coap.OutgoingMessage | coap.ObserveWriteStream) => {
      if (request.url === '/upload') {
        response.code = '2.04'
        return void response.end(`${request.payload.length}`)
      }
      if (request.url === '/big') return void response.end(Buffer.from(long(4000)))
      if (request.method === 'POST') {
        state = request.payload.toString()
        for (const observer of observers) observer.write(state)
        response.code = '2.04'
        return void response.end()
      }
      if (request.headers.Observe === 0 && 'setOption' in response) {
        observers.add(response as coap.ObserveWriteStream)
        response.write(state)
        return
      }
      response.end(state)
    })
    await new Promise<void>((resolve) => device.listen(socket, undefined, () => resolve()))
    await expect.poll(() => opened.at(-1)?.closed).toBe(false)
    const association = opened.at(-1)
    if (association === undefined) throw new Error('no association')
    expect(text((await server.request(association, { method: 'GET', path: '/light' })).payload)).toBe('off')
    expect((await server.request(association, { method: 'GET', path: '/big' })).payload).toEqual(long(4000))
    for (const length of [1, 1024, 1025, 2048, 5000, 20_000]) {
      const upload = { method: 'POST' as const, path: '/upload', payload: long(length) }
      expect(text((await server.request(association, upload)).payload), `a body of ${length} bytes`).toBe(`${length}`)
    }
    const seen: string[] = []
    const observation = await server.observe(
      association,
      { method: 'GET', path: '/light' },
      (response) => seen.push(text(response.payload)),
      () => undefined,
    )
    expect(observation.observed).toBe(true)
    const changed = await server.request(association, {
      method: 'POST',
      path: '/light',
      payload: new TextEncoder().encode('on'),
    })
    expect(changed.code).toBe('2.04')
    await expect.poll(() => seen).toEqual(['on'])
    observation.cancel()
    near.close()
  })
})

describe('an association', () => {
  it('survives errors, and ends with the tenth 4.01 within a minute', async () => {
    const device = await client()
    for (let count = 1; count < 10; count++) {
      expect((await device.request({ method: 'GET', path: '/private' })).code).toBe('4.01')
    }
    expect(device.association.closed).toBe(false)
    expect((await device.request({ method: 'GET', path: '/private' })).code).toBe('4.01')
    await expect.poll(() => device.association.closed).toBe(true)
  })

  it('is told goodbye when the server stops, after what was in flight is answered', async () => {
    const other = await listenCoaps<string>({
      host: '127.0.0.1',
      port: 0,
      credentials: certificates.server,
      verifyPeer: async () => ({ accepted: true, identity: 'device' }),
      resources,
    })
    const device = await connectCoaps<string>({
      host: '127.0.0.1',
      port: other.address.port,
      credentials: certificates.device,
      verifyPeer: async () => ({ accepted: true, identity: 'server' }),
    })
    const inFlight = device.request({ method: 'GET', path: '/slow', timeout: minutes(1) })
    await expect.poll(() => other.counts.exchanges).toBe(1)
    const closing = other.close()
    expect((await device.request({ method: 'GET', path: '/x.plgd.dev/time' })).code).toBe('5.03')
    expect((await inFlight).code).toBe('2.05')
    await closing
    await expect.poll(() => device.association.closed).toBe(true)
    await device.close()
  })

  it('leaves the port free when the server is closed', async () => {
    const other = await listenCoaps<string>({
      host: '127.0.0.1',
      port: 0,
      credentials: certificates.server,
      verifyPeer: async () => ({ accepted: true, identity: 'device' }),
      resources: [],
    })
    await other.close()
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(other.address.port, '127.0.0.1', resolve))
    socket.close()
  })
})
