import { connectRedis } from '@sallyport/events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, RunningControlPlane, type Session } from './running-control-plane.ts'

const perMinute = 30
let running: RunningControlPlane
let session: Session
let redis: ReturnType<typeof connectRedis>

beforeAll(async () => {
  running = await RunningControlPlane.start({ SALLYPORT_REQUESTS_PER_MINUTE: String(perMinute) })
  session = await running.logIn()
  redis = connectRedis({ url: running.redis.url, name: 'test' })
  if (redis.status !== 'ready') await new Promise((resolve) => redis.once('ready', resolve))
})
afterAll(async () => {
  redis.disconnect()
  await running.stop()
})

const counters = () => redis.keys('sallyport:requests:*')
const forget = async () => {
  const keys = await counters()
  if (keys.length > 0) await redis.del(...keys)
}
const devices = (by: Session): Promise<Answer> => by.call('GET', '/api/v1/devices')
const remainingIn = ({ headers }: Answer): number => Number(/;r=(\d+);/.exec(headers.get('ratelimit') ?? '')?.[1])

describe('[1.17] the requests of one caller', () => {
  it('are counted in each answer, and refused with 429 beyond the limit: not with 401, and not with anybody else', async () => {
    await forget()
    const other = await running.anotherOrganization()
    const answers: Answer[] = []
    for (let request = 0; request < perMinute; request += 1) answers.push(await devices(session))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(answers.map(remainingIn)).toEqual(answers.map((_, index) => perMinute - 1 - index))
    expect(answers[0]?.headers.get('ratelimit-policy')).toBe(`"requests";q=${perMinute};w=60`)
    const refused = await devices(session)
    expect([refused.status, refused.body.code]).toEqual([429, 'rate-limited'])
    const wait = Number(refused.headers.get('retry-after'))
    expect(wait).toBeGreaterThan(0)
    expect(wait).toBeLessThanOrEqual(60)
    expect(refused.headers.get('ratelimit')).toBe(`"requests";r=0;t=${wait}`)
    expect((await devices(other)).status).toBe(200)
  })

  it('may be made again when the minute is over', async () => {
    await forget()
    for (let request = 0; request <= perMinute; request += 1) await devices(session)
    expect((await devices(session)).status).toBe(429)
    for (const key of await counters()) {
      expect(await redis.pttl(key)).toBeGreaterThan(0)
      await redis.pexpire(key, 1)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect((await devices(session)).status).toBe(200)
  })

  it('at once are let through as many as may be', async () => {
    await forget()
    const answers = await Promise.all(Array.from({ length: 2 * perMinute }, () => devices(session)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(perMinute)
  })

  it('without a login are counted for their network', async () => {
    await forget()
    const keys = () => running.call('GET', '/.well-known/jwks.json')
    for (let request = 0; request < perMinute; request += 1) expect((await keys()).status).toBe(200)
    expect((await keys()).status).toBe(429)
    expect((await devices(session)).status).toBe(200)
  })

  it('with a token that is none are counted for their network, and refused with 429 beyond the limit', async () => {
    await forget()
    const guess = (): Promise<Answer> => running.session('guessed', '').call('GET', '/api/v1/devices')
    for (let request = 0; request < perMinute; request += 1) expect((await guess()).status).toBe(401)
    const refused = await guess()
    expect([refused.status, refused.body.code, refused.headers.get('www-authenticate')]).toEqual([
      429,
      'rate-limited',
      null,
    ])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await devices(session)).status).toBe(200)
  })

  it('are not limited while Redis is away, and are answered at once', async () => {
    await forget()
    for (let request = 0; request <= perMinute; request += 1) await devices(session)
    await running.redis.stop()
    const asked = performance.now()
    const answer = await devices(session)
    expect([answer.status, answer.headers.get('ratelimit')]).toEqual([200, null])
    expect(performance.now() - asked).toBeLessThan(4000)
  })
})
