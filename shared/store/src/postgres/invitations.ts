import type { Instant } from '@sallyport/clock'
import { inSeconds, instant, toRfc3339 } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { ActContext } from '../act.ts'
import type { InvitationRecord, InvitationState, Invitations, NewInvitation } from '../invitations.ts'
import { isMailAddress } from '../mail-message.ts'
import type { MemberRecord } from '../members.ts'
import type { Page, PageRequest } from '../page.ts'
import { asTheService, lockPerson } from './across-organizations.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { violatesUnique } from './database-fault.ts'
import { type MemberRow, memberColumns, people, toMember } from './members.ts'
import { mostOrganizationsOfPerson, tooManyOrganizations } from './organizations.ts'
import { lockMemberships, permissionsByRole, refuseEscalation } from './role-permissions.ts'
import { present } from './row.ts'
import { allOf, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

interface InvitationRow extends Omit<InvitationRecord, 'acceptedAt' | 'userId'> {
  readonly acceptedAt: Instant | null
  readonly userId: string | null
}

const columns = sql`id, organization_id as "organizationId", email, roles,
  case when accepted_at is not null then 'accepted' when revoked_at is not null then 'revoked'
    when expires_at <= now() then 'expired' else 'open' end as state,
  invited_by as "invitedBy", created_at as "createdAt", expires_at as "expiresAt", accepted_at as "acceptedAt",
  user_id as "userId"`

const isOpen = sql`accepted_at is null and revoked_at is null and expires_at > now()`

export class PostgresInvitations implements Invitations {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async list(organizationId: string, request: PageRequest): Promise<Page<InvitationRecord>> {
    const window = pageWindow(request)
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<InvitationRow>(sql`
        select ${columns} from invitation
        where ${allOf([
          sql`organization_id = ${organizationId}`,
          beforeCursor(window, { at: sql`created_at`, id: sql`id` }),
        ])}
        order by created_at desc, id desc limit ${window.limit + 1}`),
    )
    return toPage(rows, window, (row) => ({ at: row.createdAt, id: row.id }), toRecord)
  }

  create(organizationId: string, invitation: NewInvitation, act: ActContext): Promise<InvitationRecord> {
    const { email, tokenHash, lifetime, delivery } = invitation
    const roles = [...new Set(invitation.roles)].sort()
    if (delivery !== 'shown' && !isMailAddress(email)) {
      throw new CodedError('validation-failed', 'No mail can go to this address.')
    }
    return this.#database.of(organizationId).transaction(async (query) => {
      await lockMemberships(query, organizationId)
      const allowed = await permissionsByRole(query, organizationId, roles)
      await refuseEscalation(query, organizationId, act, [...allowed.values()].flat())
      const member = await query.first(sql`
        select 1 as there from ${people}
        where m.organization_id = ${organizationId} and lower(u.email) = lower(${email})`)
      if (member !== undefined) throw new CodedError('conflict', 'The address is a member’s already.')
      const replaced = await query.first<{ readonly id: string }>(sql`
        update invitation set revoked_at = now()
        where organization_id = ${organizationId} and lower(email) = lower(${email})
          and accepted_at is null and revoked_at is null
        returning id`)
      const id = this.#record.newId()
      const row = await query.first<InvitationRow>(sql`
        insert into invitation (id, organization_id, email, roles, token_hash, invited_by, delivery, expires_at)
        values (${id}, ${organizationId}, ${email}, ${roles}::text[], ${tokenHash}, ${act.actor.id},
          ${delivery === 'shown' ? 'shown' : 'mail'},
          now() + make_interval(secs => ${inSeconds(lifetime)}))
        returning ${columns}`)
      if (row === undefined) throw new CodedError('internal', 'an invitation that was just written is not there')
      if (delivery !== 'shown') await this.#mail(query, act, row, delivery.mailedToken)
      await this.#record.audit(query, act, {
        type: 'invitation.created',
        organizationId,
        subjectId: id,
        details: {
          email,
          roles,
          expiresAt: toRfc3339(instant(row.expiresAt)),
          ...(replaced === undefined ? {} : { replaced: replaced.id }),
        },
      })
      return toRecord(row)
    })
  }

  async #mail(query: Query, act: ActContext, { organizationId, email, roles, expiresAt }: InvitationRow, code: string) {
    const named = await query.first<{ readonly organizationName: string; readonly invitedBy: string | null }>(sql`
      select o.name as "organizationName", u.username as "invitedBy" from organization o
        left join user_account u on u.id::text = ${act.actor.id}
      where o.id = ${organizationId}`)
    const parameters = {
      organizationName: oneLine(named?.organizationName ?? 'an organization'),
      invitedBy: oneLine(named?.invitedBy ?? 'Sallyport'),
      role: oneLine(roles.join(', ')),
      code,
      expiresAt: toRfc3339(expiresAt),
    }
    await this.#record.enqueue(query, act, {
      kind: 'send-mail',
      organizationId,
      payload: { to: email, template: 'invitation', parameters },
    })
  }

  async revoke(organizationId: string, id: string, act: ActContext): Promise<void> {
    await this.#database.of(organizationId).transaction(async (query) => {
      const row = await query.first<{ readonly roles: readonly string[] }>(sql`
        update invitation set revoked_at = now()
        where id = ${id} and organization_id = ${organizationId} and ${isOpen} returning roles`)
      if (row === undefined) throw new CodedError('not-found', 'There is no such open invitation.')
      await this.#record.audit(query, act, {
        type: 'invitation.revoked',
        organizationId,
        subjectId: id,
        details: { roles: row.roles },
      })
    })
  }

  async openFor(tokenHash: Uint8Array): Promise<'somebody-new' | 'account-holder' | undefined> {
    const found = await this.#openInvitation(tokenHash)
    if (found === undefined) return undefined
    return found.known ? 'account-holder' : 'somebody-new'
  }

  async accept(
    { tokenHash, username, passwordHash }: Parameters<Invitations['accept']>[0],
    origin: Omit<ActContext, 'actor'>,
  ): Promise<MemberRecord> {
    const found = await this.#openInvitation(tokenHash)
    if (found === undefined) throw notValid()
    const { id, organizationId } = found
    const userId = this.#record.newId()
    return await this.#database.of(organizationId).transaction(async (query) => {
      await lockMemberships(query, organizationId)
      // Of several at once one gets the row; the others wait for it, and find it accepted.
      const invitation = await query.first<AcceptedRow>(sql`
        update invitation set accepted_at = now(), user_id = ${userId} where id = ${id} and ${isOpen}
        returning email, roles, delivery`)
      if (invitation === undefined) throw notValid()
      const { roles } = invitation
      const member = await insertAccount(query, { ...invitation, id: userId, organizationId, username, passwordHash })
      await this.#record.audit(
        query,
        { ...origin, actor: { kind: 'user', id: userId } },
        { type: 'invitation.accepted', organizationId, subjectId: id, userId, details: { userId, username, roles } },
      )
      return toMember(member)
    })
  }

  async join(
    { tokenHash, userId }: Parameters<Invitations['join']>[0],
    act: ActContext,
  ): Promise<{ readonly organizationId: string }> {
    const found = await this.#openInvitation(tokenHash)
    if (found === undefined) throw notValid()
    const { id, organizationId } = found
    const membershipId = this.#record.newId()
    await this.#database.of(organizationId).transaction(async (query) => {
      await lockMemberships(query, organizationId)
      const invitation = await query.first<AcceptedRow>(sql`
        update invitation set accepted_at = now(), user_id = ${userId} where id = ${id} and ${isOpen}
        returning email, roles, delivery`)
      if (invitation === undefined) throw notValid()
      const { email, roles, delivery } = invitation
      // The person is none of this organization's yet.
      await asTheService(query)
      if (!(await lockPerson(query, userId))) throw notValid()
      const person = await query.first<{ readonly username: string; readonly memberships: number }>(sql`
        select username, (select count(*) from membership where user_id = u.id) as memberships
        from user_account u where id = ${userId} and lower(email) = lower(${email})`)
      if (person === undefined) throw notValid()
      if (person.memberships >= mostOrganizationsOfPerson) throw tooManyOrganizations()
      const joined = await query.run(sql`
        insert into membership (organization_id, user_id, id, roles)
        values (${organizationId}, ${userId}, ${membershipId}, ${roles}::text[]) on conflict do nothing`)
      if (joined === 0) throw new CodedError('conflict', 'You are a member already.')
      if (delivery === 'mail') {
        await query.run(sql`
          update user_account set email_verified_at = now() where id = ${userId} and email_verified_at is null`)
      }
      await this.#record.audit(query, act, {
        type: 'invitation.accepted',
        organizationId,
        subjectId: id,
        userId,
        details: { userId, username: person.username, roles },
      })
      await this.#record.notify(query, 'access_changed', { organizationId, userId })
    })
    return { organizationId }
  }

  /** The token is all that is known so far: it says whose it is, and whether somebody has the address. */
  #openInvitation(tokenHash: Uint8Array) {
    return this.#database.read((query) =>
      query.first<{ readonly id: string; readonly organizationId: string; readonly known: boolean }>(sql`
        select id, organization_id as "organizationId",
          exists (select from user_account u where lower(u.email) = lower(i.email)) as known
        from invitation i where token_hash = ${tokenHash} and ${isOpen}`),
    )
  }
}

interface AcceptedRow {
  readonly email: string
  readonly roles: readonly string[]
  readonly delivery: 'mail' | 'shown'
}

/** With the membership, whose roles the database takes from it. */
async function insertAccount(
  query: Query,
  user: AcceptedRow & {
    readonly id: string
    readonly organizationId: string
    readonly username: string
    readonly passwordHash: string
  },
): Promise<MemberRow> {
  try {
    await query.run(sql`
      insert into user_account (id, organization_id, email, username, password_hash, roles, email_verified_at)
      values (${user.id}, ${user.organizationId}, ${user.email}, ${user.username}, ${user.passwordHash},
        ${user.roles}::text[], case when ${user.delivery === 'mail'}::boolean then now() end)`)
    const row = await query.first<MemberRow>(sql`
      select ${memberColumns} from ${people} where m.user_id = ${user.id} and m.organization_id = ${user.organizationId}`)
    if (row === undefined) throw new CodedError('internal', 'a member that was just written is not there')
    return row
  } catch (error) {
    if (violatesUnique(error, 'user_account_username')) {
      throw new CodedError('conflict', 'The username is taken.', { cause: error })
    }
    if (violatesUnique(error, 'user_account_email')) {
      throw new CodedError('sign-in-to-accept', 'There is an account with this address: sign in to it.', {
        cause: error,
      })
    }
    throw error
  }
}

const toRecord = ({ acceptedAt, userId, ...row }: InvitationRow): InvitationRecord => ({
  ...row,
  state: row.state satisfies InvitationState,
  ...present({ acceptedAt, userId }),
})

/** What people have named themselves, as a line of a mail. */
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ').slice(0, 300)

/** One answer for every reason: who tries tokens learns nothing. */
const notValid = (): CodedError => new CodedError('invitation-invalid', 'The invitation is not valid.')
