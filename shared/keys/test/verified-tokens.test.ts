import { generateKeyPairSync, sign } from 'node:crypto'
import { toBase64Url, utf8 } from '@sallyport/bytes'
import { instant, later, seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { type JWK, signingInput, thumbprint, VerifiedTokens } from '../src/index.ts'

const now = instant(1_800_000_000_000)
const claims = { iss: 'urn:test', aud: 'sallyport', sub: 'user-1', iat: now / 1000, exp: now / 1000 + 900 }

function signer() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' })
  const bare = { kty: String(kty), crv: String(crv), x: String(x), y: String(y) }
  const jwk: JWK = { ...bare, kid: thumbprint(bare) }
  const issue = (own: object = {}): string => {
    const input = signingInput({ typ: 'at+jwt', kid: jwk.kid ?? '' }, { ...claims, ...own })
    return `${input}.${toBase64Url(sign('sha256', utf8(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }))}`
  }
  return { jwk, issue }
}

const expected = { issuer: 'urn:test', audience: 'sallyport', now, type: 'at+jwt' } as const

describe('a token that was verified before', () => {
  it('is not verified again: the same claims are answered', async () => {
    const { jwk, issue } = signer()
    const tokens = new VerifiedTokens()
    const token = issue()
    const first = await tokens.verify({ ...expected, token, keys: [jwk] })
    expect(first).toMatchObject(claims)
    expect(await tokens.verify({ ...expected, token, keys: [jwk] })).toBe(first)
  })

  it('is refused once its key is not believed any more, and when another key takes its name', async () => {
    const { jwk, issue } = signer()
    const tokens = new VerifiedTokens()
    const token = issue()
    const verify = (keys: readonly JWK[]) => tokens.verify({ ...expected, token, keys })
    await verify([jwk])
    await expect(verify([])).rejects.toMatchObject({ code: 'token-invalid' })
    await verify([jwk])
    await expect(verify([{ ...signer().jwk, kid: jwk.kid ?? '' }])).rejects.toMatchObject({ code: 'token-invalid' })
  })

  it('is refused from the second on in which it ends, with whose it was', async () => {
    const { jwk, issue } = signer()
    const tokens = new VerifiedTokens()
    const token = issue()
    const at = (later: typeof now) => tokens.verify({ ...expected, token, keys: [jwk], now: later })
    await at(now)
    await at(later(now, seconds(899)))
    await expect(at(later(now, seconds(900)))).rejects.toMatchObject({
      code: 'token-expired',
      cause: { sub: 'user-1' },
    })
  })

  it('is refused as another type, for another audience, of another issuer', async () => {
    const { jwk, issue } = signer()
    const tokens = new VerifiedTokens()
    const token = issue()
    await tokens.verify({ ...expected, token, keys: [jwk] })
    for (const other of [{ type: 'rt+jwt' }, { audience: 'sallyport-gateway' }, { issuer: 'urn:other' }] as const) {
      await expect(tokens.verify({ ...expected, token, keys: [jwk], ...other })).rejects.toMatchObject({
        code: 'token-invalid',
      })
    }
  })

  it('lends nothing to one that differs from it in a single character', async () => {
    const { jwk, issue } = signer()
    const tokens = new VerifiedTokens()
    const token = issue()
    await tokens.verify({ ...expected, token, keys: [jwk] })
    for (let index = 0; index < token.length; index += 1) {
      const changed = `${token.slice(0, index)}${token[index] === 'A' ? 'B' : 'A'}${token.slice(index + 1)}`
      await expect(tokens.verify({ ...expected, token: changed, keys: [jwk] })).rejects.toThrow()
    }
  })

  it('is forgotten before more are remembered than there may be, whoever was not here for longest first', async () => {
    const { jwk, issue } = signer()
    const tokens = new VerifiedTokens(2)
    const [a, b, c] = [issue({ sub: 'a' }), issue({ sub: 'b' }), issue({ sub: 'c' })]
    const verify = (token: string) => tokens.verify({ ...expected, token, keys: [jwk] })
    const [ofA, ofB] = [await verify(a), await verify(b)]
    expect(await verify(a)).toBe(ofA)
    await verify(c)
    expect(await verify(a)).toBe(ofA)
    expect(await verify(b)).not.toBe(ofB)
  })
})
