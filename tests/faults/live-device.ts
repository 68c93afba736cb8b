/** A device that a test plays request by request, so that it knows what was acknowledged and how long each answer took. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram, type TestInstallation } from '@sallyport/development'
import { type CoapLink, connectLinkFromFiles } from '@sallyport/device'

export interface LiveDevice {
  readonly id: string
  /** A new association with the gateway, signed in. @throws DeviceFailure */
  signIn(): Promise<CoapLink>
}

/** Provisions a new device by its own program. */
export async function provisionedDevice(installation: TestInstallation): Promise<LiveDevice> {
  const files = await installation.manufactureDevice()
  const state = join(installation.home, 'devices', `${files.id}-state`)
  await runProgram('device', [
    ...['provision', '--dps', installation.dpsUrl, '--trust-anchor', installation.pki.trustAnchor],
    ...['--certificate', files.certificate, '--key', files.key, '--state', state],
  ])
  const tokens = JSON.parse(readFileSync(join(state, 'tokens.json'), 'utf8')) as { uid: string; accessToken: string }
  return {
    id: files.id,
    signIn: async () => {
      const { coaps } = installation.gateway.ready
      if (coaps === undefined) throw new Error('the gateway has no CoAP address')
      const link = await connectLinkFromFiles({
        address: coaps,
        trustAnchor: installation.pki.trustAnchor,
        presented: { certificate: join(state, 'identity.pem'), key: join(state, 'identity.key') },
      })
      try {
        await link.call('sign-in', {
          method: 'POST',
          path: '/oic/sec/session',
          body: { di: files.id, uid: tokens.uid, accesstoken: tokens.accessToken, login: true },
        })
        return link
      } catch (error) {
        link.close()
        throw error
      }
    },
  }
}

/** One small request; milliseconds until its answer. @throws DeviceFailure */
export async function timeOf(link: CoapLink): Promise<number> {
  const start = performance.now()
  const answer = await link.request('time', { method: 'GET', path: '/x.plgd.dev/time' })
  if (answer.code !== '2.05') throw new Error(`the time was answered with ${answer.code}`)
  return performance.now() - start
}
