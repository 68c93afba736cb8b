export { AcceptedCertificates } from './accepted-certificates.ts'
export { type Certificate, maxCertificateBytes, parseCertificate } from './certificate.ts'
export {
  type BasicConstraints,
  type CertificateExtensions,
  type KeyUsage,
  keyUsageBits,
  type ListedExtension,
  type NameConstraints,
} from './certificate-extensions.ts'
export type { CertificatePurpose } from './certificate-purpose.ts'
export {
  type CertificationRequest,
  createCertificationRequest,
  maxRequestBytes,
  parseCertificationRequest,
  type RequestKeyRefusal,
  requestKeyRefusal,
} from './certification-request.ts'
export {
  derBitString,
  derBoolean,
  derContext,
  derContextPrimitive,
  derElement,
  derInteger,
  derNamedBits,
  derNull,
  derObjectIdentifier,
  derOctetString,
  derSequence,
  derSetOf,
  derTime,
  derUnsigned,
  derUtf8String,
} from './der-writer.ts'
export { deviceIdFromCommonName, provisioningRecordId } from './device-identity.ts'
export { type DistinguishedName, emptyName, encodeName } from './distinguished-name.ts'
export { encodeDirectoryName, encodeGeneralName, type GeneralName, type WrittenName } from './general-name.ts'
export { extendedKeyUsageId, extensionId, signatureAlgorithmId } from './object-identifiers.ts'
export { alertOfRefusal, type PathAlert, type PathRefusal, type PeerRefusalCode } from './path-refusal.ts'
export { type PathAccepted, type PathInput, validatePath } from './path-validation.ts'
export { certificatesFromPem, certificateToPem, pemBlocks, toPem } from './pem.ts'
export { authorityKeyRefusal, type KeyType, type PublicKey, parseSpki } from './public-key.ts'
export { type SignatureAlgorithm, verifySignature } from './signature.ts'
