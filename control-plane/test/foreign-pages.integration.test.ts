import { request as send } from 'node:http'
import { readConfiguration } from '@sallyport/config'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { controlPlaneSettings } from '../src/config.ts'
import { startControlPlane } from '../src/control-plane.ts'
import { publicRoutes } from '../src/open-api-document.ts'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

const ours = 'https://lamps.example'
const friend = 'https://console.example:8443'
let running: RunningControlPlane
let session: Session

beforeAll(async () => {
  running = await RunningControlPlane.start({
    SALLYPORT_PUBLIC_URL: `${ours}/`,
    SALLYPORT_ALLOWED_ORIGINS: `${friend}, https://other.example`,
    SALLYPORT_TRUSTED_PROXIES: '127.0.0.1',
  })
  session = await running.logIn()
})
afterAll(() => running.stop())

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** Every header as it is given: `fetch` would see to some of them itself. */
function ask(method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = send(
      `${running.controlPlane.addresses.http}${path}`,
      { method, headers, agent: false },
      (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

const json = { 'content-type': 'application/json' }
const overTls = { 'x-forwarded-proto': 'https' }
const fromOurPage = {
  ...json,
  ...overTls,
  'sallyport-session': 'cookie',
  origin: ours,
  'sec-fetch-site': 'same-origin',
}
const codeOf = ({ text }: Answer): string => JSON.parse(text).code

async function cookieOfLogin(): Promise<string> {
  const answer = await ask('POST', '/api/v1/auth/login', fromOurPage, JSON.stringify(running.login))
  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.text)).not.toHaveProperty('refresh_token')
  return [answer.headers['set-cookie']].flat()[0] ?? ''
}

describe('the refresh token of a page', () => {
  it('is in a cookie that no script, no sub-domain and no plain HTTP can reach, and not in the answer', async () => {
    expect(await cookieOfLogin()).toMatch(
      /^__Host-sallyport-refresh=ey[\w.-]+; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Strict$/,
    )
  })

  it('refreshes the session, once, and ends with it', async () => {
    const [cookie = ''] = (await cookieOfLogin()).split(';', 1)
    const refreshed = await ask('POST', '/api/v1/auth/refresh', { ...fromOurPage, cookie }, '{}')
    expect(refreshed.status).toBe(200)
    const { access_token: token, ...body } = JSON.parse(refreshed.text)
    expect(body).not.toHaveProperty('refresh_token')
    const again = await ask('POST', '/api/v1/auth/refresh', { ...fromOurPage, cookie }, '{}')
    expect(codeOf(again)).toBe('refresh-superseded')
    const out = await ask('POST', '/api/v1/auth/logout', { ...fromOurPage, authorization: `Bearer ${token}` }, '{}')
    expect(out.status).toBe(204)
    expect(String(out.headers['set-cookie'])).toMatch(/^__Host-sallyport-refresh=; .*Expires=Thu, 01 Jan 1970/)
    const [next = ''] = String(refreshed.headers['set-cookie']).split(';', 1)
    const ended = await ask('POST', '/api/v1/auth/refresh', { ...fromOurPage, cookie: next }, '{}')
    expect([ended.status, codeOf(ended)]).toEqual([401, 'refresh-failed'])
  })

  it('goes with the session into an organization', async () => {
    const [cookie = ''] = (await cookieOfLogin()).split(';', 1)
    const refreshed = await ask('POST', '/api/v1/auth/refresh', { ...fromOurPage, cookie }, '{}')
    const [next = ''] = String(refreshed.headers['set-cookie']).split(';', 1)
    const authorization = `Bearer ${JSON.parse(refreshed.text).access_token}`
    const body = JSON.stringify({ organizationId: running.admin.organizationId })
    const path = '/api/v1/auth/organization'
    const entered = await ask('POST', path, { ...fromOurPage, authorization, cookie: next }, body)
    expect(entered.status).toBe(200)
    expect(JSON.parse(entered.text)).not.toHaveProperty('refresh_token')
    const [there = ''] = String(entered.headers['set-cookie']).split(';', 1)
    expect((await ask('POST', '/api/v1/auth/refresh', { ...fromOurPage, cookie: there }, '{}')).status).toBe(200)
  })

  it('means nothing where the request does not say that it uses it', async () => {
    const [cookie = ''] = (await cookieOfLogin()).split(';', 1)
    const { 'sallyport-session': _, ...silent } = fromOurPage
    const answer = await ask('POST', '/api/v1/auth/refresh', { ...silent, cookie }, '{}')
    expect([answer.status, codeOf(answer)]).toEqual([422, 'validation-failed'])
  })
})

describe('F33: a request with the cookie, forged by a foreign page', () => {
  const forged: readonly (readonly [string, Record<string, string | undefined>])[] = [
    ['without Origin', { origin: undefined }],
    ['with a null Origin, as of a sandboxed frame', { origin: 'null' }],
    ['from a sub-domain', { origin: 'https://evil.lamps.example', 'sec-fetch-site': 'same-site' }],
    ['from a sub-domain, by a browser that does not say Sec-Fetch-Site', { origin: 'https://evil.lamps.example' }],
    ['from a domain that ends like ours', { origin: 'https://evil-lamps.example' }],
    ['from a domain that begins like ours', { origin: 'https://lamps.example.evil' }],
    ['from plain HTTP', { origin: 'http://lamps.example' }],
    ['from another port', { origin: 'https://lamps.example:8443' }],
    ['from an origin that may call with a token', { origin: friend }],
    ['from a foreign page', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['with our Origin, of which the browser says that it is cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['with our Origin, of which the browser says that it is same-site', { 'sec-fetch-site': 'same-site' }],
  ]
  const headersOf = (over: Record<string, string | undefined>): Record<string, string> => {
    const { 'sec-fetch-site': site, ...rest } = { ...fromOurPage, 'sec-fetch-site': undefined, ...over }
    const all = Object.entries({ ...rest, ...(site === undefined ? {} : { 'sec-fetch-site': site }) })
    return Object.fromEntries(all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
  }

  it.each(forged)('is refused %s: to log in, to refresh, to go elsewhere, to log out', async (_how, over) => {
    const [cookie = ''] = (await cookieOfLogin()).split(';', 1)
    const headers = { ...headersOf(over), cookie, authorization: `Bearer ${session.accessToken}` }
    for (const route of ['login', 'refresh', 'organization', 'logout']) {
      const body = route === 'login' ? JSON.stringify(running.login) : '{}'
      const answer = await ask('POST', `/api/v1/auth/${route}`, headers, body)
      expect([route, answer.status, codeOf(answer)]).toEqual([route, 403, 'origin-refused'])
      expect(answer.headers['set-cookie']).toBeUndefined()
    }
    expect((await ask('POST', '/api/v1/auth/refresh', { ...fromOurPage, cookie }, '{}')).status).toBe(200)
  })

  it.each([
    ['text/plain', '{}'],
    ['application/x-www-form-urlencoded', 'refresh_token=x'],
    ['multipart/form-data; boundary=x', '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'],
  ])('is refused as %s, which needs no preflight', async (type, body) => {
    const [cookie = ''] = (await cookieOfLogin()).split(';', 1)
    for (const route of ['login', 'refresh']) {
      const answer = await ask('POST', `/api/v1/auth/${route}`, { ...fromOurPage, cookie, 'content-type': type }, body)
      expect([answer.status, codeOf(answer)]).toEqual([415, 'unsupported-content-format'])
    }
  })

  it('is refused without a body', async () => {
    const [cookie = ''] = (await cookieOfLogin()).split(';', 1)
    const { 'content-type': _, ...headers } = fromOurPage
    expect((await ask('POST', '/api/v1/auth/refresh', { ...headers, cookie })).status).toBe(422)
  })

  it('is not what a request with a token is: that one counts wherever it comes from', async () => {
    const authorization = `Bearer ${session.accessToken}`
    for (const origin of [undefined, 'null', 'https://evil.example', friend]) {
      const answer = await ask('GET', '/api/v1/me', { authorization, ...(origin === undefined ? {} : { origin }) })
      expect(answer.status).toBe(200)
    }
  })
})

describe('a page of another origin (CORS)', () => {
  const preflight = (origin: string, path = '/api/v1/devices') =>
    ask('OPTIONS', path, {
      origin,
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'authorization, if-match',
    })

  it('that is on the list may call, is told so for two hours, and reads what it needs', async () => {
    const asked = await preflight(friend, '/api/v1/roles/some')
    expect(asked.status).toBe(204)
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': friend,
      'access-control-max-age': '7200',
      vary: expect.stringContaining('origin'),
    })
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      expect(asked.headers['access-control-allow-methods']).toContain(method)
    }
    for (const name of ['authorization', 'content-type', 'if-match', 'idempotency-key', 'last-event-id', 'prefer']) {
      expect(asked.headers['access-control-allow-headers']).toContain(name)
    }
    const answer = await ask('GET', '/api/v1/me', { origin: friend, authorization: `Bearer ${session.accessToken}` })
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([200, friend])
    for (const name of ['etag', 'retry-after', 'ratelimit', 'x-correlation-id', 'location']) {
      expect(answer.headers['access-control-expose-headers']).toContain(name)
    }
  })

  it('reads refusals too', async () => {
    const answer = await ask('GET', '/api/v1/me', { origin: friend })
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([401, friend])
    expect(answer.headers.vary).toBe('origin, accept-language')
  })

  it.each(['https://evil.example', 'null', 'http://console.example:8443', 'https://console.example', `${friend}.evil`])(
    'is allowed nothing from %s',
    async (origin) => {
      const asked = await preflight(origin)
      const answer = await ask('GET', '/api/v1/me', { origin, authorization: `Bearer ${session.accessToken}` })
      for (const { headers } of [asked, answer]) {
        expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
        expect(headers.vary).toContain('origin')
      }
      expect(asked.status).toBe(405)
    },
  )

  it('is never allowed the credentials of the browser', async () => {
    for (const path of ['/api/v1/auth/refresh', '/api/v1/me', '/nothing']) {
      expect((await preflight(friend, path)).headers).not.toHaveProperty('access-control-allow-credentials')
      expect((await ask('GET', path, { origin: friend })).headers).not.toHaveProperty(
        'access-control-allow-credentials',
      )
    }
  })

  it('is allowed nothing where no origin is configured', async () => {
    await running.restart({ SALLYPORT_ALLOWED_ORIGINS: '', SALLYPORT_PUBLIC_URL: ours })
    const answer = await preflight(friend)
    expect(answer.status).toBe(405)
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
    await running.restart()
  })

  it('cannot be anybody’s: the control plane does not start with *', async () => {
    await expect(running.restart({ SALLYPORT_ALLOWED_ORIGINS: '*' })).rejects.toThrow('* is no origin')
    running.controlPlane = await startControlPlane(readConfiguration(controlPlaneSettings, running.environment))
  })
})

describe('the headers of every answer', () => {
  const expected = {
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
  }

  it('keep browsers from guessing, framing and keeping, on each route and on each refusal', async () => {
    session = await running.logIn()
    for (const { method, url } of await publicRoutes()) {
      if (url.startsWith('/api/v1/events') || url.startsWith('/api/v1/auth/logout')) continue
      const path = url.replace(/:\w+|\*/g, '00000000-0000-7000-8000-000000000000')
      for (const authorization of ['', `Bearer ${session.accessToken}`]) {
        const answer = await ask(method, path, { ...json, ...(authorization === '' ? {} : { authorization }) }, '{}')
        expect(answer.headers, `${method} ${url}`).toMatchObject(expected)
        if (url.startsWith('/api/')) expect(answer.headers['cache-control'], url).toBe('no-store')
        expect(answer.headers, url).not.toHaveProperty('strict-transport-security')
      }
    }
    for (const path of ['/nothing', '/api/v1/%E0%A4%A', '/docs/../x']) {
      expect((await ask('GET', path)).headers, path).toMatchObject(expected)
    }
  })

  it('promise HTTPS for a year to whoever came over it, and to nobody else', async () => {
    const over = await ask('GET', '/nothing', overTls)
    expect(over.headers['strict-transport-security']).toBe('max-age=31536000')
    expect((await ask('GET', '/nothing')).headers).not.toHaveProperty('strict-transport-security')
  })
})
