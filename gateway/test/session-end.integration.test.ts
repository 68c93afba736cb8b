import { seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { gatewayForFile } from './gateway-for-file.ts'
import { eventually, tokensIn } from './installation-around-gateway.ts'

const here = gatewayForFile({
  controlPlane: { SALLYPORT_DEVICE_TOKEN_LIFETIME: '4s' },
  expectedIntervalSeconds: 2,
})

const isOnline = async (id: string) =>
  (await here.installation.store.devices.read(here.installation.organizationId, id))?.online

const offlineReason = (deviceId: string) =>
  here.under.log.findLast(({ msg, deviceId: id }) => msg === 'device offline' && id === deviceId)?.reason

describe('the end of a session', () => {
  it('[0.14] comes with the end of its token: 4.01, offline, and the token is good for nothing any more', async () => {
    const { device, connected, tokens } = await here.signedIn()
    expect(tokens.expiresin).toBe(4)
    const keepAlive = setInterval(() => void connected.send('GET', '/x.plgd.dev/time').catch(() => undefined), 500)
    await eventually(async () => expect((await connected.send('GET', '/oic/rd')).code).toBe('4.01'), 6000)
    clearInterval(keepAlive)
    await eventually(async () => expect(await isOnline(device.id)).toBe(false))
    expect(offlineReason(device.id)).toBe('token-expired')
    expect((await connected.signIn(tokens)).code).toBe('4.01')
    const refreshed = tokensIn(
      await connected
        .send('POST', '/oic/sec/tokenrefresh', { di: device.id, uid: tokens.uid, refreshtoken: tokens.refreshtoken })
        .then((answer) => ({ ...answer, body: { ...answer.body, uid: tokens.uid } })),
    )
    expect((await connected.signIn(refreshed)).code).toBe('2.04')
    expect(await isOnline(device.id)).toBe(true)
    await connected.close()
  })

  it.each([
    ['request', undefined],
    ['ping', undefined],
    ['Ping over TLS', 'TLSv1.3'],
  ] as const)(
    '[4.17] a device that is not heard of in time is offline, and online again with its next %s',
    async (word, tlsVersion) => {
      const { device, connected } = await here.signedIn([], tlsVersion)
      await eventually(async () => {
        expect(await isOnline(device.id)).toBe(false)
        expect(offlineReason(device.id)).toBe('no-contact')
      }, 4000)
      expect(connected.closed).toBe(false)
      if (word === 'request') expect((await connected.send('GET', '/x.plgd.dev/time')).code).toBe('2.05')
      else expect(await connected.client.ping(seconds(2))).toBe(true)
      await eventually(async () => expect(await isOnline(device.id)).toBe(true), 1000)
      await connected.close()
    },
  )
})
