/** Time in a handshake and after it: retransmission, lost last flights, idle associations. */

import { hours, instant, minutes, seconds } from '@sallyport/clock'
import { beforeAll, describe, expect, it } from 'vitest'
import { handshakeTypes } from '../src/handshake-message.ts'
import { contentTypes, readRecord } from '../src/record.ts'
import { HostileClient, handshakeTypesOf } from './harness/hostile-client.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

function meet(configuration = {}): { server: ServerUnderTest; client: HostileClient } {
  const server = new ServerUnderTest(serverIdentity, configuration)
  return { server, client: new HostileClient(server, device) }
}

describe('flight 4 (RFC 6347 section 4.2.4)', () => {
  it('is sent again after 1, 2, 4, 8 and 16 seconds, and the handshake is forgotten after 60', () => {
    const { server, client } = meet()
    client.toFlight4()
    const sentAt: number[] = []
    for (let second = 1; second <= 70; second += 1) {
      if (server.advance(seconds(1)).length > 0) sentAt.push(second)
    }
    expect(sentAt).toEqual([1, 3, 7, 15, 31])
    expect(server.failures[0]?.code).toBe('handshake-timed-out')
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
  })

  it('has the same messages each time, and never a record number twice', () => {
    const { server, client } = meet()
    client.toFlight4()
    const again = server.advance(seconds(1)).flatMap((datagram) => client.hear(datagram))
    const first = client.heard.filter((record) => record.content[0] !== handshakeTypes.helloVerifyRequest)
    expect(again.map((record) => record.content)).toEqual(first.map((record) => record.content))
    const numbers = [...first, ...again].map((record) => record.sequence)
    expect(new Set(numbers).size).toBe(numbers.length)
  })

  it('begins with the record number of the hello that it answers (RFC 6347 section 4.2.1)', () => {
    const { client } = meet()
    client.sequences[0] = 77
    client.toFlight4()
    const hello = client.heard.find((record) => record.content[0] === handshakeTypes.serverHello)
    expect(hello?.sequence).toBe(78)
  })

  it('answers a repeated hello, but not each of many', () => {
    const { server, client } = meet()
    client.firstHello()
    const hello = client.secondHelloRecord()
    expect(client.datagram(hello).length).toBeGreaterThan(0)
    expect(client.datagram(hello)).toEqual([])
    server.advance(seconds(0))
    server.now = instant(server.now + 300)
    const repeated = client.datagram(hello)
    expect(handshakeTypesOf(repeated)[0]).toBe(handshakeTypes.serverHello)
    expect(client.datagram(hello)).toEqual([])
    expect(server.machine.counts.halfOpen).toBe(1)
  })

  it('is not sent again while we are the ones who are waited for', () => {
    const { server, client } = meet()
    server.holdBack = (question) => question.kind === 'verifyPeer'
    client.connect()
    for (let second = 0; second < 50; second += 1) expect(server.advance(seconds(1))).toEqual([])
    server.answerHeldBack()
    expect(server.machine.counts.live).toBe(1)
  })

  it('an answer that never comes frees the handshake after a minute, and one that comes later is ignored', () => {
    const { server, client } = meet()
    server.holdBack = (question) => question.kind === 'verifyPeer'
    client.connect()
    for (let second = 0; second < 61; second += 1) server.advance(seconds(1))
    expect(server.machine.counts.halfOpen).toBe(0)
    expect(server.answerHeldBack()).toEqual([])
    expect(server.machine.counts.live).toBe(0)
  })
})

describe('the last flight (RFC 6347 section 4.2.4)', () => {
  it('is sent again to a client that repeats its Finished, under new record numbers', () => {
    const { server, client } = meet()
    client.connect()
    server.now = instant(server.now + 1000)
    const finished = client.transcript.messages.at(-1)
    const again = client.message(handshakeTypes.finished, finished?.body ?? new Uint8Array(0), { messageSequence: 5 })
    expect(again.map(({ type, epoch, sequence }) => [type, epoch, sequence])).toEqual([
      [contentTypes.changeCipherSpec, 0, expect.any(Number)],
      [contentTypes.handshake, 1, 1],
    ])
  })

  it('is forgotten once the client has shown that it has it', () => {
    const { server, client } = meet()
    client.connect()
    client.applicationData('hello')
    server.now = instant(server.now + 1000)
    const finished = client.transcript.messages.at(-1)
    const body = finished?.body ?? new Uint8Array(0)
    expect(client.message(handshakeTypes.finished, body, { messageSequence: 5 })).toEqual([])
  })

  /** What the server says to one message of the client's last flight in the clear, as it was. */
  function repeatInTheClear(client: HostileClient, type: number, messageSequence: number) {
    const message = client.transcript.messages.findLast((sent) => sent.type === type)
    return client.message(type, message?.body ?? new Uint8Array(0), { messageSequence, epoch: 0 })
  }

  it('is sent again for any message of the client’s own, which loses its Finished as often as the others', () => {
    for (const [type, messageSequence] of [
      [handshakeTypes.certificate, 2],
      [handshakeTypes.clientKeyExchange, 3],
      [handshakeTypes.certificateVerify, 4],
    ] as const) {
      const { server, client } = meet()
      client.connect()
      server.now = instant(server.now + 1000)
      expect(repeatInTheClear(client, type, messageSequence).map(({ type, epoch }) => [type, epoch])).toEqual([
        [contentTypes.changeCipherSpec, 0],
        [contentTypes.handshake, 1],
      ])
    }
  })

  it('is sent once for a flight that comes in many datagrams, and not for a duplicate of the moment before', () => {
    const { server, client } = meet()
    client.connect()
    expect(repeatInTheClear(client, handshakeTypes.certificate, 2)).toEqual([])
    server.now = instant(server.now + 1000)
    expect(repeatInTheClear(client, handshakeTypes.certificate, 2)).not.toEqual([])
    expect(repeatInTheClear(client, handshakeTypes.clientKeyExchange, 3)).toEqual([])
    expect(repeatInTheClear(client, handshakeTypes.certificateVerify, 4)).toEqual([])
  })

  it('is sent six times at most for messages in the clear, which anybody can write in the client’s name', () => {
    const { server, client } = meet()
    client.connect()
    const finished = client.transcript.messages.at(-1)?.body ?? new Uint8Array(0)
    let answers = 0
    for (let time = 0; time < 100; time += 1) {
      server.now = instant(server.now + 1000)
      if (repeatInTheClear(client, handshakeTypes.certificateVerify, 4).length > 0) answers += 1
    }
    expect(answers).toBe(6)
    expect(client.message(handshakeTypes.finished, finished, { messageSequence: 5 })).not.toEqual([])
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('is not sent for a message in the clear that is of no last flight, or once the client has shown that it has it', () => {
    const { server, client } = meet()
    client.connect()
    for (const [type, messageSequence] of [
      [handshakeTypes.certificate, 1],
      [handshakeTypes.certificate, 5],
      [handshakeTypes.certificate, 6],
      [handshakeTypes.finished, 5],
      [handshakeTypes.serverHelloDone, 3],
      [handshakeTypes.newSessionTicket, 4],
    ] as const) {
      server.now = instant(server.now + 1000)
      expect(repeatInTheClear(client, type, messageSequence)).toEqual([])
    }
    client.applicationData('hello')
    server.now = instant(server.now + 1000)
    expect(repeatInTheClear(client, handshakeTypes.certificateVerify, 4)).toEqual([])
  })
})

describe('records that overtake each other (RFC 6347 section 4.2.2)', () => {
  it('a flight whose every datagram comes in reverse order still connects', () => {
    const { server, client } = meet()
    client.toFlight4()
    const held: Uint8Array[] = []
    const { server: real } = client
    // Collect the flight instead of sending it.
    const collecting = Object.assign(Object.create(Object.getPrototypeOf(real)), real, {
      receive: (datagram: Uint8Array) => {
        held.push(datagram)
        return []
      },
    })
    Object.assign(client, { server: collecting })
    client.toFinished()
    Object.assign(client, { server: real })
    expect(held).toHaveLength(5)
    for (const datagram of held.reverse()) client.datagram(datagram)
    expect(server.all('connected')).toHaveLength(1)
  })
})

describe('an association', () => {
  it('is closed with close_notify when nothing authentic came for its idle time', () => {
    const { server, client } = meet({ idleTimeout: minutes(10) })
    client.connect()
    server.advance(minutes(9))
    client.applicationData('alive')
    server.advance(minutes(9))
    expect(server.machine.counts.live).toBe(1)
    // Noise does not count as life.
    client.datagram(Uint8Array.from([23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 99, 0, 1, 0]))
    server.advance(minutes(2))
    expect(server.all('closed').map(({ reason }) => reason)).toEqual(['idle'])
    expect(server.machine.counts.live).toBe(0)
  })

  it('lives 24 hours by default without a word', () => {
    const { server, client } = meet()
    client.connect()
    server.advance(hours(23))
    expect(server.machine.counts.live).toBe(1)
    server.advance(hours(2))
    expect(server.machine.counts.live).toBe(0)
  })

  it('closed by us says close_notify, and sends nothing after', () => {
    const { server, client } = meet()
    client.connect()
    const handle = server.all('connected')[0]?.association ?? -1
    server.machine.close(handle)
    const said = server.drain().flatMap((datagram) => client.hear(datagram))
    expect(said.map((record) => [record.type, ...record.content])).toEqual([[contentTypes.alert, 1, 0]])
    expect(server.machine.send(handle, Buffer.from('late'))).toBe(false)
    expect(server.drain()).toEqual([])
  })

  it('sends each piece of application data as one record, numbered on', () => {
    const { server, client } = meet()
    client.connect()
    const handle = server.all('connected')[0]?.association ?? -1
    for (const text of ['a', 'b', 'c']) server.machine.send(handle, Buffer.from(text))
    const records = server.drain().map((datagram) => readRecord(datagram, 0))
    expect(records.map((record) => record?.sequence)).toEqual([1, 2, 3])
  })

  it('a server that shuts down says good-bye to all and has nothing left', () => {
    const { server, client } = meet()
    client.connect()
    new HostileClient(server, device, 50_001).toFlight4()
    server.machine.shutDown(server.now)
    server.drain()
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    expect(server.all('closed').map(({ reason }) => reason)).toEqual(['shutdown'])
    expect(server.failures.map(({ code }) => code)).toEqual(['shutting-down'])
  })
})
