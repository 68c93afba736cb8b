/** Connection IDs (RFC 9146): what is agreed on, what a record must look like, and when a peer's address moves. */

import { randomBytes } from 'node:crypto'
import { concat } from '@sallyport/bytes'
import { hours, minutes } from '@sallyport/clock'
import fc from 'fast-check'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { readClientHello, writeClientHello } from '../src/client-hello.ts'
import { connectionIdLength, makeConnectionId, maxPeerConnectionIdLength } from '../src/connection-id.ts'
import { connectionIdRecordType, contentTypes, readRecord } from '../src/record.ts'
import { protectWithNodeCrypto } from '../src/record-protection.ts'
import { runHandshake } from './harness/bad-network.ts'
import { sealByHand } from './harness/connection-id-record.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { HostileServer } from './harness/hostile-server.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 })

const firstSeed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

const none = new Uint8Array(0)
const clientsOwn = Uint8Array.of(0xc1, 0xc2, 0xc3)

function meet(connectionId: Uint8Array | undefined = none, configuration = {}) {
  const server = new ServerUnderTest(serverIdentity, configuration)
  const client = new HostileClient(server, device)
  client.connectionId = connectionId
  return { server, client }
}

function requireConnectionId(client: HostileClient): Uint8Array {
  if (client.serverConnectionId === undefined) throw new Error('the server agreed to no CID')
  return client.serverConnectionId
}

/** Where the server sends to. */
function destination(server: ServerUnderTest): number | undefined {
  const { length } = server.all('send')
  const [association] = server.all('connected')
  if (association !== undefined) server.machine.send(association.association, Buffer.from('where are you?'))
  server.drain()
  return server.all('send')[length]?.peer.port
}

const at = (port: number) => ({ address: '198.51.100.9', port })

const dataRecord = (client: HostileClient, text: string): Uint8Array =>
  client.record(contentTypes.applicationData, Buffer.from(text))

/** A record of a client that is connected, sealed without our record layer. */
function byHand(client: HostileClient, inner: Uint8Array, options: Partial<Parameters<typeof sealByHand>[0]> = {}) {
  if (client.keys === undefined) throw new Error('no keys')
  const sequence = options.sequence ?? client.sequences[1] ?? 0
  client.sequences[1] = Math.max(client.sequences[1] ?? 0, sequence + 1)
  const keys = client.keys.client
  return sealByHand({ keys, connectionId: requireConnectionId(client), inner, ...options, sequence })
}

describe('RFC 9146 section 3: what the hellos agree on', () => {
  it('a client that asks for none gets none, and its association is as before', () => {
    const server = new ServerUnderTest(serverIdentity)
    const client = new HostileClient(server, device)
    client.connect().applicationData('hello')
    expect(client.serverConnectionId).toBeUndefined()
    expect(server.machine.connectionIdCount).toBe(0)
    expect(server.data).toEqual(['hello'])
    expect(client.heard.every(({ connectionId }) => connectionId.length === 0)).toBe(true)
  })

  it('the server gives a CID of eight bytes, the first the shard, the rest as random as what it was given', () => {
    const seen = new Set<string>()
    const bytes: number[] = []
    for (let index = 0; index < 64; index += 1) {
      const { client } = meet(none, { shard: 0xa7 })
      client.toFlight4()
      const connectionId = requireConnectionId(client)
      expect(connectionId).toHaveLength(8)
      expect(connectionId[0]).toBe(0xa7)
      bytes.push(...connectionId.subarray(1))
      seen.add(Buffer.from(connectionId).toString('hex'))
    }
    expect(seen.size).toBe(64)
    expect(new Set(bytes).size).toBeGreaterThan(150)
    for (let bit = 0; bit < 8; bit += 1) {
      const share = bytes.filter((byte) => (byte >> bit) & 1).length / bytes.length
      expect(share).toBeGreaterThan(0.35)
      expect(share).toBeLessThan(0.65)
    }
  })

  it('refuses a shard that is no byte, and too little randomness', () => {
    expect(() => meet(none, { shard: 256 })).toThrow(RangeError)
    expect(() => meet(none, { shard: -1 })).toThrow(RangeError)
    expect(() => makeConnectionId(0, randomBytes(6))).toThrow(RangeError)
  })

  it('zero length from the client: its records carry our CID, ours none', () => {
    const { server, client } = meet(none)
    client.connect().applicationData('hello')
    destination(server)
    expect(server.data).toEqual(['hello'])
    const [record] = server.all('send').slice(-1)
    expect(record?.datagram[0]).toBe(contentTypes.applicationData)
  })

  it('a CID of the client: it stands in each of our protected records and in none of epoch 0', () => {
    const { server, client } = meet(clientsOwn)
    client.connect()
    client.applicationData('hello')
    server.machine.send(server.all('connected')[0]?.association ?? 0, Buffer.from('and back'))
    for (const datagram of server.drain()) client.heard.push(...client.hear(datagram))
    expect(client.heard.at(-1)).toMatchObject({ type: contentTypes.applicationData, connectionId: clientsOwn })
    expect(Buffer.from(client.heard.at(-1)?.content ?? none).toString()).toBe('and back')
    for (const { epoch, connectionId } of client.heard) expect(connectionId.length).toBe(epoch === 0 ? 0 : 3)
  })

  it('CVE-2022-46393 (Mbed TLS): every length from 0 to 255 is parsed; one that leaves no room in a datagram is not agreed to', () => {
    for (let length = 0; length <= 255; length += 1) {
      const { server, client } = meet(new Uint8Array(length).fill(7), { mtu: 228 })
      client.connect().applicationData('hello')
      expect(server.data).toEqual(['hello'])
      expect(client.serverConnectionId === undefined).toBe(length > maxPeerConnectionIdLength)
      expect(server.all('send').every(({ datagram }) => datagram.length <= 228)).toBe(true)
    }
  })

  it('CVE-2022-46393 (Mbed TLS): a length that lies, bytes after it, and a second extension are decode_error', () => {
    const good = writeClientHello({
      random: randomBytes(32),
      cookie: none,
      cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'],
      groups: ['secp256r1'],
    })
    // version(2) random(32) session id(1) cookie(1) suites(4) compression(2)
    const extensionsAt = 42
    const withExtensions = (...bodies: readonly (readonly number[])[]): Uint8Array => {
      const more = Uint8Array.from(bodies.flatMap((body) => [0, 54, 0, body.length, ...body]))
      const length = good.length - extensionsAt - 2 + more.length
      return concat(
        good.subarray(0, extensionsAt),
        Uint8Array.of(length >> 8, length),
        good.subarray(extensionsAt + 2),
        more,
      )
    }
    expect(readClientHello(withExtensions([2, 8, 9])).connectionId).toEqual(Uint8Array.of(8, 9))
    for (const bodies of [[[]], [[3, 8, 9]], [[1, 8, 9]], [[0], [0]]]) {
      const { server, client } = meet()
      client.firstHello()
      const body = withExtensions(...bodies)
      client.helloBody = (cookie = client.cookie) =>
        concat(body.subarray(0, 35), Uint8Array.of(cookie.length), cookie, body.subarray(36))
      client.firstHello()
      client.secondHello()
      expect(client.alerts).toEqual(['decode_error'])
      expect(server.machine.connectionIdCount).toBe(0)
    }
  })

  it('our client asks in both hellos, with and without the cookie', () => {
    const server = new HostileServer(serverIdentity, device, { connectionId: clientsOwn })
    server.helloVerifyRequest(randomBytes(20))
    expect(server.clientConnectionIds).toEqual([clientsOwn, clientsOwn])
  })

  it('our client refuses a CID that it did not ask for, with unsupported_extension', () => {
    const server = new HostileServer(serverIdentity, device)
    server.serverHello(server.helloWith(Uint8Array.of(1, 2)))
    expect(server.alerts).toEqual(['unsupported_extension'])
  })

  it('our client refuses a CID that leaves no room in a datagram, with illegal_parameter', () => {
    const server = new HostileServer(serverIdentity, device, { connectionId: none })
    server.serverHello(server.helloWith(new Uint8Array(maxPeerConnectionIdLength + 1)))
    expect(server.alerts).toEqual(['illegal_parameter'])
  })

  it('each handshake agrees anew: another CID, and none for a client that no longer asks', () => {
    const { server, client } = meet(clientsOwn)
    client.connect()
    const again = new HostileClient(server, device)
    again.connectionId = none
    again.connect().applicationData('again')
    expect(requireConnectionId(again)).not.toEqual(requireConnectionId(client))
    const without = new HostileClient(server, device)
    without.connect().applicationData('without')
    expect(without.serverConnectionId).toBeUndefined()
    expect(server.data).toEqual(['again', 'without'])
  })
})

describe('RFC 9146 sections 4 and 5.3: a record with a CID', () => {
  it('made from the text of the RFC is opened, and ours is made the same way', () => {
    const { server, client } = meet()
    client.connect()
    const ours = client.record(contentTypes.applicationData, Buffer.from('the same'), 1, 5)
    client.sequences[1] = 0
    const inner = concat(Buffer.from('the same'), Uint8Array.of(contentTypes.applicationData))
    expect(Buffer.from(byHand(client, inner, { sequence: 5 }))).toEqual(Buffer.from(ours))
    client.datagram(ours)
    expect(server.data).toEqual(['the same'])
  })

  it('padding of any length is taken away', () => {
    const { server, client } = meet()
    client.connect()
    for (const padding of [1, 2, 255, 1000]) {
      client.datagram(
        byHand(
          client,
          concat(Buffer.from('padded'), Uint8Array.of(contentTypes.applicationData), new Uint8Array(padding)),
        ),
      )
    }
    expect(server.data).toEqual(Array(4).fill('padded'))
  })

  it('content that itself ends with zeros keeps them', () => {
    const { server, client } = meet()
    client.connect()
    client.datagram(byHand(client, Uint8Array.of(0x61, 0, 0, contentTypes.applicationData, 0)))
    expect(server.data).toEqual(['a\0\0'])
  })

  it('nothing but zeros is discarded, and the association goes on', () => {
    const { server, client } = meet()
    client.connect()
    for (const length of [0, 1, 64]) client.datagram(byHand(client, new Uint8Array(length)))
    expect(server.discards('no-content')).toBe(3)
    client.applicationData('still here')
    expect(server.data).toEqual(['still here'])
  })

  it('an inner type that means nothing is discarded', () => {
    const { server, client } = meet()
    client.connect()
    for (const type of [1, 25, 255]) client.datagram(byHand(client, Uint8Array.of(1, type)))
    expect(server.discards('unexpected-content')).toBe(3)
    expect(server.machine.counts.live).toBe(1)
  })

  it('without a CID in a direction that has one, a record of epoch 1 is discarded', () => {
    const { server, client } = meet()
    client.connect()
    if (client.keys === undefined) throw new Error('no keys')
    client.sealer = protectWithNodeCrypto(client.keys.client)
    client.applicationData('no name on it')
    expect(server.data).toEqual([])
    expect(server.discards('unexpected-connection-id')).toBe(1)
    expect(server.discards('not-authentic')).toBe(0)
  })

  it('a plain fatal alert or close_notify of epoch 1 ends nothing either', () => {
    const { server, client } = meet()
    client.connect()
    if (client.keys === undefined) throw new Error('no keys')
    client.sealer = protectWithNodeCrypto(client.keys.client)
    client.datagram(client.record(contentTypes.alert, Uint8Array.of(1, 0)))
    client.datagram(client.record(contentTypes.alert, Uint8Array.of(2, 40)))
    expect(server.machine.counts.live).toBe(1)
  })

  it('with a CID where none was agreed on is discarded', () => {
    const server = new ServerUnderTest(serverIdentity)
    const client = new HostileClient(server, device)
    client.connect()
    if (client.keys === undefined) throw new Error('no keys')
    const plain = sealByHand({
      keys: client.keys.client,
      connectionId: new Uint8Array(8),
      sequence: 9,
      inner: Uint8Array.of(0x61, contentTypes.applicationData),
    })
    client.datagram(plain)
    expect(server.data).toEqual([])
    expect(server.discards('unknown-association')).toBe(1)
  })

  it('epoch 0 still reaches the listener: a device that has rebooted is not locked out', () => {
    const { server, client } = meet()
    client.connect()
    const rebooted = new HostileClient(server, device)
    rebooted.connectionId = none
    rebooted.connect().applicationData('back again')
    expect(server.data).toEqual(['back again'])
  })

  it('CVE-2022-46393 (Mbed TLS): epoch 0 with a CID is discarded, for a handshake and for an association', () => {
    const { server, client } = meet()
    client.toFlight4()
    const inner = Uint8Array.of(1, contentTypes.alert)
    const forged = () =>
      sealByHand({
        keys: {
          cipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
          key: randomBytes(16),
          salt: randomBytes(4).readUInt32BE(),
        },
        connectionId: requireConnectionId(client),
        sequence: 3,
        inner,
        epoch: 0,
      })
    client.datagram(forged())
    client.toFinished()
    client.datagram(forged())
    client.applicationData('unharmed')
    expect(server.discards('unexpected-epoch')).toBe(2)
    expect(server.data).toEqual(['unharmed'])
  })

  it('an unknown CID, one of the wrong length and a header cut short are discarded in silence', () => {
    const { server, client } = meet()
    client.connect()
    const inner = concat(Buffer.from('lost'), Uint8Array.of(contentTypes.applicationData))
    const own = requireConnectionId(client)
    for (const connectionId of [randomBytes(8), own.subarray(0, 7), concat(own, Uint8Array.of(0)), none]) {
      expect(client.datagram(byHand(client, inner, { connectionId }))).toEqual([])
    }
    const whole = byHand(client, inner)
    for (let length = 0; length < whole.length; length += 1) {
      expect(client.datagram(whole.subarray(0, length))).toEqual([])
    }
    expect(server.data).toEqual([])
    client.datagram(whole)
    expect(server.data).toEqual(['lost'])
  })

  it('a CID that is authenticated as another is not authentic', () => {
    const { server, client } = meet()
    client.connect()
    const inner = concat(Buffer.from('lost'), Uint8Array.of(contentTypes.applicationData))
    client.datagram(byHand(client, inner, { authenticatedConnectionId: randomBytes(8) }))
    expect(server.discards('not-authentic')).toBe(1)
    expect(server.data).toEqual([])
  })

  it('the CID of another association does not open its records', () => {
    const { server, client } = meet()
    const other = new HostileClient(server, device, 50_001)
    other.connectionId = none
    client.connect()
    other.connect()
    const inner = concat(Buffer.from('crossed'), Uint8Array.of(contentTypes.applicationData))
    client.datagram(byHand(client, inner, { connectionId: requireConnectionId(other) }))
    expect(server.data).toEqual([])
    expect(server.discards('not-authentic')).toBe(1)
  })

  it('[5.9] any bytes are read with CIDs of any length or not at all, and reading always moves on', () => {
    process.stdout.write(`records with CIDs: seed ${firstSeed}\n`)
    const bytes = fc.uint8Array({ maxLength: 64 }).map((rest) => concat(Uint8Array.of(25, 0xfe, 0xfd), rest))
    fc.assert(
      fc.property(bytes, fc.nat(255), (datagram, length) => {
        const record = readRecord(datagram, 0, length)
        if (record === undefined) return
        expect(record.connectionId).toHaveLength(length)
        expect(record.whole.length).toBe(13 + length + record.fragment.length)
      }),
      { seed: firstSeed, numRuns: 2000 },
    )
  })

  it('is opened to what was sealed, for any content, type and CID; any flipped bit makes it nothing', () => {
    process.stdout.write(`sealed records with CIDs: seed ${firstSeed}\n`)
    const keys = {
      cipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
      key: randomBytes(16),
      salt: randomBytes(4).readUInt32BE(),
    } as const
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ minLength: 1, maxLength: 255 }),
        fc.maxSafeNat(),
        fc.nat(),
        (plaintext, connectionId, number, flip) => {
          const protection = protectWithNodeCrypto(keys, connectionId)
          const sequence = number % 2 ** 48
          const sealed = new Uint8Array(protection.overhead + plaintext.length)
          protection.seal({ type: contentTypes.applicationData, epoch: 1, sequence, plaintext }, sealed, 0)
          const record = readRecord(sealed, 0, connectionId.length)
          expect(record?.connectionId).toEqual(connectionId)
          expect(record?.sequence).toBe(sequence)
          const opened = record === undefined ? undefined : protection.open(record)
          expect(Uint8Array.from(opened ?? [])).toEqual(concat(plaintext, Uint8Array.of(contentTypes.applicationData)))
          const byte = flip % sealed.length
          sealed[byte] = (sealed[byte] ?? 0) ^ (1 << (flip % 8))
          const changed = readRecord(sealed, 0, connectionId.length)
          if (changed?.type !== connectionIdRecordType || byte === 0) return
          // A flipped CID is refused before: it is not the association's.
          if (byte >= 11 && byte < 11 + connectionId.length) return
          expect(protection.open(changed)).toBeUndefined()
        },
      ),
      { seed: firstSeed, numRuns: 300 },
    )
  })
})

describe('RFC 9146 section 6: the address of a peer', () => {
  it('moves with an authentic record newer than all before it, and the answers follow', () => {
    const { server, client } = meet()
    client.connect()
    client.address = at(1111)
    client.applicationData('from elsewhere')
    expect(server.data).toEqual(['from elsewhere'])
    expect(server.all('moved')).toMatchObject([{ peer: at(1111) }])
    expect(destination(server)).toBe(1111)
  })

  it('does not move on a replayed record', () => {
    const { server, client } = meet()
    client.connect()
    const record = dataRecord(client, 'once')
    client.datagram(record)
    client.address = at(6666)
    client.datagram(record)
    expect(server.data).toEqual(['once'])
    expect(server.discards('replayed')).toBe(1)
    expect(destination(server)).toBe(50_000)
  })

  it('does not move on a record held back, though it is taken', () => {
    const { server, client } = meet()
    client.connect()
    const [held, newer] = [dataRecord(client, 'held back'), dataRecord(client, 'newer')]
    client.datagram(newer)
    client.address = at(6666)
    client.datagram(held)
    expect(server.data).toEqual(['newer', 'held back'])
    expect(destination(server)).toBe(50_000)
  })

  it('does not move on a forged record, not even one of the highest number', () => {
    const { server, client } = meet()
    client.connect()
    client.address = at(6666)
    const forged = dataRecord(client, 'forged')
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    forged.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 5)
    client.datagram(forged)
    expect(destination(server)).toBe(50_000)
    client.address = at(1111)
    client.applicationData('genuine')
    expect(destination(server)).toBe(1111)
  })

  it('does not move without a CID: a record from elsewhere is nobody’s', () => {
    const server = new ServerUnderTest(serverIdentity)
    const client = new HostileClient(server, device)
    client.connect()
    client.address = at(1111)
    client.applicationData('from elsewhere')
    expect(server.data).toEqual([])
    expect(server.discards('unknown-association')).toBe(1)
    expect(destination(server)).toBe(50_000)
  })

  it('a hello at the address that a peer has left harms nothing', () => {
    const { server, client } = meet()
    client.connect()
    client.address = at(1111)
    client.applicationData('moved')
    const other = new HostileClient(server, device, 50_000)
    other.connect().applicationData('a neighbour')
    client.applicationData('still here')
    expect(server.data).toEqual(['moved', 'a neighbour', 'still here'])
    expect(server.machine.counts.live).toBe(2)
  })

  it('an address that a NAT gives to another device costs neither of them its association', () => {
    const { server, client } = meet()
    client.connect()
    const neighbour = new HostileClient(server, device, 50_000)
    neighbour.connectionId = none
    neighbour.connect().applicationData('mine now')
    client.address = at(1111)
    client.applicationData('I am here')
    expect(server.data).toEqual(['mine now', 'I am here'])
    expect(server.all('closed')).toEqual([])
  })

  it('moving to an address where an association without a CID lives leaves that in its place', () => {
    const { server, client } = meet()
    client.connect()
    const settled = new HostileClient(server, device, 50_005)
    settled.connect()
    client.address = settled.address
    client.applicationData('here')
    settled.applicationData('I live here')
    expect(server.data).toEqual(['here', 'I live here'])
    client.datagram(client.record(contentTypes.alert, Uint8Array.of(1, 0)))
    settled.applicationData('still')
    expect(server.data.at(-1)).toBe('still')
  })

  it('a Finished that comes from another address finishes the handshake; its answer goes to the proven address', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    client.address = at(1111)
    client.finished()
    expect(server.all('connected')).toMatchObject([{ peer: { port: 50_000 } }])
    expect(server.all('send').at(-1)?.peer.port).toBe(50_000)
    client.applicationData('here')
    expect(destination(server)).toBe(1111)
  })

  it('records before their keys are kept by CID as by address, within the same bound', () => {
    const { server, client } = meet()
    server.holdBack = ({ kind }) => kind === 'verifyPeer'
    client.toFlight4().certificate()
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    client.finished()
    for (let index = 0; index < 20; index += 1) client.applicationData(`early ${index}`)
    expect(server.discards('early-record-limit')).toBe(13)
    server.answerHeldBack()
    expect(server.data).toEqual(Array.from({ length: 7 }, (_, index) => `early ${index}`))
  })

  it('no CID is left behind by failed handshakes, by time-outs, by closed and by idle associations', () => {
    const server = new ServerUnderTest(serverIdentity)
    for (let index = 0; index < 200; index += 1) {
      const client = new HostileClient(server, device, 10_000 + index)
      client.connectionId = none
      client.toFlight4()
      if (index % 4 === 0) client.certificate([])
      if (index % 4 === 1) client.toFinished()
      if (index % 4 === 2) {
        client.toFinished()
        client.datagram(client.record(contentTypes.alert, Uint8Array.of(1, 0)))
      }
    }
    expect(server.machine.counts).toEqual({ live: 50, halfOpen: 50 })
    expect(server.machine.connectionIdCount).toBe(100)
    server.advance(minutes(2))
    expect(server.machine.connectionIdCount).toBe(50)
    server.advance(hours(25))
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    expect(server.machine.connectionIdCount).toBe(0)
  })

  it('a CID that is taken is not given twice: the second client goes on without', () => {
    const { server, client } = meet()
    server.holdBack = ({ kind }) => kind === 'makeKeyShare'
    const other = new HostileClient(server, device, 50_001)
    other.connectionId = none
    client.firstHello()
    client.secondHello()
    other.firstHello()
    other.secondHello()
    const same = new Uint8Array(connectionIdLength - 1).fill(5)
    const replies = server.answerHeldBack((answer) =>
      answer.kind === 'makeKeyShare' ? { ...answer, connectionId: same } : answer,
    )
    expect(server.machine.connectionIdCount).toBe(1)
    expect(replies).toHaveLength(2)
    const [first, second] = replies
    client.readFlight(client.hear(first ?? none))
    other.readFlight(other.hear(second ?? none))
    expect(client.serverConnectionId).toBeDefined()
    expect(other.serverConnectionId).toBeUndefined()
    client.toFinished()
    other.toFinished().applicationData('without')
    expect(server.data).toEqual(['without'])
  })

  it('property: over a bad network, from ever new addresses, the server ends up where the client is', () => {
    process.stdout.write(`moving clients: seeds ${firstSeed}..${firstSeed + 39}\n`)
    for (let seed = firstSeed; seed < firstSeed + 40; seed += 1) {
      const result = runHandshake({
        seed,
        server: serverIdentity,
        client: device,
        faults: { drop: 0.1, duplicate: 0.2, delay: 0.3, truncate: 0.05 },
        connectionId: seed % 2 === 0 ? none : clientsOwn,
        conversation: { messages: 30, addresses: 5 },
        limit: 60_000,
      })
      expect(result, `seed ${seed}`).toMatchObject({ echoed: true, followed: true })
    }
  })
})

describe('the key log', () => {
  it('is silent unless it is asked for, and then tells what opens the association', () => {
    const { server, client } = meet()
    client.connect()
    expect(server.all('keyLog')).toEqual([])
    const { server: told, client: known } = meet(none, { dangerouslyLogKeys: true })
    known.connect()
    const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? none).toString('hex')
    expect(told.all('keyLog').map(({ line }) => line)).toEqual([
      `CLIENT_RANDOM ${hex(known.random)} ${hex(known.masterSecret)}`,
    ])
  })
})
