import { randomBytes, randomUUID } from 'node:crypto'
import { minutes } from '@sallyport/clock'
import { databaseForTest } from '@sallyport/development'
import { CodedError } from '@sallyport/errors'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { migrate, openStore } from '../src/index.ts'
import {
  authority,
  type ClaimedDevice,
  clock,
  digestOf,
  inMinutes,
  intentOf,
  outcomesOf,
  pemOf,
  randomDigest,
  StoreAroundDevices,
  system,
  times,
} from './store-around-devices.ts'

const twenty = 20

describe('twenty at once', () => {
  let around: StoreAroundDevices
  beforeAll(async () => {
    around = await StoreAroundDevices.open({ poolSize: twenty })
  })
  afterAll(() => around.close())

  it('[4.13] [4.9] redeem one code: one registration, one token family', async () => {
    const device = await around.certified()
    const code = await around.code(device)
    const redemptions = await Promise.all(times(twenty, () => around.redeem(code, device)))
    expect(new Set(redemptions.map((each) => each.familyId)).size).toBe(1)
    const registered = await around.audited('device.registered')
    expect(registered.filter((event) => event.subject_id === device.id)).toHaveLength(1)
    expect((await around.announced('device.registered')).filter((event) => event.device_id === device.id)).toHaveLength(
      1,
    )
  })

  it('[4.13] redeem one code with two certificates of the record: the first one alone has it', async () => {
    const device = await around.certified()
    const other = { ...device, certificateSha256: await around.issue(device) }
    const code = await around.code(device)
    const outcomes = await outcomesOf(times(twenty, (index) => around.redeem(code, index % 2 === 0 ? device : other)))
    expect(outcomes).toEqual({ resolved: 10, 'onboarding-code-invalid': 10 })
  })

  it('[4.18] refresh with one token: the family moves on by one generation', async () => {
    const device = await around.registered()
    const refresh = (token: string, next: string) =>
      around.store.deviceTokens.refresh(
        {
          refreshTokenHash: digestOf(token),
          deviceId: device.id,
          certificateSha256: device.certificateSha256,
          next: { refreshTokenHash: digestOf(next) },
        },
        system,
      )
    const nexts = times(twenty, () => randomDigest())
    const refreshed = await Promise.all(nexts.map((next) => refresh(device.refreshToken, next)))
    expect(new Set(refreshed.map((each) => each.familyId))).toEqual(new Set([device.familyId]))
    const { rows } = await around.tables.query('select generation from device_token_family where id = $1', [
      device.familyId,
    ])
    expect(rows).toEqual([{ generation: 2 }])
    // Whichever of the replies arrived, its token is good; afterwards the first one is of the past.
    const [anyOfThem = ''] = nexts
    await refresh(anyOfThem, randomDigest())
    await expect(refresh(device.refreshToken, randomDigest())).rejects.toMatchObject({ code: 'device-token-invalid' })
  })

  it('claim one command: one gateway gets it', async () => {
    const device = await around.registered()
    const gatewayId = await around.gateway()
    await around.online(device, gatewayId)
    const { id } = await around.store.commands.create(
      around.organizationId,
      { deviceId: device.id, href: '/light/1', method: 'POST', payload: {}, expiresAt: inMinutes(1) },
      system,
    )
    const claims = await Promise.all(times(twenty, () => around.store.commands.claim(id, gatewayId)))
    expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1)
  })

  it('finish one command: one outcome, one audit event', async () => {
    const device = await around.registered()
    const gatewayId = await around.gateway()
    await around.online(device, gatewayId)
    const { id } = await around.store.commands.create(
      around.organizationId,
      { deviceId: device.id, href: '/light/1', method: 'POST', payload: {}, expiresAt: inMinutes(1) },
      system,
    )
    await around.store.commands.claim(id, gatewayId)
    await Promise.all(
      times(twenty, (index) =>
        around.store.commands.complete(
          id,
          index % 2 === 0 ? { state: 'succeeded', coapCode: '2.04' } : { state: 'outcome-unknown' },
          system,
        ),
      ),
    )
    expect((await around.audited('command.finished')).filter((event) => event.subject_id === id)).toHaveLength(1)
  })

  it('begin one provisioning record: it is there once, and nobody is refused', async () => {
    for (let round = 0; round < 5; round++) {
      const device = { id: randomUUID(), recordId: randomUUID(), spkiSha256: randomDigest() }
      expect(await outcomesOf(times(twenty, () => around.begun(device)))).toEqual({ resolved: twenty })
    }
  })

  it('claim one device id with as many manufacturer keys: the first one owns it', async () => {
    const id = randomUUID()
    const claimants = await Promise.all(times(twenty, () => around.begun({ id })))
    const outcomes = await outcomesOf(claimants.map((claimant) => around.claim(claimant)))
    expect(outcomes).toEqual({ resolved: 1, 'device-id-claimed': twenty - 1 })
  })

  it('claim as many device ids with one manufacturer key: it gets one', async () => {
    const record = await around.begun()
    const outcomes = await outcomesOf(times(twenty, () => around.claim({ ...record, id: randomUUID() })))
    expect(outcomes).toEqual({ resolved: 1, 'device-id-mismatch': twenty - 1 })
  })

  it('begin and complete issuances of one device, key and profile without a lock: one certificate is recorded', async () => {
    const device = await around.claimed()
    const keySha256 = randomDigest()
    const outcomes = await outcomesOf(times(twenty, () => around.issue(device, keySha256)))
    expect(outcomes).toEqual({ resolved: 1, conflict: twenty - 1 })
    expect(await certificatesOf(device)).toHaveLength(1)
  })

  it('[4.8] ask for one certificate under the lock, as the dps does: one is issued, all get the same', async () => {
    const device = await around.claimed()
    const keySha256 = randomDigest()
    const { certificates, withAdvisoryLock } = around.store
    const ask = () =>
      withAdvisoryLock(`issue ${device.id} ${keySha256}`, async () => {
        const of = { deviceId: device.id, spkiSha256: keySha256, profile: 'identity', within: minutes(10) }
        const repeat = await certificates.findRepeat(of)
        return repeat?.sha256 ?? (await around.issue(device, keySha256))
      })
    const answers = await Promise.all(times(twenty, ask))
    expect(new Set(answers).size).toBe(1)
    expect(await certificatesOf(device)).toHaveLength(1)
  })

  it('announce one serial number: one has it', async () => {
    const devices = await Promise.all(times(twenty, () => around.claimed()))
    const serialNumber = randomBytes(17).toString('hex')
    const outcomes = await outcomesOf(
      devices.map((device) =>
        around.store.certificates.beginIssuance({ ...intentOf(device, randomDigest()), serialNumber }, system),
      ),
    )
    expect(outcomes).toEqual({ resolved: 1, conflict: twenty - 1 })
  })

  it('load one authority into groups of two organizations: one group has it', async () => {
    const other = await around.secondOrganization()
    const lead = authority()
    const outcomes = await outcomesOf(
      times(twenty, (index) =>
        around.store.enrollmentGroups.create(
          index % 2 === 0 ? around.organizationId : other.organizationId,
          { name: `Group ${index}`, chainPem: pemOf('chain'), authorities: [lead] },
          system,
        ),
      ),
    )
    expect(outcomes).toEqual({ resolved: 1, conflict: twenty - 1 })
  })

  it('change one version of a device: one change is made', async () => {
    const device = await around.registered()
    const outcomes = await outcomesOf(
      times(twenty, (index) =>
        around.store.devices.change(around.organizationId, device.id, { name: `Lamp ${index}` }, 1, system),
      ),
    )
    expect(outcomes).toEqual({ resolved: 1, 'precondition-failed': twenty - 1 })
  })

  it('change one version of a group: one change is made', async () => {
    const outcomes = await outcomesOf(
      times(twenty, (index) =>
        around.store.enrollmentGroups.change(
          around.organizationId,
          around.groupId,
          { name: `Lamps ${index}` },
          1,
          system,
        ),
      ),
    )
    expect(outcomes).toEqual({ resolved: 1, 'precondition-failed': twenty - 1 })
  })

  it('sign in over as many associations: one is current, and the ends of the others change nothing', async () => {
    const device = await around.registered()
    const gatewayId = await around.gateway()
    const associations = times(twenty, (index) => `association-${index}`)
    const sessions = await Promise.all(associations.map((id) => around.online(device, gatewayId, id)))
    expect(new Set(sessions.map(({ sequence }) => sequence)).size).toBe(twenty)
    const last = associations[sessions.findIndex(({ sequence }) => sequence === twenty)]
    const end = (associationId: string) =>
      around.store.devices.declareOffline(
        { deviceId: device.id, gatewayId, associationId, reason: 'association-closed' },
        system,
      )
    await Promise.all(associations.filter((id) => id !== last).map(end))
    expect(await around.store.devices.read(around.organizationId, device.id)).toMatchObject({ online: true })
    await Promise.all(times(twenty, () => end(last ?? '')))
    expect(await around.store.devices.read(around.organizationId, device.id)).toMatchObject({ online: false })
    expect((await around.announced('device.offline')).filter((event) => event.device_id === device.id)).toHaveLength(1)
  })

  it('delete one device while it reports: nothing of it is left', async () => {
    const device = await around.registered()
    const report = (index: number) =>
      around.store.resources.report(
        device.id,
        `/sensor/${index}`,
        { representation: { index }, contentFormat: 60 },
        system,
      )
    const outcomes = await outcomesOf([
      ...times(10, report),
      around.store.devices.delete(around.organizationId, device.id, system),
      ...times(10, (index) => report(10 + index)),
    ])
    expect(Object.keys(outcomes).filter((name) => name !== 'resolved' && name !== 'device-not-registered')).toEqual([])
    expect(await around.store.resources.twin(around.organizationId, device.id)).toEqual([])
  })

  it('take one lock: one runs at a time, also when the work fails', async () => {
    let running = 0
    let most = 0
    const outcomes = await outcomesOf(
      times(twenty, (index) =>
        around.store.withAdvisoryLock('one at a time', async () => {
          running += 1
          most = Math.max(most, running)
          await new Promise((resolve) => setTimeout(resolve, 5))
          running -= 1
          if (index % 3 === 0) throw new CodedError('timed-out', 'the work failed')
        }),
      ),
    )
    expect(most).toBe(1)
    expect(outcomes).toEqual({ resolved: 13, 'timed-out': 7 })
  })

  it('[4.18] refresh that waited for another one counts with what that one left', async () => {
    const device = await around.registered()
    const refreshing = await whileLocked(
      ['device_token_family', device.familyId],
      () =>
        around.store.deviceTokens.refresh(
          {
            refreshTokenHash: digestOf(device.refreshToken),
            deviceId: device.id,
            certificateSha256: device.certificateSha256,
            next: { refreshTokenHash: digestOf(randomDigest()) },
          },
          system,
        ),
      [
        ['update device_token_family set generation = 3 where id = $1', device.familyId],
        ['delete from device_refresh_token where family_id = $1', device.familyId],
      ],
    )
    await expect(refreshing()).rejects.toMatchObject({ code: 'device-token-invalid' })
  })

  it('issuance that waited for another one does not double it', async () => {
    const device = await around.claimed()
    const keySha256 = randomDigest()
    const { issuanceId } = await around.store.certificates.beginIssuance(intentOf(device, keySha256), system)
    const beginning = await whileLocked(
      ['device', device.id],
      () => around.store.certificates.beginIssuance(intentOf(device, keySha256), system),
      [
        [
          "update certificate set state = 'issued', certificate_der = 'x', sha256 = repeat('c', 64), issued_at = now() where id = $1",
          issuanceId,
        ],
      ],
    )
    await expect(beginning()).rejects.toMatchObject({ code: 'conflict' })
  })

  /** Starts `work` while a row is locked by another transaction, which makes its changes and commits once `work` waits. */
  async function whileLocked<T>(
    [table, id]: readonly [string, string],
    work: () => Promise<T>,
    changes: readonly (readonly [string, string])[],
  ): Promise<() => Promise<T>> {
    const other = await around.tables.connect()
    try {
      await other.query('begin')
      await other.query(`select from ${table} where id = $1 for no key update`, [id])
      const result = Promise.allSettled([work()])
      await vi.waitFor(async () => {
        const { rows } = await around.tables.query(
          'select from pg_locks where not granted and pid in (select pid from pg_stat_activity where datname = current_database())',
        )
        expect(rows).not.toEqual([])
      })
      for (const [statement, parameter] of changes) await other.query(statement, [parameter])
      await other.query('commit')
      const [settled] = await result
      return () => (settled?.status === 'fulfilled' ? Promise.resolve(settled.value) : Promise.reject(settled?.reason))
    } finally {
      other.release()
    }
  }

  async function certificatesOf(device: ClaimedDevice): Promise<readonly unknown[]> {
    const { rows } = await around.tables.query(
      'select sha256 from certificate where device_id = $1 and certificate_der is not null',
      [device.id],
    )
    return rows
  }
})

describe('the first start, twenty times at once', () => {
  it('makes one organization with one administrator', async () => {
    const database = await databaseForTest({ migrate: (url) => migrate({ connectionString: url }), template: 'store' })
    const store = await openStore({
      connectionString: database.url,
      applicationName: 'store-test',
      clock,
      poolSize: twenty,
    })
    const admin = { email: 'admin@acme.test', username: 'admin', passwordHash: '$argon2id$' }
    const made = await Promise.all(
      times(twenty, () => store.organizations.createFirst({ name: 'Acme', admin }, system)),
    )
    expect(made.filter((each) => each !== undefined)).toHaveLength(1)
    await store.close()
    await database.drop()
  })
})
