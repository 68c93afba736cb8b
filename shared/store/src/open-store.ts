/** Opens the store: connections, and the repositories over them. */

import type { Clock, Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { appliedMigrations, migrations, pendingOf } from './migrate.ts'
import { AdvisoryLocks } from './postgres/advisory-locks.ts'
import { PostgresApiKeys } from './postgres/api-keys.ts'
import { PostgresAssociationMarks } from './postgres/association-marks.ts'
import { PostgresAuditChain } from './postgres/audit-chain.ts'
import { PostgresAuditEvents } from './postgres/audit-events.ts'
import { PostgresAuditSubjects } from './postgres/audit-subjects.ts'
import { PostgresCertificates } from './postgres/certificates.ts'
import { PostgresCommands } from './postgres/commands.ts'
import { PostgresCustomRoles } from './postgres/custom-roles.ts'
import { Database, type Query, type StoreLogEntry } from './postgres/database.ts'
import { PostgresDeviceTokenFamilies, PostgresOnboardingCodes } from './postgres/device-tokens.ts'
import { PostgresDevices } from './postgres/devices.ts'
import { PostgresEmailVerifications } from './postgres/email-verifications.ts'
import { PostgresEnrollmentGroups } from './postgres/enrollment-groups.ts'
import { PostgresGateways } from './postgres/gateways.ts'
import { housekeep } from './postgres/housekeeping.ts'
import { PostgresIdempotencyKeys } from './postgres/idempotency-keys.ts'
import { PostgresAuthorities, PostgresHub } from './postgres/installation.ts'
import { PostgresInstallationKeys } from './postgres/installation-keys.ts'
import { PostgresInvitations } from './postgres/invitations.ts'
import { PostgresJobs } from './postgres/jobs.ts'
import { PostgresMembers } from './postgres/members.ts'
import { Notifications } from './postgres/notifications.ts'
import { PostgresOrganizations, PostgresUsers } from './postgres/organizations.ts'
import { PostgresOutbox } from './postgres/outbox.ts'
import { PostgresPersonNotifications } from './postgres/person-notifications.ts'
import { PostgresProvisioning } from './postgres/provisioning.ts'
import { PostgresPsks } from './postgres/psks.ts'
import { PostgresResources } from './postgres/resources.ts'
import { PostgresSealingKeyGenerations } from './postgres/sealing-key-generations.ts'
import { PostgresShards } from './postgres/shards.ts'
import { PostgresSocketTickets } from './postgres/socket-tickets.ts'
import { sql } from './postgres/sql.ts'
import { PostgresTelemetry } from './postgres/telemetry.ts'
import { TransactionRecord } from './postgres/transaction-record.ts'
import type { Store } from './store.ts'

export interface OpenStoreOptions {
  readonly connectionString: string
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  readonly clock: Clock
  /** Default 10. Notifications take one connection more, each lock that is held another. */
  readonly poolSize?: number
  readonly log?: (entry: StoreLogEntry) => void
}

/** @throws CodedError `database-unavailable`, or `configuration-invalid` for a schema that is behind or ahead of the program. */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { connectionString, applicationName, clock, poolSize = 10, log = () => undefined } = options
  const connection = { connectionString, applicationName, log }
  const database = new Database({ ...connection, poolSize })
  try {
    await database.read(requireSchema)
    await database.read(requireDurability)
  } catch (error) {
    await database.close()
    throw error
  }
  const locks = new AdvisoryLocks(connection, () => database.read(databaseTime))
  const notifications = new Notifications(connection)
  const record = new TransactionRecord(clock)
  return {
    organizations: new PostgresOrganizations(database, record),
    users: new PostgresUsers(database, record),
    members: new PostgresMembers(database, record),
    customRoles: new PostgresCustomRoles(database, record),
    invitations: new PostgresInvitations(database, record),
    apiKeys: new PostgresApiKeys(database, record),
    emailVerifications: new PostgresEmailVerifications(database, record),
    hub: new PostgresHub(database, record),
    gateways: new PostgresGateways(database, record),
    authorities: new PostgresAuthorities(database, record),
    installationKeys: new PostgresInstallationKeys(database, record, locks),
    shards: new PostgresShards(database, connection),
    associationMarks: new PostgresAssociationMarks(database),
    sealingKeys: new PostgresSealingKeyGenerations(database, record, locks),
    enrollmentGroups: new PostgresEnrollmentGroups(database, record),
    provisioning: new PostgresProvisioning(database, record),
    certificates: new PostgresCertificates(database, record),
    psks: new PostgresPsks(database, record),
    onboardingCodes: new PostgresOnboardingCodes(database, record),
    deviceTokens: new PostgresDeviceTokenFamilies(database, record),
    devices: new PostgresDevices(database, record, clock),
    resources: new PostgresResources(database, record),
    commands: new PostgresCommands(database, record),
    telemetry: new PostgresTelemetry(database),
    idempotencyKeys: new PostgresIdempotencyKeys(database),
    auditEvents: new PostgresAuditEvents(database, record),
    auditChain: new PostgresAuditChain(database),
    auditSubjects: new PostgresAuditSubjects(database, record),
    outbox: new PostgresOutbox(database),
    jobs: new PostgresJobs(database, record, notifications),
    socketTickets: new PostgresSocketTickets(database, record),
    personNotifications: new PostgresPersonNotifications(database, record),
    listen: (channel, handler, onReconnected) => notifications.listen(channel, handler, onReconnected),
    withAdvisoryLock: (name, work) => locks.withLock(name, work),
    now: () => database.read(databaseTime),
    housekeep: () => housekeep(database),
    health: async () => {
      await database.read(databaseTime)
    },
    async close() {
      await notifications.close()
      await Promise.all([database.close(), locks.close()])
    },
  }
}

async function requireSchema(query: Query): Promise<void> {
  const applied = await appliedMigrations((text) => query.rows(sql.raw(text)))
  pendingOf(applied, migrations(), 'opening')
}

/** With synchronous_commit off Postgres says "committed" before it has written: nothing acknowledged to a device may be lost. */
async function requireDurability(query: Query): Promise<void> {
  const row = await query.first<{ readonly setting: string }>(
    sql`select current_setting('synchronous_commit') as setting`,
  )
  if (row?.setting !== 'off') return
  throw new CodedError(
    'configuration-invalid',
    'Postgres runs with synchronous_commit = off and would lose what it has confirmed: set it to on.',
  )
}

async function databaseTime(query: Query): Promise<Instant> {
  const row = await query.first<{ readonly now: Instant }>(sql`select clock_timestamp()::timestamptz(3) as now`)
  if (row === undefined) throw new CodedError('internal', 'a select of the time gave no row')
  return row.now
}
