/** A server that says what it likes, in the order it likes, to our client: the counterpart of `hostile-client.ts`. */

import { randomBytes, sign } from 'node:crypto'
import { type Duration, type Instant, instant, later, seconds } from '@sallyport/clock'
import { decodeAlert } from '../../src/alert.ts'
import { writeCertificate, writeCertificateRequest } from '../../src/certificate-messages.ts'
import { type CipherSuiteName, cipherSuites } from '../../src/cipher-suite.ts'
import { type ClientHello, readClientHello } from '../../src/client-hello.ts'
import { DtlsClient, type DtlsClientConfiguration } from '../../src/dtls-client.ts'
import {
  type HandshakeMessage,
  handshakeTypes,
  readHandshakeFragment,
  writeHandshakeFragment,
} from '../../src/handshake-message.ts'
import {
  readClientKeyExchange,
  signedKeyParameters,
  writeKeyParameters,
  writeServerKeyExchange,
} from '../../src/key-exchange-messages.ts'
import { type AssociationKeys, deriveKeys, extendedMasterSecret, verifyData } from '../../src/key-schedule.ts'
import { type NamedGroupName, namedGroups } from '../../src/named-group.ts'
import { writeNewSessionTicket } from '../../src/new-session-ticket.ts'
import type { Output } from '../../src/output.ts'
import { readPskClientKeyExchange, writePskServerKeyExchange } from '../../src/psk-messages.ts'
import { pskPremasterSecret } from '../../src/psk-premaster-secret.ts'
import { createReassembly, defaultReassemblyLimits, takeFragment, takeNextMessage } from '../../src/reassembly.ts'
import { type ContentType, contentTypes, readRecord, recordHeaderLength, writeRecordHeader } from '../../src/record.ts'
import { protectWithNodeCrypto, type RecordProtection } from '../../src/record-protection.ts'
import { type ServerHelloChoice, writeHelloVerifyRequest, writeServerHello } from '../../src/server-hello.ts'
import { append, createTranscript, type Transcript, transcriptHash } from '../../src/transcript.ts'
import { acceptEveryone, agree, answerFor, type Judge, makeKeyShare } from './answers.ts'
import type { TestIdentity } from './identity.ts'

export class HostileServer {
  readonly machine: DtlsClient
  readonly identity: TestIdentity
  readonly clientIdentity: TestIdentity | undefined
  readonly outputs: Output[] = []
  /** Types of the handshake messages heard from the client, in order. */
  readonly heard: number[] = []
  readonly alerts: string[] = []
  /** What the client's hellos have asked us to write, in order. */
  readonly clientConnectionIds: (Uint8Array | undefined)[] = []
  /** What the client's hellos have offered to go on with, in order. */
  readonly clientSessions: Pick<ClientHello, 'sessionId' | 'sessionTicket'>[] = []
  judge: Judge = acceptEveryone
  now: Instant = instant(0)
  /** What a client with a pre-shared key is to have. */
  pskKey: Uint8Array = new Uint8Array(16)
  suite: CipherSuiteName = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'
  readonly random: Uint8Array = randomBytes(32)
  readonly share = makeKeyShare('secp256r1')
  clientRandom: Uint8Array = new Uint8Array(32)
  transcript: Transcript = createTranscript()
  nextMessageSequence = 0
  epoch = 0
  #sequences = [0, 0]
  #inbound = createReassembly(0)
  #sessionHash: Uint8Array | undefined
  #masterSecret: Uint8Array | undefined
  #keys: AssociationKeys | undefined
  #sealer: RecordProtection | undefined
  #opener: RecordProtection | undefined

  constructor(identity: TestIdentity, client?: TestIdentity, configuration: Partial<DtlsClientConfiguration> = {}) {
    this.identity = identity
    this.clientIdentity = client
    this.machine = new DtlsClient(
      {
        server: { address: '192.0.2.2', port: 5684 },
        random: randomBytes(32),
        ...(client === undefined ? {} : { certificate: client }),
        ...configuration,
      },
      this.now,
    )
    this.drain()
  }

  // Saying

  record(type: ContentType, content: Uint8Array, epoch = this.epoch): Uint8Array {
    const sequence = this.#sequences[epoch] ?? 0
    this.#sequences[epoch] = sequence + 1
    if (epoch > 0 && this.#sealer !== undefined) {
      const sealed = new Uint8Array(this.#sealer.overhead + content.length)
      this.#sealer.seal({ type, epoch, sequence, plaintext: content }, sealed, 0)
      return sealed
    }
    const plain = new Uint8Array(recordHeaderLength + content.length)
    writeRecordHeader(plain, 0, { type, epoch, sequence, length: content.length })
    plain.set(content, recordHeaderLength)
    return plain
  }

  say(type: ContentType, content: Uint8Array, epoch = this.epoch): this {
    const buffer = this.record(type, content, epoch)
    this.machine.handleDatagram(buffer, this.now)
    buffer.fill(0xee)
    this.drain()
    return this
  }

  message(type: number, body: Uint8Array, options: { messageSequence?: number; epoch?: number } = {}): this {
    const messageSequence = options.messageSequence ?? this.nextMessageSequence++
    append(this.transcript, { type, messageSequence, body })
    const fragment = new Uint8Array(12 + body.length)
    writeHandshakeFragment(fragment, 0, { type, messageSequence, length: body.length, offset: 0, bytes: body })
    return this.say(contentTypes.handshake, fragment, options.epoch)
  }

  /** The client's next hello begins the transcript anew. */
  helloVerifyRequest(cookie: Uint8Array = randomBytes(20)): this {
    this.message(handshakeTypes.helloVerifyRequest, writeHelloVerifyRequest(cookie))
    return this
  }

  serverHello(body?: Uint8Array): this {
    const hello = { random: this.random, renegotiationInfo: true, pointFormats: true }
    const written = writeServerHello({ ...hello, cipherSuite: cipherSuites[this.suite].number })
    return this.message(handshakeTypes.serverHello, body ?? written)
  }

  /** The body of a ServerHello that names a session, or promises a ticket. */
  helloOf(session: Pick<ServerHelloChoice, 'sessionId' | 'sessionTicket'>): Uint8Array {
    const { number: cipherSuite } = cipherSuites[this.suite]
    return writeServerHello({
      random: this.random,
      renegotiationInfo: true,
      pointFormats: true,
      cipherSuite,
      ...session,
    })
  }

  /** The body of a ServerHello that asks the client to write this. */
  helloWith(connectionId: Uint8Array): Uint8Array {
    const { number: cipherSuite } = cipherSuites[this.suite]
    return writeServerHello({
      random: this.random,
      renegotiationInfo: true,
      pointFormats: true,
      cipherSuite,
      connectionId,
    })
  }

  /** From now on with the keys of a session. The ServerHello has been said. */
  useSession(masterSecret: Uint8Array): this {
    this.#haveMasterSecret(masterSecret)
    return this
  }

  newSessionTicket(ticket: Uint8Array, lifetime: Duration = seconds(3600)): this {
    return this.message(handshakeTypes.newSessionTicket, writeNewSessionTicket({ ticket, lifetime }))
  }

  certificate(chain: readonly Uint8Array[] = this.identity.chain): this {
    return this.message(handshakeTypes.certificate, writeCertificate(chain))
  }

  keyExchange(
    options: {
      signer?: TestIdentity
      group?: NamedGroupName
      publicKey?: Uint8Array
      random?: Uint8Array
      scheme?: number
    } = {},
  ): this {
    const parameters = writeKeyParameters(
      namedGroups[options.group ?? 'secp256r1'],
      options.publicKey ?? this.share.publicKey,
    )
    const content = signedKeyParameters(options.random ?? this.clientRandom, this.random, parameters)
    const signature = sign('sha256', content, (options.signer ?? this.identity).privateKey)
    const body = writeServerKeyExchange(parameters, { scheme: options.scheme ?? 0x0403, signature })
    return this.message(handshakeTypes.serverKeyExchange, body)
  }

  /** Of a suite with a pre-shared key. */
  pskKeyExchange(options: { readonly hint?: string } = {}): this {
    const ecdhe = cipherSuites[this.suite].keyExchange === 'ecdhe_psk'
    const parameters = ecdhe ? writeKeyParameters(namedGroups.secp256r1, this.share.publicKey) : undefined
    const body = writePskServerKeyExchange(Buffer.from(options.hint ?? ''), parameters)
    return this.message(handshakeTypes.serverKeyExchange, body)
  }

  certificateRequest(): this {
    return this.message(handshakeTypes.certificateRequest, writeCertificateRequest())
  }

  helloDone(): this {
    return this.message(handshakeTypes.serverHelloDone, new Uint8Array(0))
  }

  changeCipherSpec(): this {
    this.say(contentTypes.changeCipherSpec, Uint8Array.of(1), 0)
    this.epoch = 1
    return this
  }

  finished(options: { verifyData?: Uint8Array; epoch?: number } = {}): this {
    const { hash } = cipherSuites[this.suite]
    const secret = this.#masterSecret
    const ours =
      secret === undefined
        ? new Uint8Array(12)
        : verifyData(cipherSuites[this.suite], secret, 'server', transcriptHash(this.transcript, hash))
    const body = options.verifyData ?? ours
    return this.message(handshakeTypes.finished, body, options.epoch === undefined ? {} : { epoch: options.epoch })
  }

  advance(by: Duration): void {
    this.now = later(this.now, by)
    this.machine.handleTimeout(this.now)
    this.drain()
  }

  // Hearing

  get connected(): boolean {
    return this.outputs.some((output) => output.kind === 'connected')
  }

  get failure(): (Output & { kind: 'handshakeFailed' }) | undefined {
    return this.outputs.find(
      (output): output is Output & { kind: 'handshakeFailed' } => output.kind === 'handshakeFailed',
    )
  }

  get data(): string[] {
    return this.outputs.flatMap((output) => (output.kind === 'data' ? [Buffer.from(output.plaintext).toString()] : []))
  }

  drain(): void {
    for (let output = this.machine.takeOutput(); output !== undefined; output = this.machine.takeOutput()) {
      this.outputs.push(output)
      if (output.kind === 'send') this.#hear(output.datagram)
      else if (output.kind === 'ask') {
        this.machine.answer(output.handle, answerFor(output.question, this.clientIdentity, this.judge), this.now)
      }
    }
  }

  #hear(datagram: Uint8Array): void {
    for (let offset = 0; offset < datagram.length; ) {
      const record = readRecord(datagram, offset)
      if (record === undefined) throw new Error('the client sent something that is no record')
      offset += record.whole.length
      const content = record.epoch === 0 ? record.fragment : this.#opener?.open(record)
      if (content === undefined) continue
      if (record.type === contentTypes.alert) this.alerts.push(decodeAlert(content)?.name ?? 'unreadable')
      if (record.type !== contentTypes.handshake) continue
      const fragment = readHandshakeFragment(content, 0)
      if (fragment === undefined) continue
      takeFragment(this.#inbound, fragment, record.sequence, defaultReassemblyLimits)
      for (let next = takeNextMessage(this.#inbound); next !== undefined; next = takeNextMessage(this.#inbound)) {
        this.#handle(next)
      }
    }
  }

  #handle(message: HandshakeMessage): void {
    this.heard.push(message.type)
    if (message.type === handshakeTypes.clientHello) {
      this.transcript = createTranscript()
      const hello = readClientHello(message.body)
      this.clientRandom = hello.random
      this.clientConnectionIds.push(hello.connectionId)
      const { sessionId, sessionTicket } = hello
      this.clientSessions.push({ sessionId, sessionTicket })
    }
    append(this.transcript, message)
    if (message.type !== handshakeTypes.clientKeyExchange) return
    const suite = cipherSuites[this.suite]
    this.#sessionHash = transcriptHash(this.transcript, suite.hash)
    this.#haveMasterSecret(extendedMasterSecret(suite, this.#premasterSecret(message.body), this.#sessionHash))
  }

  #haveMasterSecret(masterSecret: Uint8Array): void {
    this.#masterSecret = masterSecret
    this.#keys = deriveKeys(cipherSuites[this.suite], masterSecret, this.clientRandom, this.random)
    this.#sealer = protectWithNodeCrypto(this.#keys.server)
    this.#opener = protectWithNodeCrypto(this.#keys.client)
  }

  #premasterSecret(clientKeyExchange: Uint8Array): Uint8Array {
    const { keyExchange } = cipherSuites[this.suite]
    if (keyExchange === 'psk') return pskPremasterSecret(this.pskKey, undefined)
    const group = namedGroups.secp256r1
    const publicKey =
      keyExchange === 'ecdhe_psk'
        ? readPskClientKeyExchange(clientKeyExchange, group).publicKey
        : readClientKeyExchange(clientKeyExchange, group)
    const secret = publicKey === undefined ? undefined : agree(group.name, this.share.privateKey, publicKey)
    if (secret === undefined) throw new Error('no agreement')
    return keyExchange === 'ecdhe_psk' ? pskPremasterSecret(this.pskKey, secret) : secret
  }
}
