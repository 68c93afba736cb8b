/**
 * How many forged records an association bears, for each suite (RFC 9147 section 4.5.3 gives the figures; DTLS 1.2 has
 * none, and an AEAD of eight bytes' tag needs one most). At the limit the association ends, and its peer handshakes anew.
 */

import { beforeAll, describe, expect, it } from 'vitest'
import { type CipherSuiteName, cipherSuites } from '../src/cipher-suite.ts'
import { contentTypes } from '../src/record.ts'
import { helloWith } from './harness/hello-with.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { HostilePskClient, randomPsk } from './harness/hostile-psk-client.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

let serverIdentity: TestIdentity
let device: TestIdentity
const psk = randomPsk()

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

/** Where the count stands in an exported association without CIDs: `association-state.ts` has the layout. */
function forgeriesAt(addressLength: number, keyLength: number): number {
  const direction = 1 + keyLength + 4 + 1
  const window = 6 + 4 + 4
  return 1 + 2 + 2 + 1 + addressLength + 2 + 32 + 6 + 2 * direction + window
}

/** The association of a client, gone on with after so many forgeries as an export says. */
function afterForgeries(suite: CipherSuiteName, forgeries: number) {
  const usesPsk = cipherSuites[suite].keyExchange !== 'ecdhe_ecdsa'
  const first = new ServerUnderTest(serverIdentity, usesPsk ? { psk: {} } : { cipherSuites: [suite] })
  first.psks = { [psk.identity]: psk.key }
  const client = usesPsk ? new HostilePskClient(first, psk) : new HostileClient(first, device)
  if (client instanceof HostilePskClient) {
    client.offered = [suite]
  } else {
    const body = helloWith({ suites: [cipherSuites[suite].number], random: client.random })
    client.helloBody = (cookie = client.cookie) => body(cookie)
  }
  client.connect()
  const state = first.machine.exportAssociation(first.all('connected')[0]?.association ?? -1)
  if (state === undefined) throw new Error('nobody is connected')
  const at = forgeriesAt(client.address.address.length, cipherSuites[suite].keyLength)
  const counted = Buffer.from(state)
  expect(counted.readUIntBE(at, 6)).toBe(0)
  counted.writeUIntBE(forgeries, at, 6)
  const server = new ServerUnderTest(serverIdentity)
  const outcome = server.machine.importAssociation(counted, { generation: 1, recordMark: -1 }, server.now)
  expect(outcome.imported).toBe(true)
  client.server = server
  const forge = (): void => {
    const record = client.record(contentTypes.applicationData, Buffer.from('forged'))
    record[record.length - 1] = (record[record.length - 1] ?? 0) ^ 1
    client.datagram(record)
  }
  return { server, client, forge }
}

describe('AEAD failure limits per key (RFC 9147 section 4.5.3)', () => {
  for (const { name, forgeryLimit, tagLength } of Object.values(cipherSuites)) {
    it(`${name}: an association bears 2^${Math.log2(forgeryLimit)} - 1 forged records and ends with the next`, () => {
      const { server, client, forge } = afterForgeries(name, forgeryLimit - 2)
      forge()
      client.applicationData('still here')
      expect(server.data).toEqual(['still here'])
      expect(server.all('closed')).toEqual([])
      forge()
      expect(server.all('closed').map(({ reason }) => reason)).toEqual(['forgery-limit'])
      client.applicationData('too late')
      expect(server.data).toEqual(['still here'])
      expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    })

    it(`${name}: at its limit a forger has had a chance of at most 2^-44`, () => {
      expect(Math.log2(forgeryLimit) - 8 * tagLength).toBeLessThanOrEqual(-44)
    })
  }

  it('CCM_8, whose tags are the shortest, bears the fewest', () => {
    const limits = Object.values(cipherSuites).map(({ forgeryLimit }) => forgeryLimit)
    expect(Math.min(...limits)).toBe(cipherSuites.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8.forgeryLimit)
  })

  it('CCM_8: the last 2^14 of 2^20 forgeries really tried end an association, and not one of them is delivered', () => {
    const { server, client } = afterForgeries('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', 2 ** 20 - 2 ** 14)
    const record = client.record(contentTypes.applicationData, Buffer.from('forged'), 1, 1000)
    const tag = record.length - 8
    for (let forged = 1; forged <= 2 ** 14; forged += 1) {
      expect(server.machine.counts.live).toBe(1)
      const other = Uint8Array.from(record)
      other[tag] = (other[tag] ?? 0) ^ forged
      other[tag + 1] = (other[tag + 1] ?? 0) ^ (forged >> 8)
      client.datagram(other)
    }
    expect(server.data).toEqual([])
    expect(server.discards('not-authentic')).toBe(2 ** 14)
    expect(server.all('closed').map(({ reason }) => reason)).toEqual(['forgery-limit'])
  })
})
