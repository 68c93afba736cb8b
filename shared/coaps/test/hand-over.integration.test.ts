/** A server gives its associations to a successor on the same address, over real sockets: nobody shakes hands again. */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { seconds } from '@sallyport/clock'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { stopReading } from '../src/dtls-socket.ts'
import {
  type Association,
  type CoapResource,
  type CoapsClient,
  type CoapsServer,
  connectCoaps,
  type ImportedAssociation,
  type ListenCoapsOptions,
  listenCoaps,
  listenDtls,
} from '../src/index.ts'
import { certificatesFromOpenssl, type TestCertificates } from './certificates-from-openssl.ts'
import { makeDtlsCertificates } from './dtls-certificates.ts'
import { startForeign } from './foreign-program.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (words: string) => new TextEncoder().encode(words)

let certificates: TestCertificates
const open: { close(): Promise<unknown> }[] = []

beforeAll(() => {
  certificates = certificatesFromOpenssl()
})
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})
afterAll(() => certificates?.remove())

/** One process's worth of server, with a counter that is observed and a resource that remembers who asked. */
class Gateway {
  readonly handshakes: Association<string>[] = []
  readonly changed: string[] = []
  readonly imported: ImportedAssociation<string>[] = []
  readonly refused: string[] = []
  readonly posted: string[] = []
  readonly notified: string[] = []
  readonly sequences: (number | undefined)[] = []
  readonly watchers = new Set<() => void>()
  value = 0
  slow = 0
  server: CoapsServer<string> | undefined

  async listen(port: number, options: Partial<ListenCoapsOptions<string>> = {}): Promise<this> {
    const resources: CoapResource<string>[] = [
      {
        path: '/value',
        handlers: { GET: () => ({ code: '2.05', payload: bytes(`${this.value}`) }) },
        observe: (_request, changed) => {
          this.watchers.add(changed)
          return () => this.watchers.delete(changed)
        },
      },
      {
        path: '/post',
        handlers: {
          POST: async ({ payload, recordSequence }) => {
            this.sequences.push(recordSequence)
            await new Promise((resolve) => setTimeout(resolve, this.slow))
            this.posted.push(text(payload))
            return { code: '2.04' }
          },
        },
      },
    ]
    this.server = await listenCoaps<string>({
      host: '127.0.0.1',
      port,
      credentials: certificates.server,
      verifyPeer: async () => ({ accepted: true, identity: 'device' }),
      resources,
      observer: {
        associationOpened: (association) => this.handshakes.push(association),
        associationChanged: ({ id }) => this.changed.push(id),
      },
      ...options,
    })
    open.push(this.server)
    return this
  }

  get the(): CoapsServer<string> {
    if (this.server === undefined) throw new Error('not listening')
    return this.server
  }

  /** All it has, as the next process gets it. */
  states(final: boolean): { readonly id: string; readonly state: Uint8Array }[] {
    return [...this.the.associations].map((association) => {
      const state = this.the.exportAssociation(association, final)
      if (state === undefined) throw new Error('closed')
      return { id: association.id, state: state.slice() }
    })
  }

  /** Takes the place of a former one on its port. */
  succeed(port: number, states: readonly { id: string; state: Uint8Array }[], generation = 1): Promise<this> {
    return this.listen(port, {
      beforeReading: async (importer) => {
        for (const { id, state } of states) {
          const openedAt = 1 as Association<string>['openedAt']
          const outcome = importer.importAssociation({
            id,
            state,
            openedAt,
            identity: 'imported',
            generation,
            recordMark: -1,
            isNext: true,
          })
          if (typeof outcome === 'string') this.refused.push(outcome)
          else this.imported.push(outcome)
          if (typeof outcome === 'string') continue
          for (const observation of outcome.observations) {
            observation.follow(
              ({ payload }) => this.notified.push(text(payload)),
              () => this.notified.push('ended'),
            )
          }
        }
      },
    })
  }
}

interface Device {
  readonly client: CoapsClient<string>
  readonly heard: string[]
  tell(value: string): void
}

async function deviceAt(port: number, options: { connectionId?: boolean } = {}): Promise<Device> {
  let value = 'first'
  const watchers = new Set<() => void>()
  const client = await connectCoaps<string>({
    host: '127.0.0.1',
    port,
    credentials: certificates.device,
    verifyPeer: async () => ({ accepted: true, identity: 'server' }),
    resources: [
      {
        path: '/light',
        handlers: { GET: () => ({ code: '2.05', payload: bytes(value) }) },
        observe: (_request, changed) => {
          watchers.add(changed)
          return () => watchers.delete(changed)
        },
      },
    ],
    ...options,
  })
  open.push(client)
  return {
    client,
    heard: [],
    tell(next) {
      value = next
      for (const changed of watchers) changed()
    },
  }
}

async function eventually(claim: () => void): Promise<void> {
  const deadline = Date.now() + 10_000
  for (;;) {
    try {
      return claim()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

describe('[6.2] a hand-over', () => {
  it('goes on with requests and with observations in both directions; nobody handshakes, nobody is told', async () => {
    const first = await new Gateway().listen(0)
    const { port } = first.the.address
    const device = await deviceAt(port)
    const heard: string[] = []
    await device.client.observe(
      { method: 'GET', path: '/value' },
      ({ payload }) => heard.push(text(payload)),
      () => heard.push('ended'),
    )
    const [association] = first.handshakes
    if (association === undefined) throw new Error('nobody came')
    const light: string[] = []
    await first.the.observe(
      association,
      { method: 'GET', path: '/light', query: ['if=oic.if.b'] },
      ({ payload }) => light.push(text(payload)),
      () => light.push('ended'),
    )
    expect(first.changed.length).toBeGreaterThanOrEqual(2)
    await first.the.stopReading(seconds(2))
    const states = first.states(true)
    await first.the.abandon()

    const second = await new Gateway().succeed(port, states)
    expect(second.refused).toEqual([])
    expect(second.imported.map(({ association: { id, identity } }) => ({ id, identity }))).toEqual([
      { id: association.id, identity: 'imported' },
    ])
    expect(second.imported[0]?.observations.map(({ path, query }) => [path, query])).toEqual([
      ['/light', ['if=oic.if.b']],
    ])
    expect((await device.client.request({ method: 'POST', path: '/post', payload: bytes('after') })).code).toBe('2.04')
    device.tell('second')
    await eventually(() => expect(second.notified).toContain('second'))
    second.value = 7
    for (const changed of second.watchers) changed()
    await eventually(() => expect(heard).toContain('7'))
    const [imported] = second.imported
    if (imported === undefined) throw new Error('nothing imported')
    const answer = await second.the.request(imported.association, { method: 'GET', path: '/light' })
    expect(text(answer.payload)).toBe('second')
    expect(second.handshakes).toEqual([])
    expect(device.client.association.closed).toBe(false)
    expect(heard).not.toContain('ended')
    expect(light).toEqual([])
  })

  it('lets a request in flight finish; one that comes later is served by the successor from the same retransmission', async () => {
    const first = await new Gateway().listen(0)
    const { port } = first.the.address
    const { client } = await deviceAt(port)
    first.slow = 300
    const inFlight = client.request({ method: 'POST', path: '/post', payload: bytes('in flight') })
    await eventually(() => expect(first.sequences).toHaveLength(1))
    const stopped = first.the.stopReading(seconds(2))
    const later = client.request({ method: 'POST', path: '/post', payload: bytes('later') })
    await stopped
    expect(first.posted).toEqual(['in flight'])
    expect((await inFlight).code).toBe('2.04')
    const states = first.states(true)
    await first.the.abandon()
    const second = await new Gateway().succeed(port, states)
    expect((await later).code).toBe('2.04')
    expect(second.posted).toEqual(['later'])
    expect(first.posted).toEqual(['in flight'])
    expect(second.handshakes).toEqual([])
  })

  it('after a crash, from a snapshot, goes on too; a third takes over from the second', async () => {
    const first = await new Gateway().listen(0)
    const { port } = first.the.address
    const { client } = await deviceAt(port)
    await client.request({ method: 'POST', path: '/post', payload: bytes('1') })
    const snapshot = first.states(false)
    for (const word of ['2', '3', '4']) await client.request({ method: 'POST', path: '/post', payload: bytes(word) })
    await first.the.abandon()
    const second = await new Gateway().succeed(port, snapshot)
    await client.request({ method: 'POST', path: '/post', payload: bytes('5') })
    const again = second.states(false)
    await second.the.abandon()
    const third = await new Gateway().succeed(port, again, 2)
    await client.request({ method: 'POST', path: '/post', payload: bytes('6') })
    expect([first.posted, second.posted, third.posted]).toEqual([['1', '2', '3', '4'], ['5'], ['6']])
    expect([...second.handshakes, ...third.handshakes]).toEqual([])
    // Each request has the number of its record, over all three.
    const numbers = [...first.sequences, ...second.sequences, ...third.sequences].map(Number)
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
  })

  it('a state that is none of ours is refused by name, and its peer can come anew', async () => {
    const first = await new Gateway().listen(0)
    const { port } = first.the.address
    await deviceAt(port)
    const [{ id, state } = { id: '', state: bytes('') }] = first.states(false)
    await first.the.abandon()
    const second = await new Gateway().succeed(port, [
      { id, state: bytes('') },
      { id, state: state.subarray(0, -1) },
      { id, state: Uint8Array.of(...state, 0) },
    ])
    expect(second.refused).toEqual(['malformed', 'malformed', 'malformed'])
    const { client } = await deviceAt(port)
    expect((await client.request({ method: 'POST', path: '/post', payload: bytes('x') })).code).toBe('2.04')
  })
})

describe('a foreign peer', () => {
  it('openssl goes on with the successor of its server, past record number 2^32', async () => {
    const chains = makeDtlsCertificates()
    const received: string[] = []
    const events = {
      data: (association: Association<string>, plaintext: Uint8Array) => {
        received.push(text(plaintext).trim())
        association.send(bytes(`echo ${text(plaintext)}`))
      },
    }
    const options = {
      host: '127.0.0.1',
      credentials: chains.credentials('server'),
      verifyPeer: () => ({ accepted: true, identity: 'device' }) as const,
      events,
    }
    const first = await listenDtls<string>({ ...options, port: 0 })
    const { port } = first.address
    const client = startForeign('openssl', [
      's_client',
      '-dtls1_2',
      ...['-connect', `127.0.0.1:${port}`, '-cipher', 'ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0'],
      ...['-cert', chains.file('device.pem'), '-key', chains.file('device.key'), '-CAfile', chains.file('anchors.pem')],
    ])
    client.write('before\n')
    await client.says('echo before')
    const [association] = first.associations
    const state = association === undefined ? undefined : first.exportAssociation(association)
    if (association === undefined || state === undefined) throw new Error('nobody came')
    await first.abandon()
    const second = await listenDtls<string>({
      ...options,
      port,
      beforeReading: async (importer) => {
        const { id, openedAt, identity } = association
        const imported = { state, id, openedAt, identity, generation: 1, recordMark: -1, isNext: true }
        expect(typeof importer.importAssociation(imported)).toBe('object')
      },
    })
    client.write('after\n')
    await client.says('echo after')
    expect(received).toEqual(['before', 'after'])
    await client.end()
    await second.close()
    chains.remove()
  })
})

describe('a socket that is read no more', () => {
  it('leaves datagrams in the kernel, and still sends', async () => {
    const socket = createSocket('udp4')
    const peer = createSocket('udp4')
    try {
      socket.bind(0, '127.0.0.1')
      peer.bind(0, '127.0.0.1')
      await Promise.all([once(socket, 'listening'), once(peer, 'listening')])
      const got: string[] = []
      socket.on('message', (message) => got.push(message.toString()))
      peer.send('one', socket.address().port, '127.0.0.1')
      await eventually(() => expect(got).toEqual(['one']))
      expect(stopReading(socket)).toBe(true)
      peer.send('two', socket.address().port, '127.0.0.1')
      const answered = once(peer, 'message')
      socket.send('answer', peer.address().port, '127.0.0.1')
      await answered
      expect(got).toEqual(['one'])
      const port = socket.address().port.toString(16).toUpperCase().padStart(4, '0')
      const line = readFileSync('/proc/net/udp', 'utf8')
        .split('\n')
        .find((entry) => entry.includes(`:${port} `))
      const queued = line?.trim().split(/\s+/)[4]?.split(':')[1] ?? '0'
      expect(Number.parseInt(queued, 16)).toBeGreaterThan(0)
    } finally {
      socket.close()
      peer.close()
    }
  })
})
