import { inSeconds } from '@sallyport/clock'
import { CodedError, type ErrorCode, hasCode } from '@sallyport/errors'
import {
  type DeviceState,
  type EnrollmentGroupState,
  longestOnboardingCodeLifetime,
  redemptionRepeatWindow,
} from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import { credentialSha256, type DeviceCredential, namedCredential } from '../device-credential.ts'
import type { DeviceTokenFamilies, OnboardingCodes, Redemption } from '../device-tokens.ts'
import type { Database, Query } from './database.ts'
import { requireEnrolling } from './enrolling-group.ts'
import { sql, time } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

/** Refresh tokens of one generation that are good at once: as many lost replies a device may have. */
const mostSiblings = 32

export class PostgresOnboardingCodes implements OnboardingCodes {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async create(code: Parameters<OnboardingCodes['create']>[0], act: ActContext): Promise<void> {
    const { codeHash, deviceId, recordId, expiresAt } = code
    await this.#database.transaction(async (query) => {
      const record = await query.first<{
        readonly organizationId: string
        readonly deviceId: string | null
        readonly groupState: EnrollmentGroupState
      }>(sql`
        select r.organization_id as "organizationId", r.device_id as "deviceId", g.state as "groupState"
        from provisioning_record r join enrollment_group g on g.id = r.group_id
        where r.id = ${recordId} and r.archived_at is null for share of r`)
      if (record === undefined) throw new CodedError('not-found', 'There is no such provisioning record.')
      if (record.deviceId !== deviceId) {
        throw new CodedError('device-id-mismatch', 'The provisioning record is for another device.')
      }
      requireEnrolling(record.groupState)
      const { organizationId } = record
      await query.run(sql`
        insert into onboarding_code (code_hash, organization_id, device_id, record_id, expires_at)
        values (${codeHash}, ${organizationId}, ${deviceId}, ${recordId},
          least(${time(expiresAt)}::timestamptz(3), now() + make_interval(secs => ${inSeconds(longestOnboardingCodeLifetime)})))`)
      await this.#record.audit(query, act, {
        type: 'onboarding-code.created',
        organizationId,
        subjectId: recordId,
        details: { deviceId, expiresAt: new Date(expiresAt).toISOString() },
      })
    })
  }

  async redeem(redemption: Parameters<OnboardingCodes['redeem']>[0], act: ActContext): Promise<Redemption> {
    try {
      return await this.#database.transaction((query) => this.#redeem(query, redemption, act))
    } catch (error) {
      if (!hasCode(error, 'onboarding-code-invalid', 'device-blocked', 'ownership-mismatch')) throw error
      await auditRefusal(this.#database, this.#record, act, {
        type: 'onboarding-code.redeemed',
        deviceId: redemption.deviceId,
        credential: redemption,
        reason: error.code,
      })
      throw error
    }
  }

  async #redeem(
    query: Query,
    redemption: Parameters<OnboardingCodes['redeem']>[0],
    act: ActContext,
  ): Promise<Redemption> {
    const { codeHash, deviceId, newFamily } = redemption
    const credential = credentialSha256(redemption)
    // The row lock lets parallel redemptions take turns: the first one redeems, the others find it redeemed.
    const code = await query.first<CodeRow>(sql`
      select organization_id as "organizationId", device_id as "deviceId", record_id as "recordId",
        expires_at > now() as "inTime", redeemed_by as "redeemedBy", family_id as "familyId",
        redeemed_at > now() - make_interval(secs => ${inSeconds(redemptionRepeatWindow)}) as "mayRepeat"
      from onboarding_code where code_hash = ${codeHash} for update`)
    if (code === undefined || code.deviceId !== deviceId) throw codeInvalid('It is not known.')
    const device = await lockDevice(query, deviceId)
    if (device?.state === 'blocked') throw new CodedError('device-blocked', 'The device is blocked.')
    if (device === undefined || device.state === 'deleted') throw codeInvalid('Its device is gone.')
    const { organizationId, recordId } = code
    if (device.organizationId !== organizationId) {
      throw new CodedError('ownership-mismatch', 'The device belongs to another organization.')
    }
    // A code of a provisioning record is for its certificates, one without a record for pre-shared keys.
    const live = await liveCredential(query, deviceId, redemption)
    if (live?.recordId !== recordId) {
      throw codeInvalid('The credential was not issued in the provisioning record of the code.')
    }
    if (code.redeemedBy !== null && code.familyId !== null) {
      if (code.redeemedBy !== credential || code.mayRepeat !== true) throw codeInvalid('It was used.')
      return await this.#repeat(query, code.familyId, redemption, organizationId, act)
    }
    if (!code.inTime) throw codeInvalid('It has expired.')
    const familyId = this.#record.newId()
    // A device that signs up anew has no use for what it had before.
    await revokeFamilies(query, deviceId)
    await query.run(sql`
      insert into device_token_family (id, organization_id, device_id, refreshed_by)
      values (${familyId}, ${organizationId}, ${deviceId}, ${credential})`)
    await insertToken(query, { familyId, organizationId, generation: 1, hash: newFamily.refreshTokenHash })
    await query.run(sql`
      update onboarding_code set redeemed_at = now(), redeemed_by = ${credential}, family_id = ${familyId}
      where code_hash = ${codeHash}`)
    await this.#register(query, { deviceId, organizationId, recordId, credential: redemption }, act)
    await this.#record.audit(query, act, {
      type: 'onboarding-code.redeemed',
      organizationId,
      subjectId: deviceId,
      details: { ...(recordId === null ? {} : { recordId }), familyId, ...namedCredential(redemption) },
    })
    return { deviceId, organizationId, familyId }
  }

  /** The reply was lost: a further refresh token of the same family, if the family has not moved on or been revoked. */
  async #repeat(
    query: Query,
    familyId: string,
    redemption: Parameters<OnboardingCodes['redeem']>[0],
    organizationId: string,
    act: ActContext,
  ): Promise<Redemption> {
    const { deviceId, newFamily } = redemption
    const family = await query.first<{ readonly generation: number }>(sql`
      select generation from device_token_family where id = ${familyId} and revoked_at is null for update`)
    if (family?.generation !== 1) throw codeInvalid('It was used.')
    await insertToken(query, { familyId, organizationId, generation: 1, hash: newFamily.refreshTokenHash })
    await this.#record.audit(query, act, {
      type: 'onboarding-code.redeemed',
      organizationId,
      subjectId: deviceId,
      details: { familyId, ...namedCredential(redemption), repeated: 'true' },
    })
    return { deviceId, organizationId, familyId }
  }

  async #register(
    query: Query,
    device: {
      readonly deviceId: string
      readonly organizationId: string
      readonly recordId: string | null
      readonly credential: DeviceCredential
    },
    act: ActContext,
  ): Promise<void> {
    const { deviceId, organizationId, credential } = device
    const record = device.recordId === null ? {} : { recordId: device.recordId }
    const registered = await query.run(sql`
      update device set registered_at = now(), updated_at = now() where id = ${deviceId} and registered_at is null`)
    if (registered === 0) return
    await this.#record.audit(query, act, {
      type: 'device.registered',
      organizationId,
      subjectId: deviceId,
      details: { ...record, ...namedCredential(credential) },
    })
    await this.#record.announce(query, act, {
      topic: 'device.registered',
      organizationId,
      deviceId,
      data: record,
    })
  }
}

export class PostgresDeviceTokenFamilies implements DeviceTokenFamilies {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async refresh(refresh: Parameters<DeviceTokenFamilies['refresh']>[0], act: ActContext): Promise<Redemption> {
    try {
      return await this.#database.transaction((query) => this.#refresh(query, refresh, act))
    } catch (error) {
      if (!hasCode(error, 'device-token-invalid', 'device-not-registered', 'device-blocked')) throw error
      await auditRefusal(this.#database, this.#record, act, {
        type: 'device-token.refreshed',
        deviceId: refresh.deviceId,
        credential: refresh,
        reason: error.code,
      })
      throw error
    }
  }

  async revokeForDevice(deviceId: string, act: ActContext): Promise<void> {
    await this.#database.transaction(async (query) => {
      const device = await lockDevice(query, deviceId)
      const families = await revokeFamilies(query, deviceId)
      if (families === 0) return
      await this.#record.audit(query, act, {
        type: 'device-token.revoked',
        organizationId: device?.organizationId,
        subjectId: deviceId,
        details: { families },
      })
    })
  }

  /**
   * A family has generations; every token of the newest one is good, since replies with earlier ones may have been lost. The
   * tokens of the generation before are good for the credential that has already used one of them.
   */
  async #refresh(
    query: Query,
    refresh: Parameters<DeviceTokenFamilies['refresh']>[0],
    act: ActContext,
  ): Promise<Redemption> {
    const { refreshTokenHash, deviceId, next } = refresh
    const credential = credentialSha256(refresh)
    const family = await query.first<FamilyRow>(sql`
      select f.id, f.organization_id as "organizationId", f.device_id as "deviceId", f.generation,
        f.refreshed_by as "refreshedBy", f.revoked_at is not null as revoked
      from device_token_family f
      where f.id = (select family_id from device_refresh_token where token_hash = ${refreshTokenHash}) for update`)
    // Read under the family's lock: a refresh that was waited for has changed it.
    const token = await query.first<{ readonly generation: number }>(
      sql`select generation from device_refresh_token where token_hash = ${refreshTokenHash}`,
    )
    if (family === undefined || token === undefined || family.revoked || family.deviceId !== deviceId) {
      throw new CodedError('device-token-invalid', 'The refresh token is not known, or not of this device.')
    }
    const device = await query.first<{ readonly state: DeviceState; readonly registered: boolean }>(
      sql`select state, registered_at is not null as registered from device where id = ${deviceId} for share`,
    )
    if (device?.state === 'blocked') throw new CodedError('device-blocked', 'The device is blocked.')
    if (device?.registered !== true) throw new CodedError('device-not-registered', 'The device is not registered.')
    if ((await liveCredential(query, deviceId, refresh)) === undefined) {
      throw new CodedError('device-token-invalid', 'The credential is not a live one of this device.')
    }
    const isNewest = token.generation === family.generation
    const mayRepeat = token.generation === family.generation - 1 && family.refreshedBy === credential
    if (!isNewest && !mayRepeat) throw new CodedError('device-token-invalid', 'The refresh token was used.')
    const { organizationId, id: familyId } = family
    const generation = isNewest ? family.generation + 1 : family.generation
    if (isNewest) {
      await query.run(sql`
        update device_token_family set generation = ${generation}, refreshed_by = ${credential} where id = ${familyId}`)
      await query.run(
        sql`delete from device_refresh_token where family_id = ${familyId} and generation < ${generation - 1}`,
      )
    }
    await insertToken(query, { familyId, organizationId, generation, hash: next.refreshTokenHash })
    await this.#record.audit(query, act, {
      type: 'device-token.refreshed',
      organizationId,
      subjectId: deviceId,
      details: { familyId, generation, ...namedCredential(refresh) },
    })
    return { deviceId, organizationId, familyId }
  }
}

interface CodeRow {
  readonly organizationId: string
  readonly deviceId: string
  readonly recordId: string | null
  readonly inTime: boolean
  readonly redeemedBy: string | null
  readonly familyId: string | null
  readonly mayRepeat: boolean | null
}

interface FamilyRow {
  readonly id: string
  readonly organizationId: string
  readonly deviceId: string
  readonly generation: number
  readonly refreshedBy: string
  readonly revoked: boolean
}

/** @returns how many were live. */
export async function revokeFamilies(query: Query, deviceId: string): Promise<number> {
  await query.run(sql`
    delete from device_refresh_token where family_id in (select id from device_token_family where device_id = ${deviceId})`)
  return await query.run(
    sql`update device_token_family set revoked_at = now() where device_id = ${deviceId} and revoked_at is null`,
  )
}

async function insertToken(
  query: Query,
  token: {
    readonly familyId: string
    readonly organizationId: string
    readonly generation: number
    readonly hash: Uint8Array
  },
): Promise<void> {
  const { familyId, organizationId, generation, hash } = token
  await query.run(sql`
    insert into device_refresh_token (token_hash, family_id, organization_id, generation)
    values (${hash}, ${familyId}, ${organizationId}, ${generation})`)
  await query.run(sql`
    delete from device_refresh_token where token_hash in (
      select token_hash from device_refresh_token where family_id = ${familyId} and generation = ${generation}
      order by issued_at desc, token_hash offset ${mostSiblings})`)
}

const lockDevice = (query: Query, deviceId: string) =>
  query.first<{ readonly organizationId: string; readonly state: DeviceState }>(sql`
    select organization_id as "organizationId", state from device where id = ${deviceId} for no key update`)

const liveCredential = (query: Query, deviceId: string, credential: DeviceCredential) =>
  query.first<{ readonly recordId: string | null }>(
    credential.certificateSha256 === undefined
      ? sql`
        select null as "recordId" from device_psk
        where identity_sha256 = ${credential.pskIdentitySha256} and device_id = ${deviceId}
          and state in ('issued', 'active') for share`
      : sql`
        select record_id as "recordId" from certificate
        where sha256 = ${credential.certificateSha256} and device_id = ${deviceId} and state in ('issued', 'active')
        for share`,
  )

/** A refusal changes nothing, so it is a transaction of its own; the device is authenticated, which bounds how many there are. */
async function auditRefusal(
  database: Database,
  record: TransactionRecord,
  act: ActContext,
  refusal: {
    readonly type: 'onboarding-code.redeemed' | 'device-token.refreshed'
    readonly deviceId: string
    readonly credential: DeviceCredential
    readonly reason: ErrorCode
  },
): Promise<void> {
  const { type, deviceId, credential, reason } = refusal
  await database.transaction(async (query) => {
    const device = await query.first<{ readonly organizationId: string }>(
      sql`select organization_id as "organizationId" from device where id = ${deviceId}`,
    )
    await record.audit(query, act, {
      type,
      organizationId: device?.organizationId,
      subjectId: deviceId,
      outcome: 'failed',
      details: { ...namedCredential(credential), reason },
    })
  })
}

const codeInvalid = (why: string): CodedError =>
  new CodedError('onboarding-code-invalid', `The onboarding code is not good here. ${why}`)
