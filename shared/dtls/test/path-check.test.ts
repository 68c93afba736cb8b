/** Return routability checks (RFC 9853): nobody draws an association to an address from which its peer does not answer. */

import { seconds } from '@sallyport/clock'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import type { PeerAddress } from '../src/output.ts'
import { contentTypes } from '../src/record.ts'
import { writeServerHello } from '../src/server-hello.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { HostileServer } from './harness/hostile-server.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

const home = { address: '192.0.2.7', port: 50_000 }
const elsewhere = { address: '198.51.100.9', port: 4000 }

function meet(options: { checks?: boolean; connectionId?: Uint8Array | undefined } = {}) {
  const server = new ServerUnderTest(serverIdentity)
  const client = new HostileClient(server, device)
  client.connectionId = 'connectionId' in options ? options.connectionId : new Uint8Array(0)
  client.returnRoutability = options.checks ?? true
  return { server, client }
}

function connected(options: Parameters<typeof meet>[0] = {}) {
  const both = meet(options)
  both.client.connect()
  return both
}

const data = (client: HostileClient, text: string) => client.record(contentTypes.applicationData, Buffer.from(text))
const pathRecord = (client: HostileClient, type: number, cookie: Uint8Array) =>
  client.record(contentTypes.returnRoutabilityCheck, Buffer.from([type, ...cookie]))

/** What the server sends when these bytes come from there, opened, and where to. */
function arrive({ server, client }: ReturnType<typeof meet>, datagram: Uint8Array, from: PeerAddress) {
  return sentBy({ server, client }, () => server.receive(datagram, from))
}

function sentBy({ server, client }: ReturnType<typeof meet>, work: () => void) {
  const { length } = server.all('send')
  work()
  return server
    .all('send')
    .slice(length)
    .map(({ peer, datagram }) => ({ port: peer.port, bytes: datagram.length, ...client.hear(datagram)[0] }))
}

function cookieIn(sent: ReturnType<typeof arrive>): Uint8Array {
  const challenge = sent.find(({ type }) => type === contentTypes.returnRoutabilityCheck)
  if (challenge?.content?.[0] !== 0) throw new Error('no path_challenge')
  return challenge.content.subarray(1)
}

/** Where the server takes its peer to be. */
function peerOf({ server, client }: ReturnType<typeof meet>): number | undefined {
  const [association] = server.all('connected')
  const sent = sentBy({ server, client }, () => {
    server.machine.send(association?.association ?? -1, Buffer.from('where?'))
    server.drain()
  })
  return sent[0]?.port
}

describe('agreeing on return routability checks (RFC 9853)', () => {
  it('is done with a connection ID and with nothing else', () => {
    expect(connected().client.serverReturnRoutability).toBe(true)
    expect(connected({ checks: false }).client.serverReturnRoutability).toBe(false)
    expect(connected({ connectionId: undefined }).client.serverReturnRoutability).toBe(false)
  })

  it('is refused by our client where the server agrees to no connection ID, or was not asked', () => {
    const answer = (configuration: ConstructorParameters<typeof HostileServer>[2]) => {
      const server = new HostileServer(serverIdentity, device, configuration).helloVerifyRequest()
      const hello = { random: server.random, cipherSuite: 0xc0ae, renegotiationInfo: true, pointFormats: true }
      return server.serverHello(writeServerHello({ ...hello, returnRoutability: true })).alerts
    }
    expect(answer({ connectionId: new Uint8Array(0) })).toEqual(['unsupported_extension'])
    expect(answer({})).toEqual(['unsupported_extension'])
  })
})

describe('[6.1] a newest record from elsewhere (RFC 9853)', () => {
  it('brings a challenge there, and the association follows only the response from there', () => {
    const both = connected()
    const sent = arrive(both, data(both.client, 'moved'), elsewhere)
    expect(both.server.data).toEqual(['moved'])
    expect(sent.map(({ port, type }) => ({ port, type }))).toEqual([{ port: elsewhere.port, type: 27 }])
    expect(peerOf(both)).toBe(home.port)
    arrive(both, pathRecord(both.client, 1, cookieIn(sent)), elsewhere)
    expect(both.server.all('moved')).toMatchObject([{ peer: elsewhere }])
    expect(peerOf(both)).toBe(elsewhere.port)
  })

  it('without these checks moves the association at once, as RFC 9146 section 6 alone has it', () => {
    const both = connected({ checks: false })
    expect(arrive(both, data(both.client, 'moved'), elsewhere)).toEqual([])
    expect(peerOf(both)).toBe(elsewhere.port)
  })

  it('that is an older one, or one played back, brings no challenge and moves nothing', () => {
    const both = connected()
    const [held, newer] = [data(both.client, 'held back'), data(both.client, 'newer')]
    arrive(both, newer, home)
    expect(arrive(both, held, elsewhere)).toEqual([])
    expect(arrive(both, newer, elsewhere)).toEqual([])
    expect(both.server.discards('replayed')).toBe(1)
    expect(peerOf(both)).toBe(home.port)
    expect(both.server.all('moved')).toEqual([])
  })

  it('is not answered for by a wrong cookie, a response from elsewhere still, or a challenge played back', () => {
    const both = connected()
    const cookie = cookieIn(arrive(both, data(both.client, 'moved'), elsewhere))
    const wrong = Uint8Array.from(cookie, (byte) => byte ^ 1)
    arrive(both, pathRecord(both.client, 1, wrong), elsewhere)
    const response = pathRecord(both.client, 1, cookie)
    arrive(both, response, { ...elsewhere, port: 4001 })
    expect(both.server.all('moved')).toEqual([])
    expect(both.server.discards('unexpected-content')).toBe(2)
    arrive(both, response, elsewhere)
    expect(both.server.discards('replayed')).toBe(1)
    expect(peerOf(both)).toBe(home.port)
  })

  it('is forgotten when a newer one comes from where the peer was: its late response changes nothing', () => {
    const both = connected()
    const cookie = cookieIn(arrive(both, data(both.client, 'raced'), elsewhere))
    const response = pathRecord(both.client, 1, cookie)
    arrive(both, data(both.client, 'still here'), home)
    arrive(both, response, elsewhere)
    expect(both.server.all('moved')).toEqual([])
    expect(peerOf(both)).toBe(home.port)
  })

  it('is challenged three times, each time with another cookie, and then no more', () => {
    const both = connected()
    const cookies = [cookieIn(arrive(both, data(both.client, 'a message long enough for three'), elsewhere))]
    for (const wait of [1, 2]) {
      cookies.push(cookieIn(sentBy(both, () => both.server.advance(seconds(wait)))))
    }
    expect(new Set(cookies.map((cookie) => Buffer.from(cookie).toString('hex'))).size).toBe(3)
    expect(sentBy(both, () => both.server.advance(seconds(4)))).toEqual([])
    arrive(both, pathRecord(both.client, 1, cookies[2] ?? new Uint8Array(8)), home)
    expect(both.server.all('moved')).toEqual([])
    expect(both.server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('lets no more be sent there, before the response, than three times what came from there', () => {
    const both = connected()
    const record = data(both.client, 'x')
    const { length } = both.server.all('send')
    both.server.receive(record, elsewhere)
    const [association] = both.server.all('connected')
    for (let n = 0; n < 50; n += 1) both.server.machine.send(association?.association ?? -1, Buffer.from('an answer'))
    both.server.drain()
    const sent = both.server.all('send').slice(length)
    const there = sent.filter(({ peer }) => peer.port === elsewhere.port)
    expect(there.length).toBeGreaterThan(1)
    const bytes = there.reduce((sum, { datagram }) => sum + datagram.length, 0)
    expect(bytes).toBeLessThanOrEqual(3 * record.length)
    // To where the peer was, all goes as before.
    expect(sent.filter(({ peer }) => peer.port === home.port)).toHaveLength(50)
  })

  it('goes on being checked where the association is imported', () => {
    const both = connected()
    const bytes = both.server.machine.exportAssociation(both.server.all('connected')[0]?.association ?? -1)
    const successor = new ServerUnderTest(serverIdentity)
    successor.now = both.server.now
    successor.machine.importAssociation(bytes ?? new Uint8Array(0), { generation: 1, recordMark: -1 }, successor.now)
    const sent = arrive({ server: successor, client: both.client }, data(both.client, 'moved'), elsewhere)
    cookieIn(sent)
    expect(successor.all('moved')).toEqual([])
  })
})

describe('a challenge of the peer (RFC 9853)', () => {
  it('is answered once, to where it came from, by the server', () => {
    const both = connected()
    const cookie = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    const sent = arrive(both, pathRecord(both.client, 0, cookie), home)
    expect(sent).toMatchObject([{ port: home.port, type: 27 }])
    expect([...(sent[0]?.content ?? [])]).toEqual([1, ...cookie])
  })

  it('is noise where nothing was agreed on, and so is any other message of the kind', () => {
    const without = connected({ checks: false })
    expect(arrive(without, pathRecord(without.client, 0, new Uint8Array(8)), home)).toEqual([])
    const both = connected()
    for (const record of [
      pathRecord(both.client, 2, new Uint8Array(8)),
      pathRecord(both.client, 9, new Uint8Array(8)),
      pathRecord(both.client, 0, new Uint8Array(7)),
      pathRecord(both.client, 1, new Uint8Array(8)),
      both.client.record(contentTypes.returnRoutabilityCheck, new Uint8Array(0)),
    ]) {
      expect(arrive(both, record, home)).toEqual([])
    }
    expect(both.server.machine.counts.live).toBe(1)
  })
})
