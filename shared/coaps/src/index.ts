export { type ClientSession, openState, type SealingKey, type SealingKeys, sealState } from '@sallyport/dtls'
export type {
  Association,
  AssociationCloseReason,
  DtlsCredentials,
  DtlsEvents,
  HandshakeFailure,
  PeerVerdict,
  PeerVerdictAccepted,
  PeerVerdictRefused,
  RemoteAddress,
  ResumePeer,
  Transport,
  VerifyPeer,
} from './association.ts'
export type { ImportedObservation } from './client-calls.ts'
export type { ClientObservation, ClientRequest, ClientResponse } from './client-request.ts'
export type { CoapHandler, CoapRequest, CoapResource, CoapResponse, LinkAttributes } from './coap-resource.ts'
export { coapStatusOf } from './coap-status.ts'
export { type CoapsClient, type ConnectCoapsOptions, connectCoaps } from './coaps-client.ts'
export type { CoapsObserver, FailedRequest, ServedRequest } from './coaps-observer.ts'
export { type CoapsCounts, type CoapsServer, type ListenCoapsOptions, listenCoaps } from './coaps-server.ts'
export { type ConnectDtlsOptions, connectDtls } from './dtls-connection.ts'
export {
  type AssociationImporter,
  type DtlsListener,
  type ImportedState,
  type ListenDtlsOptions,
  listenDtls,
} from './dtls-listener.ts'
export { type HandshakeFailureCount, HandshakeFailureCounts, networkPrefix } from './handshake-failure-counts.ts'
export type { AssociationRefusal, CoapsImporter, ImportedAssociation } from './imported-association.ts'
export type { FindPsk, PskFound, PskRefused } from './psk-lookup.ts'
export { type ConnectTlsOptions, connectTls } from './tls-connection.ts'
export { type ListenTlsOptions, listenTls, type TlsEvents, type TlsLimits, type TlsListener } from './tls-listener.ts'
