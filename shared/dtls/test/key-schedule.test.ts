import { createHash, createHmac } from 'node:crypto'
import { concat } from '@sallyport/bytes'
import { beforeAll, describe, expect, it } from 'vitest'
import { recordHeaderLength } from '../src/record.ts'
import type { Transcript } from '../src/transcript.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { HostilePskClient, type PskCredentials, randomPsk } from './harness/hostile-psk-client.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

function servingPsk({ identity, key }: PskCredentials): ServerUnderTest {
  const server = new ServerUnderTest(serverIdentity, { psk: {} })
  server.psks = { [identity]: key }
  return server
}

/** P_SHA256 (RFC 5246 section 5), written once more so that what is tested does not judge itself. */
function expand(secret: Uint8Array, label: string, seed: Uint8Array): string {
  const hmac = (data: Uint8Array) => createHmac('sha256', secret).update(data).digest()
  const labelled = concat(Buffer.from(label), seed)
  const first = hmac(labelled)
  const second = hmac(first)
  const blocks = [hmac(concat(first, labelled)), hmac(concat(second, labelled))]
  return Buffer.concat(blocks).subarray(0, 48).toString('hex')
}

describe('the extended master secret (RFC 7627 section 4)', () => {
  it('is made of the premaster secret and the hash of all messages as sent, the hello with the cookie to ClientKeyExchange', () => {
    const psk = randomPsk()
    const server = servingPsk(psk)
    const client = new HostilePskClient(server, psk)
    const wire: Uint8Array[] = []
    /** Handshake messages of a flight, each whole in a record of its own. */
    const taken = (record: Uint8Array): number => wire.push(record.slice(recordHeaderLength))
    client.firstHello()
    const secondHello = client.secondHelloRecord()
    taken(secondHello)
    const flight4 = client.datagram(secondHello)
    client.readFlight(flight4)
    for (const { content } of flight4) wire.push(content)
    const record = client.messageRecord.bind(client)
    client.messageRecord = (...message) => {
      const sent = record(...message)
      taken(sent)
      return sent
    }
    client.keyExchange()
    const { length } = psk.key
    const premaster = concat(Uint8Array.of(0, length), new Uint8Array(length), Uint8Array.of(0, length), psk.key)
    const sessionHash = createHash('sha256')
      .update(concat(...wire))
      .digest()
    expect(Buffer.from(client.masterSecret ?? []).toString('hex')).toBe(
      expand(premaster, 'extended master secret', sessionHash),
    )
    client.messageRecord = record
    client.changeCipherSpec()
    client.finished()
    expect(server.all('connected')).toHaveLength(1)
  })

  const hashedOtherwise: Readonly<Record<string, (messages: Transcript['messages']) => Transcript['messages']>> = {
    'the hello without a cookie too': ([hello, ...rest]) => (hello === undefined ? [] : [hello, hello, ...rest]),
    'no Certificate of the client, as if anybody might have sent it': (messages) => messages.slice(0, -1),
    'no Certificate of the server': (messages) => messages.toSpliced(2, 1),
    'nothing of the server': ([hello]) => (hello === undefined ? [] : [hello]),
  }
  for (const [what, alter] of Object.entries(hashedOtherwise)) {
    it(`of a client that has hashed ${what} opens nothing: its Finished is not taken`, () => {
      const server = new ServerUnderTest(serverIdentity)
      const client = new HostileClient(server, device).toFlight4()
      client.certificate()
      const { messages } = client.transcript
      client.transcript = { messages: [...alter(messages)] }
      client.keyExchange()
      // All else, Finished included, is over what was sent.
      client.transcript = { messages: [...messages, ...client.transcript.messages.slice(-1)] }
      client.certificateVerify()
      client.changeCipherSpec()
      client.finished()
      expect(server.all('connected')).toEqual([])
    })
  }

  it('cannot be avoided: the master secret of RFC 5246 section 8.1 is not taken where both have agreed to the extended one', () => {
    const psk = randomPsk()
    const server = servingPsk(psk)
    const cheat = new HostilePskClient(server, psk, 50_001).toFlight4()
    cheat.offersExtendedMasterSecret = false
    cheat.toFinished()
    expect(server.all('connected')).toEqual([])
    new HostilePskClient(server, psk, 50_002).connect()
    expect(server.all('connected')).toHaveLength(1)
  })
})
