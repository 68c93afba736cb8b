import { ManualClock } from '@sallyport/clock'
import { createHttpServer, publicAccess } from '@sallyport/http'
import { afterAll, describe, expect, it } from 'vitest'
import { entityTag, expectedVersion } from '../src/entity-tag.ts'
import { preferredWait } from '../src/route/resources/prefer-wait.ts'

const server = createHttpServer({ clock: new ManualClock(), authorize: () => {} })
server.get('/wait', { config: { access: publicAccess } }, async (request) => preferredWait(request))
server.get('/version', { config: { access: publicAccess } }, async (request) => expectedVersion(request) ?? 'any')
afterAll(() => server.close())

describe('Prefer: wait', () => {
  const wait = async (prefer?: string) =>
    (await server.inject({ url: '/wait', headers: prefer === undefined ? {} : { prefer } })).json()

  it.each([
    [undefined, 10_000],
    ['wait=3', 3000],
    ['respond-async, wait=0', 0],
    ['handling=lenient; wait = "7"', 7000],
    ['wait=86400', 60_000],
    ['wait=soon', 10_000],
    ['await=3', 10_000],
  ])('%s waits for %d ms', async (prefer, expected) => {
    expect(await wait(prefer)).toBe(expected)
  })
})

describe('If-Match', () => {
  const version = async (ifMatch?: string) =>
    server.inject({ url: '/version', headers: ifMatch === undefined ? {} : { 'if-match': ifMatch } })

  it('names the version that was read, or any', async () => {
    expect((await version(entityTag(12))).json()).toBe(12)
    expect((await version('*')).body).toBe('any')
  })

  it('is required', async () => {
    expect((await version()).statusCode).toBe(428)
  })

  it.each(['12', 'W/"12"', '"twelve"', '""', '"1", "2"'])('is refused when it is none of our tags: %s', async (tag) => {
    expect((await version(tag)).statusCode).toBe(412)
  })
})
