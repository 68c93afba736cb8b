import { generateKeyPairSync } from 'node:crypto'
import { utf8 } from '@sallyport/bytes'
import { createCertificationRequest, toPem } from '@sallyport/pki'
import { describe, expect, it } from 'vitest'
import { readIdentityRequest } from '../src/identity-request.ts'

const di = '0e5c2c5e-5a6b-4d5c-8a3e-4f2d1c0b9a88'
const p256 = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const der = (commonName = `uuid:${di}`, privateKey = p256()) => createCertificationRequest({ commonName, privateKey })
const pem = (request: Uint8Array) => toPem('CERTIFICATE REQUEST', request)
const body = (data: string | Uint8Array, over: Record<string, string> = {}) => ({
  di,
  csr: { encoding: typeof data === 'string' ? 'oic.sec.encoding.pem' : 'oic.sec.encoding.der', data, ...over },
})
const refusal = (request: Parameters<typeof readIdentityRequest>[0]) => {
  try {
    readIdentityRequest(request)
    return 'accepted'
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}

describe('the certificate request of a device', () => {
  it('[4.6] is read from PEM and from DER, with its device id in lower case', () => {
    const request = der(`uuid:${di.toUpperCase()}`)
    expect(readIdentityRequest(body(pem(request))).deviceId).toBe(di)
    expect(readIdentityRequest({ ...body(request), di: di.toUpperCase() }).deviceId).toBe(di)
  })

  it('[4.6] is accepted with P-256, P-384 and Ed25519 keys', () => {
    for (const key of [
      p256(),
      generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
      generateKeyPairSync('ed25519').privateKey,
    ]) {
      expect(refusal(body(pem(der(undefined, key))))).toBe('accepted')
    }
  })

  it('[4.6] F22: is refused when its own key did not sign it', () => {
    const request = der()
    request[request.length - 1] = (request[request.length - 1] ?? 0) ^ 1
    expect(refusal(body(request))).toBe('request-signature-invalid')
    const other = createCertificationRequest({ commonName: `uuid:${di}`, privateKey: p256() })
    const spliced = Uint8Array.from(request)
    spliced.set(other.subarray(other.length - 64), spliced.length - 64)
    expect(['request-signature-invalid', 'request-certificate-malformed']).toContain(refusal(body(spliced)))
  })

  it('[4.6] F22: is refused with two requests in one PEM, trailing bytes, indefinite lengths, or nothing', () => {
    const request = der()
    const indefinite = Uint8Array.from(request)
    indefinite[1] = 0x80
    for (const data of [
      pem(request) + pem(request),
      `${pem(request).slice(0, 60)}`,
      '',
      'hello',
      toPem('CERTIFICATE', request),
      Uint8Array.from([...request, 0]),
      indefinite,
      request.subarray(0, 50),
      new Uint8Array(),
      new Uint8Array(1_000_000).fill(0x30),
    ]) {
      expect(refusal(body(data))).toBe('request-certificate-malformed')
    }
  })

  it('[4.6] F23: is refused with an RSA key, another curve or explicit parameters, by a code of its own', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey
    const explicit = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }).privateKey
    for (const key of [rsa, p521, explicit]) {
      const outcome = (() => {
        try {
          return refusal(body(createCertificationRequest({ commonName: `uuid:${di}`, privateKey: key })))
        } catch (error) {
          return error instanceof Error && 'code' in error ? error.code : error
        }
      })()
      expect(outcome).toBe('request-key-unsupported')
    }
  })

  it('[4.6] F24: is refused when it names anything but one device', () => {
    for (const name of [
      di,
      `uuid:${di} `,
      `uuid:${di}\0`,
      'uuid:*',
      `uuid:${di},CN=other`,
      'uuid:00000000-0000-0000-0000-000000000000',
      `uuid:${di.replace('e', 'е')}`,
      'gateway.example',
    ]) {
      expect(refusal(body(pem(der(name)))), JSON.stringify(name)).toBe('request-subject-invalid')
    }
  })

  it('[4.6] is refused when the body names another device', () => {
    expect(refusal(body(pem(der('uuid:7f4f2a2e-1111-4222-8333-444455556666'))))).toBe('device-id-mismatch')
  })

  it('[4.6] is refused when the body is not of the shape that devices send', () => {
    const good = body(pem(der()))
    expect(refusal({ csr: good.csr })).toBe('malformed-request')
    expect(refusal({ di })).toBe('malformed-request')
    expect(refusal({ di: 'x', csr: good.csr })).toBe('malformed-request')
    expect(refusal({ di, csr: 'text' })).toBe('malformed-request')
    expect(refusal(body(pem(der()), { encoding: 'oic.sec.encoding.raw' }))).toBe('malformed-request')
    expect(refusal({ di, csr: { encoding: 'oic.sec.encoding.pem', data: utf8(pem(der())) } })).toBe('malformed-request')
  })
})
