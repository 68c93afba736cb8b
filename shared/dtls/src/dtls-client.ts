/**
 * A DTLS 1.2 client endpoint (RFC 6347), sans-I/O: one association with one server.
 */

import { type Duration, hours, type Instant, later, seconds } from '@sallyport/clock'
import { type CipherSuiteName, defaultCipherSuites, defaultPskCipherSuites } from './cipher-suite.ts'
import { ClientHandshake } from './client-handshake.ts'
import { ClientPskHandshake } from './client-psk-handshake.ts'
import type { ClientSession } from './client-session.ts'
import { requireMtu } from './dtls-server.ts'
import { Endpoint } from './endpoint.ts'
import { createHandshakeLayer } from './handshake-layer.ts'
import { defaultNamedGroups, type NamedGroupName } from './named-group.ts'
import type { Answer, AssociationHandle, CloseReason, Output, PeerAddress, QuestionHandle } from './output.ts'
import { defaultReassemblyLimits } from './reassembly.ts'
import { datagramView, readRecord } from './record.ts'
import { RecordLayer } from './record-layer.ts'
import { type ProtectRecords, protectWithNodeCrypto } from './record-protection.ts'
import { type MaxFragmentLength, requireRecordSizeOffer } from './record-size.ts'
import type { CurveName } from './signature-scheme.ts'

export interface DtlsClientConfiguration {
  readonly server: PeerAddress
  /** 32 random bytes, never used before. */
  readonly random: Uint8Array
  /** DER, leaf first, and what the leaf's key is. Absent: the server gets an empty Certificate when it asks. */
  readonly certificate?: { readonly chain: readonly Uint8Array[]; readonly curve: CurveName }
  /**
   * Present: we prove this key instead of a certificate, and the server proves that it has it too; `verifyPeer` is not
   * asked. The identity is 1 to 128 bytes, seen by all.
   */
  readonly psk?: { readonly identity: Uint8Array; readonly key: Uint8Array }
  /** Default: those that go with a certificate, or with a pre-shared key. */
  readonly cipherSuites?: readonly CipherSuiteName[]
  readonly groups?: readonly NamedGroupName[]
  /** Bytes of UDP payload. Default 1200. */
  readonly mtu?: number
  /** From the first hello to the last Finished. Default 60 s. */
  readonly handshakeTimeout?: Duration
  /** Default 24 h. */
  readonly idleTimeout?: Duration
  readonly protectRecords?: ProtectRecords
  /**
   * Asks for CIDs (RFC 9146): the server then knows us when our address changes. What it is to write in its records to
   * us: nothing when empty, which suffices for a socket of our own; at most 255 bytes. Absent: no CIDs.
   */
  readonly connectionId?: Uint8Array
  /** Asks for records of at most so many bytes, both ways (RFC 6066 section 4). */
  readonly maxFragmentLength?: MaxFragmentLength
  /** 64 to 16384: what we take in a record; the server says the same of itself (RFC 8449). It goes before the former. */
  readonly recordSizeLimit?: number
  /** Offered to the server, which may refuse it without harm. */
  readonly session?: ClientSession | undefined
  /** Asks for a session to come back with: `connected` brings it. Default false. */
  readonly wantsSession?: boolean
}

export class DtlsClient {
  readonly association: AssociationHandle
  readonly #endpoint: Endpoint
  readonly #connectionIdLength: number

  constructor(configuration: DtlsClientConfiguration, now: Instant) {
    const handshakeTimeout = configuration.handshakeTimeout ?? seconds(60)
    this.#connectionIdLength = configuration.connectionId?.length ?? 0
    const options = {
      mtu: requireMtu(configuration.mtu ?? 1200),
      reassembly: defaultReassemblyLimits,
      handshakeTimeout,
      progressExtendsHandshake: false,
      idleTimeout: configuration.idleTimeout ?? hours(24),
      shard: 0,
      pathSecret: undefined,
      dangerouslyLogKeys: false,
    }
    const nothing = (): void => undefined
    const endpoint = new Endpoint(
      options,
      { connected: nothing, moved: nothing, progressed: nothing, failed: nothing, ended: nothing },
      now,
    )
    this.#endpoint = endpoint
    this.association = endpoint.newHandle()
    const layer = createHandshakeLayer({
      association: this.association,
      peer: configuration.server,
      records: new RecordLayer(configuration.protectRecords ?? protectWithNodeCrypto, 0),
      nextMessageSequence: 0,
      nextPeerMessageSequence: 0,
      expiresAt: later(now, handshakeTimeout),
    })
    const { random, certificate, psk, connectionId, groups = defaultNamedGroups } = configuration
    const recordSizes = requireRecordSizeOffer(configuration)
    const handshake =
      psk === undefined
        ? new ClientHandshake(layer, {
            random,
            certificate,
            cipherSuites: configuration.cipherSuites ?? defaultCipherSuites,
            groups,
            connectionId,
            recordSizes,
            session: configuration.session,
            wantsSession: configuration.wantsSession ?? false,
          })
        : new ClientPskHandshake(layer, {
            random,
            ...psk,
            cipherSuites: configuration.cipherSuites ?? defaultPskCipherSuites,
            groups,
            connectionId,
            recordSizes,
          })
    endpoint.begin(handshake, (context) => handshake.begin(context))
  }

  /** @param view of a datagram from the server's address; the caller has checked that it is */
  handleDatagram(view: Uint8Array, now: Instant): void {
    this.#endpoint.now = now
    const datagram = datagramView(view)
    let offset = 0
    while (offset < datagram.length) {
      const record = readRecord(datagram, offset, this.#connectionIdLength)
      if (record === undefined) {
        this.#endpoint.discard('not-a-record')
        return
      }
      offset += record.whole.length
      const handshake = this.#endpoint.handshakes.get(this.association)
      const connection = this.#endpoint.connections.get(this.association)
      if (handshake !== undefined) this.#endpoint.receiveForHandshake(handshake, record)
      else if (connection === undefined) this.#endpoint.discard('unknown-association')
      else if (record.epoch === 0) this.#endpoint.discard('plaintext-in-association')
      else this.#endpoint.receiveForConnection(connection, record)
    }
  }

  handleTimeout(now: Instant): void {
    this.#endpoint.now = now
    this.#endpoint.runTimers()
  }

  /** False when nobody waits for it any more. */
  answer(question: QuestionHandle, answer: Answer, now: Instant): boolean {
    this.#endpoint.now = now
    return this.#endpoint.answer(question, answer)
  }

  /** One record of application data; false when the association is not open. */
  send(plaintext: Uint8Array): boolean {
    return this.#endpoint.send(this.association, plaintext)
  }

  /** Sends close_notify; a handshake is given up. */
  close(reason: CloseReason = 'local'): void {
    const connection = this.#endpoint.connections.get(this.association)
    if (connection !== undefined) this.#endpoint.closeConnection(connection, reason)
    const handshake = this.#endpoint.handshakes.get(this.association)
    if (handshake !== undefined) {
      this.#endpoint.failHandshake(handshake, 'user_canceled', 'association-closed', 'closed before it was open')
    }
  }

  /** To be called after each input, and once after construction, until it answers undefined. */
  takeOutput(): Output | undefined {
    return this.#endpoint.takeOutput()
  }
}
