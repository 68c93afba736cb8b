/** Enrollment groups, provisioning steps and the life of an identity certificate: closed sets and the rules between them. */

/**
 * - `pending-proof`: the authority is loaded, its possession not proven yet; nobody provisions by it.
 * - `active`: devices of the authority provision.
 * - `disabled`: the authority stays taken, but its devices are refused.
 */
export const enrollmentGroupStates = ['pending-proof', 'active', 'disabled'] as const
export type EnrollmentGroupState = (typeof enrollmentGroupStates)[number]

/** Whether a group in this state keeps its lead authority from other groups. */
export const claimsAuthority = (state: EnrollmentGroupState): boolean => state !== 'pending-proof'

/** What a device asks of the dps, in the order that devices keep. The server depends on no order. */
export const provisioningSteps = ['time', 'ownership', 'cloud-configuration', 'credentials', 'acls'] as const
export type ProvisioningStep = (typeof provisioningSteps)[number]

/**
 * - `intent`: announced before it is signed; a certificate with its serial number is not to be accepted.
 * - `issued`: stored and handed out, not used yet.
 * - `active`: its device has signed in with it.
 * - `superseded`: a newer one of the device was signed in with.
 * - `revoked`, `failed`: never good again.
 */
export const certificateStates = ['intent', 'issued', 'active', 'superseded', 'revoked', 'failed'] as const
export type CertificateState = (typeof certificateStates)[number]

export const isLiveCertificate = (state: CertificateState): boolean => state === 'issued' || state === 'active'

/** As for certificates; a key is not announced before it is made. */
export const pskStates = ['issued', 'active', 'superseded', 'revoked'] as const
export type PskState = (typeof pskStates)[number]

export const authorityRoles = ['installation-root', 'server', 'service', 'identity'] as const
export type AuthorityRole = (typeof authorityRoles)[number]
