import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually, installationForTest, startPostgres, type TestInstallation } from '@sallyport/development'
import { certificateToPem } from '@sallyport/pki'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createManufacturer, type TestManufacturer } from './manufacturer-pki.ts'
import {
  connectDevice,
  credentialsBody,
  type DpsAddress,
  get,
  givenCredentials,
  handshakeOutcome,
  ownKey,
  post,
  problemOf,
  requestPem,
} from './provisioning-device.ts'

describe('the dps when something it needs is gone', () => {
  let installation: TestInstallation
  let dps: DpsAddress
  let maker: TestManufacturer

  beforeAll(async () => {
    installation = await installationForTest()
    dps = { url: installation.dpsUrl, trustAnchorFile: installation.pki.trustAnchor }
    maker = await createManufacturer('Outage Maker')
    await installation.api.post('/api/v1/enrollment-groups', {
      name: 'outage tests',
      certificateChain: certificateToPem(maker.intermediate.certificate.der),
    })
  })
  afterAll(async () => {
    await installation?.stop()
  })

  it('[5.4] [4.7] answers 5.03 while the HSM token is out, says so, and recovers when it is back', async () => {
    const device = await maker.device()
    const client = await connectDevice(dps, device)
    const body = () => credentialsBody(device.id, requestPem(device.id, ownKey()))
    expect(problemOf(await post(client, 'credentials', body()))).toBe('2.04')

    const tokens = join(installation.home, 'hsm', 'ca', 'tokens')
    const folder = await tokenFolder(tokens)
    await rename(join(tokens, folder), join(installation.home, 'taken-out'))
    expect(problemOf(await post(client, 'credentials', body()))).toBe('5.03 hsm-unavailable')
    expect((await get(client, '/x.plgd.dev/time')).code).toBe('2.05')
    expect((await fetch(`${installation.dps.ready.management}/readyz`)).status).toBe(503)
    expect(await installation.metricsOf('dps')).toMatch(/sallyport_dps_hsm_up\{[^}]*\} 0/)

    await rename(join(installation.home, 'taken-out'), join(tokens, folder))
    await eventually('a certificate again', async () => problemOf(await post(client, 'credentials', body())) === '2.04')
    expect(await installation.metricsOf('dps')).toMatch(/sallyport_dps_hsm_up\{[^}]*\} 1/)
    await client.close()
  })

  it('[4.8] F28: a dps that is killed while it issues loses no device and records no certificate twice', async () => {
    const devices = await Promise.all(Array.from({ length: 20 }, () => maker.device()))
    const orders = devices.map((device) => ({
      device,
      body: credentialsBody(device.id, requestPem(device.id, ownKey())),
    }))
    const clients = await Promise.all(orders.map(({ device }) => connectDevice(dps, device)))
    const lost = clients.map((client, index) =>
      post(client, 'credentials', orders[index]?.body ?? {}).catch(() => 'lost'),
    )
    const before = installation.dps.pid
    await new Promise((resolve) => setTimeout(resolve, 30))
    await installation.dps.kill('SIGKILL')
    await installation.dps.readyAgain(before)
    for (const client of clients) client.association.close()
    for (const { device, body } of orders) {
      const client = await connectDevice(dps, device)
      const answered = await post(client, 'credentials', body)
      expect(problemOf(answered)).toBe('2.04')
      expect(givenCredentials(answered).certificate.commonName).toBe(`uuid:${device.id}`)
      await client.close()
    }
    await Promise.race([Promise.all(lost), new Promise((resolve) => setTimeout(resolve, 1000))])
    const database = new pg.Client({ connectionString: installation.databaseUrl })
    await database.connect()
    const { rows } = await database.query(
      "select count(*)::int as count from certificate where device_id = any($1) and state = 'issued' group by device_id",
      [devices.map(({ id }) => id)],
    )
    await database.end()
    expect(rows.map(({ count }) => count)).toEqual(Array(20).fill(1))
  })

  it('[5.3] answers 5.03 and lets nobody in while Postgres is down, and recovers with it', async () => {
    const device = await maker.device()
    const client = await connectDevice(dps, device)
    expect((await get(client, '/x.plgd.dev/time')).code).toBe('2.05')
    await installation.postgres.crash()
    expect(problemOf(await get(client, '/x.plgd.dev/time'))).toBe('5.03 database-unavailable')
    expect(await handshakeOutcome(dps, await maker.device())).toBe('internal_error')
    expect((await fetch(`${installation.dps.ready.management}/readyz`)).status).toBe(503)
    const again = await startPostgres({ home: installation.home, port: installation.postgres.port, disposable: true })
    try {
      await eventually('an answer', async () => (await get(client, '/x.plgd.dev/time')).code === '2.05')
      await eventually('a handshake', async () => (await handshakeOutcome(dps, await maker.device())) === 'accepted')
      await client.close()
    } finally {
      await installation.stop()
      await again.stop()
    }
  })

  async function tokenFolder(tokens: string): Promise<string> {
    for (const name of await readdir(tokens, { withFileTypes: true })) if (name.isDirectory()) return name.name
    throw new Error('no token')
  }
})
