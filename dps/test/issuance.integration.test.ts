import { clockFrom, minutes } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type Certificate, createCertificationRequest, parseCertificationRequest } from '@sallyport/pki'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { IdentityOrder } from '../src/issuance.ts'
import type { IssuanceStore } from '../src/provisioning-store.ts'
import { act, createIssuingInstallation, type IssuingInstallation } from './issuing-installation.ts'
import { ownKey } from './provisioning-device.ts'

describe('issuing identity certificates', () => {
  let installation: IssuingInstallation
  let database: pg.Client

  const orderFor = (device: { readonly id: string; readonly recordId: string }): IdentityOrder => ({
    deviceId: device.id,
    recordId: device.recordId,
    request: parseCertificationRequest(
      createCertificationRequest({ commonName: `uuid:${device.id}`, privateKey: ownKey() }),
    ),
  })
  /** States of the certificates of a device, as they stand in the database. */
  const rowsOf = async (deviceId: string): Promise<readonly string[]> => {
    const { rows } = await database.query('select state from certificate where device_id = $1 order by state', [
      deviceId,
    ])
    return rows.map((row) => row.state)
  }
  const isRecorded = async (certificate: Certificate): Promise<boolean> =>
    (await installation.store.certificates.findRecorded(certificate.sha256)) !== undefined

  beforeAll(async () => {
    installation = await createIssuingInstallation()
    database = new pg.Client({ connectionString: installation.databaseUrl })
    await database.connect()
  })
  afterAll(async () => {
    await database?.end()
    await installation?.close()
  })

  it('[4.7] [4.8] records what it hands out, and hands it out again for the same key', async () => {
    const issuer = installation.issuer()
    const order = orderFor(await installation.claimedDevice())
    const certificate = await issuer.issue(order, act())
    expect(await isRecorded(certificate)).toBe(true)
    expect((await issuer.issue(order, act())).sha256).toBe(certificate.sha256)
    expect(await rowsOf(order.deviceId)).toEqual(['issued'])
  })

  it('[4.8] issues anew for another key, and for the same key once the certificate has signed in', async () => {
    const issuer = installation.issuer()
    const device = await installation.claimedDevice()
    const order = orderFor(device)
    const first = await issuer.issue(order, act())
    expect((await issuer.issue(orderFor(device), act())).sha256).not.toBe(first.sha256)
    await installation.store.certificates.markSignedIn(first.sha256, act())
    expect((await issuer.issue(order, act())).sha256).not.toBe(first.sha256)
  })

  it('[4.7] [4.8] gives fifty equal requests at two instances one certificate', async () => {
    const instances = [installation.issuer(), installation.issuer()]
    const order = orderFor(await installation.claimedDevice())
    const certificates = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (instances[index % 2] ?? installation.issuer()).issue(order, act())),
    )
    expect(new Set(certificates.map((certificate) => certificate.sha256)).size).toBe(1)
    expect((await rowsOf(order.deviceId)).filter((state) => state === 'issued')).toHaveLength(1)
  })

  it('[4.7] leaves no row when the token is not to be had', async () => {
    const { certificate } = installation.authority
    const issuer = installation.issuer({
      authority: {
        certificate,
        signer: () => Promise.reject(new CodedError('hsm-unavailable', 'taken out')),
      },
    })
    const order = orderFor(await installation.claimedDevice())
    await expect(issuer.issue(order, act())).rejects.toMatchObject({ code: 'hsm-unavailable' })
    expect(await rowsOf(order.deviceId)).toEqual([])
  })

  it('[4.7] hands out nothing when the token signs wrongly, and records the failure', async () => {
    const signer = await installation.authority.signer()
    const issuer = installation.issuer({
      authority: {
        certificate: installation.authority.certificate,
        signer: async () => ({
          publicKey: signer.publicKey,
          sign: (data) => signer.sign(Uint8Array.from([...data, 0])),
        }),
      },
    })
    const order = orderFor(await installation.claimedDevice())
    await expect(issuer.issue(order, act())).rejects.toMatchObject({ code: 'hsm-signature-wrong' })
    expect(await rowsOf(order.deviceId)).not.toContain('issued')
    expect(await installation.issuer().issue(order, act())).toBeDefined()
  })

  it('[4.7] F28: withdraws what a crash left between intent and record, and issues anew', async () => {
    const order = orderFor(await installation.claimedDevice())
    const gone = new Error('the process is gone')
    for (const crash of ['sign', 'complete'] as const) {
      const { certificate } = installation.authority
      const signer = await installation.authority.signer()
      const store: IssuanceStore = {
        ...installation.ports.issuances,
        fail: () => Promise.reject(gone),
        ...(crash === 'complete' ? { complete: () => Promise.reject(gone) } : {}),
      }
      const issuer = installation.issuer({
        store,
        ...(crash === 'sign'
          ? {
              authority: {
                certificate,
                signer: async () => ({ publicKey: signer.publicKey, sign: () => Promise.reject(gone) }),
              },
            }
          : {}),
      })
      await expect(issuer.issue(order, act())).rejects.toBe(gone)
    }
    const soon = installation.issuer()
    expect(await soon.reconcile(act())).toBe(0)
    const later = installation.issuer({ clock: clockFrom(() => Date.now() + minutes(6)) })
    expect(await later.reconcile(act())).toBeGreaterThan(0)
    expect(await later.reconcile(act())).toBe(0)
    const certificate = await soon.issue(order, act())
    expect(await isRecorded(certificate)).toBe(true)
    expect((await rowsOf(order.deviceId)).filter((state) => state === 'issued')).toHaveLength(1)
  })

  it('[4.7] says that it is overloaded instead of letting devices wait past their patience', async () => {
    const issuer = installation.issuer({ concurrency: 1, maxWaiting: 2 })
    const devices = await Promise.all(Array.from({ length: 8 }, () => installation.claimedDevice()))
    const outcomes = await Promise.allSettled(devices.map((device) => issuer.issue(orderFor(device), act())))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'overloaded' })
    }
  })
})
