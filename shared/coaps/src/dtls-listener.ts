import type { CipherSuiteName } from '@sallyport/dtls'
import type { Association, DtlsCredentials, DtlsEvents, VerifyPeer } from './association.ts'

export interface ListenDtlsOptions<Identity> {
  readonly host: string
  readonly port: number
  readonly credentials: DtlsCredentials
  readonly verifyPeer: VerifyPeer<Identity>
  readonly events: DtlsEvents<Identity>
  readonly mtu?: number
  readonly cipherSuites?: readonly CipherSuiteName[]
}

export interface DtlsListener<Identity> {
  readonly address: { readonly address: string; readonly port: number }
  readonly associations: Iterable<Association<Identity>>
  readonly counts: { readonly live: number; readonly halfOpen: number }
  /** Sends close_notify to all and closes the socket. */
  close(): Promise<void>
}

export function listenDtls<Identity>(_options: ListenDtlsOptions<Identity>): Promise<DtlsListener<Identity>> {
  return Promise.reject(new Error('being built'))
}
