export { dnsName, ipName, uriName } from './alternative-name.ts'
export {
  type Issuance,
  issueCertificate,
  type PreparedCertificate,
  prepareCertificate,
  signCertificate,
  validityFor,
} from './certificate-issuance.ts'
export { lintCertificate } from './certificate-lint.ts'
export { type CertificateProfile, certificateProfiles, type ProfileRules } from './certificate-profile.ts'
export type { CertificateSubject } from './certificate-template.ts'
export { type Signer, softwareSigner } from './signer.ts'
