import type { Instant } from '@sallyport/clock'
import type { DoneOnce, IdempotencyKeys, KeyName } from '../idempotency-keys.ts'
import type { Database } from './database.ts'
import { type Sql, sql } from './sql.ts'

interface Row {
  readonly fingerprint: string
  readonly attempt: string
  readonly at: Instant
  readonly subjectKind: string
  readonly subjectId: string
  readonly sealedAnswer: Buffer | null
}

export class PostgresIdempotencyKeys implements IdempotencyKeys {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async find(key: KeyName): Promise<DoneOnce | undefined> {
    const row = await this.#database.of(key.organizationId).read((query) =>
      query.first<Row>(sql`
        select fingerprint, attempt, created_at as at, subject_kind as "subjectKind", subject_id as "subjectId",
          sealed_answer as "sealedAnswer"
        from idempotency_key where ${named(key)}`),
    )
    if (row === undefined) return undefined
    const { fingerprint, attempt, at, subjectKind, subjectId, sealedAnswer } = row
    return {
      fingerprint,
      attempt,
      at,
      subject: { kind: subjectKind, id: subjectId },
      sealedAnswer: sealedAnswer ?? undefined,
    }
  }

  async keepAnswer(key: KeyName, sealedAnswer: Uint8Array): Promise<void> {
    await this.#database.of(key.organizationId).transaction((query) =>
      query.run(sql`
        update idempotency_key set sealed_answer = ${sealedAnswer} where ${named(key)} and sealed_answer is null`),
    )
  }
}

const named = ({ organizationId, callerId, keySha256 }: KeyName): Sql =>
  sql`organization_id = ${organizationId} and caller_id = ${callerId} and key_sha256 = ${keySha256}`
