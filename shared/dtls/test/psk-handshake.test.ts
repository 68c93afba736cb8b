/** Handshakes with a pre-shared key, alone and with ECDHE: what a server takes, and what it never tells. */

import { randomBytes } from 'node:crypto'
import { concat } from '@sallyport/bytes'
import { seconds } from '@sallyport/clock'
import { hasCode } from '@sallyport/errors'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { encodeAlert } from '../src/alert.ts'
import { type CipherSuiteName, cipherSuites, defaultCipherSuites, defaultPskCipherSuites } from '../src/cipher-suite.ts'
import type { DtlsServerConfiguration } from '../src/dtls-server.ts'
import { HandshakeFault } from '../src/handshake-fault.ts'
import { handshakeTypes } from '../src/handshake-message.ts'
import { namedGroups } from '../src/named-group.ts'
import type { Question } from '../src/output.ts'
import { readPskClientKeyExchange, readPskServerKeyExchange } from '../src/psk-messages.ts'
import { pskPremasterSecret } from '../src/psk-premaster-secret.ts'
import { contentTypes } from '../src/record.ts'
import { handshakeTypesOf, joinDatagrams } from './harness/hostile-client.ts'
import { HostilePskClient, type PskCredentials, randomPsk } from './harness/hostile-psk-client.ts'
import { HostileServer } from './harness/hostile-server.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

const { certificate, certificateVerify, clientKeyExchange, serverHello, serverHelloDone, serverKeyExchange } =
  handshakeTypes

interface Meeting {
  readonly server: ServerUnderTest
  readonly client: HostilePskClient
}

function meet(
  suite: CipherSuiteName = 'TLS_PSK_WITH_AES_128_CCM_8',
  configuration: Partial<DtlsServerConfiguration> = {},
): Meeting {
  const psk = randomPsk()
  const server = new ServerUnderTest(serverIdentity, { psk: {}, ...configuration })
  server.psks = { [psk.identity]: psk.key }
  const client = new HostilePskClient(server, psk)
  client.offered = [suite]
  return { server, client }
}

const expectRefused = (server: ServerUnderTest): void => {
  expect(server.all('connected')).toEqual([])
  expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
}

describe('numbers and secrets', () => {
  it('the suites have the numbers of RFC 5487, RFC 6655 and RFC 8442', () => {
    expect(defaultPskCipherSuites.map((name) => cipherSuites[name].number)).toEqual([0xd001, 0xd003, 0x00a8, 0xc0a8])
  })

  it('RFC 4279 section 2: without ECDHE as many zeros as the key has bytes stand before it', () => {
    expect(pskPremasterSecret(Uint8Array.of(1, 2, 3), undefined)).toEqual(Uint8Array.of(0, 3, 0, 0, 0, 0, 3, 1, 2, 3))
    expect(pskPremasterSecret(Uint8Array.of(1, 2), Uint8Array.of(9))).toEqual(Uint8Array.of(0, 1, 9, 0, 2, 1, 2))
  })

  it('whatever bytes a key exchange has, it is read or refused with a name', () => {
    const parsers = [
      (bytes: Uint8Array) => readPskClientKeyExchange(bytes, undefined),
      (bytes: Uint8Array) => readPskClientKeyExchange(bytes, namedGroups.secp256r1),
      (bytes: Uint8Array) => readPskServerKeyExchange(bytes, false),
      (bytes: Uint8Array) => readPskServerKeyExchange(bytes, true),
    ]
    for (const parse of parsers) {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
          try {
            parse(bytes)
          } catch (error) {
            if (!(error instanceof HandshakeFault) && !hasCode(error, 'malformed-bytes')) throw error
          }
        }),
        { numRuns: 1000 },
      )
    }
  })
})

describe('what is agreed on (RFC 4279 section 2, RFC 5489 section 2)', () => {
  for (const suite of defaultPskCipherSuites) {
    it(`an honest client gets in with ${suite}: the cases below differ from it in one thing each`, () => {
      const { server, client } = meet(suite)
      client.connect().applicationData('hello')
      expect(server.all('connected').map((output) => output.cipherSuite)).toEqual([suite])
      expect(server.data).toEqual(['hello'])
      expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
    })

    it(`${suite}: a client without extended master secret gets in, and is told of no extension that it did not send`, () => {
      const { server, client } = meet(suite)
      client.offersExtendedMasterSecret = false
      client.firstHello()
      const [hello] = client.secondHello()
      // Without extensions a ServerHello ends after the compression method: 12 of header, 2 + 32 + 1 + 2 + 1.
      expect(hello?.content.length).toBe(12 + 38)
      client.toFinished().applicationData('hello')
      expect(server.data).toEqual(['hello'])
    })
  }

  it('without ECDHE there is no ServerKeyExchange, unless there is a hint to give', () => {
    const plain = meet()
    plain.client.firstHello()
    expect(handshakeTypesOf(plain.client.secondHello())).toEqual([serverHello, serverHelloDone])
    const hinting = meet('TLS_PSK_WITH_AES_128_CCM_8', { psk: { identityHint: Buffer.from('sallyport') } })
    hinting.client.firstHello()
    expect(handshakeTypesOf(hinting.client.secondHello())).toEqual([serverHello, serverKeyExchange, serverHelloDone])
    expect(Buffer.from(hinting.client.identityHint ?? []).toString()).toBe('sallyport')
    hinting.client.toFinished()
    expect(hinting.server.all('connected')).toHaveLength(1)
  })

  it('our order counts: a certificate before a key, ECDHE before the key alone', () => {
    const { server, client } = meet()
    client.offered = ['TLS_PSK_WITH_AES_128_CCM_8', 'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256']
    client.connect()
    expect(server.all('connected')[0]?.cipherSuite).toBe('TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256')
    const both = meet()
    both.client.offered = [...defaultPskCipherSuites, ...defaultCipherSuites]
    both.client.firstHello()
    const heard = both.client.message(handshakeTypes.clientHello, both.client.helloBody())
    expect(handshakeTypesOf(heard)).toContain(certificate)
  })

  it('who shares no group with us does without ECDHE', () => {
    const { server, client } = meet('TLS_PSK_WITH_AES_128_CCM_8', { groups: ['x25519'] })
    client.offered = ['TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256', 'TLS_PSK_WITH_AES_128_CCM_8']
    client.connect()
    expect(server.all('connected')[0]?.cipherSuite).toBe('TLS_PSK_WITH_AES_128_CCM_8')
  })

  it('a server that looks up no keys takes none, even when its configuration names the suites', () => {
    for (const chosen of [undefined, defaultPskCipherSuites]) {
      const server = new ServerUnderTest(serverIdentity, chosen === undefined ? {} : { cipherSuites: chosen })
      const client = new HostilePskClient(server, randomPsk())
      client.offered = defaultPskCipherSuites
      client.firstHello()
      client.message(handshakeTypes.clientHello, client.helloBody())
      expect(client.alerts).toEqual(['handshake_failure'])
      expectRefused(server)
    }
  })

  it('a client with certificates needs extended master secret as ever', () => {
    const { server, client } = meet()
    client.offered = ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8']
    client.offersExtendedMasterSecret = false
    client.firstHello()
    client.message(handshakeTypes.clientHello, client.helloBody())
    expect(client.alerts).toEqual(['handshake_failure'])
    expect(server.failures[0]?.detail).toContain('extended_master_secret')
  })

  it('connection IDs are agreed on as with certificates', () => {
    const { server, client } = meet()
    client.connectionId = Uint8Array.of(7, 7)
    client.connect().applicationData('hello')
    client.address = { ...client.address, port: 50_001 }
    client.applicationData('from elsewhere')
    expect(server.data).toEqual(['hello', 'from elsewhere'])
    expect(server.all('moved')).toHaveLength(1)
  })
})

/** What a peer can see of a handshake, and what the server did for it. */
interface Seen {
  readonly records: readonly string[]
  readonly alerts: readonly string[]
  readonly questions: readonly Question['kind'][]
}

function observe(suite: CipherSuiteName, change: (psk: PskCredentials) => PskCredentials): Seen & Meeting {
  const known = randomPsk('known identity')
  const server = new ServerUnderTest(serverIdentity, { psk: {} })
  server.psks = { [known.identity]: known.key }
  const client = new HostilePskClient(server, change(known))
  client.offered = [suite]
  client.firstHello()
  client.secondHello()
  client.keyExchange()
  client.changeCipherSpec()
  client.finished()
  const records = client.heard.map((r) => `${r.type}/${r.epoch}/${r.sequence}/${r.content.length}`)
  const questions = server.all('ask').map((output) => output.question.kind)
  return { server, client, records, alerts: client.alerts, questions }
}

describe('[6.5] a wrong key and an unknown identity (RFC 4279 section 2)', () => {
  for (const suite of defaultPskCipherSuites) {
    it(`look the same with ${suite}: records, lengths, alert, and the work that was done`, () => {
      const wrong = observe(suite, (known) => ({ ...known, key: randomBytes(16) }))
      const unknown = observe(suite, (known) => ({ ...known, identity: 'never a one ' }))
      expect(unknown.records).toEqual(wrong.records)
      expect(unknown.questions).toEqual(wrong.questions)
      expect(wrong.alerts).toEqual(['decrypt_error'])
      expect(unknown.alerts).toEqual(['decrypt_error'])
      for (const { server } of [wrong, unknown]) expectRefused(server)
      // Only the record of it knows.
      expect(wrong.server.failures).toMatchObject([{ code: 'psk-wrong', alert: 'decrypt_error', direction: 'sent' }])
      expect(unknown.server.failures).toMatchObject([{ code: 'psk-identity-unknown', alert: 'decrypt_error' }])
      expect(Buffer.from(unknown.server.failures[0]?.pskIdentity ?? []).toString()).toBe('never a one ')
      // And a good key goes the same way up to there.
      const good = observe(suite, (known) => known)
      expect(good.questions).toEqual(wrong.questions)
      expect(good.server.all('connected')).toHaveLength(1)
    })
  }

  it('are told at the same moment too when the key is found late: after the Finished, not before', () => {
    for (const identity of ['a lamp', 'nobody']) {
      const { server, client } = meet()
      const liar = new HostilePskClient(server, { identity, key: randomBytes(16) })
      server.holdBack = (question) => question.kind === 'findPsk'
      liar.toFlight4().keyExchange()
      expect(liar.alerts).toEqual([])
      expect(server.answerHeldBack()).toEqual([])
      server.holdBack = () => false
      liar.changeCipherSpec()
      expect(liar.alerts).toEqual([])
      liar.finished()
      expect(liar.alerts).toEqual(['decrypt_error'])
      // The good client is not harmed by it.
      expect(client.connect().alerts).toEqual([])
    }
  })

  it('get the alert when the whole flight has come before the key is found', () => {
    const { server } = meet()
    const liar = new HostilePskClient(server, { identity: 'a lamp', key: randomBytes(16) })
    server.holdBack = (question) => question.kind === 'findPsk'
    liar.toFlight4().keyExchange()
    liar.changeCipherSpec()
    liar.finished()
    const heard = server.answerHeldBack().flatMap((datagram) => liar.hear(datagram))
    expect(heard.map((record) => [...record.content])).toEqual([[...encodeAlert('fatal', 'decrypt_error')]])
    expectRefused(server)
  })

  it('a refused identity stays out even with the key that it was given in secret', () => {
    const { server, client } = meet()
    server.holdBack = (question) => question.kind === 'findPsk'
    client.toFlight4().keyExchange()
    const refusal = { code: 'psk-revoked', detail: 'as the test says' } as const
    server.answerHeldBack(() => ({ kind: 'findPsk', key: client.psk.key, refusal }))
    client.changeCipherSpec()
    client.finished()
    expect(client.alerts).toEqual(['decrypt_error'])
    expect(server.failures[0]?.code).toBe('psk-revoked')
    expectRefused(server)
  })

  it('a forged record before the Finished of a good client does not end its handshake while the key is looked for', () => {
    const { server, client } = meet()
    server.holdBack = (question) => question.kind === 'findPsk'
    client.toFlight4().keyExchange()
    const forged = client.finishedRecord({ unrecorded: true, messageSequence: client.nextMessageSequence, epoch: 1 })
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    client.sequences[1] = 0
    client.datagram(forged)
    client.changeCipherSpec()
    client.finished()
    server.answerHeldBack()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('a record of the live association beside a handshake is no forgery of it', () => {
    const { server, client } = meet()
    client.connect().applicationData('first')
    const late = client.record(contentTypes.applicationData, Buffer.from('late'))
    const again = new HostilePskClient(server, client.psk)
    again.toFlight4().keyExchange()
    again.changeCipherSpec()
    client.datagram(late)
    expect(server.data).toEqual(['first', 'late'])
    again.finished()
    expect(server.all('connected')).toHaveLength(2)
    expect(server.failures).toEqual([])
  })
})

describe('illegal orders with a pre-shared key', () => {
  const refusals: Record<string, { attack: (client: HostilePskClient) => void; alert: string }> = {
    'Finished in the clear right after flight 4': {
      attack: (client) => client.finished({ epoch: 0 }),
      alert: 'unexpected_message',
    },
    'a Certificate in place of the ClientKeyExchange': {
      attack: (client) => client.certificate(device.chain),
      alert: 'unexpected_message',
    },
    'an empty Certificate before the ClientKeyExchange': {
      attack: (client) => client.certificate([]),
      alert: 'unexpected_message',
    },
    'a CertificateVerify in place of the ClientKeyExchange': {
      attack: (client) => client.certificateVerify({ signer: device }),
      alert: 'unexpected_message',
    },
    'a CertificateVerify after the ClientKeyExchange': {
      attack: (client) => {
        client.keyExchange()
        client.certificateVerify({ signer: device })
      },
      alert: 'unexpected_message',
    },
    'a Certificate after the ClientKeyExchange': {
      attack: (client) => {
        client.keyExchange()
        client.certificate(device.chain)
      },
      alert: 'unexpected_message',
    },
    'a second ClientKeyExchange': {
      attack: (client) => {
        client.keyExchange()
        client.keyExchange()
      },
      alert: 'unexpected_message',
    },
    'Finished in the clear in place of ChangeCipherSpec': {
      attack: (client) => {
        client.keyExchange()
        client.finished({ epoch: 0 })
      },
      alert: 'unexpected_message',
    },
    'a protected ClientKeyExchange in place of Finished': {
      attack: (client) => {
        client.keyExchange()
        client.changeCipherSpec()
        client.message(clientKeyExchange, new Uint8Array(4))
      },
      alert: 'unexpected_message',
    },
    'a protected change_cipher_spec in place of Finished': {
      attack: (client) => {
        client.keyExchange()
        client.changeCipherSpec()
        client.changeCipherSpec()
      },
      alert: 'unexpected_message',
    },
    'an identity of no bytes': {
      attack: (client) => client.keyExchange({ identity: new Uint8Array(0) }),
      alert: 'illegal_parameter',
    },
    'an identity of 129 bytes': {
      attack: (client) => client.keyExchange({ identity: new Uint8Array(129).fill(65) }),
      alert: 'illegal_parameter',
    },
    'an identity of 4000 bytes': {
      attack: (client) => client.keyExchange({ identity: new Uint8Array(4000).fill(65) }),
      alert: 'illegal_parameter',
    },
    'an identity whose length lies': {
      attack: (client) => client.message(clientKeyExchange, Uint8Array.of(0, 9, 65)),
      alert: 'decode_error',
    },
    'bytes after the identity': {
      attack: (client) => client.message(clientKeyExchange, Uint8Array.of(0, 1, 65, 0)),
      alert: 'decode_error',
    },
    'an empty ClientKeyExchange': {
      attack: (client) => client.message(clientKeyExchange, new Uint8Array(0)),
      alert: 'decode_error',
    },
    'a Finished of eleven bytes': {
      attack: (client) => {
        client.keyExchange()
        client.changeCipherSpec()
        client.finished({ verifyData: new Uint8Array(11) })
      },
      alert: 'decrypt_error',
    },
    'a Finished over another transcript': {
      attack: (client) => {
        client.keyExchange()
        client.changeCipherSpec()
        client.finished({ verifyData: new Uint8Array(12) })
      },
      alert: 'decrypt_error',
    },
  }

  for (const [name, { attack, alert }] of Object.entries(refusals)) {
    for (const suite of ['TLS_PSK_WITH_AES_128_CCM_8', 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256'] as const) {
      if (suite.includes('ECDHE') && name === 'bytes after the identity') continue
      it(`${name} is refused with ${alert} (${suite})`, () => {
        const { server, client } = meet(suite)
        attack(client.toFlight4())
        expect(client.alerts).toEqual([alert])
        expectRefused(server)
        // Nothing that follows changes it.
        client.datagram(client.record(contentTypes.applicationData, Buffer.from('let me in'), 0))
        expect(server.all('connected')).toEqual([])
        expect(server.data).toEqual([])
      })
    }
  }

  it('(RFC 4279 section 5.3) identities of 1 and of 128 bytes, of any kind, are looked up as they are', () => {
    for (const identity of [Uint8Array.of(0), new Uint8Array(128).fill(0xff)]) {
      const { server, client } = meet()
      server.psks = { [Buffer.from(identity).toString('latin1')]: client.psk.key }
      client.toFlight4().keyExchange({ identity })
      client.changeCipherSpec()
      client.finished()
      expect(server.all('connected')).toHaveLength(1)
    }
  })

  it('change_cipher_spec before the ClientKeyExchange does not count, and a Finished after it waits for ever', () => {
    const { server, client } = meet()
    client.toFlight4()
    client.changeCipherSpec()
    client.keyExchange({ epoch: 0 })
    client.finished()
    expect(client.alerts).toEqual([])
    expect(server.all('connected')).toEqual([])
    for (let second = 0; second < 62; second += 1) server.advance(seconds(1))
    expectRefused(server)
  })

  it('without a ClientKeyExchange nothing follows from ChangeCipherSpec and Finished', () => {
    const { server, client } = meet()
    client.toFlight4()
    client.changeCipherSpec()
    client.finished()
    expect(server.all('connected')).toEqual([])
    expect(server.all('ask').map((output) => output.question.kind)).not.toContain('findPsk')
  })

  it('application data in the clear, or before the Finished, is never delivered', () => {
    const { server, client } = meet()
    client.toFlight4().applicationData('plain', 0)
    client.keyExchange()
    client.applicationData('plain', 0)
    client.changeCipherSpec()
    client.applicationData('early')
    client.applicationData('plain', 0)
    client.finished()
    client.applicationData('plain', 0)
    expect(server.data).toEqual([])
    client.applicationData('hello')
    expect(server.data).toEqual(['hello'])
  })

  it('a point that is not on the curve, compressed, or none at all is refused with illegal_parameter', () => {
    const offCurve = concat(Uint8Array.of(4), new Uint8Array(64).fill(1))
    for (const publicKey of [offCurve, concat(Uint8Array.of(2), new Uint8Array(32)), Uint8Array.of(0)]) {
      const { server, client } = meet('TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256')
      client.toFlight4().keyExchange({ publicKey })
      expect(client.alerts).toEqual(['illegal_parameter'])
      expectRefused(server)
    }
  })

  it('a fatal alert, a close, a second hello: the handshake ends or begins anew as with certificates', () => {
    const { server, client } = meet()
    client.toFlight4().keyExchange()
    client.datagram(client.record(contentTypes.alert, encodeAlert('fatal', 'internal_error'), 0))
    expectRefused(server)
    const again = meet()
    again.client.toFlight4().keyExchange()
    const other = new HostilePskClient(again.server, again.client.psk)
    other.connect().applicationData('hello')
    expect(again.server.data).toEqual(['hello'])
    expect(again.server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
    other.datagram(
      joinDatagrams(
        other.record(contentTypes.alert, encodeAlert('warning', 'close_notify')),
        other.record(contentTypes.applicationData, Buffer.from('too late')),
      ),
    )
    expect(again.server.data).toEqual(['hello'])
  })

  it('a look-up that never answers leaves nothing behind after its time, and one that fails says internal_error', () => {
    const { server, client } = meet()
    server.holdBack = (question) => question.kind === 'findPsk'
    client.toFlight4().keyExchange()
    for (let second = 0; second < 62; second += 1) server.advance(seconds(1))
    expectRefused(server)
    const other = meet()
    other.server.holdBack = (question) => question.kind === 'findPsk'
    other.client.toFlight4().keyExchange()
    const [failed] = other.server
      .answerHeldBack(() => ({ kind: 'failed', detail: 'no answer' }))
      .flatMap((datagram) => other.client.hear(datagram))
    expect([...(failed?.content ?? [])]).toEqual([...encodeAlert('fatal', 'internal_error')])
    expectRefused(other.server)
  })
})

describe('our client with a pre-shared key', () => {
  const key = randomBytes(16)
  const meetServer = (suite: CipherSuiteName, pskKey: Uint8Array = key): HostileServer => {
    const psk = { identity: Buffer.from('a lamp'), key }
    const server = new HostileServer(serverIdentity, undefined, { psk, cipherSuites: [suite] })
    server.suite = suite
    server.pskKey = pskKey
    return server
  }
  const { clientHello, finished } = handshakeTypes

  it('connects to an honest server; the cases below differ from it in one thing', () => {
    const plain = meetServer('TLS_PSK_WITH_AES_128_CCM_8').helloVerifyRequest().serverHello().helloDone()
    expect(plain.heard).toEqual([clientHello, clientHello, clientKeyExchange, finished])
    expect(plain.changeCipherSpec().finished().connected).toBe(true)
    const hinted = meetServer('TLS_PSK_WITH_AES_128_CCM_8').serverHello().pskKeyExchange({ hint: 'x' }).helloDone()
    expect(hinted.changeCipherSpec().finished().connected).toBe(true)
    const ecdhe = meetServer('TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256').serverHello().pskKeyExchange().helloDone()
    expect(ecdhe.changeCipherSpec().finished().connected).toBe(true)
    expect(ecdhe.say(contentTypes.applicationData, Buffer.from('hello')).data).toEqual(['hello'])
  })

  it('never connects to a server with another key', () => {
    const server = meetServer('TLS_PSK_WITH_AES_128_CCM_8', randomBytes(16)).serverHello().helloDone()
    server.changeCipherSpec().finished()
    expect(server.connected).toBe(false)
    expect(server.say(contentTypes.applicationData, Buffer.from('hello')).data).toEqual([])
    server.advance(seconds(61))
    expect(server.failure?.code).toBe('handshake-timed-out')
  })

  it('does not do without ECDHE where it was chosen', () => {
    const server = meetServer('TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256').serverHello().helloDone()
    expect(server.heard).toEqual([clientHello])
    expect(server.alerts).toEqual(['unexpected_message'])
  })

  it('refuses a group that it did not offer, a Certificate, a CertificateRequest, a suite with a certificate', () => {
    const suite = 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256'
    const psk = { identity: Buffer.from('a lamp'), key }
    const other = new HostileServer(serverIdentity, undefined, { psk, cipherSuites: [suite], groups: ['x25519'] })
    other.suite = suite
    other.serverHello().pskKeyExchange()
    expect(other.alerts).toEqual(['illegal_parameter'])
    expect(meetServer(suite).serverHello().certificate().alerts).toEqual(['unexpected_message'])
    expect(meetServer(suite).serverHello().certificateRequest().alerts).toEqual(['unexpected_message'])
    expect(meetServer(suite).serverHello().message(certificateVerify, new Uint8Array(8)).alerts).toEqual([
      'unexpected_message',
    ])
    const switching = meetServer(suite)
    switching.suite = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'
    expect(switching.serverHello().alerts).toEqual(['illegal_parameter'])
  })

  it('takes no Finished in the clear, none before ChangeCipherSpec, none that is wrong', () => {
    const clear = meetServer('TLS_PSK_WITH_AES_128_CCM_8').serverHello().helloDone().finished({ epoch: 0 })
    expect(clear.connected).toBe(false)
    expect(clear.alerts).toEqual(['unexpected_message'])
    const wrong = meetServer('TLS_PSK_WITH_AES_128_CCM_8').serverHello().helloDone().changeCipherSpec()
    wrong.finished({ verifyData: new Uint8Array(12) })
    expect(wrong.connected).toBe(false)
    expect(wrong.failure?.alert).toBe('decrypt_error')
  })
})
