/** The rule of `isOnline` in SQL, by the database's clock. */

import { inSeconds } from '@sallyport/clock'
import { gatewayLeaseDuration } from '@sallyport/fleet'
import { sql } from './sql.ts'

/** Of a `gateway_instance i`. */
export const leaseAlive = sql`(i.retired_at is null
  and i.lease_renewed_at >= clock_timestamp() - make_interval(secs => ${inSeconds(gatewayLeaseDuration)}))`

/** Of a `device_session s` and its `enrollment_group g`. */
export const contactInTime = sql`(s.last_contact_at >= clock_timestamp() - make_interval(secs => g.expected_interval_seconds))`

/** Of a `device d` with the tables of `presenceJoins`. */
export const online = sql`(s.device_id is not null and s.ended_at is null and ${contactInTime} and ${leaseAlive})`

export const presenceJoins = sql`
  join enrollment_group g on g.id = d.group_id
  left join device_session s on s.device_id = d.id
  left join gateway_instance i on i.id = s.gateway_id`
