import type { Duration } from '@sallyport/clock'
import type { CipherSuiteName } from '@sallyport/dtls'
import type { Association, AssociationCloseReason, DtlsCredentials, VerifyPeer } from './association.ts'

export interface ConnectDtlsOptions<Identity> {
  readonly host: string
  readonly port: number
  readonly credentials?: DtlsCredentials
  readonly verifyPeer: VerifyPeer<Identity>
  readonly mtu?: number
  readonly cipherSuites?: readonly CipherSuiteName[]
  readonly handshakeTimeout?: Duration
  readonly onData: (plaintext: Uint8Array) => void
  readonly onClosed: (reason: AssociationCloseReason) => void
}

export function connectDtls<Identity>(_options: ConnectDtlsOptions<Identity>): Promise<Association<Identity>> {
  return Promise.reject(new Error('being built'))
}
