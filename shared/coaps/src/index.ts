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
  VerifyPeer,
} from './association.ts'
export { type ConnectDtlsOptions, connectDtls } from './dtls-connection.ts'
export { type DtlsListener, type ListenDtlsOptions, listenDtls } from './dtls-listener.ts'
