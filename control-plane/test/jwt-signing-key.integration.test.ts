import { utf8 } from '@sallyport/bytes'
import { days, hours, instant, ManualClock, minutes, seconds } from '@sallyport/clock'
import type { SealingKey, Token } from '@sallyport/hsm'
import { verifyAccessToken } from '@sallyport/keys'
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deviceTokens } from '../src/device-tokens.ts'
import { createJwtKey, type JwtSigningKey, openJwtKey, type StoredJwtKey } from '../src/jwt-signing-key.ts'
import { type PersonTokens, personTokens } from '../src/person-tokens.ts'
import { openTokenForTest } from './opened-token.ts'

const issuer = 'https://sallyport.example'
const clock = new ManualClock(instant(1_800_000_000_000))
const session = {
  sessionId: '11111111-1111-4111-8111-111111111111',
  userId: '22222222-2222-4222-8222-222222222222',
  organizationId: '33333333-3333-4333-8333-333333333333',
  membershipId: '44444444-4444-4444-8444-444444444444',
  roles: ['admin'],
  startedAt: clock.now(),
}
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

let token: Token
let sealingKey: SealingKey
let stored: StoredJwtKey
let signingKey: JwtSigningKey
let tokens: PersonTokens

beforeAll(async () => {
  token = await openTokenForTest('kek')
  await token.generateSealingKey('kek-1')
  sealingKey = await token.findSealingKey('kek-1')
  stored = await createJwtKey(sealingKey)
  signingKey = await openJwtKey(stored, sealingKey)
  tokens = personTokens({
    clock,
    issuer: () => issuer,
    signingKey,
    publishedKeys: () => [stored.publicJwk],
    accessLifetime: hours(1),
    idleTimeout: days(14),
    sessionLifetime: days(30),
  })
})
afterAll(() => token.close())

describe('the key that signs tokens', () => {
  it('is published without its private part, under its RFC 7638 thumbprint', async () => {
    expect(Object.keys(stored.publicJwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    expect(stored.kid).toBe(await calculateJwkThumbprint(stored.publicJwk))
  })

  it('is stored sealed: its private number stands nowhere in what is stored', async () => {
    const opened = await sealingKey.open(stored.sealedPrivateKey, utf8(`sallyport jwt key ${stored.kid}`))
    const { d } = JSON.parse(new TextDecoder().decode(opened)) as { d: string }
    expect(d).toHaveLength(43)
    expect(Buffer.from(stored.sealedPrivateKey).includes(d)).toBe(false)
  })

  it('does not open under the name of another key', async () => {
    const other = await createJwtKey(sealingKey)
    await expect(openJwtKey({ ...other, kid: stored.kid }, sealingKey)).rejects.toMatchObject({
      code: 'sealed-value-invalid',
    })
  })

  it('keeps signing once it was opened, while the HSM is gone', async () => {
    const gone = await openTokenForTest('kek-gone')
    await gone.generateSealingKey('kek-1')
    const key = await createJwtKey(await gone.findSealingKey('kek-1'))
    const open = await openJwtKey(key, await gone.findSealingKey('kek-1'))
    await gone.close()
    await expect(gone.probe()).rejects.toMatchObject({ code: 'hsm-unavailable' })
    expect(decodeProtectedHeader(await open.sign('at+jwt', {}))).toMatchObject({ kid: key.kid })
  })
})

describe('the tokens of a person', () => {
  it('[1.2] carry typ, kid, iss, aud, sub, sid, jti, iat and exp, both of them', async () => {
    const access = (await tokens.issueAccess(session)).token
    const refresh = await tokens.issueRefresh(session)
    const iat = clock.now() / 1000
    const common = {
      iss: issuer,
      sub: session.userId,
      sid: session.sessionId,
      jti: expect.stringMatching(uuid),
      iat,
      client_id: 'console',
    }
    expect(decodeProtectedHeader(access)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: stored.kid })
    expect(decodeJwt(access)).toEqual({
      ...common,
      aud: 'sallyport',
      auth_time: 1_800_000_000,
      exp: iat + 900,
      org: session.organizationId,
      membership: session.membershipId,
      roles: ['admin'],
    })
    expect(decodeProtectedHeader(refresh)).toEqual({ alg: 'ES256', typ: 'rt+jwt', kid: stored.kid })
    expect(decodeJwt(refresh)).toEqual({
      ...common,
      aud: 'sallyport-refresh',
      exp: iat + 14 * 86_400,
      org: session.organizationId,
      membership: session.membershipId,
      auth_time: iat,
    })
  })

  it('[1.2] do not pass for each other', async () => {
    const access = (await tokens.issueAccess(session)).token
    const refresh = await tokens.issueRefresh(session)
    await expect(tokens.verifyAccess(refresh)).rejects.toMatchObject({ code: 'token-invalid' })
    await expect(tokens.verifyRefresh(access)).rejects.toMatchObject({ code: 'token-invalid' })
    expect(await tokens.verifyAccess(access)).toMatchObject({ userId: session.userId, roles: ['admin'] })
    expect(await tokens.verifyRefresh(refresh)).toMatchObject({ sessionId: session.sessionId })
  })

  it('[1.2] an access token lives 15 min at most, whatever is configured', async () => {
    expect((await tokens.issueAccess(session)).expiresInSeconds).toBe(900)
  })

  it('a session ends at its lifetime, however often it was refreshed', () => {
    expect(tokens.timeToLive(session)).toBe(days(14))
    expect(tokens.timeToLive({ startedAt: instant(clock.now() - days(29)) })).toBe(days(1))
    expect(tokens.timeToLive({ startedAt: instant(clock.now() - days(31)) })).toBe(0)
  })
})

describe('the access token of a device', () => {
  it('[0.14] is for the gateway, bound to the certificate, and lives 24 h', async () => {
    const certificateSha256 = 'ab'.repeat(32)
    const { token: access, expiresInSeconds } = await deviceTokens({
      clock,
      issuer: () => issuer,
      signingKey,
      lifetime: hours(24),
    }).issueAccess({
      deviceId: session.userId,
      organizationId: session.organizationId,
      credential: { certificateSha256 },
    })
    expect(expiresInSeconds).toBe(86_400)
    expect(decodeJwt(access)).toMatchObject({
      aud: 'sallyport-gateway',
      sub: session.userId,
      org: session.organizationId,
      uid: session.organizationId,
      cnf: { 'x5t#S256': Buffer.from(certificateSha256, 'hex').toString('base64url') },
    })
    const verify = (audience: string) =>
      verifyAccessToken({ token: access, keys: [stored.publicJwk], issuer, audience, now: clock.now(), type: 'at+jwt' })
    expect(await verify('sallyport-gateway')).toMatchObject({ sub: session.userId })
    await expect(verify('sallyport')).rejects.toMatchObject({ code: 'token-invalid' })
    await expect(tokens.verifyAccess(access)).rejects.toMatchObject({ code: 'token-invalid' })
  })
})

describe('time', () => {
  it('a token is good until its end and not a second longer', async () => {
    const access = (await tokens.issueAccess(session)).token
    clock.advance(minutes(15 - 1 / 60))
    await tokens.verifyAccess(access)
    clock.advance(seconds(1))
    await expect(tokens.verifyAccess(access)).rejects.toMatchObject({ code: 'token-expired' })
  })
})
