/** A TLS client for CoAP on a connection of its own (RFC 8323), for our own programs. */

import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { type Duration, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { Association, AssociationCloseReason, DtlsCredentials, VerifyPeer } from './association.ts'
import { judge } from './dtls-verdict.ts'
import { presentedChain } from './presented-chain.ts'
import { TlsAssociation } from './tls-association.ts'
import { tlsFailure } from './tls-failure.ts'
import { alpnProtocol, tlsSettings } from './tls-settings.ts'

export interface ConnectTlsOptions<Identity> {
  readonly host: string
  readonly port: number
  /** Absent: the server gets no certificate, should it ask. */
  readonly credentials?: DtlsCredentials
  readonly verifyPeer: VerifyPeer<Identity>
  /** The only version that is spoken; default 1.2 and 1.3. */
  readonly version?: 'TLSv1.2' | 'TLSv1.3'
  /** Default 60 s. */
  readonly handshakeTimeout?: Duration
  /** @param bytes of the stream; the view is valid only during the call */
  readonly onData: (bytes: Uint8Array) => void
  readonly onClosed: (reason: AssociationCloseReason) => void
}

/** Bytes that may wait for the server to read them. */
const maxQueuedBytes = 16 * 1024 * 1024

/**
 * Resolves once the handshake is finished and `verifyPeer` has accepted the server.
 *
 * @throws CodedError `handshake-failed` (details: `alert`, `direction`, `reason`: the code of what was wrong),
 * `handshake-timed-out`, `configuration-invalid` for credentials that do not fit
 */
export async function connectTls<Identity>(options: ConnectTlsOptions<Identity>): Promise<Association<Identity>> {
  const { host, port, version } = options
  const socket = connect({
    host,
    port,
    ...tlsSettings(options.credentials),
    ALPNProtocols: [alpnProtocol],
    // `verifyPeer` judges.
    rejectUnauthorized: false,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(version === undefined ? {} : { minVersion: version, maxVersion: version }),
  })
  try {
    await secured(socket, options.handshakeTimeout ?? seconds(60), { address: host, port })
    return await open(options, socket)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function secured(socket: TLSSocket, timeout: Duration, remote: { address: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new CodedError('handshake-timed-out', 'the handshake did not finish'))
    }, timeout)
    socket.once('secureConnect', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.on('error', (error) => {
      clearTimeout(timer)
      const failure = tlsFailure(error, remote)
      const { alert, direction = 'none', code: reason = 'handshake-failed' } = failure ?? {}
      const details = { direction, reason, ...(alert === undefined ? {} : { alert }) }
      reject(new CodedError('handshake-failed', error.message, { details, cause: error }))
    })
  })
}

async function open<Identity>(options: ConnectTlsOptions<Identity>, socket: TLSSocket): Promise<Association<Identity>> {
  const remote = { address: socket.remoteAddress ?? options.host, port: options.port }
  const chain = presentedChain(socket) ?? []
  const judgement = await judge(options.verifyPeer, chain, remote)
  if (!('identity' in judgement)) {
    const { alert, code: reason, detail } = judgement.decision
    throw new CodedError('handshake-failed', detail, { details: { direction: 'none', reason, alert } })
  }
  const association = new TlsAssociation<Identity>({
    socket,
    identity: judgement.identity,
    remote,
    maxQueuedBytes,
    data: (_, chunk) => options.onData(chunk),
    closed: (_, reason) => options.onClosed(reason),
  })
  association.begin()
  return association
}
