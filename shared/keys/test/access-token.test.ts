import { createHmac, createPublicKey, createSign, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { toBase64Url, utf8 } from '@sallyport/bytes'
import { instant, later, seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { assembleJwt, type JWK, signingInput, thumbprint, verifyAccessToken } from '../src/index.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwkOf = (key: KeyObject): JWK => {
  const { kty, crv, x, y } = key.export({ format: 'jwk' })
  const bare = { kty: String(kty), crv: String(crv), x: String(x), y: String(y) }
  return { ...bare, kid: thumbprint(bare), alg: 'ES256', use: 'sig' }
}
const jwk = jwkOf(publicKey)
const kid = jwk.kid ?? ''
const now = instant(1_800_000_000_000)
const nowSeconds = now / 1000
const good = { iss: 'urn:test', aud: 'sallyport', sub: 'user-1', iat: nowSeconds, exp: nowSeconds + 900, sid: 's' }
const header = { alg: 'ES256', typ: 'at+jwt', kid }

const signed = (input: string, key: KeyObject = privateKey): string =>
  `${input}.${toBase64Url(sign('sha256', utf8(input), { key, dsaEncoding: 'ieee-p1363' }))}`
const part = (value: unknown): string => toBase64Url(utf8(typeof value === 'string' ? value : JSON.stringify(value)))
const token = (claims: unknown = good, head: unknown = header, key?: KeyObject): string =>
  signed(`${part(head)}.${part(claims)}`, key)

const verify = (presented: string, options: Partial<Parameters<typeof verifyAccessToken>[0]> = {}) =>
  verifyAccessToken({
    token: presented,
    keys: [jwk],
    issuer: 'urn:test',
    audience: 'sallyport',
    now,
    type: 'at+jwt',
    ...options,
  })

const refused = async (presented: string, options?: Parameters<typeof verify>[1]) => {
  const error = await verify(presented, options).then(
    () => 'accepted',
    (reason: unknown) => reason,
  )
  return error instanceof Error && 'code' in error ? error.code : error
}

const flipped = (text: string, index: number): string =>
  text.slice(0, index) + (text[index] === 'A' ? 'B' : 'A') + text.slice(index + 1)

describe('a good token', () => {
  it('[1.2] is accepted with its claims, whoever made the signature', async () => {
    expect(await verify(token())).toEqual(good)
    const input = signingInput({ typ: 'at+jwt', kid }, good)
    const signature = sign('sha256', utf8(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    expect(await verify(assembleJwt(input, signature))).toEqual(good)
  })

  it('is accepted for one of several audiences, with one of several keys', async () => {
    const other = jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)
    expect(await verify(token({ ...good, aud: ['x', 'sallyport'] }), { keys: [other, jwk] })).toMatchObject({
      sub: 'user-1',
    })
  })

  it('is expired from its last second on, and says so', async () => {
    const at = (offset: number) => ({ now: later(now, seconds(offset)) })
    expect(await refused(token(), at(899))).toBe('accepted')
    expect(await refused(token(), at(900))).toBe('token-expired')
  })

  it('may come from a clock that is 30 s ahead, not more', async () => {
    expect(await refused(token({ ...good, iat: nowSeconds + 30, nbf: nowSeconds + 30 }))).toBe('accepted')
    expect(await refused(token({ ...good, iat: nowSeconds + 31 }))).toBe('token-invalid')
    expect(await refused(token({ ...good, nbf: nowSeconds + 31 }))).toBe('token-invalid')
  })
})

describe('a bad token is refused', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const strange = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const input = (head: unknown) => `${part(head)}.${part(good)}`
  const hmac = (head: unknown, key: string | Buffer) =>
    `${input(head)}.${createHmac('sha256', key).update(input(head)).digest('base64url')}`
  const [first = '', second = '', third = ''] = token().split('.')
  const spki = publicKey.export({ type: 'spki', format: 'pem' }).toString()

  const cases: Record<string, string> = {
    'alg none': `${input({ ...header, alg: 'none' })}.`,
    'alg None': `${input({ ...header, alg: 'None' })}.`,
    'alg nOnE with a signature': token(good, { ...header, alg: 'nOnE' }),
    'HS256 keyed with our public key, as PEM': hmac({ ...header, alg: 'HS256' }, spki),
    'HS256 keyed with our public key, as DER': hmac(
      { ...header, alg: 'HS256' },
      publicKey.export({ type: 'spki', format: 'der' }),
    ),
    'HS256 keyed with our public key, as JWK': hmac({ ...header, alg: 'HS256' }, JSON.stringify(jwk)),
    'RS256 by a key of its own': `${input({ ...header, alg: 'RS256' })}.${createSign('sha256')
      .update(input({ ...header, alg: 'RS256' }))
      .sign(rsa.privateKey, 'base64url')}`,
    'ES384 by a key of its own': token(good, { ...header, alg: 'ES384' }, p384.privateKey),
    ES256K: token(good, { ...header, alg: 'ES256K' }),
    'ES256 with r and s zero (CVE-2022-21449)': `${first}.${second}.${toBase64Url(new Uint8Array(64))}`,
    'ES256 with r and s the order of the curve': `${first}.${second}.${toBase64Url(
      Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'.repeat(2), 'hex'),
    )}`,
    'ES256 with a DER signature': `${first}.${second}.${createSign('sha256')
      .update(`${first}.${second}`)
      .sign(privateKey, 'base64url')}`,
    'a signature of one byte too many': `${first}.${second}.${third}AA`,
    'no signature': `${first}.${second}.`,
    'two parts': `${first}.${second}`,
    'four parts': `${token()}.x`,
    'five parts, a JWE': `${first}.${second}.${third}.x.y`,
    nothing: '',
    dots: '..',
    'another key': token(good, header, strange.privateKey),
    'no kid': token(good, { alg: 'ES256', typ: 'at+jwt' }),
    'an empty kid': token(good, { ...header, kid: '' }),
    'a kid that is a path': token(good, { ...header, kid: '../../../../dev/null' }),
    'a kid that is SQL': token(good, { ...header, kid: "' or 1=1 --" }),
    'a kid that is an address': token(good, { ...header, kid: 'https://evil.test/key' }),
    'a kid that is no text': token(good, { ...header, kid: [kid] }),
    'a jwk in its header': token(good, { ...header, jwk: jwkOf(strange.publicKey) }, strange.privateKey),
    'a jku in its header': token(good, { ...header, jku: 'https://evil.test/jwks' }),
    'an x5u in its header': token(good, { ...header, x5u: 'https://evil.test/x' }),
    'an x5c in its header': token(good, { ...header, x5c: ['AAAA'] }),
    crit: token(good, { ...header, crit: ['exp'], exp: 1 }),
    'an empty crit': token(good, { ...header, crit: [] }),
    'b64 false': token(good, { ...header, b64: false, crit: ['b64'] }),
    zip: token(good, { ...header, zip: 'DEF' }),
    'typ JWT, an id token': token(good, { ...header, typ: 'JWT' }),
    'no typ': token(good, { alg: 'ES256', kid }),
    'typ rt+jwt, a refresh token': token(good, { ...header, typ: 'rt+jwt' }),
    'a header that is an array': signed(`${part([header])}.${part(good)}`),
    'a header that is null': signed(`${part('null')}.${part(good)}`),
    'claims that are no object': token('"text"'),
    'claims that are no JSON': token('{'),
    'a claim twice': signed(`${first}.${part(`{"sub":"admin",${JSON.stringify(good).slice(1)}`)}`),
    'a claim twice, the second time escaped': signed(
      `${first}.${part(`{"\\u0073ub":"admin",${JSON.stringify(good).slice(1)}`)}`,
    ),
    'a header name twice': signed(`${part(`{"alg":"none",${JSON.stringify(header).slice(1)}`)}.${second}`),
    'a nested claim twice': signed(`${first}.${part(`${JSON.stringify(good).slice(0, -1)},"cnf":{"a":1,"a":2}}`)}`),
    'another issuer': token({ ...good, iss: 'urn:evil' }),
    'no issuer': token({ ...good, iss: undefined }),
    'another audience': token({ ...good, aud: 'sallyport-gateway' }),
    'audiences without ours': token({ ...good, aud: ['x', 'sallyport-gateway'] }),
    'an audience that contains ours': token({ ...good, aud: 'sallyport ' }),
    'no audience': token({ ...good, aud: undefined }),
    'no subject': token({ ...good, sub: undefined }),
    'an empty subject': token({ ...good, sub: '' }),
    'a subject that is no text': token({ ...good, sub: { $ne: '' } }),
    'no exp': token({ ...good, exp: undefined }),
    'exp as text': token({ ...good, exp: String(good.exp) }),
    'exp with a fraction': token({ ...good, exp: good.exp + 0.5 }),
    'a negative exp': token({ ...good, exp: -1 }),
    'exp 1e400': signed(`${first}.${part(JSON.stringify(good).replace(String(good.exp), '1e400'))}`),
    'exp null': token({ ...good, exp: null }),
    'nbf as text': token({ ...good, nbf: '0' }),
    'iat as text': token({ ...good, iat: 'now' }),
    'a changed header': `${flipped(first, 5)}.${second}.${third}`,
    'changed claims': `${first}.${flipped(second, 10)}.${third}`,
    'a changed signature': `${first}.${second}.${flipped(third, 10)}`,
    'white space around it': ` ${token()}`,
    'a line break after it': `${token()}\n`,
    padding: `${first}=.${second}.${third}`,
    'base64 instead of base64url': `${first}.${second}.${third.replace(/[-_]/, '+')}+`,
    'base64url that is not canonical': `${first}.${second}.${third.slice(0, -1)}${third.endsWith('A') ? 'B' : nextCharacter(third)}`,
    'a megabyte': token({ ...good, filler: 'x'.repeat(1_000_000) }),
  }

  for (const [name, presented] of Object.entries(cases)) {
    it(`${name}`, async () => {
      expect(await refused(presented)).toBe('token-invalid')
    })
  }

  it('[1.2] an access token as a refresh token, and the other way round', async () => {
    const refresh = token({ ...good, aud: 'sallyport-refresh' }, { ...header, typ: 'rt+jwt' })
    const asRefresh = { type: 'rt+jwt', audience: 'sallyport-refresh' } as const
    expect(await refused(refresh, asRefresh)).toBe('accepted')
    expect(await refused(refresh)).toBe('token-invalid')
    expect(await refused(token(), asRefresh)).toBe('token-invalid')
    expect(await refused(token(), { type: 'rt+jwt' })).toBe('token-invalid')
  })

  it('when no key is published, or the published one is of another kind', async () => {
    expect(await refused(token(), { keys: [] })).toBe('token-invalid')
    expect(await refused(token(), { keys: [{ kty: 'oct', k: 'AAAA', kid }] })).toBe('token-invalid')
    expect(await refused(token(), { keys: [{ ...jwkOf(p384.publicKey), kid }] })).toBe('token-invalid')
    expect(await refused(token(), { keys: [{ kty: 'EC', crv: 'P-256', kid }] })).toBe('token-invalid')
    expect(await refused(token(), { keys: [{ ...jwk, x: jwk.y ?? '', y: jwk.x ?? '' }] })).toBe('token-invalid')
  })

  it('says why without showing the token', async () => {
    const secret = token(good, { ...header, kid: 'k'.repeat(50) })
    await expect(verify(secret)).rejects.toMatchObject({ message: 'The token is refused: its key is not known.' })
  })
})

describe('the thumbprint', () => {
  it('is that of RFC 7638 for an EC key: the members in order, the others left out', () => {
    const keyOfRfc7515 = {
      kty: 'EC',
      crv: 'P-256',
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    }
    expect(thumbprint({ ...keyOfRfc7515, use: 'sig', d: 'private', kid: 'x' })).toBe(thumbprint(keyOfRfc7515))
    expect(thumbprint(keyOfRfc7515)).toBe('oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U')
  })

  it('is of EC keys alone', () => {
    expect(() => thumbprint({ kty: 'RSA', n: 'x', e: 'AQAB' })).toThrow('EC key')
  })
})

describe('the signing input', () => {
  it('takes a signature of 64 bytes', () => {
    expect(() => assembleJwt('a.b', new Uint8Array(70))).toThrow('64 bytes')
    expect(createPublicKey(privateKey).asymmetricKeyType).toBe('ec')
  })
})

/** The last character of 64 bytes in base64url carries two bits; another one with the same two bits is not canonical. */
function nextCharacter(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(text.at(-1) ?? 'A') + 1] ?? 'B'
}
