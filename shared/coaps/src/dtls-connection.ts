/** A DTLS client on a UDP socket of its own: joins the sans-I/O client of @sallyport/dtls to node:dgram. */

import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:dgram'
import type { Duration } from '@sallyport/clock'
import {
  type AssociationHandle,
  type CipherSuiteName,
  type ClientSession,
  DtlsClient,
  type MaxFragmentLength,
  type Output,
} from '@sallyport/dtls'
import { CodedError } from '@sallyport/errors'
import type { Association, AssociationCloseReason, DtlsCredentials, RemoteAddress, VerifyPeer } from './association.ts'
import { answerWithNodeCrypto, requireCurve } from './dtls-answers.ts'
import { type AssociationMachine, DtlsAssociation } from './dtls-association.ts'
import { connectSocket, DatagramSender, MachineTimer, monotonicClock, resolveHost } from './dtls-socket.ts'
import { judge } from './dtls-verdict.ts'

export interface ConnectDtlsOptions<Identity> {
  readonly host: string
  readonly port: number
  /** Absent: the server gets no certificate, should it ask. */
  readonly credentials?: DtlsCredentials
  /** Not asked where `psk` is given: who finishes such a handshake has the key. */
  readonly verifyPeer: VerifyPeer<Identity>
  /** A pre-shared key in place of certificates: `identity` (1 to 128 bytes, seen by all) names it, `server` has it too. */
  readonly psk?: { readonly identity: Uint8Array; readonly key: Uint8Array; readonly server: Identity }
  /** Bytes of UDP payload of the handshake's datagrams. Default 1200. */
  readonly mtu?: number
  readonly cipherSuites?: readonly CipherSuiteName[]
  /**
   * Asks the server for a connection ID (RFC 9146), so that it knows us when a NAT gives us another address. Default
   * false. We want none in return: the socket is this association's own.
   */
  readonly connectionId?: boolean
  /** Asks for records of at most so many bytes, both ways (RFC 6066 section 4). */
  readonly maxFragmentLength?: MaxFragmentLength
  /** 64 to 16384: what we take in one record (RFC 8449). It goes before the former. */
  readonly recordSizeLimit?: number
  /** Of a former association with this server, to be resumed: it may refuse, without harm. */
  readonly session?: ClientSession | undefined
  /**
   * Asks the server for sessions. Called with the one to offer next time, before the association is handed out; with
   * undefined where there is none, and when the one that was offered must not be used any more. A session is a secret.
   */
  readonly onSession?: (session: ClientSession | undefined) => void
  /** Default 60 s. */
  readonly handshakeTimeout?: Duration
  /** @param plaintext of one record; the view is valid only during the call */
  readonly onData: (plaintext: Uint8Array) => void
  readonly onClosed: (reason: AssociationCloseReason) => void
}

/**
 * Resolves once the handshake is finished and `verifyPeer` has accepted the server.
 *
 * @throws CodedError `handshake-failed` (details: `alert`, `direction`, `reason`: the code of what was wrong),
 * `handshake-timed-out`, `configuration-invalid` for credentials that do not fit
 */
export async function connectDtls<Identity>(options: ConnectDtlsOptions<Identity>): Promise<Association<Identity>> {
  const { credentials, mtu, cipherSuites, handshakeTimeout, psk, maxFragmentLength, recordSizeLimit } = options
  const certificate =
    credentials === undefined ? undefined : { chain: credentials.chain, curve: requireCurve(credentials) }
  const host = await resolveHost(options.host)
  const socket = await connectSocket(host, options.port)
  const server = { address: host.address, port: options.port }
  const machine = new DtlsClient(
    {
      server,
      random: randomBytes(32),
      session: options.session,
      wantsSession: options.onSession !== undefined,
      ...(options.connectionId === true ? { connectionId: new Uint8Array(0) } : {}),
      ...(certificate === undefined ? {} : { certificate }),
      ...(psk === undefined ? {} : { psk: { identity: psk.identity, key: psk.key } }),
      ...(mtu === undefined ? {} : { mtu }),
      ...(cipherSuites === undefined ? {} : { cipherSuites }),
      ...(handshakeTimeout === undefined ? {} : { handshakeTimeout }),
      ...(maxFragmentLength === undefined ? {} : { maxFragmentLength }),
      ...(recordSizeLimit === undefined ? {} : { recordSizeLimit }),
    },
    monotonicClock.now(),
  )
  return await new Promise((resolve, reject) => {
    new ClientConnection(options, machine, socket, server, { resolve, reject }).start()
  })
}

interface Settlement<Identity> {
  resolve(association: Association<Identity>): void
  reject(error: CodedError): void
}

class ClientConnection<Identity> implements AssociationMachine {
  readonly #options: ConnectDtlsOptions<Identity>
  readonly #machine: DtlsClient
  readonly #sender: DatagramSender
  readonly #timer: MachineTimer
  readonly #remote: RemoteAddress
  readonly #settlement: Settlement<Identity>
  #accepted: { readonly identity: Identity } | undefined
  #association: DtlsAssociation<Identity> | undefined
  #draining = false

  constructor(
    options: ConnectDtlsOptions<Identity>,
    machine: DtlsClient,
    socket: Socket,
    remote: RemoteAddress,
    settlement: Settlement<Identity>,
  ) {
    this.#options = options
    this.#machine = machine
    this.#remote = remote
    this.#settlement = settlement
    if (options.psk !== undefined) this.#accepted = { identity: options.psk.server }
    this.#sender = new DatagramSender(socket)
    this.#timer = new MachineTimer(() => {
      machine.handleTimeout(monotonicClock.now())
      this.#drain()
    })
    socket.on('message', (datagram) => {
      machine.handleDatagram(datagram, monotonicClock.now())
      this.#drain()
    })
  }

  start(): void {
    this.#drain()
  }

  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    try {
      for (let output = this.#machine.takeOutput(); output !== undefined; output = this.#machine.takeOutput()) {
        this.#handle(output)
      }
    } finally {
      this.#draining = false
    }
  }

  #handle(output: Output): void {
    switch (output.kind) {
      case 'send':
        this.#sender.send(output.datagram)
        return
      case 'setTimeout':
        this.#timer.set(output.at)
        return
      case 'ask':
        this.#answer(output)
        return
      case 'connected':
        this.#open(output)
        return
      case 'data':
        this.#options.onData(output.plaintext)
        return
      case 'closed':
        this.#release()
        this.#association?.markClosed()
        // RFC 5246 section 7.2.2
        if (output.reason === 'fatal-alert') this.#options.onSession?.(undefined)
        this.#options.onClosed(output.reason)
        return
      case 'handshakeFailed':
        this.#release()
        if (output.alert !== undefined) this.#options.onSession?.(undefined)
        this.#settlement.reject(connectError(output))
        return
      case 'makeCookieSecret':
      case 'moved':
      case 'keyLog':
      case 'discarded':
        return
    }
  }

  #release(): void {
    this.#timer.set(undefined)
    void this.#sender.close()
  }

  #answer({ question, handle }: Output & { kind: 'ask' }): void {
    const { credentials, verifyPeer } = this.#options
    if (question.kind === 'findPsk') throw new Error('a client is asked for no key')
    if (question.kind === 'resumePeer') throw new Error('a client is not asked whom to let in again')
    if (question.kind !== 'verifyPeer') {
      this.#machine.answer(handle, answerWithNodeCrypto(question, credentials?.privateKey), monotonicClock.now())
      return
    }
    judge(verifyPeer, question.chain, question.peer).then((judgement) => {
      if ('identity' in judgement) this.#accepted = judgement
      this.#machine.answer(handle, { kind: 'verifyPeer', decision: judgement.decision }, monotonicClock.now())
      this.#drain()
    })
  }

  #open(connected: Output & { kind: 'connected' }): void {
    const { association: handle, cipherSuite, connectionId, maxMessageBytes, resumed, session } = connected
    if (this.#accepted === undefined) throw new Error('an association with a server that nobody accepted')
    this.#association = new DtlsAssociation<Identity>({
      handle,
      identity: this.#accepted.identity,
      remote: this.#remote,
      cipherSuite,
      connectionId,
      maxMessageBytes,
      resumed,
      machine: this,
    })
    this.#options.onSession?.(session)
    this.#settlement.resolve(this.#association)
  }

  // AssociationMachine, of the one association there is

  sendFor(_association: AssociationHandle, plaintext: Uint8Array): void {
    this.#machine.send(plaintext)
    this.#drain()
  }

  closeFor(): void {
    this.#machine.close()
    this.#drain()
  }
}

function connectError(output: Output & { kind: 'handshakeFailed' }): CodedError {
  const { code, alert, direction, detail } = output
  if (code === 'handshake-timed-out') return new CodedError(code, detail)
  return new CodedError('handshake-failed', detail, {
    details: { direction, reason: code, ...(alert === undefined ? {} : { alert }) },
  })
}
