/** CoAP over DTLS or TLS: a client with one association, for our own programs. It serves resources too, if it is given any. */

import type { Duration } from '@sallyport/clock'
import { seconds } from '@sallyport/clock'
import type { Association, AssociationCloseReason, Transport } from './association.ts'
import type { ClientObservation, ClientRequest, ClientResponse } from './client-request.ts'
import type { CoapResource } from './coap-resource.ts'
import { CoapService, defaultMtu } from './coap-service.ts'
import type { CoapsObserver } from './coaps-observer.ts'
import type { ConnectDtlsOptions } from './dtls-connection.ts'
import { connectDtls } from './dtls-connection.ts'
import { connectTls } from './tls-connection.ts'

const patienceAtClose = seconds(5)
const maxEarlyMessages = 16

export type ConnectCoapsOptions<Identity> = Omit<ConnectDtlsOptions<Identity>, 'onData' | 'onClosed'> & {
  /** Default `dtls`. What is only of datagrams (mtu, connection id, suites) means nothing over `tls`. */
  readonly transport?: Transport
  /** Over TLS: the only version that is spoken; default 1.2 and 1.3. */
  readonly tlsVersion?: 'TLSv1.2' | 'TLSv1.3'
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

/**
 * Resolves once the handshake is finished.
 *
 * @throws CodedError as `connectDtls` and `connectTls` do
 */
export async function connectCoaps<Identity>(options: ConnectCoapsOptions<Identity>): Promise<CoapsClient<Identity>> {
  const { resources = [], observer, transport = 'dtls', tlsVersion, ...dtls } = options
  const service = new CoapService<Identity>({ resources, observer, mtu: options.mtu ?? defaultMtu })
  // The server may speak first, before whoever awaits the handshake has been resumed.
  const early: Uint8Array[] = []
  let connected: Association<Identity> | undefined
  const hooks = {
    onData: (plaintext: Uint8Array) => {
      if (connected !== undefined) service.data(connected, plaintext)
      else if (early.length < maxEarlyMessages) early.push(plaintext.slice())
    },
    onClosed: (reason: AssociationCloseReason) => {
      if (connected !== undefined) service.closed(connected, reason)
    },
  }
  const association =
    transport === 'dtls'
      ? await connectDtls<Identity>({ ...dtls, ...hooks })
      : await connectTls<Identity>({
          host: dtls.host,
          port: dtls.port,
          verifyPeer: dtls.verifyPeer,
          ...(dtls.credentials === undefined ? {} : { credentials: dtls.credentials }),
          ...(dtls.handshakeTimeout === undefined ? {} : { handshakeTimeout: dtls.handshakeTimeout }),
          ...(tlsVersion === undefined ? {} : { version: tlsVersion }),
          ...hooks,
        })
  connected = association
  service.opened(association)
  for (const plaintext of early.splice(0)) service.data(association, plaintext)
  return {
    association,
    request: (request) => service.calls.request(association, request),
    observe: (request, onNotification, onEnded) => service.calls.observe(association, request, onNotification, onEnded),
    ping: (timeout) => service.calls.ping(association, timeout),
    close: async () => {
      await service.stop(patienceAtClose)
      service.release()
      association.close()
      service.end()
    },
  }
}
