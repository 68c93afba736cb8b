import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { ActContext } from '../act.ts'
import { canBeMailed, isNotificationKind, type NotificationKind, notificationKinds } from '../notification-kinds.ts'
import type { Page } from '../page.ts'
import type {
  NotificationPreference,
  NotificationRecord,
  NotifiedPerson,
  PersonNotifications,
} from '../person-notifications.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { present } from './row.ts'
import { allOf, json, type Sql, sql, time } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

interface Row {
  readonly id: string
  readonly kind: string
  readonly data: unknown
  readonly createdAt: Instant
  readonly readAt: Instant | null
}

export class PostgresPersonNotifications implements PersonNotifications {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async list(
    person: NotifiedPerson,
    request: Parameters<PersonNotifications['list']>[1],
  ): Promise<Page<NotificationRecord>> {
    const window = pageWindow(request)
    const rows = await this.#database.of(person.organizationId).read((query) =>
      query.rows<Row>(sql`
        select id, kind, data, created_at as "createdAt", read_at as "readAt" from notification
        where ${allOf([
          ownedBy(person),
          // A kind of a newer version that runs beside this one.
          sql`kind = any(${Object.keys(notificationKinds)}::text[])`,
          request.unread === undefined ? undefined : sql`(read_at is null) = ${request.unread}::boolean`,
          beforeCursor(window, { at: sql`created_at`, id: sql`id` }),
        ])}
        order by created_at desc, id desc limit ${window.limit + 1}`),
    )
    return toPage(
      rows,
      window,
      (row) => ({ at: row.createdAt, id: row.id }),
      ({ kind, readAt, ...row }) => ({ ...row, kind: kindOf(kind), ...present({ readAt }) }),
    )
  }

  async countUnread(person: NotifiedPerson): Promise<number> {
    const row = await this.#database
      .of(person.organizationId)
      .read((query) =>
        query.first<{ readonly count: number }>(
          sql`select count(*) from notification where ${ownedBy(person)} and read_at is null`,
        ),
      )
    return row?.count ?? 0
  }

  async markRead(person: NotifiedPerson, id: string, act: ActContext): Promise<void> {
    await this.#database.of(person.organizationId).transaction(async (query) => {
      const row = await query.first<{ readonly readAt: Instant | null }>(sql`
        select read_at as "readAt" from notification where ${ownedBy(person)} and id = ${id} for update`)
      if (row === undefined) throw new CodedError('not-found', 'There is no such notification.')
      if (row.readAt !== null) return
      await query.run(sql`update notification set read_at = clock_timestamp() where ${ownedBy(person)} and id = ${id}`)
      await this.#auditRead(query, person, 1, act)
      await this.#announceRead(query, person, { notificationId: id }, act)
    })
  }

  markAllRead(person: NotifiedPerson, until: Instant | undefined, act: ActContext): Promise<number> {
    return this.#database.of(person.organizationId).transaction(async (query) => {
      const marked = await query.run(sql`
        update notification set read_at = clock_timestamp()
        where ${ownedBy(person)} and read_at is null ${until === undefined ? sql`` : sql`and created_at <= ${time(until)}`}`)
      if (marked === 0) return 0
      await this.#auditRead(query, person, marked, act)
      await this.#announceRead(query, person, { notificationId: null }, act)
      return marked
    })
  }

  preferences(person: NotifiedPerson): Promise<readonly NotificationPreference[]> {
    return this.#database.of(person.organizationId).read((query) => preferencesOf(query, person))
  }

  prefer(
    person: NotifiedPerson,
    preferences: readonly NotificationPreference[],
    act: ActContext,
  ): Promise<readonly NotificationPreference[]> {
    const wrong = preferences.find(({ kind, mail }) => mail && !canBeMailed(kind))
    if (wrong !== undefined) throw new CodedError('validation-failed', `${wrong.kind} is never mailed.`)
    const rows = [...new Map(preferences.map((each) => [each.kind, each])).values()].map(({ kind, inApp, mail }) => ({
      user_id: person.userId,
      organization_id: person.organizationId,
      kind,
      in_app: inApp,
      mail,
    }))
    return this.#database.of(person.organizationId).transaction(async (query) => {
      await query.run(sql`
        insert into member_notification_preference (user_id, organization_id, kind, in_app, mail)
        select user_id, organization_id, kind, in_app, mail
        from jsonb_populate_recordset(null::member_notification_preference, ${json(rows)})
        on conflict (organization_id, user_id, kind) do update set in_app = excluded.in_app, mail = excluded.mail`)
      await this.#record.audit(query, act, {
        type: 'user.notification-preferences-changed',
        organizationId: person.organizationId,
        subjectId: person.userId,
        details: { kinds: rows.map(({ kind }) => kind) },
      })
      return await preferencesOf(query, person)
    })
  }

  #auditRead(query: Query, person: NotifiedPerson, count: number, act: ActContext): Promise<void> {
    return this.#record.audit(query, act, {
      type: 'user.notifications-read',
      organizationId: person.organizationId,
      subjectId: person.userId,
      details: { count },
    })
  }

  /** So that the person's other windows count alike. */
  #announceRead(
    query: Query,
    { organizationId, userId }: NotifiedPerson,
    data: { readonly notificationId: string | null },
    act: ActContext,
  ): Promise<void> {
    return this.#record.announce(query, act, { topic: 'notification.read', organizationId, userId, data })
  }
}

const ownedBy = ({ organizationId, userId }: NotifiedPerson): Sql =>
  sql`organization_id = ${organizationId} and user_id = ${userId}`

async function preferencesOf(query: Query, person: NotifiedPerson): Promise<readonly NotificationPreference[]> {
  const rows = await query.rows<{ readonly kind: string; readonly inApp: boolean; readonly mail: boolean }>(sql`
    select kind, in_app as "inApp", mail from member_notification_preference where ${ownedBy(person)}`)
  return Object.keys(notificationKinds)
    .filter(isNotificationKind)
    .map((kind) => {
      const { inApp, mail } = rows.find((row) => row.kind === kind) ?? notificationKinds[kind].defaults
      return { kind, inApp, mail }
    })
}

function kindOf(kind: string): NotificationKind {
  if (isNotificationKind(kind)) return kind
  throw new CodedError('internal', 'a notification of an unknown kind was read')
}
