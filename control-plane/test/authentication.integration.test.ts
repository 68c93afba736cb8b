import { statSync } from 'node:fs'
import { base64url, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { issuer, RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane

beforeAll(async () => {
  running = await RunningControlPlane.start()
})
afterAll(() => running.stop())

const logIn = (body: unknown) => running.call('POST', '/api/v1/auth/login', { body })
const refresh = (refreshToken: string) =>
  running.call('POST', '/api/v1/auth/refresh', { body: { refresh_token: refreshToken } })

describe('the first admin', () => {
  it('is made once, with a login in a file that only its owner reads', async () => {
    expect(statSync(running.environment.SALLYPORT_FIRST_ADMIN_FILE ?? '').mode & 0o777).toBe(0o600)
    expect(running.admin).toMatchObject({ email: 'admin@sallyport.local', username: 'admin' })
    await running.restart()
    expect(running.sql('select count(*) from user_account')).toBe('1')
    expect((await logIn(running.login)).status).toBe(200)
  })
})

describe('logging in', () => {
  it('[1.1] answers with tokens and the person, by username and by e-mail address', async () => {
    for (const name of [{ username: running.admin.username }, { email: running.admin.email.toUpperCase() }]) {
      const { status, body, headers } = await logIn({ ...name, password: running.admin.password })
      expect(status).toBe(200)
      expect(headers.get('cache-control')).toBe('no-store')
      expect(body).toEqual({
        access_token: expect.stringMatching(/^eyJ/),
        token_type: 'Bearer',
        expires_in: 900,
        refresh_token: expect.stringMatching(/^eyJ/),
        user: {
          id: expect.any(String),
          email: running.admin.email,
          username: 'admin',
          organizationId: running.admin.organizationId,
          roles: ['owner'],
          permissions: expect.arrayContaining(['devices:read', 'groups:write']),
        },
      })
    }
  })

  it('[1.2] gives tokens that the published keys verify, with every claim', async () => {
    const { body } = await logIn(running.login)
    const keys = (await running.call('GET', '/.well-known/jwks.json')).body.keys
    for (const [token, typ, aud] of [
      [body.access_token, 'at+jwt', 'sallyport'],
      [body.refresh_token, 'rt+jwt', 'sallyport-refresh'],
    ]) {
      const header = decodeProtectedHeader(token)
      expect(header).toEqual({ alg: 'ES256', typ, kid: keys[0].kid })
      const claims = decodeJwt(token)
      expect(claims).toMatchObject({ iss: issuer, aud, sub: body.user.id })
      for (const claim of ['sid', 'jti', 'iat', 'exp']) expect(claims).toHaveProperty(claim)
    }
    expect(decodeJwt(body.access_token).sid).toBe(decodeJwt(body.refresh_token).sid)
    expect(decodeJwt(body.access_token).jti).not.toBe(decodeJwt(body.refresh_token).jti)
    expect(JSON.stringify(keys)).not.toContain('"d"')
  })

  it('[1.10] gives an unknown user and a wrong password the same answer in the same time', async () => {
    const attempt = async (username: string) => {
      const start = performance.now()
      const { status, body } = await logIn({ username, password: 'wrong' })
      const { correlationId, ...rest } = body
      return { status, rest, duration: performance.now() - start }
    }
    const known = []
    const unknown = []
    for (let round = 0; round < 6; round += 1) {
      known.push(await attempt(running.admin.username))
      unknown.push(await attempt(`nobody-${round}`))
    }
    const fastest = (attempts: { duration: number }[]) => Math.min(...attempts.map(({ duration }) => duration))
    expect(known[0]?.status).toBe(401)
    expect(known[0]?.rest.code).toBe('invalid-credentials')
    expect(unknown[0]?.rest).toEqual(known[0]?.rest)
    const ratio = fastest(unknown) / fastest(known)
    expect(ratio).toBeGreaterThan(0.5)
    expect(ratio).toBeLessThan(2)
    await logIn(running.login)
  })

  it('is limited per account and address, for unknown accounts alike, with the time to wait', async () => {
    const attempts = []
    for (let count = 0; count < 11; count += 1) attempts.push(await logIn({ username: 'flooded', password: 'x' }))
    expect(attempts.slice(0, 10).map(({ status }) => status)).toEqual(Array(10).fill(401))
    const limited = attempts[10]
    expect(limited?.status).toBe(429)
    expect(limited?.body.code).toBe('rate-limited')
    expect(Number(limited?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await logIn(running.login)).status).toBe(200)
  })

  it.each([
    ['no name', { password: 'x' }],
    ['no password', { username: 'admin' }],
    ['a field that is not asked for', { username: 'admin', password: 'x', roles: ['admin'] }],
    ['a name that is an object', { username: { $ne: '' }, password: 'x' }],
    ['a password of a megabyte', { username: 'admin', password: 'x'.repeat(100_000) }],
  ])('refuses %s', async (_what, body) => {
    expect((await logIn(body)).status).toBe(422)
  })

  it('stands in the audit trail, success and failure, without what was typed', async () => {
    await logIn({ username: 'my-secret-password', password: 'x' })
    const session = await running.logIn()
    const { body } = await session.call('GET', '/api/v1/audit-events?type=user.login&outcome=succeeded&limit=1')
    expect(body.items[0]).toMatchObject({
      type: 'user.login',
      outcome: 'succeeded',
      subject: { kind: 'user' },
      details: { sessionId: decodeJwt(session.accessToken).sid },
    })
    expect(running.sql("select count(*) from audit_event where type = 'user.login' and outcome = 'failed'")).not.toBe(
      '0',
    )
    expect(running.sql("select count(*) from audit_event where audit_event::text like '%my-secret-password%'")).toBe(
      '0',
    )
  })
})

describe('refreshing', () => {
  it('[1.4] rotates the tokens of the same session', async () => {
    const session = await running.logIn()
    const { status, body } = await refresh(session.refreshToken)
    expect(status).toBe(200)
    expect(body.refresh_token).not.toBe(session.refreshToken)
    expect(decodeJwt(body.access_token).sid).toBe(decodeJwt(session.accessToken).sid)
    expect((await refresh(body.refresh_token)).status).toBe(200)
  })

  it('[1.4] [1.20] of parallel refreshes one wins and the others get 409, and the winner goes on', async () => {
    const session = await running.logIn()
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(session.refreshToken)))
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    for (const { status, body } of answers.filter((answer) => answer !== won[0])) {
      expect([status, body.code]).toEqual([409, 'refresh-superseded'])
    }
    expect((await refresh(won[0]?.body.refresh_token)).status).toBe(200)
  })

  it('[1.4] a token that comes back two rotations later ends the session, its access tokens with it', async () => {
    const session = await running.logIn()
    const first = (await refresh(session.refreshToken)).body
    const second = (await refresh(first.refresh_token)).body
    const stolen = await refresh(session.refreshToken)
    expect([stolen.status, stolen.body.code]).toEqual([401, 'refresh-failed'])
    expect((await refresh(second.refresh_token)).status).toBe(401)
    const me = await running.session(second.access_token, '').call('GET', '/api/v1/me')
    expect([me.status, me.body.code]).toEqual([401, 'token-revoked'])
    expect(auditedOf('user.refresh-token-reused', session)).toBe('failed warning')
  })

  it('[1.2] takes no access token, and no API takes a refresh token', async () => {
    const session = await running.logIn()
    const swapped = await refresh(session.accessToken)
    expect([swapped.status, swapped.body.code]).toEqual([401, 'refresh-failed'])
    const me = await running.session(session.refreshToken, '').call('GET', '/api/v1/me')
    expect([me.status, me.body.code]).toEqual([401, 'token-invalid'])
  })

  it('ends with the session: after logging out neither token is good', async () => {
    const session = await running.logIn()
    expect((await session.call('POST', '/api/v1/auth/logout')).status).toBe(204)
    expect((await refresh(session.refreshToken)).status).toBe(401)
    expect((await session.call('GET', '/api/v1/me')).body.code).toBe('token-revoked')
    expect(auditedOf('user.logout', session)).toBe('succeeded notice')
  })
})

/** Outcome and severity of the one event that names the session. */
const auditedOf = (type: string, session: Session): string =>
  running.sql(
    `select string_agg(outcome || ' ' || severity, ', ') from audit_event
     where type = '${type}' and details->>'sessionId' = '${decodeJwt(session.accessToken).sid}'`,
  )

describe('a bearer token', () => {
  let session: Session
  let forger: { sign(header: object, claims?: object): Promise<string> }

  beforeAll(async () => {
    session = await running.logIn()
    const { privateKey } = await generateKeyPair('ES256')
    forger = {
      sign: (header, claims = {}) =>
        new SignJWT({ ...decodeJwt(session.accessToken), ...claims })
          .setProtectedHeader({ ...decodeProtectedHeader(session.accessToken), alg: 'ES256', ...header })
          .sign(privateKey),
    }
  })

  const parts = () => {
    const [header = '', payload = '', signature = ''] = session.accessToken.split('.')
    return { header, payload, signature }
  }
  const withHeader = (over: object) => {
    const { payload, signature } = parts()
    const header = { ...decodeProtectedHeader(session.accessToken), ...over }
    return `${base64url.encode(JSON.stringify(header))}.${payload}.${signature}`
  }
  const hmacWithPublicKey = async () => {
    const { keys } = (await running.call('GET', '/.well-known/jwks.json')).body
    const secret = new TextEncoder().encode(JSON.stringify(keys[0]))
    return new SignJWT(decodeJwt(session.accessToken))
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: keys[0].kid })
      .sign(secret)
  }
  const withOwnKey = async () => {
    const { publicKey } = await generateKeyPair('ES256')
    return forger.sign({ jwk: await exportJWK(publicKey) })
  }

  it.each<[string, () => string | Promise<string>]>([
    ['without a signature (alg none)', () => new UnsecuredJWT(decodeJwt(session.accessToken)).encode()],
    ...['none', 'None', 'nOnE'].map((alg): [string, () => string] => [
      `with alg ${alg} and no signature`,
      () => `${withHeader({ alg }).split('.').slice(0, 2).join('.')}.`,
    ]),
    ['with HMAC keyed by the public key', hmacWithPublicKey],
    [
      'with an all-zero signature (CVE-2022-21449)',
      () => `${parts().header}.${parts().payload}.${base64url.encode(new Uint8Array(64))}`,
    ],
    ['signed by a foreign key', () => forger.sign({})],
    ['that brings its own key', withOwnKey],
    ['with jku', () => forger.sign({ jku: 'https://attacker.example/jwks.json' })],
    ['with x5u', () => forger.sign({ x5u: 'https://attacker.example/chain.pem' })],
    ['with a kid that is a path', () => withHeader({ kid: '../../dev/null' })],
    ['with a kid that is SQL', () => withHeader({ kid: "' or 1=1 --" })],
    ['with an unknown crit', () => withHeader({ crit: ['exp'] })],
    ['with b64 false', () => withHeader({ b64: false })],
    ['of another type', () => withHeader({ typ: 'JWT' })],
    [
      'with a changed claim',
      () =>
        `${parts().header}.${base64url.encode(JSON.stringify({ ...decodeJwt(session.accessToken), org: 'x' }))}.${parts().signature}`,
    ],
    ['with trailing characters', () => `${session.accessToken}AA`],
    ['with a padded part', () => `${session.accessToken}==`],
    [
      'with spare bits in its last character',
      // 64 bytes end in a character of which two bits count: the next letter decodes to the same.
      () =>
        session.accessToken.slice(0, -1) +
        String.fromCharCode(session.accessToken.charCodeAt(session.accessToken.length - 1) + 1),
    ],
    ['cut short', () => session.accessToken.slice(0, -10)],
    [
      'of five parts (JWE)',
      () => 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiemlwIjoiREVGIn0..AAAAAAAAAAAAAAAA.AAAA.AAAA',
    ],
    ['of 9000 characters', () => `${session.accessToken}${'A'.repeat(9000)}`],
    ['that is no token', () => 'hello'],
    ['that is empty', () => ''],
  ])('[1.13] is refused %s', async (_what, make) => {
    const { status, body, headers } = await running.session(await make(), '').call('GET', '/api/v1/me')
    expect([status, body.code]).toEqual([401, 'token-invalid'])
    expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
  })

  it('is asked for where there is none', async () => {
    const { status, body, headers } = await running.call('GET', '/api/v1/me')
    expect([status, body.code]).toEqual([401, 'token-missing'])
    expect(headers.get('www-authenticate')).toBe('Bearer')
  })

  it('is taken from the header alone, never from the URL', async () => {
    const answer = await running.call('GET', `/api/v1/me?access_token=${session.accessToken}`)
    expect(answer.status).toBe(401)
  })

  it('[1.18] is refused once it has expired, by a code of its own', async () => {
    const short = await RunningControlPlane.start({ SALLYPORT_ACCESS_TOKEN_LIFETIME: '3s' })
    try {
      const brief = await short.logIn()
      expect((await brief.call('GET', '/api/v1/me')).status).toBe(200)
      await expect
        .poll(async () => (await brief.call('GET', '/api/v1/me')).body.code, { timeout: 8000, interval: 200 })
        .toBe('token-expired')
    } finally {
      await short.stop()
    }
  })

  it('is refused by its issuer', async () => {
    const other = await running.logIn()
    await running.restart({ SALLYPORT_TOKEN_ISSUER: 'urn:sallyport:elsewhere' })
    expect((await other.call('GET', '/api/v1/me')).body.code).toBe('token-invalid')
    await running.restart()
  })
})

describe('without Redis', () => {
  it('nobody logs in or refreshes, the answer comes at once, and who is logged in works on', async () => {
    const session = await running.logIn()
    await running.restart({ SALLYPORT_REDIS_URL: 'redis://127.0.0.1:1' })
    const start = performance.now()
    const login = await logIn(running.login)
    expect([login.status, login.body.code]).toEqual([503, 'cache-unavailable'])
    expect(login.headers.get('retry-after')).toBe('1')
    expect((await refresh(session.refreshToken)).status).toBe(503)
    expect(performance.now() - start).toBeLessThan(3000)
    expect((await session.call('GET', '/api/v1/me')).status).toBe(200)
    await running.restart()
  })
})
