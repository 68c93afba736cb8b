/** Hostile servers against our client: the client patterns of dtls-fuzzer, and what a man in the middle would try. */

import { concat } from '@sallyport/bytes'
import { seconds } from '@sallyport/clock'
import { beforeAll, describe, expect, it } from 'vitest'
import { encodeAlert } from '../src/alert.ts'
import { handshakeTypes } from '../src/handshake-message.ts'
import { contentTypes } from '../src/record.ts'
import { writeServerHello } from '../src/server-hello.ts'
import { HostileServer } from './harness/hostile-server.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'

let honest: TestIdentity
let thief: TestIdentity
let device: TestIdentity

beforeAll(() => {
  honest = makeIdentity('P-256', 'server')
  thief = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

const meet = (): HostileServer => new HostileServer(honest, device)

const { clientHello, certificate, clientKeyExchange, certificateVerify, finished } = handshakeTypes
const wholeFlight5 = [clientHello, clientHello, certificate, clientKeyExchange, certificateVerify]

describe('an honest server', () => {
  it('gets our certificate, our proof and our Finished, and is connected: the cases below differ from it in one thing', () => {
    const server = meet()
      .helloVerifyRequest()
      .serverHello()
      .certificate()
      .keyExchange()
      .certificateRequest()
      .helloDone()
    expect(server.heard).toEqual([...wholeFlight5, finished])
    server.changeCipherSpec().finished()
    expect(server.connected).toBe(true)
    server.say(contentTypes.applicationData, Buffer.from('hello'))
    expect(server.data).toEqual(['hello'])
  })

  it('Unrequested Certificate: a server that asks for no certificate gets none', () => {
    const server = meet().serverHello().certificate().keyExchange().helloDone()
    expect(server.heard).toEqual([clientHello, clientKeyExchange, finished])
    expect(server.changeCipherSpec().finished().connected).toBe(true)
  })

  it('that asks a client without a certificate gets an empty list', () => {
    const server = new HostileServer(honest).serverHello().certificate().keyExchange().certificateRequest().helloDone()
    expect(server.heard).toEqual([clientHello, certificate, clientKeyExchange, finished])
  })
})

describe('a server that asks for a certificate that we have not (RFC 5246 sections 7.4.4 and 7.4.6)', () => {
  it('Incorrect CertificateRequest Response: it gets an empty list, not the certificate of another kind', () => {
    // certificate_types, signature_algorithms, authorities: RSA keys alone; ECDSA keys, but signatures by RSA alone.
    for (const request of [
      [1, 1, 0, 2, 4, 3, 0, 0],
      [1, 64, 0, 2, 4, 1, 0, 0],
    ]) {
      const server = meet().serverHello().certificate().keyExchange()
      server.message(handshakeTypes.certificateRequest, Uint8Array.from(request)).helloDone()
      expect(server.heard).toEqual([clientHello, certificate, clientKeyExchange, finished])
    }
  })
})

describe('proof of the server (RFC 5246 sections 7.4.2 and 7.4.3)', () => {
  const expectRefusedBeforeFlight5 = (server: HostileServer, alert: string): void => {
    expect(server.connected).toBe(false)
    expect(server.heard).not.toContain(clientKeyExchange)
    expect(server.alerts).toEqual([alert])
  }

  it('a ServerKeyExchange signed by another key is refused with decrypt_error', () => {
    const server = meet().serverHello().certificate().keyExchange({ signer: thief }).helloDone()
    expectRefusedBeforeFlight5(server, 'decrypt_error')
  })

  it('a ServerKeyExchange of another handshake is refused: the signature covers both randoms', () => {
    const server = meet()
      .serverHello()
      .certificate()
      .keyExchange({ random: new Uint8Array(32) })
      .helloDone()
    expectRefusedBeforeFlight5(server, 'decrypt_error')
  })

  it('DH without ServerKeyExchange: without it there is no way on', () => {
    expectRefusedBeforeFlight5(meet().serverHello().certificate().helloDone(), 'unexpected_message')
  })

  it('a server without a certificate is refused', () => {
    expectRefusedBeforeFlight5(meet().serverHello().keyExchange().helloDone(), 'unexpected_message')
    expectRefusedBeforeFlight5(meet().serverHello().certificate([]), 'handshake_failure')
  })

  it('a server that verifyPeer refuses learns nothing of us but the alert', () => {
    const server = meet()
    server.judge = () => ({ accepted: false, alert: 'unknown_ca', code: 'certificate-authority-unknown', detail: 'no' })
    server.serverHello().certificate().keyExchange().certificateRequest().helloDone()
    expectRefusedBeforeFlight5(server, 'unknown_ca')
  })

  it('a scheme that was not offered and a group that was not offered are refused', () => {
    expectRefusedBeforeFlight5(
      meet().serverHello().certificate().keyExchange({ scheme: 0x0203 }).helloDone(),
      'illegal_parameter',
    )
    const narrow = new HostileServer(honest, device, { groups: ['x25519'] })
    expectRefusedBeforeFlight5(narrow.serverHello().certificate().keyExchange(), 'illegal_parameter')
  })

  it('a public key that is off the curve ends the handshake', () => {
    const publicKey = Uint8Array.of(4, ...new Uint8Array(64).fill(7))
    const server = meet().serverHello().certificate().keyExchange({ publicKey }).helloDone()
    expectRefusedBeforeFlight5(server, 'illegal_parameter')
  })
})

describe('choices of the server (RFC 5246 section 7.4.1)', () => {
  const helloOf = (change: (body: Uint8Array) => Uint8Array): HostileServer => {
    const server = meet()
    const hello = { random: server.random, cipherSuite: 0xc0ae, renegotiationInfo: false, pointFormats: false }
    return server.serverHello(change(writeServerHello(hello)))
  }

  it('Switching Cipher Suite: a suite that was not offered is refused', () => {
    const server = new HostileServer(honest, device, { cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'] })
    expect(server.serverHello().alerts).toEqual(['illegal_parameter'])
  })

  it('another version, compression, an extension unasked, no extended master secret: each refused by its alert', () => {
    expect(helloOf((body) => body.with(1, 0xff)).alerts).toEqual(['protocol_version'])
    expect(helloOf((body) => body.with(37, 1)).alerts).toEqual(['illegal_parameter'])
    expect(helloOf((body) => body.subarray(0, 38)).alerts).toEqual(['handshake_failure'])
    const ticket = (body: Uint8Array): Uint8Array =>
      concat(body.subarray(0, 38), Uint8Array.of(0, 8, 0, 23, 0, 0, 0, 35, 0, 0))
    expect(helloOf(ticket).alerts).toEqual(['unsupported_extension'])
  })
})

describe('the order of messages (RFC 5246 section 7.3)', () => {
  it('Multiple CertificateRequest, Multiple ServerKeyExchange, Multiple Certificate, Reorder Cert/CertReq: each is unexpected', () => {
    const twice = meet().serverHello().certificate().keyExchange().certificateRequest().certificateRequest()
    expect(twice.alerts).toEqual(['unexpected_message'])
    expect(meet().serverHello().certificate().keyExchange().keyExchange().alerts).toEqual(['unexpected_message'])
    expect(meet().serverHello().certificateRequest().certificate().alerts).toEqual(['unexpected_message'])
    expect(meet().serverHello().certificate().certificate().alerts).toEqual(['unexpected_message'])
  })

  it('ServerHello Flight Restart, Unexpected ClientHello Response: a hello out of place is unexpected', () => {
    expect(meet().serverHello().serverHello().alerts).toEqual(['unexpected_message'])
    expect(meet().certificate().alerts).toEqual(['unexpected_message'])
    expect(meet().serverHello().helloVerifyRequest().alerts).toEqual(['unexpected_message'])
  })

  it('Invalid message_seq (RFC 6347 section 4.2.2): a message with a number to come waits, one with a number past is not heard', () => {
    const server = meet().serverHello()
    server.message(handshakeTypes.certificate, new Uint8Array(3), { messageSequence: 7 })
    server.message(handshakeTypes.certificate, new Uint8Array(3), { messageSequence: 0 })
    expect(server.alerts).toEqual([])
  })

  it('Finished before ChangeCipherSpec: in the clear, or protected without it, or wrong, it does not connect', () => {
    const ready = (): HostileServer => meet().serverHello().certificate().keyExchange().helloDone()
    const clear = ready().finished({ epoch: 0 })
    expect(clear.connected).toBe(false)
    expect(clear.alerts).toEqual(['unexpected_message'])
    const early = ready()
    early.epoch = 1
    expect(early.finished().connected).toBe(false)
    const wrong = ready()
      .changeCipherSpec()
      .finished({ verifyData: new Uint8Array(12) })
    expect(wrong.connected).toBe(false)
    expect(wrong.alerts).toEqual(['decrypt_error'])
  })

  it('Early Finished: at no point before flight 4 is whole does a Finished connect', () => {
    const steps: ((server: HostileServer) => unknown)[] = [
      (server) => server.serverHello(),
      (server) => server.certificate(),
      (server) => server.keyExchange(),
      (server) => server.certificateRequest(),
    ]
    for (const epoch of [0, 1]) {
      for (let said = 0; said <= steps.length; said += 1) {
        const server = meet()
        for (const step of steps.slice(0, said)) step(server)
        server.changeCipherSpec().finished({ epoch })
        expect(server.connected).toBe(false)
        expect(server.heard).not.toContain(finished)
      }
    }
  })

  it('Multiple ChangeCipherSpec: a second change of keys does not lead to Finished', () => {
    const server = meet().serverHello().certificate().keyExchange().helloDone().changeCipherSpec().changeCipherSpec()
    server.finished({ epoch: 2 })
    expect(server.connected).toBe(false)
  })

  it('Crash on CCS: a change_cipher_spec at any time, before any keys exist, harms nothing', () => {
    const server = meet()
    const ccs = (): HostileServer => server.say(contentTypes.changeCipherSpec, Uint8Array.of(1), 0)
    ccs().serverHello()
    ccs().certificate()
    ccs().keyExchange()
    ccs().certificateRequest()
    ccs().helloDone().changeCipherSpec().finished()
    ccs().say(contentTypes.applicationData, Buffer.from('hello'))
    expect(server.data).toEqual(['hello'])
  })

  it('a server that asks for a cookie for ever is given up', () => {
    const server = meet().helloVerifyRequest().helloVerifyRequest().helloVerifyRequest().helloVerifyRequest()
    expect(server.failure?.detail).toContain('HelloVerifyRequest')
  })
})

describe('a connected client', () => {
  const connected = (): HostileServer =>
    meet().serverHello().certificate().keyExchange().helloDone().changeCipherSpec().finished()

  it('Premature HelloRequest, Insecure Renegotiation: a HelloRequest is refused with no_renegotiation (RFC 7925 section 17) a few times, then not answered', () => {
    const server = connected()
    for (let n = 0; n < 50; n += 1)
      server.message(handshakeTypes.helloRequest, new Uint8Array(0), { messageSequence: 0 })
    expect(server.alerts.length).toBeLessThan(10)
    expect(new Set(server.alerts)).toEqual(new Set(['no_renegotiation']))
    expect(server.heard.filter((type) => type === clientHello)).toHaveLength(1)
  })

  it('ignores what comes in the clear: data, alerts, a new handshake', () => {
    const server = connected()
    server.say(contentTypes.applicationData, Buffer.from('forged'), 0)
    server.say(contentTypes.alert, encodeAlert('fatal', 'internal_error'), 0)
    server.message(handshakeTypes.helloVerifyRequest, new Uint8Array(3), { epoch: 0 })
    server.say(contentTypes.applicationData, Buffer.from('genuine'))
    expect(server.data).toEqual(['genuine'])
  })

  it('Continue After CloseNotify: answers close_notify, is closed, and hears nothing after', () => {
    const server = connected().say(contentTypes.alert, encodeAlert('warning', 'close_notify'))
    expect(server.alerts).toEqual(['close_notify'])
    expect(server.machine.send(Buffer.from('late'))).toBe(false)
    server.say(contentTypes.applicationData, Buffer.from('too late'))
    expect(server.data).toEqual([])
  })

  it('Continue After Fatal Alert: neither a handshake nor an association goes on after one', () => {
    const open = connected().say(contentTypes.alert, encodeAlert('fatal', 'internal_error'))
    open.say(contentTypes.applicationData, Buffer.from('too late'))
    expect(open.data).toEqual([])
    expect(open.machine.send(Buffer.from('late'))).toBe(false)
    const within = meet().serverHello().say(contentTypes.alert, encodeAlert('fatal', 'internal_error'), 0)
    within.certificate().keyExchange().helloDone().changeCipherSpec().finished()
    expect(within.connected).toBe(false)
    expect(within.heard).toEqual([clientHello])
  })
})

describe('time (RFC 6347 section 4.2.4)', () => {
  it('the hello is sent again after 1, 2, 4, 8 and 16 seconds, and the client gives up after 60', () => {
    const server = meet()
    const sentAt: number[] = []
    let sent = server.outputs.filter(({ kind }) => kind === 'send').length
    for (let second = 1; second <= 61; second += 1) {
      server.advance(seconds(1))
      const now = server.outputs.filter(({ kind }) => kind === 'send').length
      if (now > sent) sentAt.push(second)
      sent = now
    }
    expect(sentAt).toEqual([1, 3, 7, 15, 31])
    expect(server.failure?.code).toBe('handshake-timed-out')
  })

  it('Retransmitted Flight 5: a server that repeats flight 4 gets flight 5 again, under new record numbers', () => {
    const server = meet().serverHello().certificate().keyExchange().helloDone()
    const before = server.outputs.filter(({ kind }) => kind === 'send').length
    server.now = (server.now + 500) as typeof server.now
    server.message(handshakeTypes.serverHelloDone, new Uint8Array(0), { messageSequence: 3 })
    expect(server.outputs.filter(({ kind }) => kind === 'send').length).toBe(before + 1)
  })
})
