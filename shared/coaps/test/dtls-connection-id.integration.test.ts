/** Connection IDs over real sockets: a client behind a NAT that takes another port, and what tshark makes of our records. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Association } from '../src/association.ts'
import { connectDtls } from '../src/dtls-connection.ts'
import { type DtlsCertificates, makeDtlsCertificates } from './dtls-certificates.ts'
import { type EchoServer, startEchoServer } from './dtls-echo-server.ts'
import { type NetworkAddressTranslator, startNetworkAddressTranslator } from './network-address-translator.ts'
import { dissect } from './wireshark.ts'

let certificates: DtlsCertificates
const closings: (() => unknown)[] = []

beforeAll(() => {
  certificates = makeDtlsCertificates()
})
afterAll(() => certificates.remove())
afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close()
})

interface Meeting {
  readonly server: EchoServer
  readonly nat: NetworkAddressTranslator
  readonly client: Association<string>
  readonly received: string[]
  readonly closed: string[]
}

async function meet(
  connectionId: boolean,
  options: Partial<Parameters<typeof startEchoServer>[0]> = {},
): Promise<Meeting> {
  const server = await startEchoServer({ credentials: certificates.credentials('server'), ...options })
  closings.push(() => server.listener.close())
  const nat = await startNetworkAddressTranslator(server.port)
  closings.push(() => nat.close())
  const received: string[] = []
  const closed: string[] = []
  const client = await connectDtls<string>({
    host: '127.0.0.1',
    port: nat.port,
    credentials: certificates.credentials('device'),
    connectionId,
    verifyPeer: () => ({ accepted: true, identity: 'the server' }),
    onData: (plaintext) => received.push(Buffer.from(plaintext).toString()),
    onClosed: (reason) => closed.push(reason),
  })
  closings.push(() => client.close())
  return { server, nat, client, received, closed }
}

async function say({ client, server, received }: Meeting, text: string): Promise<void> {
  client.send(Buffer.from(text))
  await server.until(() => received.includes(`echo ${text}`))
}

describe('a client behind a NAT', () => {
  it('[6.1] [0.15] whose UDP port changes stays connected: the same association, now at the new address', async () => {
    const meeting = await meet(true)
    const { server, nat } = meeting
    await say(meeting, 'before')
    const [association] = server.opened
    expect(association?.remote.port).toBe(nat.outerPort)
    for (let round = 1; round <= 3; round += 1) {
      const former = nat.outerPort
      await nat.rebind()
      expect(nat.outerPort).not.toBe(former)
      await say(meeting, `after change ${round}`)
      // Once the client has answered the challenge that its new port has brought.
      await server.until(() => association?.remote.port === nat.outerPort)
      expect(association?.remote).toEqual({ address: '127.0.0.1', port: nat.outerPort })
    }
    association?.send(Buffer.from('the server speaks first'))
    await server.until(() => meeting.received.includes('the server speaks first'))
    expect(server.opened).toHaveLength(1)
    expect(server.closed).toEqual([])
    expect(server.listener.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('that has asked for no connection ID is not heard from its new port, and nothing else changes', async () => {
    const meeting = await meet(false)
    const { server, nat, client } = meeting
    await say(meeting, 'before')
    const { port } = server.opened[0]?.remote ?? {}
    await nat.rebind()
    client.send(Buffer.from('after'))
    await server.until(() => server.discarded.includes('unknown-association'))
    expect(server.opened[0]?.remote.port).toBe(port)
    expect(server.received).toEqual(['before'])
    expect(server.opened[0]?.closed).toBe(false)
  })

  it('twenty of them, all with new ports at once, are each told apart', async () => {
    const first = await meet(true)
    const { server } = first
    const received = new Map<number, string[]>()
    const clients = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const nat = await startNetworkAddressTranslator(server.port)
        closings.push(() => nat.close())
        const heard: string[] = []
        received.set(index, heard)
        const client = await connectDtls<string>({
          host: '127.0.0.1',
          port: nat.port,
          credentials: certificates.credentials('device'),
          connectionId: true,
          verifyPeer: () => ({ accepted: true, identity: 'the server' }),
          onData: (plaintext) => heard.push(Buffer.from(plaintext).toString()),
          onClosed: () => undefined,
        })
        closings.push(() => client.close())
        return { client, nat }
      }),
    )
    await Promise.all(clients.map(({ nat }) => nat.rebind()))
    for (const [index, { client }] of clients.entries()) client.send(Buffer.from(String(index)))
    await server.until(() => [...received.values()].every((heard) => heard.length === 1))
    expect([...received.values()].flat()).toEqual(clients.map((_, index) => `echo ${index}`))
  })
})

describe('[6.6] tshark, given our key log', () => {
  for (const cipherSuite of [
    'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    'TLS_ECDHE_ECDSA_WITH_AES_128_CCM',
    'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
  ] as const) {
    it(`decrypts our records with a connection ID over ${cipherSuite}`, async () => {
      const keyLog: string[] = []
      const meeting = await meet(true, {
        cipherSuites: [cipherSuite],
        shard: 0x5a,
        dangerouslyLogKeys: (line) => keyLog.push(line),
      })
      for (const text of ['one', 'two', 'three']) await say(meeting, text)
      expect(keyLog).toHaveLength(1)
      const datagrams = dissect(meeting.nat.passed, keyLog)
      const ofClient = datagrams.filter(({ sender, data }) => sender === 'client' && data !== '')
      expect(ofClient.map(({ data }) => data)).toEqual(['one', 'two', 'three'])
      expect(new Set(ofClient.map(({ connectionId }) => connectionId)).size).toBe(1)
      expect(ofClient[0]?.connectionId).toMatch(/^5a[0-9a-f]{14}$/)
      const ofServer = datagrams.filter(({ sender, data }) => sender === 'server' && data !== '')
      expect(ofServer).toMatchObject(
        ['one', 'two', 'three'].map((text) => ({ data: `echo ${text}`, connectionId: '' })),
      )
    })
  }

  it('opens nothing with the key log of another association', async () => {
    const keyLog: string[] = []
    const meeting = await meet(true, { dangerouslyLogKeys: (line) => keyLog.push(line) })
    await say(meeting, 'secret')
    const others = keyLog.map((line) => line.slice(0, -2) + (line.endsWith('00') ? '11' : '00'))
    expect(dissect(meeting.nat.passed, others).filter(({ data }) => data !== '')).toEqual([])
  })
})
