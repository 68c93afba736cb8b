/**
 * The closed registry of audit events: each type with its severity, what it is about, and the shape of its details.
 *
 * Details hold no secrets: hashes of codes and tokens neither, certificates only by serial number and digest. What tells of a person,
 * beyond an id, is `sealed`.
 */

import { CodedError } from '@sallyport/errors'
import type { AuditSubjectKind } from './audit-event.ts'
import { check, type DetailsOf, type DetailsShape, field } from './details-shape.ts'

export const auditSeverities = ['info', 'notice', 'warning'] as const
export type AuditSeverity = (typeof auditSeverities)[number]

export interface AuditEventDefinition {
  readonly severity: AuditSeverity
  readonly subject: AuditSubjectKind
  readonly details: DetailsShape
}

const { text, number, texts, sealed, optional } = field

export const auditEventTypes = {
  'organization.created': { severity: 'notice', subject: 'organization', details: { name: text } },
  'organization.changed': { severity: 'notice', subject: 'organization', details: { name: text, version: number } },
  'audit.exported': {
    severity: 'notice',
    subject: 'organization',
    details: { from: optional(text), to: optional(text), after: number, last: number },
  },
  'audit-subject.erased': { severity: 'notice', subject: 'audit-subject', details: { keys: number } },
  'audit-opening-key.created': { severity: 'notice', subject: 'audit-opening-key', details: {} },
  // `leftOut`: the event stands for so many of a minute, beyond those that have one each.
  'access.refused': {
    severity: 'warning',
    subject: 'route',
    details: { code: text, permission: optional(text), policy: optional(text), leftOut: optional(number) },
  },
  'user.created': { severity: 'notice', subject: 'user', details: { username: sealed, roles: texts } },
  'user.login': {
    severity: 'notice',
    subject: 'user',
    details: { reason: optional(text), sessionId: optional(text) },
  },
  'user.organization-entered': { severity: 'notice', subject: 'user', details: { sessionId: text } },
  'user.logout': { severity: 'notice', subject: 'user', details: { sessionId: text } },
  'user.session-refreshed': { severity: 'info', subject: 'user', details: { sessionId: text } },
  'user.socket-ticket-issued': { severity: 'info', subject: 'user', details: {} },
  'user.refresh-token-reused': { severity: 'warning', subject: 'user', details: { sessionId: text } },
  'user.notification-preferences-changed': { severity: 'info', subject: 'user', details: { kinds: texts } },
  'user.notifications-read': { severity: 'info', subject: 'user', details: { count: number } },
  'user.roles-changed': {
    severity: 'notice',
    subject: 'user',
    details: { username: sealed, before: texts, roles: texts, revokedInvitations: number },
  },
  'user.removed': {
    severity: 'notice',
    subject: 'user',
    details: { username: sealed, roles: texts, revokedInvitations: number, revokedApiKeys: optional(number) },
  },
  'invitation.created': {
    severity: 'notice',
    subject: 'invitation',
    details: { email: optional(sealed), roles: texts, expiresAt: text, replaced: optional(text) },
  },
  'invitation.revoked': { severity: 'notice', subject: 'invitation', details: { roles: texts } },
  'invitation.accepted': {
    severity: 'notice',
    subject: 'invitation',
    details: { userId: text, username: sealed, roles: texts },
  },
  'user.reauthenticated': {
    severity: 'notice',
    subject: 'user',
    details: { sessionId: text, reason: optional(text) },
  },
  // Without the address itself: it would stay for ever.
  'user.email-verification-requested': { severity: 'info', subject: 'user', details: { expiresAt: text } },
  'user.email-verified': { severity: 'notice', subject: 'user', details: {} },
  'api-key.created': {
    severity: 'notice',
    subject: 'api-key',
    details: { name: text, scopes: texts, allowedAddresses: texts, expiresAt: text },
  },
  'api-key.changed': {
    severity: 'notice',
    subject: 'api-key',
    details: { name: text, scopes: texts, allowedAddresses: texts, version: number },
  },
  'api-key.revoked': { severity: 'notice', subject: 'api-key', details: { name: text, revokedInvitations: number } },
  'role.created': { severity: 'notice', subject: 'role', details: { permissions: texts } },
  'role.changed': {
    severity: 'notice',
    subject: 'role',
    details: { before: texts, permissions: texts, version: number },
  },
  'role.deleted': { severity: 'notice', subject: 'role', details: { permissions: texts } },
  'group.created': {
    severity: 'notice',
    subject: 'group',
    details: { name: text, leadCertificateName: text, leadCertificateSha256: text, state: text },
  },
  'group.changed': { severity: 'notice', subject: 'group', details: { fields: texts, state: text, version: number } },
  'group.deleted': { severity: 'notice', subject: 'group', details: { name: text } },
  'provisioning.begun': {
    severity: 'info',
    subject: 'provisioning-record',
    details: { groupId: text, manufacturerSpkiSha256: text, commonName: optional(text) },
  },
  'provisioning.step': {
    severity: 'info',
    subject: 'provisioning-record',
    details: {
      step: text,
      coapCode: text,
      errorCode: optional(text),
      detail: optional(text),
      deviceId: optional(text),
    },
  },
  'provisioning.refused': {
    severity: 'warning',
    subject: 'certificate',
    details: { code: text, detail: text, commonName: optional(text), recordId: optional(text) },
  },
  'certificate.issuance-begun': {
    severity: 'notice',
    subject: 'certificate',
    details: {
      deviceId: text,
      recordId: text,
      profile: text,
      serialNumber: text,
      issuerSha256: text,
      spkiSha256: text,
    },
  },
  'certificate.issued': {
    severity: 'notice',
    subject: 'certificate',
    details: { deviceId: text, serialNumber: text, sha256: text },
  },
  'certificate.issuance-failed': {
    severity: 'warning',
    subject: 'certificate',
    details: { deviceId: text, serialNumber: text, code: text },
  },
  'certificate.activated': {
    severity: 'info',
    subject: 'certificate',
    details: { deviceId: text, serialNumber: text, superseded: texts },
  },
  'onboarding-code.created': {
    severity: 'info',
    subject: 'provisioning-record',
    details: { deviceId: text, expiresAt: text },
  },
  'onboarding-code.redeemed': {
    severity: 'notice',
    subject: 'device',
    details: {
      recordId: optional(text),
      familyId: optional(text),
      certificateSha256: optional(text),
      pskIdentitySha256: optional(text),
      repeated: optional(text),
      reason: optional(text),
    },
  },
  'device-token.refreshed': {
    severity: 'info',
    subject: 'device',
    details: {
      familyId: optional(text),
      generation: optional(number),
      certificateSha256: optional(text),
      pskIdentitySha256: optional(text),
      reason: optional(text),
    },
  },
  'psk.created': {
    severity: 'notice',
    subject: 'device',
    details: { groupId: text, pskIdentitySha256: text, codeExpiresAt: optional(text) },
  },
  'psk.code-created': { severity: 'info', subject: 'device', details: { expiresAt: text } },
  'psk.activated': { severity: 'info', subject: 'device', details: { pskIdentitySha256: text, superseded: texts } },
  'psk.revoked': {
    severity: 'notice',
    subject: 'device',
    details: { pskIdentitySha256: text, revokedFamilies: number },
  },
  'device-token.revoked': { severity: 'notice', subject: 'device', details: { families: number } },
  'device.claimed': {
    severity: 'notice',
    subject: 'device',
    details: { recordId: text, groupId: text, manufacturerSpkiSha256: text },
  },
  'device.registered': {
    severity: 'notice',
    subject: 'device',
    details: { recordId: optional(text), certificateSha256: optional(text), pskIdentitySha256: optional(text) },
  },
  'device.authenticated': {
    severity: 'info',
    subject: 'device',
    details: {
      stage: text,
      reason: optional(text),
      cipherSuite: optional(text),
      connectionId: optional(text),
      certificateSerial: optional(text),
      certificateSha256: optional(text),
      pskIdentitySha256: optional(text),
      associationId: optional(text),
    },
  },
  'device.online': {
    severity: 'info',
    subject: 'device',
    details: {
      gatewayId: text,
      associationId: text,
      sequence: number,
      certificateSha256: optional(text),
      pskIdentitySha256: optional(text),
    },
  },
  'device.offline': {
    severity: 'info',
    subject: 'device',
    details: { gatewayId: text, associationId: text, sequence: number, reason: text },
  },
  'device.changed': { severity: 'notice', subject: 'device', details: { fields: texts, version: number } },
  'device.deleted': {
    severity: 'notice',
    subject: 'device',
    details: { revokedCertificates: texts, revokedFamilies: number, revokedPsks: optional(texts) },
  },
  'resource.published': { severity: 'info', subject: 'device', details: { hrefs: texts } },
  'resource.unpublished': { severity: 'info', subject: 'device', details: { hrefs: texts } },
  'command.created': {
    severity: 'notice',
    subject: 'command',
    details: { deviceId: text, href: text, method: text },
  },
  'command.finished': {
    severity: 'info',
    subject: 'command',
    details: {
      deviceId: text,
      href: text,
      method: text,
      state: text,
      coapCode: optional(text),
      errorCode: optional(text),
    },
  },
  'gateway.registered': {
    severity: 'notice',
    subject: 'gateway',
    details: { coapsUri: text, coapsTcpUri: optional(text) },
  },
  'gateway.retired': { severity: 'notice', subject: 'gateway', details: { devices: number } },
  'authority.recorded': { severity: 'notice', subject: 'authority', details: { role: text, keyId: optional(text) } },
  'hub.recorded': { severity: 'notice', subject: 'hub', details: {} },
  'job.failed': {
    severity: 'warning',
    subject: 'job',
    details: { kind: text, reason: text, attempts: number },
  },
  'job.retried': { severity: 'notice', subject: 'job', details: { kind: text } },
  'job.dropped': { severity: 'notice', subject: 'job', details: { kind: text } },
  'jwt-key.created': { severity: 'notice', subject: 'jwt-key', details: { state: text } },
  'jwt-key.promoted': {
    severity: 'notice',
    subject: 'jwt-key',
    details: { generation: number, replaced: optional(number) },
  },
  'jwt-key.retired': { severity: 'notice', subject: 'jwt-key', details: { because: text } },
  'sealing-key.created': { severity: 'notice', subject: 'sealing-key', details: { generation: number } },
} as const satisfies Record<string, AuditEventDefinition>

export type AuditEventType = keyof typeof auditEventTypes

export type AuditDetails<Type extends AuditEventType> = DetailsOf<(typeof auditEventTypes)[Type]['details']>

export const isAuditEventType = (name: string): name is AuditEventType => Object.hasOwn(auditEventTypes, name)

/** The fields of a type's details that tell of a person. */
export const sealedFieldNames = (type: AuditEventType): readonly string[] =>
  Object.entries<DetailsShape[string]>(auditEventTypes[type].details).flatMap(([name, { kind }]) =>
    kind === 'sealed' ? [name] : [],
  )

/**
 * Details read back from storage, or about to be stored.
 * @throws CodedError `internal`: an event that does not fit its own type is our mistake.
 */
export function checkAuditDetails<Type extends AuditEventType>(type: Type, details: unknown): AuditDetails<Type> {
  const fault = check(auditEventTypes[type].details, details)
  if (fault === undefined) return details as AuditDetails<Type>
  throw new CodedError('internal', `The details of an audit event of type ${type} are wrong: ${fault}.`)
}
