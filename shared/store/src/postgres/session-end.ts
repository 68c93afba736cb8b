/** The end of device sessions, wherever it comes from: the rows, and the audit event and announcement of each. */

import type { OfflineReason } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { OfflineDevice } from '../installation.ts'
import type { Query } from './database.ts'
import { type Sql, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

interface EndedSession extends OfflineDevice {
  readonly associationId: string
  readonly sequence: number
}

/**
 * @param reason an expression of `device_session s` and the tables of `from`.
 * @param condition which current sessions.
 */
export async function endSessions(
  query: Query,
  record: TransactionRecord,
  act: ActContext,
  { reason, from, condition }: { readonly reason: Sql; readonly from?: Sql; readonly condition: Sql },
): Promise<readonly OfflineDevice[]> {
  const ended = await query.rows<EndedSession>(sql`
    update device_session s set ended_at = now(), end_reason = ${reason}
    ${from === undefined ? sql`` : sql`from ${from}`}
    where s.ended_at is null and ${condition}
    returning s.device_id as "deviceId", s.organization_id as "organizationId", s.gateway_id as "gatewayId",
      s.association_id as "associationId", s.sequence, s.end_reason as reason`)
  await record.auditAll(
    query,
    act,
    ended.map(({ deviceId, organizationId, gatewayId, associationId, sequence, reason }) => ({
      type: 'device.offline' as const,
      organizationId,
      subjectId: deviceId,
      details: { gatewayId, associationId, sequence, reason },
    })),
  )
  await record.announce(
    query,
    act,
    ...ended.map(({ deviceId, organizationId, gatewayId, sequence, reason }) => ({
      topic: 'device.offline' as const,
      organizationId,
      deviceId,
      data: { gatewayId, sequence, reason },
    })),
  )
  return ended.map(({ deviceId, organizationId, gatewayId, reason }) => ({
    deviceId,
    organizationId,
    gatewayId,
    reason,
  }))
}

export const reasonOf = (reason: OfflineReason): Sql => sql`${reason}`
