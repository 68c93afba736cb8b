/**
 * Every error code of the product, in one closed table. docs/errors.md is generated from it.
 *
 * A code is stable: it stands in problem documents, CoAP problem details, logs, metrics and audit events.
 * Edges map codes to what their protocol speaks (`http`: status; `coaps`: CoAP code; `pki`: DTLS alert); the compiler
 * proves those maps complete.
 */

import type { Blame } from './coded-error.ts'

export interface ErrorDefinition {
  readonly blame: Blame
  /** One sentence, the same in every place the error is shown. */
  readonly title: string
  /** What the one to blame can do. */
  readonly remedy: string
}

export const errorCatalogue = {
  // Requests
  'malformed-request': {
    blame: 'caller',
    title: 'The request could not be read.',
    remedy: 'Correct what the detail names and send it again.',
  },
  'validation-failed': {
    blame: 'caller',
    title: 'A value in the request is not allowed.',
    remedy: 'Correct the fields that the detail names.',
  },
  'unsupported-content-format': {
    blame: 'caller',
    title: 'The content format is not supported here.',
    remedy: 'Use one of the formats that the detail names.',
  },
  'not-acceptable': {
    blame: 'caller',
    title: 'No representation fits the Accept option.',
    remedy: 'Ask for one of the formats that the detail names.',
  },
  'request-too-large': {
    blame: 'caller',
    title: 'The request is larger than this resource takes.',
    remedy: 'Send at most the size that the detail names.',
  },
  'message-too-long': {
    blame: 'us',
    title: 'A message is longer than the other end of the association takes in one record.',
    remedy: 'Let it go in blocks, or ask for less; the other end has limited its records (RFC 6066, RFC 8449).',
  },
  'bad-option': {
    blame: 'caller',
    title: 'A critical CoAP option is not understood.',
    remedy: 'Leave the option out.',
  },
  'block-sequence-broken': {
    blame: 'caller',
    title: 'A block does not continue the transfer.',
    remedy: 'Start the transfer again at block 0.',
  },
  'not-found': {
    blame: 'caller',
    title: 'There is nothing at this address.',
    remedy: 'Check the path and the identifier.',
  },
  'method-not-allowed': {
    blame: 'caller',
    title: 'The resource has no such method.',
    remedy: 'Use one of the methods that the detail names.',
  },
  conflict: {
    blame: 'caller',
    title: 'The request conflicts with what is there.',
    remedy: 'Read the current state and decide anew.',
  },
  'precondition-failed': {
    blame: 'caller',
    title: 'The object has changed since it was read.',
    remedy: 'Read it again and repeat the change with the new ETag.',
  },
  'precondition-required': {
    blame: 'caller',
    title: 'The change needs an If-Match header.',
    remedy: 'Read the object and send its ETag in If-Match.',
  },
  'idempotency-in-progress': {
    blame: 'caller',
    title: 'A request with the same Idempotency-Key is under way.',
    remedy: 'Send it again after Retry-After: the answer of the first one comes then.',
  },
  'idempotency-key-reused': {
    blame: 'caller',
    title: 'The Idempotency-Key was used for something else.',
    remedy: 'Take a new key for each thing that is to be done, and the same one only to repeat a request as it was.',
  },
  'idempotency-answer-lost': {
    blame: 'environment',
    title: 'What was asked for was done, and the answer to it was lost.',
    remedy: 'Read what the detail names; what it would have shown once has to be made anew.',
  },
  'freshness-required': {
    blame: 'caller',
    title: 'The request may have been held back on its way.',
    remedy: 'Send it again with the Echo value of this response.',
  },
  'rate-limited': { blame: 'caller', title: 'Too many requests.', remedy: 'Wait as long as Retry-After says.' },
  'origin-refused': {
    blame: 'caller',
    title: 'The request does not come from a page of this application.',
    remedy: 'Send it from a page of its own, or with an access token in place of the cookie.',
  },
  // People
  'invalid-credentials': {
    blame: 'caller',
    title: 'The name or the password is wrong.',
    remedy: 'Check both and try again.',
  },
  'token-missing': {
    blame: 'caller',
    title: 'The request carries no access token.',
    remedy: 'Log in and send the token as Bearer.',
  },
  'token-invalid': { blame: 'caller', title: 'The token is not valid.', remedy: 'Get a new token.' },
  'token-expired': { blame: 'caller', title: 'The token has expired.', remedy: 'Refresh it.' },
  'token-revoked': { blame: 'caller', title: 'The token was revoked.', remedy: 'Log in again.' },
  'refresh-failed': { blame: 'caller', title: 'The refresh token is not valid.', remedy: 'Log in again.' },
  'refresh-superseded': {
    blame: 'caller',
    title: 'Another request has just used this refresh token.',
    remedy: 'Use the tokens of the request that won.',
  },
  'api-key-invalid': {
    blame: 'caller',
    title: 'The API key is not valid.',
    remedy: 'Send a key as it was shown when it was made, as Bearer; where it is lost, make another one.',
  },
  'api-key-expired': {
    blame: 'caller',
    title: 'The API key has expired.',
    remedy: 'Make another key and use that.',
  },
  'api-key-revoked': {
    blame: 'caller',
    title: 'The API key was revoked.',
    remedy: 'Make another key and use that, if you still may.',
  },
  'api-key-address-refused': {
    blame: 'caller',
    title: 'The API key may not be used from this address.',
    remedy: 'Use it from one of its allowed addresses, or have those changed.',
  },
  'key-generation-failed': {
    blame: 'environment',
    title: 'No key could be generated, and nothing was stored.',
    remedy: 'Try again; the operator sees the cause in the log.',
  },
  'person-required': {
    blame: 'caller',
    title: 'Only a person who is logged in may do this, not an API key.',
    remedy: 'Log in and send the access token.',
  },
  'reauthentication-required': {
    blame: 'caller',
    title: 'The log-in is too long ago for this.',
    remedy: 'Send the password to /api/v1/auth/reauthenticate and use the access token of the answer.',
  },
  'email-unverified': {
    blame: 'caller',
    title: 'The e-mail address is not verified.',
    remedy: 'Ask for a mail at /api/v1/me/email-verification and confirm with the token in it.',
  },
  'email-verification-invalid': {
    blame: 'caller',
    title: 'The token of the verification mail is not valid.',
    remedy: 'It was used, replaced or has expired: ask for another mail.',
  },
  'permission-denied': {
    blame: 'caller',
    title: 'The permission for this act is missing.',
    remedy: 'Ask an administrator for the permission that the detail names.',
  },
  'policy-violated': {
    blame: 'caller',
    title: 'A policy of the organization forbids this act.',
    remedy: 'The details name the policy; see docs/organizations.md.',
  },
  'role-not-found': {
    blame: 'caller',
    title: 'The organization has no role of this name.',
    remedy: 'Use one of the names that the list of roles gives.',
  },
  'invitation-invalid': {
    blame: 'caller',
    title: 'The invitation is not valid.',
    remedy: 'It was used, withdrawn or has expired: ask whoever invited you for another one.',
  },
  'sign-in-to-accept': {
    blame: 'caller',
    title: 'The address of the invitation has an account.',
    remedy: 'Sign in to it, and join with the same token: POST /api/v1/organizations/join.',
  },
  // Certificates and paths
  'certificate-missing': {
    blame: 'peer',
    title: 'The peer sent no certificate.',
    remedy: 'Configure a client certificate and its key.',
  },
  'certificate-malformed': {
    blame: 'peer',
    title: 'A certificate cannot be parsed.',
    remedy: 'Send DER certificates by RFC 5280, leaf first.',
  },
  'certificate-signature-invalid': {
    blame: 'peer',
    title: 'A signature in the chain does not verify.',
    remedy: 'Send the chain that really issued the leaf.',
  },
  'certificate-expired': { blame: 'peer', title: 'A certificate of the chain has expired.', remedy: 'Renew it.' },
  'certificate-not-yet-valid': {
    blame: 'peer',
    title: 'A certificate of the chain is not valid yet.',
    remedy: 'Check the clock that issued it.',
  },
  'certificate-revoked': {
    blame: 'peer',
    title: 'The certificate was revoked.',
    remedy: 'Provision the device again, if it may come back.',
  },
  'certificate-authority-unknown': {
    blame: 'peer',
    title: 'The chain leads to no trusted certificate authority.',
    remedy: 'Load the issuing CA into an enrollment group.',
  },
  'certificate-self-signed': {
    blame: 'peer',
    title: 'The leaf certificate is self-signed.',
    remedy: 'Use a certificate issued by an enrolled CA.',
  },
  'certificate-purpose-wrong': {
    blame: 'peer',
    title: 'The certificate is not made for this use.',
    remedy: 'Issue it with the key usage and extended key usage that the detail names.',
  },
  'certificate-key-unsupported': {
    blame: 'peer',
    title: 'The certificate has a key that is not allowed.',
    remedy: 'Use a P-256 or P-384 key.',
  },
  'certificate-constraint-violated': {
    blame: 'peer',
    title: 'The chain breaks a constraint of one of its authorities.',
    remedy: 'Check basic constraints, path length, name constraints and critical extensions.',
  },
  'certificate-path-too-long': {
    blame: 'peer',
    title: 'The chain is longer than is accepted.',
    remedy: 'Send only the chain, without spare certificates.',
  },
  'certificate-not-recorded': {
    blame: 'peer',
    title: 'The certificate was not issued by this installation to a known device.',
    remedy: 'Provision the device at the dps.',
  },
  'proof-of-possession-failed': {
    blame: 'peer',
    title: 'The peer did not prove that it holds the key.',
    remedy: 'Sign with the key of the certificate.',
  },
  'psk-wrong': {
    blame: 'peer',
    title: 'The peer does not have the key of its PSK identity.',
    remedy: 'Give the device its current key, or register a new one.',
  },
  'psk-identity-unknown': {
    blame: 'peer',
    title: 'No device is registered with this PSK identity.',
    remedy: 'Register the device in an enrollment group that allows PSK.',
  },
  'psk-revoked': {
    blame: 'peer',
    title: 'The pre-shared key was revoked.',
    remedy: 'Register a new key for the device.',
  },
  'psk-not-allowed': {
    blame: 'caller',
    title: 'The enrollment group does not allow pre-shared keys.',
    remedy: 'Change the group: allowsPsk.',
  },
  'handshake-failed': {
    blame: 'peer',
    title: 'The DTLS handshake failed.',
    remedy: 'See the alert and the reason in the detail.',
  },
  'handshake-timed-out': {
    blame: 'peer',
    title: 'The DTLS handshake did not finish in time.',
    remedy: 'Check the network path and try again.',
  },
  'association-closed': { blame: 'peer', title: 'The DTLS association is closed.', remedy: 'Connect again.' },
  // Provisioning
  'enrollment-missing': {
    blame: 'peer',
    title: 'No active enrollment group covers the device.',
    remedy: "Load the device's CA into an enrollment group.",
  },
  'enrollment-disabled': {
    blame: 'peer',
    title: 'The enrollment group of the device is disabled.',
    remedy: 'Enable the group.',
  },
  'device-blocked': { blame: 'peer', title: 'The device is blocked.', remedy: 'Ask the operator to unblock it.' },
  'device-id-claimed': {
    blame: 'peer',
    title: 'The device id belongs to another manufacturer key.',
    remedy: "Use the device's own id, or have the old claim removed.",
  },
  'device-id-mismatch': {
    blame: 'peer',
    title: 'The device id does not match the certificate or the request.',
    remedy: 'Send the same id in the certificate, the request and the body.',
  },
  'request-certificate-malformed': {
    blame: 'caller',
    title: 'The certificate request cannot be parsed.',
    remedy: 'Send one PKCS#10 request, DER or PEM.',
  },
  'request-signature-invalid': {
    blame: 'caller',
    title: 'The certificate request is not signed by its own key.',
    remedy: 'Sign it with the key it carries.',
  },
  'request-key-weak': {
    blame: 'caller',
    title: 'The key of the certificate request is too weak.',
    remedy: 'Use a P-256, P-384 or Ed25519 key.',
  },
  'request-key-unsupported': {
    blame: 'caller',
    title: 'The key type of the certificate request is not allowed.',
    remedy: 'Use a P-256, P-384 or Ed25519 key.',
  },
  'request-subject-invalid': {
    blame: 'caller',
    title: 'The subject of the certificate request is not a device id.',
    remedy: 'Use the common name uuid:<device id>.',
  },
  'ownership-mismatch': {
    blame: 'caller',
    title: 'The device belongs to another owner.',
    remedy: 'Have the present owner release it.',
  },
  // Device identity at the gateway
  'onboarding-code-invalid': {
    blame: 'caller',
    title: 'The onboarding code is wrong, used or expired.',
    remedy: 'Provision again and use the new code.',
  },
  'device-not-registered': { blame: 'caller', title: 'The device is not registered.', remedy: 'Sign up first.' },
  'device-not-signed-in': { blame: 'caller', title: 'The device is not signed in.', remedy: 'Sign in first.' },
  'device-token-invalid': {
    blame: 'caller',
    title: "The device's token is not valid here.",
    remedy: 'Refresh the token, or sign up again.',
  },
  'device-offline': {
    blame: 'environment',
    title: 'The device is offline.',
    remedy: 'The command waits for the device, or read the twin.',
  },
  'device-not-responding': {
    blame: 'environment',
    title: 'The device did not answer in time.',
    remedy: 'The command stays pending until it is answered or expires.',
  },
  'device-refused': {
    blame: 'caller',
    title: 'The device refused the request.',
    remedy: 'See the code that the device answered.',
  },
  // Keys and tokens of the installation
  'hsm-unavailable': {
    blame: 'environment',
    title: 'The HSM token cannot be used.',
    remedy: 'Check the module, the token label and the PIN file.',
  },
  'hsm-key-missing': {
    blame: 'environment',
    title: 'A key is not in the HSM token.',
    remedy: 'Restore the token, or run the key ceremony.',
  },
  'hsm-signature-wrong': {
    blame: 'environment',
    title: 'The HSM returned a signature that does not verify.',
    remedy: 'Take the token out of service.',
  },
  'sealed-value-invalid': {
    blame: 'environment',
    title: 'A sealed value cannot be opened.',
    remedy: 'Use the key generation that sealed it; if it is the right one, the value was altered.',
  },
  'signing-key-missing': {
    blame: 'environment',
    title: 'There is no active signing key.',
    remedy: 'Run the key rotation.',
  },
  'issuance-refused': {
    blame: 'us',
    title: 'The certificate does not satisfy its own profile.',
    remedy: 'Report it: the profile or the issuer is wrong.',
  },
  // What we run on
  'configuration-invalid': {
    blame: 'environment',
    title: 'The configuration is not valid.',
    remedy: 'Correct the variables that the detail names.',
  },
  'database-unavailable': {
    blame: 'environment',
    title: 'The database cannot be reached.',
    remedy: 'Try again; the operator sees it in /readyz.',
  },
  'cache-unavailable': {
    blame: 'environment',
    title: 'Redis cannot be reached.',
    remedy: 'Try again; the operator sees it in /readyz.',
  },
  'dependency-unavailable': {
    blame: 'environment',
    title: 'A service that this needs cannot be reached.',
    remedy: 'Try again later.',
  },
  'mail-refused': {
    blame: 'peer',
    title: 'The mail server refused a mail for good.',
    remedy: 'Correct the address, or what the mail server has against the sender; then retry or drop the job.',
  },
  overloaded: {
    blame: 'environment',
    title: 'The service is at its limit.',
    remedy: 'Try again after the time that Retry-After or Max-Age names.',
  },
  'shutting-down': { blame: 'environment', title: 'The service is stopping.', remedy: 'Connect again.' },
  'shard-lost': {
    blame: 'environment',
    title: 'Another process has taken over this work.',
    remedy: 'Send it again: the other process answers.',
  },
  'timed-out': { blame: 'environment', title: 'The work took too long.', remedy: 'Try again.' },
  'malformed-bytes': {
    blame: 'peer',
    title: 'The bytes do not parse.',
    remedy: 'Send what the specification describes.',
  },
  internal: { blame: 'us', title: 'Something went wrong on our side.', remedy: 'Report it with the correlation id.' },
} as const satisfies Record<string, ErrorDefinition>

export type ErrorCode = keyof typeof errorCatalogue
