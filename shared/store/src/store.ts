/**
 * The truth, in Postgres: everything that must not be lost.
 *
 * - A method that changes something is one transaction with its audit event, its outbox row and its notification.
 * - A method that takes an organization sees nothing of others, and neither does Postgres while it runs (row-level security). The methods without one are for our own services.
 * - Times are the database's.
 * - Every method rejects within 3 s with CodedError `database-unavailable` when Postgres is gone or hangs, or no connection is
 *   to be had; then it is not known whether a change was made. Nothing has to be reopened once Postgres is back.
 */

import type { Instant } from '@sallyport/clock'
import type { ApiKeys } from './api-keys.ts'
import type { AuditChain } from './audit-chain.ts'
import type { AuditEvents } from './audit-events.ts'
import type { AuditSubjects } from './audit-subjects.ts'
import type { Certificates } from './certificates.ts'
import type { Commands } from './commands.ts'
import type { CustomRoles } from './custom-roles.ts'
import type { DeviceTokenFamilies, OnboardingCodes } from './device-tokens.ts'
import type { Devices } from './devices.ts'
import type { EmailVerifications } from './email-verifications.ts'
import type { EnrollmentGroups } from './enrollment-groups.ts'
import type { IdempotencyKeys } from './idempotency-keys.ts'
import type { Authorities, Gateways, Hub } from './installation.ts'
import type { InstallationKeys } from './installation-keys.ts'
import type { Invitations } from './invitations.ts'
import type { Jobs } from './jobs.ts'
import type { Members } from './members.ts'
import type { Organizations, Users } from './organizations.ts'
import type { Outbox } from './outbox.ts'
import type { PersonNotifications } from './person-notifications.ts'
import type { Provisioning } from './provisioning.ts'
import type { Psks } from './psks.ts'
import type { Resources } from './resources.ts'
import type { SocketTickets } from './socket-tickets.ts'
import type { AssociationMarks, SealingKeyGenerations, Shards } from './takeover.ts'
import type { Telemetry } from './telemetry.ts'

/**
 * Payloads: `device_closed` `{ deviceId, reason, pskIdentitySha256? }` (with it, only what was opened with that key), `command_created` `{ gatewayId, commandId, deviceId }`,
 * `command_finished` `{ commandId, deviceId }`, `outbox` and `jobs` empty, `events` the last position that was given, `access_changed` `{ organizationId, userId? }`
 * (without `userId`, any of its members), `keys_changed` `{ purpose, keyId, state }`, `api_key_changed`
 * `{ apiKeyId }`.
 */
export type Channel =
  | 'device_closed'
  | 'command_created'
  | 'command_finished'
  | 'outbox'
  | 'events'
  | 'jobs'
  | 'access_changed'
  | 'keys_changed'
  | 'api_key_changed'

export interface Store {
  readonly organizations: Organizations
  readonly users: Users
  readonly members: Members
  readonly customRoles: CustomRoles
  readonly invitations: Invitations
  readonly apiKeys: ApiKeys
  readonly emailVerifications: EmailVerifications
  readonly hub: Hub
  readonly gateways: Gateways
  readonly authorities: Authorities
  readonly installationKeys: InstallationKeys
  readonly shards: Shards
  readonly associationMarks: AssociationMarks
  readonly sealingKeys: SealingKeyGenerations
  readonly enrollmentGroups: EnrollmentGroups
  readonly provisioning: Provisioning
  readonly certificates: Certificates
  readonly psks: Psks
  readonly onboardingCodes: OnboardingCodes
  readonly deviceTokens: DeviceTokenFamilies
  readonly devices: Devices
  readonly resources: Resources
  readonly commands: Commands
  readonly telemetry: Telemetry
  readonly idempotencyKeys: IdempotencyKeys
  readonly auditEvents: AuditEvents
  readonly auditChain: AuditChain
  readonly auditSubjects: AuditSubjects
  readonly outbox: Outbox
  readonly jobs: Jobs
  readonly personNotifications: PersonNotifications
  readonly socketTickets: SocketTickets
  /**
   * Calls `handler` with each notification from now on. Notifications of the time without a connection are lost:
   * `onReconnected` says to look for oneself.
   * @returns how to stop.
   */
  listen(channel: Channel, handler: (payload: string) => void, onReconnected: () => void): Promise<() => Promise<void>>
  /**
   * Runs `work` while no other process of the installation runs one under the same name. The lock is lost with the
   * connection, which `work` does not notice: what must hold even then needs a fence in the database.
   * @throws CodedError `database-unavailable` also when the lock was not to be had within 25 s.
   */
  withAdvisoryLock<T>(name: string, work: () => Promise<T>): Promise<T>
  /** The database's clock. */
  now(): Promise<Instant>
  /** Makes room and prepares: old outbox rows, used codes, forgotten telemetry, next month's partition. Call it hourly. */
  housekeep(): Promise<void>
  /** @throws CodedError `database-unavailable`. */
  health(): Promise<void>
  close(): Promise<void>
}
