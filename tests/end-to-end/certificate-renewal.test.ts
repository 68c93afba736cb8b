/** A device renews its identity certificate while it lives: nothing is lost, and the old certificate is worth nothing afterwards. */

import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  eventually,
  installationForTest,
  type RunningDevice,
  runProgram,
  type TestInstallation,
} from '@sallyport/development'
import { connectLinkFromFiles } from '@sallyport/device'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let installation: TestInstallation
let device: RunningDevice
let old: { readonly certificate: string; readonly key: string }

const said = (): string => readFileSync(device.logFile, 'utf8')
const gateway = () => {
  const { coaps } = installation.gateway.ready
  if (coaps === undefined) throw new Error('the gateway has no CoAP address')
  return { address: coaps, trustAnchor: installation.pki.trustAnchor }
}

beforeAll(async () => {
  installation = await installationForTest()
  const files = await installation.manufactureDevice()
  const state = join(installation.home, 'devices', files.id)
  await runProgram('device', [
    ...['provision', '--dps', installation.dpsUrl, '--trust-anchor', installation.pki.trustAnchor],
    ...['--certificate', files.certificate, '--key', files.key, '--state', state],
  ])
  old = { certificate: join(state, 'old.pem'), key: join(state, 'old.key') }
  copyFileSync(join(state, 'identity.pem'), old.certificate)
  copyFileSync(join(state, 'identity.key'), old.key)
  device = await installation.runDevice(files, ['--renew-now', '--interval', '1'])
})

afterAll(async () => {
  await installation?.stop()
})

describe('the renewal of a device certificate', () => {
  it('[4.20] [4.22] [4.23] the device signs in with a new certificate and keeps its session', async () => {
    await eventually('the device has renewed', async () => said().includes('certificate renewed'))
    expect(readFileSync(join(device.state, 'identity.pem'), 'utf8')).not.toBe(readFileSync(old.certificate, 'utf8'))
    expect(said()).not.toContain('connection lost')
    const { online } = await installation.api.get<{ online: boolean }>(`/api/v1/devices/${device.id}`)
    expect(online).toBe(true)
    await eventually('it reports with the new certificate', async () => {
      const renewed = said().split('certificate renewed').at(-1) ?? ''
      return renewed.includes('telemetry stored')
    })
  })

  it('[4.20] [4.22] the old certificate is superseded: it opens neither gateway nor dps', async () => {
    await expect(connectLinkFromFiles({ ...gateway(), presented: old })).rejects.toMatchObject({
      alert: 'certificate_revoked',
    })
    const { coaps } = installation.dps.ready
    if (coaps === undefined) throw new Error('the dps has no CoAP address')
    await expect(connectLinkFromFiles({ ...gateway(), address: coaps, presented: old })).rejects.toMatchObject({
      alert: 'certificate_revoked',
    })
  })

  it('[4.22] the new certificate opens the gateway', async () => {
    const presented = { certificate: join(device.state, 'identity.pem'), key: join(device.state, 'identity.key') }
    const link = await connectLinkFromFiles({ ...gateway(), presented })
    expect((await link.request('time', { method: 'GET', path: '/x.plgd.dev/time' })).code).toBe('2.05')
    link.close()
  })
})
