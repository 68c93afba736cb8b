/**
 * A client that says what it likes, in the order it likes: the peer that the server must survive.
 *
 * It is built from the codecs but not from the client machine. `toFlight4` goes as far as an honest client; then each
 * method sends one thing. Everything has an override.
 */

import { randomBytes, sign } from 'node:crypto'
import { ByteReader, concat } from '@sallyport/bytes'
import { decodeAlert } from '../../src/alert.ts'
import { writeCertificate, writeCertificateVerify } from '../../src/certificate-messages.ts'
import { type CipherSuite, type CipherSuiteName, cipherSuiteByNumber } from '../../src/cipher-suite.ts'
import { writeClientHello } from '../../src/client-hello.ts'
import { extensionTypes } from '../../src/extension.ts'
import {
  type HandshakeMessage,
  handshakeTypes,
  readHandshakeFragment,
  writeHandshakeFragment,
} from '../../src/handshake-message.ts'
import { readServerKeyExchange, writeClientKeyExchange } from '../../src/key-exchange-messages.ts'
import { type AssociationKeys, deriveKeys, extendedMasterSecret, verifyData } from '../../src/key-schedule.ts'
import { type NewSessionTicket, readNewSessionTicket } from '../../src/new-session-ticket.ts'
import type { PeerAddress } from '../../src/output.ts'
import { createReassembly, defaultReassemblyLimits, takeFragment, takeNextMessage } from '../../src/reassembly.ts'
import {
  type ContentType,
  connectionIdRecordType,
  contentTypes,
  copyRecord,
  type RecordView,
  readRecord,
  recordHeaderLength,
  writeRecordHeader,
} from '../../src/record.ts'
import { protectWithNodeCrypto, type RecordProtection } from '../../src/record-protection.ts'
import type { RecordSizeExtensions } from '../../src/record-size.ts'
import { readHelloVerifyRequest, readServerHello, type ServerHello } from '../../src/server-hello.ts'
import { type SignatureSchemeName, signatureSchemes } from '../../src/signature-scheme.ts'
import { append, createTranscript, type Transcript, transcriptBytes, transcriptHash } from '../../src/transcript.ts'
import { agree, makeKeyShare, pssParameters } from './answers.ts'
import type { TestIdentity } from './identity.ts'
import type { ServerUnderTest } from './server-under-test.ts'

/** A record that came from the server, opened if it could be. */
export interface Heard {
  readonly type: number
  readonly epoch: number
  readonly sequence: number
  readonly connectionId: Uint8Array
  readonly content: Uint8Array
}

export interface SendOptions {
  /** Default: epoch 0, or 1 after `changeCipherSpec`. */
  readonly epoch?: number
  readonly messageSequence?: number
  /** Not entered into our transcript. */
  readonly unrecorded?: boolean
}

export class HostileClient {
  /** A test may put a successor in its place. */
  server: ServerUnderTest
  /** A test may move it. */
  address: PeerAddress
  readonly identity: TestIdentity | undefined
  random: Uint8Array = randomBytes(32)
  transcript: Transcript = createTranscript()
  nextMessageSequence = 0
  readonly sequences = [0, 0, 0]
  epoch = 0
  suite: CipherSuite | undefined
  serverRandom: Uint8Array | undefined
  serverPublicKey: Uint8Array | undefined
  masterSecret: Uint8Array | undefined
  keys: AssociationKeys | undefined
  sealer: RecordProtection | undefined
  opener: RecordProtection | undefined
  cookie: Uint8Array = new Uint8Array(0)
  /** What the hellos ask the server to write; undefined: no connection IDs. */
  connectionId: Uint8Array | undefined
  /** Whether the hellos offer return routability checks. */
  returnRoutability = false
  /** Whether the server agrees to them. */
  serverReturnRoutability: boolean | undefined
  /** What the hellos say of the sizes of records. */
  recordSizes: RecordSizeExtensions = {}
  /** What the server answers to that. */
  serverRecordSizes: RecordSizeExtensions | undefined
  /** What the hellos name a session by; undefined: nothing. */
  sessionId: Uint8Array | undefined
  /** What the hellos say of tickets; undefined: nothing. */
  sessionTicket: Uint8Array | undefined
  /** Without it the hellos do not offer extended_master_secret. */
  extendedMasterSecret = true
  cipherSuites: readonly CipherSuiteName[] = ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8']
  /** Of the session that the hellos offer: with it a ServerHello that repeats `sessionId` gives us keys. */
  resumedSecret: Uint8Array | undefined
  /** The newest. */
  serverHello: ServerHello | undefined
  /** The newest that the server has sent. */
  newSessionTicket: NewSessionTicket | undefined
  /** What the server has asked us to write. */
  serverConnectionId: Uint8Array | undefined
  /** All that the server has sent us. */
  readonly heard: Heard[] = []
  /** Protected records as they came. */
  readonly undecrypted: RecordView[] = []
  #inbound = createReassembly(0)

  constructor(server: ServerUnderTest, identity: TestIdentity | undefined, port = 50_000) {
    this.server = server
    this.identity = identity
    this.address = { address: '192.0.2.7', port }
  }

  // Raw

  /** Sends bytes as a datagram and hears what comes back. */
  datagram(bytes: Uint8Array): Heard[] {
    const replies = this.server.receive(bytes, this.address)
    const heard = replies.flatMap((reply) => this.hear(reply))
    this.heard.push(...heard)
    return heard
  }

  record(type: ContentType, content: Uint8Array, epoch = this.epoch, sequence = this.#take(epoch)): Uint8Array {
    if (epoch > 0 && this.sealer !== undefined) {
      const sealed = new Uint8Array(this.sealer.overhead + content.length)
      this.sealer.seal({ type, epoch, sequence, plaintext: content }, sealed, 0)
      return sealed
    }
    const plain = new Uint8Array(recordHeaderLength + content.length)
    writeRecordHeader(plain, 0, { type, epoch, sequence, length: content.length })
    plain.set(content, recordHeaderLength)
    return plain
  }

  message(type: number, body: Uint8Array, options: SendOptions = {}): Heard[] {
    return this.datagram(this.messageRecord(type, body, options))
  }

  messageRecord(type: number, body: Uint8Array, options: SendOptions = {}): Uint8Array {
    const messageSequence = options.messageSequence ?? this.nextMessageSequence++
    const message: HandshakeMessage = { type, messageSequence, body }
    if (options.unrecorded !== true) append(this.transcript, message)
    const fragment = new Uint8Array(12 + body.length)
    writeHandshakeFragment(fragment, 0, { ...message, length: body.length, offset: 0, bytes: body })
    return this.record(contentTypes.handshake, fragment, options.epoch)
  }

  // An honest client's steps

  helloBody(cookie: Uint8Array = this.cookie): Uint8Array {
    const body = writeClientHello({
      random: this.random,
      cookie,
      cipherSuites: this.cipherSuites,
      groups: ['secp256r1'],
      connectionId: this.connectionId,
      recordSizes: this.recordSizes,
      returnRoutability: this.returnRoutability,
      sessionId: this.sessionId,
      sessionTicket: this.sessionTicket,
    })
    // Number 24 is token_binding, which nobody answers.
    if (!this.extendedMasterSecret) body[findExtension(body, extensionTypes.extendedMasterSecret) + 1] = 24
    return body
  }

  /** ClientHello without a cookie; learns the cookie. */
  firstHello(): Heard[] {
    const heard = this.message(handshakeTypes.clientHello, this.helloBody(new Uint8Array(0)))
    const [reply] = heard
    const fragment = reply === undefined ? undefined : readHandshakeFragment(reply.content, 0)
    if (fragment?.type === handshakeTypes.helloVerifyRequest)
      this.cookie = readHelloVerifyRequest(fragment.bytes).slice()
    return heard
  }

  /** ClientHello with the cookie; reads flight 4. */
  secondHello(): Heard[] {
    const heard = this.datagram(this.secondHelloRecord())
    this.readFlight(heard)
    return heard
  }

  secondHelloRecord(): Uint8Array {
    this.transcript = createTranscript()
    this.#inbound = createReassembly(this.nextMessageSequence)
    return this.messageRecord(handshakeTypes.clientHello, this.helloBody())
  }

  /** As far as our Finished, which the caller sends, of an abbreviated handshake. */
  toResumption(session: { sessionId: Uint8Array; sessionTicket?: Uint8Array; masterSecret: Uint8Array }): this {
    this.sessionId = session.sessionId
    this.sessionTicket = session.sessionTicket
    this.resumedSecret = session.masterSecret
    this.firstHello()
    this.secondHello()
    return this
  }

  /** A full handshake in which the server has given us a ticket or a session id to come back with. */
  takeSession(): { sessionId: Uint8Array; sessionTicket?: Uint8Array; masterSecret: Uint8Array } {
    this.toFlight4().toFinished()
    this.readFlight(this.heard)
    const { newSessionTicket, serverHello, masterSecret } = this
    if (masterSecret === undefined) throw new Error('no session')
    if (newSessionTicket === undefined) return { sessionId: serverHello?.sessionId ?? new Uint8Array(0), masterSecret }
    return { sessionId: Buffer.from('any'), sessionTicket: newSessionTicket.ticket, masterSecret }
  }

  toFlight4(): this {
    this.firstHello()
    this.secondHello()
    if (this.serverPublicKey === undefined) throw new Error('the server did not send flight 4')
    return this
  }

  certificate(chain: readonly Uint8Array[] = this.identity?.chain ?? [], options: SendOptions = {}): Heard[] {
    return this.message(handshakeTypes.certificate, writeCertificate(chain), options)
  }

  /** ClientKeyExchange; derives our keys. */
  keyExchange(options: SendOptions & { readonly publicKey?: Uint8Array } = {}): Heard[] {
    const { suite, serverPublicKey, serverRandom } = this
    if (suite === undefined || serverPublicKey === undefined || serverRandom === undefined)
      throw new Error('no flight 4')
    const share = makeKeyShare('secp256r1')
    const record = this.messageRecord(
      handshakeTypes.clientKeyExchange,
      writeClientKeyExchange(options.publicKey ?? share.publicKey),
      options,
    )
    const secret = agree('secp256r1', share.privateKey, serverPublicKey)
    if (secret === undefined) throw new Error('no agreement')
    this.masterSecret = extendedMasterSecret(suite, secret, transcriptHash(this.transcript, suite.hash))
    this.keys = deriveKeys(suite, this.masterSecret, this.random, serverRandom)
    this.sealer = protectWithNodeCrypto(this.keys.client, this.serverConnectionId)
    const read = this.serverConnectionId === undefined ? undefined : this.connectionId
    this.opener = protectWithNodeCrypto(this.keys.server, read)
    return this.datagram(record)
  }

  certificateVerify(
    options: SendOptions & {
      readonly signer?: TestIdentity
      readonly content?: Uint8Array
      readonly scheme?: SignatureSchemeName
      readonly schemeNumber?: number
      readonly hash?: string
    } = {},
  ): Heard[] {
    const signer = options.signer ?? this.identity
    if (signer === undefined) throw new Error('no key to sign with')
    const { number, hash, algorithm } = signatureSchemes[options.scheme ?? 'ecdsa_sha256']
    const content = options.content ?? transcriptBytes(this.transcript)
    const key = algorithm === 'rsa-pss' ? { key: signer.privateKey, ...pssParameters } : signer.privateKey
    const signature = sign(options.hash ?? hash, content, key)
    const body = writeCertificateVerify({ scheme: options.schemeNumber ?? number, signature })
    return this.message(handshakeTypes.certificateVerify, body, options)
  }

  changeCipherSpec(epoch = this.epoch): Heard[] {
    const record = this.record(contentTypes.changeCipherSpec, Uint8Array.of(1), epoch)
    this.epoch += 1
    return this.datagram(record)
  }

  finished(options: SendOptions & { readonly verifyData?: Uint8Array } = {}): Heard[] {
    return this.datagram(this.finishedRecord(options))
  }

  finishedRecord(options: SendOptions & { readonly verifyData?: Uint8Array } = {}): Uint8Array {
    return this.messageRecord(handshakeTypes.finished, options.verifyData ?? this.verifyData(), options)
  }

  verifyData(): Uint8Array {
    if (this.suite === undefined || this.masterSecret === undefined) return new Uint8Array(12)
    return verifyData(this.suite, this.masterSecret, 'client', transcriptHash(this.transcript, this.suite.hash))
  }

  toFinished(): this {
    this.certificate()
    this.keyExchange()
    this.certificateVerify()
    this.changeCipherSpec()
    this.finished()
    return this
  }

  connect(): this {
    return this.toFlight4().toFinished()
  }

  applicationData(text: string, epoch = this.epoch): Heard[] {
    return this.datagram(this.record(contentTypes.applicationData, Buffer.from(text), epoch))
  }

  // Hearing

  hear(datagram: Uint8Array): Heard[] {
    const heard: Heard[] = []
    for (let offset = 0; offset < datagram.length; ) {
      const record = readRecord(datagram, offset, this.connectionId?.length)
      if (record === undefined) throw new Error('the server sent something that is no record')
      offset += record.whole.length
      const { type, epoch, sequence, fragment } = record
      if (epoch > 0) this.undecrypted.push(copyRecord(record))
      const content = epoch === 0 ? fragment : (this.opener?.open(record) ?? new Uint8Array(0))
      // Inside a record with a CID the type comes last; our server does not pad.
      const inner = type === connectionIdRecordType && content.length > 0
      heard.push({
        type: inner ? (content.at(-1) ?? 0) : type,
        epoch,
        sequence,
        connectionId: Uint8Array.from(record.connectionId),
        content: Uint8Array.from(inner ? content.subarray(0, -1) : content),
      })
    }
    return heard
  }

  readFlight(heard: readonly Heard[]): void {
    for (const record of heard) {
      if (record.type !== contentTypes.handshake || record.epoch !== 0) continue
      const fragment = readHandshakeFragment(record.content, 0)
      if (fragment !== undefined) takeFragment(this.#inbound, fragment, record.sequence, defaultReassemblyLimits)
    }
    for (
      let message = takeNextMessage(this.#inbound);
      message !== undefined;
      message = takeNextMessage(this.#inbound)
    ) {
      append(this.transcript, message)
      if (message.type === handshakeTypes.serverHello) {
        const hello = readServerHello(message.body)
        this.suite = cipherSuiteByNumber.get(hello.cipherSuite)
        this.serverRandom = hello.random
        this.serverConnectionId = hello.connectionId
        this.serverRecordSizes = hello.recordSizes
        this.serverReturnRoutability = hello.returnRoutability
        this.serverHello = hello
        this.#deriveResumed(hello)
      } else if (message.type === handshakeTypes.newSessionTicket) {
        this.newSessionTicket = readNewSessionTicket(message.body)
      } else if (message.type === handshakeTypes.serverKeyExchange) {
        this.readKeyExchange(message.body)
      }
    }
  }

  readKeyExchange(body: Uint8Array): void {
    this.serverPublicKey = readServerKeyExchange(body).publicKey
  }

  #deriveResumed({ random, sessionId }: ServerHello): void {
    const { resumedSecret, suite } = this
    if (resumedSecret === undefined || suite === undefined || sessionId.length === 0) return
    if (Buffer.compare(sessionId, this.sessionId ?? new Uint8Array(0)) !== 0) return
    this.masterSecret = resumedSecret
    this.keys = deriveKeys(suite, resumedSecret, this.random, random)
    this.sealer = protectWithNodeCrypto(this.keys.client, this.serverConnectionId)
    this.opener = protectWithNodeCrypto(this.keys.server, this.connectionId)
  }

  /** The server's Finished of an abbreviated handshake, opened: into the transcript, before our own is made. */
  hearServerFinished(): void {
    const record = this.undecrypted.find(({ type, epoch }) => type === contentTypes.handshake && epoch === 1)
    const content = record === undefined ? undefined : this.opener?.open(record)
    const fragment = content === undefined ? undefined : readHandshakeFragment(content, 0)
    if (fragment === undefined) throw new Error('the server sent no Finished that we can read')
    append(this.transcript, { ...fragment, body: fragment.bytes })
  }

  /** Names of the alerts heard, in order. */
  get alerts(): string[] {
    return this.heard
      .filter((record) => record.type === contentTypes.alert)
      .map((record) => decodeAlert(record.content)?.name ?? 'unreadable')
  }

  #take(epoch: number): number {
    const sequence = this.sequences[epoch] ?? 0
    this.sequences[epoch] = sequence + 1
    return sequence
  }
}

/** Types of the handshake messages among records, for looking at a flight. */
export const handshakeTypesOf = (heard: readonly Heard[]): number[] =>
  heard.filter((r) => r.type === contentTypes.handshake && r.epoch === 0).map((r) => new ByteReader(r.content).u8())

export const joinDatagrams = (...records: readonly Uint8Array[]): Uint8Array => concat(...records)

/** Where an extension of ours begins whose body is empty: type and length stand nowhere else in our hello. */
function findExtension(hello: Uint8Array, type: number): number {
  const at = Buffer.from(hello).lastIndexOf(Buffer.from([type >> 8, type & 0xff, 0, 0]))
  if (at < 0) throw new Error(`no extension ${type}`)
  return at
}
