/** CoAP over DTLS, and over TLS beside it: the server that a service runs. The resources, and who a peer is, are the same. */

import type { Duration } from '@sallyport/clock'
import { milliseconds, seconds } from '@sallyport/clock'
import type { RequestQuota } from '@sallyport/coap'
import { HandshakeRate, handshakeRatesOf, type SealingKeys } from '@sallyport/dtls'
import type { Association, Transport } from './association.ts'
import type { ClientObservation, ClientRequest, ClientResponse } from './client-request.ts'
import type { CoapRequest, CoapResource } from './coap-resource.ts'
import { CoapService, defaultMtu } from './coap-service.ts'
import type { CoapsObserver } from './coaps-observer.ts'
import { type AssociationsPerPeer, CrowdControl } from './crowd-control.ts'
import type { ListenDtlsOptions } from './dtls-listener.ts'
import { listenDtls } from './dtls-listener.ts'
import { type CoapsImporter, importState, joinStates } from './imported-association.ts'
import { type ListenTlsOptions, listenTls, type TlsEvents } from './tls-listener.ts'

const patienceAtClose = seconds(5)

/** Without a key log: what is served to devices is confidential. */
export type ListenCoapsOptions<Identity> = Omit<
  ListenDtlsOptions<Identity>,
  'events' | 'dangerouslyLogKeys' | 'beforeReading'
> & {
  readonly resources: readonly CoapResource<Identity>[]
  /** Runs before every handler and every registration; throws a `CodedError` to refuse. The sign-in gate. */
  readonly admit?: (request: CoapRequest<Identity>) => void | Promise<void>
  readonly observer?: CoapsObserver<Identity>
  /** Without it one peer may have as many associations as there is room for. */
  readonly associationsPerPeer?: AssociationsPerPeer<Identity>
  /**
   * CoAP over TLS (RFC 8323) too, with the same credentials and the same judgement; its handshakes count together with those
   * of datagrams, by the rates in `limits`. Default: datagrams only.
   */
  readonly tls?: Pick<ListenTlsOptions<Identity>, 'host' | 'port' | 'descriptor' | 'limits'>
  /** What one association may send; more gets 4.29 with Max-Age (RFC 8516). Default: no quota. */
  readonly requestQuota?: RequestQuota
  /** Runs before the socket is read: what is imported here is there when the first datagram comes. */
  readonly beforeReading?: (importer: CoapsImporter<Identity>) => Promise<void>
}

export interface CoapsCounts {
  readonly live: number
  readonly halfOpen: number
  /** Requests of peers that wait for their answer. */
  readonly exchanges: number
  /** Registrations of peers at our resources. */
  readonly observations: number
  readonly byTransport: Readonly<Record<Transport, { readonly live: number; readonly halfOpen: number }>>
}

export interface CoapsServer<Identity> {
  readonly address: { readonly address: string; readonly port: number }
  /** Of the TCP port; undefined where TLS is off. */
  readonly tlsAddress: { readonly address: string; readonly port: number } | undefined
  readonly associations: Iterable<Association<Identity>>
  readonly counts: CoapsCounts
  /**
   * This side as client on the peer's association. Follows Block2, sends Block1 as needed.
   *
   * @throws CodedError `timed-out`, `association-closed`, `overloaded`, or `request-too-large` for a response over `maxResponseBytes`.
   */
  request(association: Association<Identity>, request: ClientRequest): Promise<ClientResponse>
  /** As `request`, and stays registered (RFC 7641) where the peer lets it. Stale notifications are dropped. */
  observe(
    association: Association<Identity>,
    request: ClientRequest,
    onNotification: (response: ClientResponse) => void,
    onEnded: (reason: string) => void,
  ): Promise<ClientObservation>
  /** An empty CON, or over TLS a Ping; true when the peer answered within `timeout`. */
  ping(association: Association<Identity>, timeout: Duration): Promise<boolean>
  /** The association as bytes, keys included: to be sealed before they leave the process. Undefined when it is closed, or over TLS. */
  exportAssociation(association: Association<Identity>, final: boolean): Uint8Array | undefined
  /**
   * The first half of handing over to a successor on the same socket: ends handshakes, reads no more, lets requests in
   * flight finish within `patience`. What is exported afterwards may be called final. Peers over TLS are told to come
   * again: OpenSSL lets nobody have the state of a connection.
   */
  stopReading(patience: Duration): Promise<void>
  /** The second half: lets go of the socket. Nobody is told: the associations live on elsewhere. */
  abandon(): Promise<void>
  /** Replaces the keys that seal session tickets. */
  setSealingKeys(keys: SealingKeys): void
  /** Takes no new requests, lets those in flight finish (5 s at most), then says close_notify to all. */
  close(): Promise<void>
}

const none = { live: 0, halfOpen: 0 }
/** So long may an idle peer take to answer a Ping; no longer than it was idle before. */
const longestPongTimeout = seconds(30)

/** Resolves once the sockets are bound. */
export async function listenCoaps<Identity>(options: ListenCoapsOptions<Identity>): Promise<CoapsServer<Identity>> {
  const { resources, admit, observer, associationsPerPeer, requestQuota, beforeReading, tls, ...dtls } = options
  const { mtu = defaultMtu } = dtls
  const service = new CoapService<Identity>({ resources, admit, observer, mtu, requestQuota })
  const crowd = associationsPerPeer === undefined ? undefined : new CrowdControl(associationsPerPeer)
  const pongTimeout = milliseconds(Math.min(longestPongTimeout, tls?.limits?.idleAfter ?? longestPongTimeout))
  const events: TlsEvents<Identity> = {
    opened: (association) => {
      service.opened(association)
      crowd?.opened(association)
    },
    data: (association, plaintext, recordSequence) => service.data(association, plaintext, recordSequence),
    moved: (association) => observer?.associationChanged?.(association),
    closed: (association, reason) => {
      crowd?.closed(association)
      service.closed(association, reason)
    },
    handshakeFailed: (failure) => observer?.handshakeFailed?.(failure),
    discarded: (reason) => observer?.discarded?.(reason),
    idle: (association) =>
      void service.calls.ping(association, pongTimeout).then((answered) => {
        if (!answered) association.close()
      }),
  }
  const handshakeRate = new HandshakeRate(handshakeRatesOf(dtls.limits ?? {}))
  const listener = await listenDtls<Identity>({
    ...dtls,
    limits: { ...dtls.limits, handshakeRate },
    mtu,
    ...(beforeReading === undefined
      ? {}
      : {
          beforeReading: (importer) =>
            beforeReading({
              importAssociation(imported) {
                const outcome = importState(importer, service, imported)
                if (typeof outcome !== 'string') crowd?.opened(outcome.association)
                return outcome
              },
            }),
        }),
    events,
  })
  const streams =
    tls === undefined
      ? undefined
      : await listenTls<Identity>({
          ...tls,
          credentials: dtls.credentials,
          verifyPeer: dtls.verifyPeer,
          handshakeRate,
          hearsNewcomers: dtls.hearsNewcomers,
          events,
        }).catch(async (error: unknown) => {
          await listener.close()
          throw error
        })
  return {
    address: listener.address,
    tlsAddress: streams?.address,
    get associations() {
      return streams === undefined ? listener.associations : [...listener.associations, ...streams.associations]
    },
    get counts() {
      const datagram = listener.counts
      const stream = streams?.counts ?? none
      return {
        ...service.counts,
        live: datagram.live + stream.live,
        halfOpen: datagram.halfOpen + stream.halfOpen,
        byTransport: { dtls: { live: datagram.live, halfOpen: datagram.halfOpen }, tls: stream },
      }
    },
    request: (association, request) => service.calls.request(association, request),
    observe: (association, request, onNotification, onEnded) =>
      service.calls.observe(association, request, onNotification, onEnded),
    ping: (association, timeout) => service.calls.ping(association, timeout),
    exportAssociation(association, final) {
      if (association.transport === 'tls') return undefined
      const dtls = listener.exportAssociation(association)
      const coap = service.exportAssociation(association, final)
      return dtls === undefined || coap === undefined ? undefined : joinStates(dtls, coap)
    },
    async stopReading(patience) {
      listener.stopReading()
      await service.finish(patience)
      service.release()
      await streams?.close()
    },
    async abandon() {
      service.forget()
      await listener.abandon()
    },
    setSealingKeys: (keys) => listener.setSealingKeys(keys),
    close: async () => {
      await service.stop(patienceAtClose)
      service.release()
      await Promise.all([listener.close(), streams?.close()])
      service.end()
    },
  }
}
