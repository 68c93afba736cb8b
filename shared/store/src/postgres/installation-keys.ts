import type { Duration } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { ActContext } from '../act.ts'
import type {
  InstallationKeyRecord,
  InstallationKeys,
  KeyPurpose,
  KeyRetirement,
  NewInstallationKey,
} from '../installation-keys.ts'
import type { AdvisoryLocks } from './advisory-locks.ts'
import type { Database, Query } from './database.ts'
import { json, type Sql, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

const columns = sql`key_id as "keyId", generation, public_jwk as "publicJwk", state, created_at as "createdAt",
  activated_at as "activatedAt", verifies_until as "verifiesUntil", sealed_private_key as "sealedPrivateKey"`

/** A clock that was set back does not keep a key from its next state. */
const notBefore = (earlier: Sql): Sql => sql`greatest(clock_timestamp(), ${earlier})`
const ago = (duration: Duration): Sql => sql`(clock_timestamp() - ${duration} * interval '1 millisecond')`

export class PostgresInstallationKeys implements InstallationKeys {
  readonly #database: Database
  readonly #record: TransactionRecord
  readonly #locks: AdvisoryLocks

  constructor(database: Database, record: TransactionRecord, locks: AdvisoryLocks) {
    this.#database = database
    this.#record = record
    this.#locks = locks
  }

  live(purpose: KeyPurpose): Promise<readonly InstallationKeyRecord[]> {
    return this.#database.read((query) =>
      query.rows<InstallationKeyRecord>(sql`
        select ${columns} from installation_key where purpose = ${purpose} and state <> 'retired' order by generation desc`),
    )
  }

  async ensureActive(
    purpose: KeyPurpose,
    create: () => Promise<NewInstallationKey>,
    act: ActContext,
  ): Promise<InstallationKeyRecord> {
    // The lock spares the losers a key of their own; that there is one active key is the index's doing.
    const key = await this.#locks.withLock(`${purpose} key`, async () => {
      const present = (await this.#active(purpose)) ?? (await this.#activateNext(purpose, act))
      if (present !== undefined) return present
      await this.#add(purpose, 'active', await create(), act)
      return await this.#active(purpose)
    })
    if (key === undefined) throw new CodedError('signing-key-missing', `The new ${purpose} key is not active.`)
    return key
  }

  async ensureNext(
    purpose: KeyPurpose,
    activeFor: Duration,
    create: () => Promise<NewInstallationKey>,
    act: ActContext,
  ): Promise<boolean> {
    const look = () =>
      this.#database.read((query) =>
        query.first<{ readonly present: boolean; readonly due: boolean }>(sql`
          select exists (select from installation_key where purpose = ${purpose} and state = 'next') as present,
            exists (select from installation_key where purpose = ${purpose} and state = 'active'
              and activated_at <= ${ago(activeFor)}) as due`),
      )
    const before = await look()
    if (before?.present === true) return true
    if (before?.due !== true) return false
    await this.#locks.withLock(`${purpose} key`, async () => {
      const now = await look()
      if (now?.present === false && now.due) await this.#add(purpose, 'next', await create(), act)
    })
    return true
  }

  promote(
    purpose: KeyPurpose,
    promotion: Parameters<InstallationKeys['promote']>[1],
    act: ActContext,
  ): Promise<InstallationKeyRecord | undefined> {
    const { keyId, replaces, activeFor, publishedFor, grace } = promotion
    return this.#database
      .transaction(async (query) => {
        const promoted = await query.first<InstallationKeyRecord>(sql`
          with superseded as (
            update installation_key set state = 'grace', sealed_private_key = null,
              superseded_at = ${notBefore(sql`activated_at`)},
              verifies_until = ${notBefore(sql`activated_at`)} + ${grace} * interval '1 millisecond'
            where purpose = ${purpose} and state = 'active' and generation = ${replaces} and activated_at <= ${ago(activeFor)}
            returning purpose
          )
          update installation_key set state = 'active', activated_at = ${notBefore(sql`created_at`)}
          from superseded
          where installation_key.purpose = superseded.purpose and key_id = ${keyId} and state = 'next'
            and created_at <= ${ago(publishedFor)}
          returning ${columns}`)
        // Also undoes that the active key was superseded by nothing.
        if (promoted === undefined) throw new NotPromoted()
        await this.#record.audit(query, act, {
          type: `${purpose}-key.promoted`,
          organizationId: undefined,
          subjectId: keyId,
          details: { generation: promoted.generation, replaced: replaces },
        })
        await this.#tell(query, purpose, keyId, 'active')
        return promoted
      })
      .catch((error: unknown) => {
        if (error instanceof NotPromoted) return undefined
        throw error
      })
  }

  retireLapsed(purpose: KeyPurpose, act: ActContext): Promise<readonly string[]> {
    return this.#database.transaction(async (query) => {
      const retired = await this.#retire(
        query,
        purpose,
        'lapsed',
        sql`state = 'grace' and verifies_until <= clock_timestamp()`,
        act,
      )
      return retired.map(({ keyId }) => keyId)
    })
  }

  retireCompromised(purpose: KeyPurpose, keyId: string, act: ActContext): Promise<boolean> {
    return this.#database.transaction(async (query) => {
      const known = await query.first(sql`
        select from installation_key where purpose = ${purpose} and key_id = ${keyId}`)
      if (known === undefined) throw new CodedError('not-found', `There is no ${purpose} key ${keyId}.`)
      const retired = await this.#retire(query, purpose, 'compromised', sql`key_id = ${keyId}`, act)
      await this.#activate(query, purpose, act)
      return retired.length > 0
    })
  }

  async #retire(
    query: Query,
    purpose: KeyPurpose,
    because: KeyRetirement,
    condition: Sql,
    act: ActContext,
  ): Promise<readonly { readonly keyId: string }[]> {
    const retired = await query.rows<{ readonly keyId: string }>(sql`
      update installation_key set state = 'retired', retired_because = ${because}, sealed_private_key = null,
        retired_at = ${notBefore(sql`coalesce(superseded_at, activated_at, created_at)`)}
      where purpose = ${purpose} and state <> 'retired' and ${condition}
      returning key_id as "keyId"`)
    for (const { keyId } of retired) {
      await this.#record.audit(query, act, {
        type: `${purpose}-key.retired`,
        organizationId: undefined,
        subjectId: keyId,
        details: { because },
      })
      await this.#tell(query, purpose, keyId, 'retired')
    }
    return retired
  }

  #active(purpose: KeyPurpose): Promise<InstallationKeyRecord | undefined> {
    return this.#database.read((query) =>
      query.first<InstallationKeyRecord>(
        sql`select ${columns} from installation_key where purpose = ${purpose} and state = 'active'`,
      ),
    )
  }

  #activateNext(purpose: KeyPurpose, act: ActContext): Promise<InstallationKeyRecord | undefined> {
    return this.#database.transaction((query) => this.#activate(query, purpose, act))
  }

  /** The next key in the place of none. */
  async #activate(query: Query, purpose: KeyPurpose, act: ActContext): Promise<InstallationKeyRecord | undefined> {
    const activated = await query.first<InstallationKeyRecord>(sql`
      update installation_key set state = 'active', activated_at = ${notBefore(sql`created_at`)}
      where purpose = ${purpose} and state = 'next'
        and not exists (select from installation_key other where other.purpose = ${purpose} and other.state = 'active')
      returning ${columns}`)
    if (activated === undefined) return undefined
    await this.#record.audit(query, act, {
      type: `${purpose}-key.promoted`,
      organizationId: undefined,
      subjectId: activated.keyId,
      details: { generation: activated.generation },
    })
    await this.#tell(query, purpose, activated.keyId, 'active')
    return activated
  }

  #add(purpose: KeyPurpose, state: 'next' | 'active', key: NewInstallationKey, act: ActContext): Promise<void> {
    const { keyId, publicJwk, sealedPrivateKey } = key
    return this.#database.transaction(async (query) => {
      const made = await query.run(sql`
        insert into installation_key (purpose, key_id, generation, public_jwk, sealed_private_key, state, created_at, activated_at)
        select ${purpose}, ${keyId}, newest.generation + 1, ${json(publicJwk)}, ${sealedPrivateKey}::bytea, ${state},
          newest.moment, case when ${state} = 'active' then newest.moment end
        from (select coalesce(max(generation), 0) as generation, clock_timestamp() as moment
          from installation_key where purpose = ${purpose}) as newest
        on conflict do nothing`)
      if (made === 0) return
      await this.#record.audit(query, act, {
        type: `${purpose}-key.created`,
        organizationId: undefined,
        subjectId: keyId,
        details: { state },
      })
      await this.#tell(query, purpose, keyId, state)
    })
  }

  #tell(query: Query, purpose: KeyPurpose, keyId: string, state: string): Promise<void> {
    return this.#record.notify(query, 'keys_changed', { purpose, keyId, state })
  }
}

/** Rolls the transaction back. */
class NotPromoted extends Error {}
