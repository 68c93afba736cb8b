export { type AlertName, alertNumbers } from './alert.ts'
export { type CertificateKeyKind, readCertificateKey, type UnverifiedCertificateKey } from './certificate-key.ts'
export { type CipherSuiteName, cipherSuites, defaultCipherSuites, defaultPskCipherSuites } from './cipher-suite.ts'
export type { ClientSession } from './client-session.ts'
export { DtlsClient, type DtlsClientConfiguration } from './dtls-client.ts'
export {
  type AssociationImport,
  DtlsServer,
  type DtlsServerConfiguration,
  type ImportOutcome,
  type ImportRefusal,
} from './dtls-server.ts'
export { type HalfOpenLimits, HalfOpenQuota, type Room } from './half-open-quota.ts'
export { HandshakeRate, type HandshakeRateLimits, type HandshakeRates, handshakeRatesOf } from './handshake-rate.ts'
export { defaultNamedGroups, type NamedGroupName } from './named-group.ts'
export type {
  Answer,
  AssociationHandle,
  CloseReason,
  DiscardReason,
  KeyShare,
  Output,
  PeerAddress,
  PeerDecision,
  PskRefusal,
  Question,
  QuestionHandle,
  SignatureVerdict,
} from './output.ts'
export type { PlainRecord, ProtectRecords, RecordProtection } from './record-protection.ts'
export { type MaxFragmentLength, maxFragmentLengths } from './record-size.ts'
export { openState, type SealingKey, type SealingKeys, type SealingPurpose, sealState } from './sealing.ts'
export { maxResumableBytes } from './session.ts'
export {
  type CurveName,
  fitsKey,
  type SignatureScheme,
  type SignatureSchemeName,
  signatureSchemes,
} from './signature-scheme.ts'
export { defaultStaleAfter, StaleAssociations } from './stale-associations.ts'
