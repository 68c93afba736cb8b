import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { fromHex, toHex, utf8 } from '@sallyport/bytes'
import { describe, expect, it } from 'vitest'
import { derSignature, spkiOf } from '../src/ec-key-encoding.ts'
import { verifiedSignature } from '../src/verified-signature.ts'

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = { label: 'k', curve: 'P-256' as const, spki: pair.publicKey.export({ format: 'der', type: 'spki' }) }
const data = utf8('certificate to be signed')
const rawSignature = () => sign('sha256', data, { key: pair.privateKey, dsaEncoding: 'ieee-p1363' })

describe('a signature from a token', () => {
  it('is released in DER once it verifies', async () => {
    const signature = await verifiedSignature(key, data, async () => rawSignature())
    expect(verify('sha256', data, pair.publicKey, signature)).toBe(true)
  })

  it('[4.7] is not released with one bit wrong', async () => {
    for (const index of [0, 31, 32, 63]) {
      const wrong = rawSignature()
      wrong[index] = (wrong[index] ?? 0) ^ 0x10
      await expect(verifiedSignature(key, data, async () => wrong)).rejects.toMatchObject({
        code: 'hsm-signature-wrong',
      })
    }
  })

  it('[4.7] is not released when another key made it, when it is empty, zero or too short', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const foreign = sign('sha256', data, { key: other.privateKey, dsaEncoding: 'ieee-p1363' })
    for (const wrong of [foreign, new Uint8Array(), new Uint8Array(64), rawSignature().subarray(0, 62)]) {
      await expect(verifiedSignature(key, data, async () => wrong)).rejects.toMatchObject({
        code: 'hsm-signature-wrong',
      })
    }
  })
})

describe('EC encodings', () => {
  it('writes DER integers minimal and positive', () => {
    const raw = new Uint8Array(64)
    raw[31] = 0x7f
    raw[32] = 0x80
    expect(toHex(derSignature(raw))).toBe(`3026${'02017f'}${`02210080${'00'.repeat(31)}`}`)
    expect(toHex(derSignature(new Uint8Array(64)))).toBe('3006020100020100')
  })

  it('reads a point with and without its OCTET STRING', () => {
    const point = key.spki.subarray(-65)
    expect(spkiOf('P-256', point)).toEqual(new Uint8Array(key.spki))
    expect(spkiOf('P-256', Buffer.concat([fromHex('0441'), point]))).toEqual(new Uint8Array(key.spki))
  })

  it('refuses a point that is not on the curve', () => {
    const point = new Uint8Array(key.spki.subarray(-65))
    point[64] = (point[64] ?? 0) ^ 1
    expect(() => spkiOf('P-256', point)).toThrow(expect.objectContaining({ code: 'hsm-key-missing' }))
  })
})
