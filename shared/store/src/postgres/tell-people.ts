/** Notifications, made in the transaction of their cause: the rows, what is pushed to each person, and the mails some want. */

import type { Instant } from '@sallyport/clock'
import type { ActContext } from '../act.ts'
import { isMailAddress } from '../mail-message.ts'
import {
  checkNotificationData,
  type NotificationData,
  type NotificationKind,
  type NotificationWays,
  notificationKinds,
} from '../notification-kinds.ts'
import type { Query } from './database.ts'
import { peopleWith } from './people-with.ts'
import { json, type Sql, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

interface Person extends NotificationWays {
  readonly id: string
  readonly username: string
  readonly email: string
  readonly now: Instant
}

/** Tells one person. */
export const tellPerson = <Kind extends NotificationKind>(
  query: Query,
  record: TransactionRecord,
  act: ActContext,
  notice: {
    readonly kind: Kind
    readonly organizationId: string
    readonly userId: string
    readonly data: NotificationData<Kind>
  },
): Promise<void> => tell(query, record, act, { ...notice, who: sql`m.user_id = ${notice.userId}` })

/** Tells those in the organization who may see what it is about. */
export const tellAudience = <Kind extends NotificationKind>(
  query: Query,
  record: TransactionRecord,
  act: ActContext,
  notice: { readonly kind: Kind; readonly organizationId: string; readonly data: NotificationData<Kind> },
): Promise<void> => {
  const { audience } = notificationKinds[notice.kind] as { readonly audience?: Parameters<typeof peopleWith>[0] }
  return tell(query, record, act, { ...notice, who: audience === undefined ? sql`false` : peopleWith(audience) })
}

async function tell<Kind extends NotificationKind>(
  query: Query,
  record: TransactionRecord,
  act: ActContext,
  notice: {
    readonly kind: Kind
    readonly organizationId: string
    readonly data: NotificationData<Kind>
    readonly who: Sql
  },
): Promise<void> {
  const { kind, organizationId, who } = notice
  const { defaults } = notificationKinds[kind]
  const data = checkNotificationData(kind, notice.data)
  const people = await query.rows<Person>(sql`
    select u.id, u.username, u.email, coalesce(p.in_app, ${defaults.inApp}::boolean) as "inApp",
      coalesce(p.mail, ${defaults.mail}::boolean) as mail, clock_timestamp()::timestamptz(3) as now
    from membership m join user_account u on u.id = m.user_id
      left join member_notification_preference p
        on p.organization_id = m.organization_id and p.user_id = m.user_id and p.kind = ${kind}
    where m.organization_id = ${organizationId} and ${who}`)
  const shown = people
    .filter(({ inApp }) => inApp)
    .map(({ id }) => ({ id: record.newId(), organization_id: organizationId, user_id: id, kind, data }))
  if (shown.length > 0) {
    await query.run(sql`
      insert into notification (id, organization_id, user_id, kind, data)
      select id, organization_id, user_id, kind, data from jsonb_populate_recordset(null::notification, ${json(shown)})`)
    await record.announce(
      query,
      act,
      ...shown.map(({ id, user_id: userId }) => ({
        topic: 'notification.created' as const,
        organizationId,
        userId,
        data: { notificationId: id, kind, data },
      })),
    )
  }
  await record.enqueue(
    query,
    act,
    ...people.flatMap((person) => {
      const payload = person.mail ? mailTo(person, kind, data) : undefined
      return payload === undefined ? [] : [{ kind: 'send-mail' as const, organizationId, payload }]
    }),
  )
}

function mailTo<Kind extends NotificationKind>(person: Person, kind: Kind, data: NotificationData<Kind>) {
  const { mail } = notificationKinds[kind] as {
    readonly mail?: (
      person: Pick<Person, 'username' | 'email'>,
      data: NotificationData<Kind>,
      occurredAt: Instant,
    ) => Parameters<TransactionRecord['enqueue']>[2]['payload']
  }
  return isMailAddress(person.email) ? mail?.(person, data, person.now) : undefined
}
