import { redisForTest } from '@sallyport/development'
import { connectRedis } from '@sallyport/events'
import { callerNetwork } from '@sallyport/http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { redisLoginLimit } from '../src/login-limit.ts'

describe('the limit of logins', () => {
  let server: Awaited<ReturnType<typeof redisForTest>>
  let redis: ReturnType<typeof connectRedis>
  beforeAll(async () => {
    server = await redisForTest()
    redis = connectRedis({ url: server.url, name: 'test' })
    if (redis.status !== 'ready') await new Promise((resolve) => redis.once('ready', resolve))
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })

  it('[1.10] counts the addresses of one IPv6 network together: a caller there has more of them than tries', async () => {
    const limit = redisLoginLimit(redis, { perAccount: 3 })
    const attempt = (host: number) => limit.admit({ login: 'admin', address: `2001:db8:1:2::${host.toString(16)}` })
    for (let host = 1; host <= 3; host += 1) await attempt(host)
    await expect(attempt(4)).rejects.toMatchObject({ code: 'rate-limited' })
    await limit.admit({ login: 'admin', address: '2001:db8:1:3::1' })
  })

  it('lets exactly as many of parallel attempts through as it allows', async () => {
    const limit = redisLoginLimit(redis, { perAccount: 5 })
    const attempts = Array.from({ length: 50 }, () => limit.admit({ login: 'parallel', address: '192.0.2.1' }))
    const outcomes = (await Promise.allSettled(attempts)).map(({ status }) => status)
    expect(outcomes.filter((status) => status === 'fulfilled')).toHaveLength(5)
  })

  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:0db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['nothing', 'nothing'],
  ])('takes %s for %s', (address, network) => {
    expect(callerNetwork(address)).toBe(network)
  })
})
