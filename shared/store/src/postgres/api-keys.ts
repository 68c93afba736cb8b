import type { Instant } from '@sallyport/clock'
import { toRfc3339 } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { isPermission, type Permission, permissionsBeyond } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { ApiKeyRecord, ApiKeyState, ApiKeys, NewApiKey, PresentedApiKey } from '../api-keys.ts'
import type { Page } from '../page.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { lockMemberships, refuseEscalation } from './role-permissions.ts'
import { present } from './row.ts'
import { allOf, type Sql, sql, time } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

/** Of one person in one organization, that are neither revoked nor expired. */
const mostKeys = 100

interface ApiKeyRow {
  readonly id: string
  readonly organizationId: string
  readonly name: string
  readonly madeBy: string
  readonly scopes: readonly string[]
  readonly allowedAddresses: readonly string[]
  readonly requestsPerMinute: number | null
  readonly state: ApiKeyState
  readonly createdAt: Instant
  readonly expiresAt: Instant
  readonly revokedAt: Instant | null
  readonly lastUsedAt: Instant | null
  readonly lastUsedAddress: string | null
  readonly version: number
}

const columns = sql`id, organization_id as "organizationId", name, made_by as "madeBy", scopes,
  allowed_addresses::text[] as "allowedAddresses", requests_per_minute as "requestsPerMinute",
  case when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired' else 'active' end as state,
  created_at as "createdAt", expires_at as "expiresAt", revoked_at as "revokedAt", last_used_at as "lastUsedAt",
  host(last_used_address) as "lastUsedAddress", version`

export class PostgresApiKeys implements ApiKeys {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async list(organizationId: string, request: Parameters<ApiKeys['list']>[1]): Promise<Page<ApiKeyRecord>> {
    const window = pageWindow(request)
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<ApiKeyRow>(sql`
        select ${columns} from api_key
        where ${allOf([
          sql`organization_id = ${organizationId}`,
          madeByCondition(request.madeBy),
          beforeCursor(window, { at: sql`created_at`, id: sql`id` }),
        ])}
        order by created_at desc, id desc limit ${window.limit + 1}`),
    )
    return toPage(rows, window, (row) => ({ at: row.createdAt, id: row.id }), toRecord)
  }

  async read(organizationId: string, id: string, madeBy: string | undefined): Promise<ApiKeyRecord | undefined> {
    const row = await this.#database
      .of(organizationId)
      .read((query) =>
        query.first<ApiKeyRow>(sql`select ${columns} from api_key where ${ofKey(organizationId, id, madeBy)}`),
      )
    return row === undefined ? undefined : toRecord(row)
  }

  create(organizationId: string, key: NewApiKey, act: ActContext): Promise<ApiKeyRecord> {
    const { id, name, keySha256, allowedAddresses, requestsPerMinute, expiresAt } = key
    const scopes = sorted(key.scopes)
    return this.#database.of(organizationId).transaction(async (query) => {
      // With the memberships: of a key and the removal of its maker at one moment, the later sees what the earlier did.
      await lockMemberships(query, organizationId)
      await refuseEscalation(query, organizationId, act, scopes)
      await refuseBeyondMost(query, organizationId, act.actor.id)
      const row = await query.first<ApiKeyRow>(sql`
        insert into api_key (id, organization_id, name, made_by, membership_id, key_sha256, scopes, allowed_addresses, requests_per_minute,
          expires_at)
        values (${id}, ${organizationId}, ${name}, ${act.actor.id},
          (select id from membership where organization_id = ${organizationId} and user_id = ${act.actor.id}), ${keySha256}, ${scopes}::text[],
          ${allowedAddresses}::text[]::cidr[], ${requestsPerMinute ?? null}, ${time(expiresAt)})
        returning ${columns}`)
      if (row === undefined) throw new CodedError('internal', 'an API key that was just written is not there')
      await this.#record.audit(query, act, {
        type: 'api-key.created',
        organizationId,
        subjectId: id,
        details: { name, scopes, allowedAddresses: row.allowedAddresses, expiresAt: toRfc3339(row.expiresAt) },
      })
      return toRecord(row)
    })
  }

  change(
    organizationId: string,
    id: string,
    { patch, madeBy, expectedVersion }: Parameters<ApiKeys['change']>[2],
    act: ActContext,
  ): Promise<ApiKeyRecord> {
    return this.#database.of(organizationId).transaction(async (query) => {
      const before = await lockKey(query, organizationId, id, madeBy)
      if (before.state === 'revoked') throw notFound()
      if (expectedVersion !== undefined && before.version !== expectedVersion) {
        throw new CodedError(
          'precondition-failed',
          `The API key has version ${before.version}, not ${expectedVersion}.`,
        )
      }
      const scopes = sorted<string>(patch.scopes ?? before.scopes)
      refuseMoreScopes(before, scopes)
      const row = await query.first<ApiKeyRow>(sql`
        update api_key set name = ${patch.name ?? before.name}, scopes = ${scopes}::text[],
          allowed_addresses = ${patch.allowedAddresses ?? before.allowedAddresses}::text[]::cidr[],
          requests_per_minute = ${patch.requestsPerMinute === undefined ? before.requestsPerMinute : patch.requestsPerMinute},
          version = version + 1, updated_at = now()
        where id = ${id} and organization_id = ${organizationId} returning ${columns}`)
      if (row === undefined) throw new CodedError('internal', 'an API key that was just read is not there')
      const { name, allowedAddresses, version } = row
      await this.#record.audit(query, act, {
        type: 'api-key.changed',
        organizationId,
        subjectId: id,
        details: { name, scopes, allowedAddresses, version },
      })
      await this.#record.notify(query, 'api_key_changed', { apiKeyId: id })
      return toRecord(row)
    })
  }

  revoke(organizationId: string, id: string, madeBy: string | undefined, act: ActContext): Promise<void> {
    return this.#database.of(organizationId).transaction(async (query) => {
      const before = await lockKey(query, organizationId, id, madeBy)
      if (before.state === 'revoked') return
      await query.run(sql`
        update api_key set revoked_at = now(), version = version + 1, updated_at = now()
        where id = ${id} and organization_id = ${organizationId}`)
      // Who had the key must not come back by what was made with it.
      const revokedInvitations = await query.run(sql`
        update invitation set revoked_at = now()
        where organization_id = ${organizationId} and invited_by = ${id}::text and accepted_at is null and revoked_at is null`)
      await this.#record.audit(query, act, {
        type: 'api-key.revoked',
        organizationId,
        subjectId: id,
        details: { name: before.name, revokedInvitations },
      })
      await this.#record.notify(query, 'api_key_changed', { apiKeyId: id })
    })
  }

  async find(id: string): Promise<PresentedApiKey | undefined> {
    const row = await this.#database.read((query) =>
      query.first<PresentedRow>(sql`
        select id, organization_id as "organizationId", name, made_by as "madeBy", membership_id as "membershipId", key_sha256 as "keySha256", scopes,
          allowed_addresses::text[] as "allowedAddresses", requests_per_minute as "requestsPerMinute",
          expires_at as "expiresAt", revoked_at as "revokedAt"
        from api_key where id = ${id}`),
    )
    if (row === undefined) return undefined
    const { requestsPerMinute, revokedAt, scopes, ...key } = row
    return { ...key, scopes: scopes.filter(isPermission), ...present({ requestsPerMinute, revokedAt }) }
  }

  async noteUse(id: string, address: string): Promise<void> {
    await this.#database.read((query) =>
      query.run(sql`
        update api_key set last_used_at = now(), last_used_address = ${address}::inet
        where id = ${id} and (last_used_at is null or last_used_at <= now() - interval '1 minute')`),
    )
  }
}

interface PresentedRow extends Omit<PresentedApiKey, 'requestsPerMinute' | 'revokedAt' | 'scopes'> {
  readonly scopes: readonly string[]
  readonly requestsPerMinute: number | null
  readonly revokedAt: Instant | null
}

/** When a member leaves, their keys go too: none of them works again should the person come back. @returns which. */
export async function revokeApiKeysOf(
  query: Query,
  record: TransactionRecord,
  organizationId: string,
  userId: string,
): Promise<number> {
  const revoked = await query.rows<{ readonly id: string }>(sql`
    update api_key set revoked_at = now(), version = version + 1, updated_at = now()
    where organization_id = ${organizationId} and made_by = ${userId} and revoked_at is null returning id`)
  for (const { id } of revoked) await record.notify(query, 'api_key_changed', { apiKeyId: id })
  return revoked.length
}

const sorted = <Scope extends string>(scopes: readonly Scope[]): readonly Scope[] => [...new Set(scopes)].sort()

const madeByCondition = (madeBy: string | undefined): Sql | undefined =>
  madeBy === undefined ? undefined : sql`made_by = ${madeBy}`

const ofKey = (organizationId: string, id: string, madeBy: string | undefined): Sql =>
  allOf([sql`id = ${id} and organization_id = ${organizationId}`, madeByCondition(madeBy)])

async function lockKey(
  query: Query,
  organizationId: string,
  id: string,
  madeBy: string | undefined,
): Promise<ApiKeyRow> {
  const row = await query.first<ApiKeyRow>(
    sql`select ${columns} from api_key where ${ofKey(organizationId, id, madeBy)} for no key update`,
  )
  if (row === undefined) throw notFound()
  return row
}

/** A key that is in somebody's hands never grows: who needs more makes another one. */
function refuseMoreScopes(before: ApiKeyRow, scopes: readonly string[]): void {
  const held: ReadonlySet<Permission> = new Set(before.scopes.filter(isPermission))
  const beyond = permissionsBeyond(held, scopes.filter(isPermission))
  if (beyond.length === 0) return
  throw new CodedError('policy-violated', `The key does not have ${beyond.join(', ')}: make another one.`, {
    details: { policy: 'no-escalation', permissions: beyond },
  })
}

/** Under the lock of the memberships, so that of two at once the second counts the first. */
async function refuseBeyondMost(query: Query, organizationId: string, userId: string): Promise<void> {
  const live = await query.first<{ readonly count: number }>(sql`
    select count(*) as count from api_key
    where organization_id = ${organizationId} and made_by = ${userId} and revoked_at is null and expires_at > now()`)
  if ((live?.count ?? 0) < mostKeys) return
  throw new CodedError('policy-violated', `A person has at most ${mostKeys} API keys: revoke one first.`, {
    details: { policy: 'most-api-keys' },
  })
}

const toRecord = ({
  requestsPerMinute,
  revokedAt,
  lastUsedAt,
  lastUsedAddress,
  scopes,
  ...row
}: ApiKeyRow): ApiKeyRecord => ({
  ...row,
  scopes: scopes.filter(isPermission),
  ...present({ requestsPerMinute, revokedAt, lastUsedAt, lastUsedAddress }),
})

const notFound = (): CodedError => new CodedError('not-found', 'There is no such API key.')
