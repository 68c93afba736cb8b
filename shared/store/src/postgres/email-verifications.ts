import type { Instant } from '@sallyport/clock'
import { inSeconds, toRfc3339 } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { ActContext } from '../act.ts'
import type { EmailVerifications } from '../email-verifications.ts'
import { isMailAddress } from '../mail-message.ts'
import type { Database } from './database.ts'
import { sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

/** A person is no tool to fill a mailbox with. */
const pauseSeconds = 60

export class PostgresEmailVerifications implements EmailVerifications {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async isVerified(userId: string): Promise<boolean> {
    const row = await this.#database.read((query) =>
      query.first(sql`select 1 as there from user_account where id = ${userId} and email_verified_at is not null`),
    )
    return row !== undefined
  }

  async request(request: Parameters<EmailVerifications['request']>[0], act: ActContext): Promise<void> {
    const { userId, organizationId, token, tokenHash, lifetime } = request
    const id = this.#record.newId()
    await this.#database.transaction(async (query) => {
      const user = await query.first<{
        readonly email: string
        readonly username: string
        readonly verified: boolean
      }>(sql`
        select email, username, email_verified_at is not null as verified from user_account where id = ${userId}`)
      if (user === undefined) throw new CodedError('not-found', 'There is no such user.')
      if (user.verified) throw new CodedError('conflict', 'The address is verified already.')
      const { email, username } = user
      if (!isMailAddress(email)) throw new CodedError('validation-failed', 'No mail can go to this address.')
      const made = await query.first<{ readonly expiresAt: Instant }>(sql`
        insert into email_verification as v (user_id, organization_id, id, email, token_hash, expires_at)
        values (${userId}, ${organizationId}, ${id}, ${email}, ${tokenHash}, now() + make_interval(secs => ${inSeconds(lifetime)}))
        on conflict (user_id) do update
          set organization_id = excluded.organization_id, id = excluded.id, email = excluded.email,
            token_hash = excluded.token_hash, created_at = excluded.created_at, expires_at = excluded.expires_at
          where v.created_at <= now() - make_interval(secs => ${pauseSeconds})
        returning expires_at as "expiresAt"`)
      if (made === undefined) {
        throw new CodedError('rate-limited', 'A mail went out within the last minute.', {
          details: { retryAfterSeconds: pauseSeconds },
        })
      }
      const expiresAt = toRfc3339(made.expiresAt)
      await this.#record.enqueue(query, act, {
        kind: 'send-mail',
        organizationId,
        payload: { to: email, template: 'email-verification', parameters: { username, code: token, expiresAt } },
      })
      await this.#record.audit(query, act, {
        type: 'user.email-verification-requested',
        organizationId,
        subjectId: userId,
        details: { expiresAt },
      })
    })
  }

  async confirm(tokenHash: Uint8Array, origin: Omit<ActContext, 'actor'>): Promise<void> {
    await this.#database.transaction(async (query) => {
      // Of several at once one gets the row; the others wait for it, and find it gone.
      const confirmed = await query.first<{ userId: string; organizationId: string; email: string }>(sql`
        delete from email_verification where token_hash = ${tokenHash} and expires_at > now()
        returning user_id as "userId", organization_id as "organizationId", email`)
      if (confirmed === undefined) throw notValid()
      const { userId, organizationId, email } = confirmed
      const verified = await query.run(sql`
        update user_account set email_verified_at = now()
        where id = ${userId} and lower(email) = lower(${email}) and email_verified_at is null`)
      if (verified === 0) throw notValid()
      await this.#record.audit(
        query,
        { ...origin, actor: { kind: 'user', id: userId } },
        { type: 'user.email-verified', organizationId, subjectId: userId, details: {} },
      )
    })
  }
}

/** One answer for every reason: who tries tokens learns nothing. */
const notValid = (): CodedError => new CodedError('email-verification-invalid', 'The token is not valid.')
