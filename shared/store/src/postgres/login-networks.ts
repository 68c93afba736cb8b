/** From where somebody logs in, and whether that is news to them. */

import { isIP } from 'node:net'
import type { ActContext } from '../act.ts'
import type { Query } from './database.ts'
import { sql } from './sql.ts'
import { tellPerson } from './tell-people.ts'
import type { TransactionRecord } from './transaction-record.ts'

/**
 * The first log-in of all is no news. Of two at once from one new network, one tells.
 * An IPv6 address stands for its /64, whose rest changes by the day.
 */
export async function noteLoginNetwork(
  query: Query,
  record: TransactionRecord,
  act: ActContext,
  person: { readonly userId: string; readonly organizationId: string },
): Promise<void> {
  const address = act.address?.replace(/^::ffff:(?=\d+\.)/i, '')
  if (address === undefined || isIP(address) === 0) return
  const { userId, organizationId } = person
  const row = await query.first<{ readonly news: boolean }>(sql`
    with noted as (
      insert into login_network (user_id, organization_id, network)
      values (${userId}, ${organizationId},
        network(case family(${address}::inet) when 6 then set_masklen(${address}::inet, 64) else ${address}::inet end))
      on conflict (user_id, network) do update set last_login_at = clock_timestamp()
      returning xmax = 0 as fresh
    )
    select fresh and exists (select from login_network where user_id = ${userId}) as news from noted`)
  if (row?.news !== true) return
  await tellPerson(query, record, act, { kind: 'login-from-new-address', organizationId, userId, data: { address } })
}
