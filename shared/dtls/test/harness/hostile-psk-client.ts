/** A client with a pre-shared key that says what it likes; see `hostile-client.ts`. */

import { randomBytes } from 'node:crypto'
import { type CipherSuiteName, cipherSuites } from '../../src/cipher-suite.ts'
import { writeClientHello } from '../../src/client-hello.ts'
import { handshakeTypes } from '../../src/handshake-message.ts'
import { deriveKeys, extendedMasterSecret, plainMasterSecret } from '../../src/key-schedule.ts'
import { readPskServerKeyExchange, writePskClientKeyExchange } from '../../src/psk-messages.ts'
import { pskPremasterSecret } from '../../src/psk-premaster-secret.ts'
import { protectWithNodeCrypto } from '../../src/record-protection.ts'
import { transcriptHash } from '../../src/transcript.ts'
import { agree, makeKeyShare } from './answers.ts'
import { type Heard, HostileClient, type SendOptions } from './hostile-client.ts'
import type { TestIdentity } from './identity.ts'
import type { ServerUnderTest } from './server-under-test.ts'

export interface PskCredentials {
  readonly identity: string
  readonly key: Uint8Array
}

export class HostilePskClient extends HostileClient {
  readonly psk: PskCredentials
  offered: readonly CipherSuiteName[] = ['TLS_PSK_WITH_AES_128_CCM_8']
  offersExtendedMasterSecret = true
  identityHint: Uint8Array | undefined

  constructor(server: ServerUnderTest, psk: PskCredentials, port = 50_000, certificate?: TestIdentity) {
    super(server, certificate, port)
    this.psk = psk
  }

  override helloBody(cookie: Uint8Array = this.cookie): Uint8Array {
    const hello = { random: this.random, cookie, cipherSuites: this.offered, groups: ['secp256r1'] as const }
    if (this.offersExtendedMasterSecret) return writeClientHello({ ...hello, connectionId: this.connectionId })
    // As node-dtls-client: no extension but signature_algorithms.
    const suites = this.offered.flatMap((name) => [cipherSuites[name].number >> 8, cipherSuites[name].number & 0xff])
    const extensions = [0, 13, 0, 4, 0, 2, 4, 3]
    return Uint8Array.from([
      ...[0xfe, 0xfd, ...this.random, 0, cookie.length, ...cookie],
      ...[0, suites.length, ...suites, 1, 0, 0, extensions.length, ...extensions],
    ])
  }

  override toFlight4(): this {
    this.firstHello()
    this.secondHello()
    if (this.serverRandom === undefined) throw new Error('the server did not send flight 4')
    return this
  }

  override readKeyExchange(body: Uint8Array): void {
    const { identityHint, share } = readPskServerKeyExchange(body, this.suite?.keyExchange === 'ecdhe_psk')
    this.identityHint = identityHint
    this.serverPublicKey = share?.publicKey
  }

  /** ClientKeyExchange; derives our keys. */
  override keyExchange(
    options: SendOptions & { readonly publicKey?: Uint8Array; readonly identity?: Uint8Array } = {},
  ): Heard[] {
    const { suite, serverRandom, serverPublicKey } = this
    if (suite === undefined || serverRandom === undefined) throw new Error('no flight 4')
    const ecdhe = suite.keyExchange === 'ecdhe_psk'
    const share = ecdhe ? makeKeyShare('secp256r1') : undefined
    const identity = options.identity ?? Buffer.from(this.psk.identity, 'latin1')
    const body = writePskClientKeyExchange(
      identity,
      ecdhe ? (options.publicKey ?? share?.publicKey) : options.publicKey,
    )
    const record = this.messageRecord(handshakeTypes.clientKeyExchange, body, options)
    const secret =
      share === undefined || serverPublicKey === undefined
        ? undefined
        : agree('secp256r1', share.privateKey, serverPublicKey)
    const premaster = pskPremasterSecret(this.psk.key, secret)
    this.masterSecret = this.offersExtendedMasterSecret
      ? extendedMasterSecret(suite, premaster, transcriptHash(this.transcript, suite.hash))
      : plainMasterSecret(suite, premaster, this.random, serverRandom)
    this.keys = deriveKeys(suite, this.masterSecret, this.random, serverRandom)
    this.sealer = protectWithNodeCrypto(this.keys.client, this.serverConnectionId)
    const read = this.serverConnectionId === undefined ? undefined : this.connectionId
    this.opener = protectWithNodeCrypto(this.keys.server, read)
    return this.datagram(record)
  }

  override toFinished(): this {
    this.keyExchange()
    this.changeCipherSpec()
    this.finished()
    return this
  }
}

export const randomPsk = (identity = 'a lamp'): PskCredentials => ({ identity, key: randomBytes(16) })
