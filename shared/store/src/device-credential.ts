/** What a device has proven: the lower-case hexadecimal SHA-256 of its identity certificate's DER, or of its PSK identity. */
export type DeviceCredential =
  | { readonly certificateSha256: string; readonly pskIdentitySha256?: undefined }
  | { readonly certificateSha256?: undefined; readonly pskIdentitySha256: string }

/** No certificate is as short as an identity may be: the two never have one digest. */
export const credentialSha256 = (credential: DeviceCredential): string =>
  credential.certificateSha256 ?? credential.pskIdentitySha256

/** The member that is there, for a record. */
export const namedCredential = ({
  certificateSha256,
  pskIdentitySha256,
}: DeviceCredential): { readonly certificateSha256: string } | { readonly pskIdentitySha256: string } =>
  certificateSha256 === undefined ? { pskIdentitySha256 } : { certificateSha256 }
