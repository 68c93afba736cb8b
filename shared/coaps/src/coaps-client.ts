/** CoAP over DTLS: a client with one association, for our own programs. It serves resources too, if it is given any. */

import type { Duration } from '@sallyport/clock'
import type { Association } from './association.ts'
import type { ClientObservation, ClientRequest, ClientResponse } from './client-request.ts'
import type { CoapResource } from './coap-resource.ts'
import type { CoapsObserver } from './coaps-observer.ts'
import type { ConnectDtlsOptions } from './dtls-connection.ts'

export type ConnectCoapsOptions<Identity> = Omit<ConnectDtlsOptions<Identity>, 'onData' | 'onClosed'> & {
  readonly resources?: readonly CoapResource<Identity>[]
  readonly observer?: CoapsObserver<Identity>
}

export interface CoapsClient<Identity> {
  readonly association: Association<Identity>
  request(request: ClientRequest): Promise<ClientResponse>
  observe(
    request: ClientRequest,
    onNotification: (response: ClientResponse) => void,
    onEnded: (reason: string) => void,
  ): Promise<ClientObservation>
  ping(timeout: Duration): Promise<boolean>
  close(): Promise<void>
}

export function connectCoaps<Identity>(_options: ConnectCoapsOptions<Identity>): Promise<CoapsClient<Identity>> {
  return Promise.reject(new Error('not yet'))
}
