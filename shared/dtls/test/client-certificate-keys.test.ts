/** Client certificates whose keys are Ed25519 (RFC 8422) or RSA (RFC 5246, RFC 8446): what proves them, and what does not. */

import { ByteReader } from '@sallyport/bytes'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { readCertificateKey } from '../src/certificate-key.ts'
import { readCertificateRequest, writeCertificateRequest } from '../src/certificate-messages.ts'
import { fitsKey, type SignatureSchemeName, signatureSchemes } from '../src/signature-scheme.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let serverIdentity: TestIdentity
const devices = new Map<string, TestIdentity>()

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  for (const key of ['P-256', 'Ed25519', 'RSA'] as const) devices.set(key, makeIdentity(key, 'device'))
})

const identity = (key: string): TestIdentity => {
  const found = devices.get(key)
  if (found === undefined) throw new Error(key)
  return found
}

type Signing = Parameters<HostileClient['certificateVerify']>[0]

function prove(key: string, signing: Signing) {
  const server = new ServerUnderTest(serverIdentity)
  const client = new HostileClient(server, identity(key)).toFlight4()
  client.certificate()
  client.keyExchange()
  client.certificateVerify(signing)
  client.changeCipherSpec()
  client.finished()
  return { server, client }
}

const rsaSchemes = [
  'rsa_pss_rsae_sha256',
  'rsa_pss_rsae_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha512',
] as const

describe('a client certificate', () => {
  for (const [key, schemes] of [
    ['Ed25519', ['ed25519']],
    ['RSA', rsaSchemes],
  ] as const) {
    for (const scheme of schemes) {
      it(`with a key of ${key} is proven by ${scheme}`, () => {
        const { server, client } = prove(key, { scheme })
        expect(client.alerts).toEqual([])
        expect(server.all('connected')).toHaveLength(1)
      })
    }
  }

  for (const [key, scheme, sent] of [
    ['RSA', 'rsa_pkcs1_sha256', 'ecdsa_sha256'],
    ['RSA', 'rsa_pkcs1_sha256', 'ed25519'],
    ['Ed25519', 'ed25519', 'ecdsa_sha256'],
    ['Ed25519', 'ed25519', 'rsa_pss_rsae_sha256'],
    ['P-256', 'ecdsa_sha256', 'ed25519'],
    ['P-256', 'ecdsa_sha256', 'rsa_pkcs1_sha256'],
  ] as const) {
    it(`with a key of ${key} and a good signature that calls itself ${sent} is refused with illegal_parameter`, () => {
      const { server, client } = prove(key, { scheme, schemeNumber: signatureSchemes[sent].number })
      expect(client.alerts).toEqual(['illegal_parameter'])
      expect(server.failures).toMatchObject([{ code: 'proof-of-possession-failed', alert: 'illegal_parameter' }])
      expect(server.all('connected')).toEqual([])
      expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    })
  }

  it('F3 with a key of RSA is not proven by PKCS#1 that calls itself PSS, nor by SHA-1', () => {
    const mislabelled = prove('RSA', {
      scheme: 'rsa_pkcs1_sha256',
      schemeNumber: signatureSchemes.rsa_pss_rsae_sha256.number,
    })
    expect(mislabelled.client.alerts).toEqual(['decrypt_error'])
    const sha1 = prove('RSA', { scheme: 'rsa_pkcs1_sha256', schemeNumber: 0x0201, hash: 'sha1' })
    expect(sha1.client.alerts).toEqual(['illegal_parameter'])
    for (const { server } of [mislabelled, sha1]) expect(server.all('connected')).toEqual([])
  })

  it('F1 F3 of any kind is not proven by another key, over other bytes, or not at all', () => {
    for (const [key, scheme] of [
      ['Ed25519', 'ed25519'],
      ['RSA', 'rsa_pss_rsae_sha256'],
    ] as const) {
      const stranger = makeIdentity(key)
      expect(prove(key, { scheme, signer: stranger }).client.alerts).toEqual(['decrypt_error'])
      expect(prove(key, { scheme, content: Buffer.from('other bytes') }).client.alerts).toEqual(['decrypt_error'])
      const server = new ServerUnderTest(serverIdentity)
      const client = new HostileClient(server, identity(key)).toFlight4()
      client.certificate()
      client.keyExchange()
      client.changeCipherSpec()
      client.finished()
      expect(server.all('connected')).toEqual([])
    }
  })
})

describe('what is asked for', () => {
  it('CertificateRequest names both types of certificates, and no scheme with SHA-1', () => {
    const body = writeCertificateRequest()
    expect([...new ByteReader(body).vector8().rest()]).toEqual([64, 1])
    const { signatureSchemes: asked } = readCertificateRequest(body)
    expect(asked).toEqual([0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601])
  })

  it('no scheme fits two kinds of key', () => {
    for (const name of Object.keys(signatureSchemes) as SignatureSchemeName[]) {
      const kinds = (['P-256', 'Ed25519', 'RSA'] as const).filter((kind) => fitsKey(signatureSchemes[name], kind))
      expect(kinds).toHaveLength(1)
    }
  })

  it('an RSA key with an even exponent signs nothing', () => {
    const leaf = Buffer.from(identity('RSA').chain[0] ?? [])
    const spki = readCertificateKey(leaf)?.spki ?? new Uint8Array(0)
    const exponentAt = leaf.indexOf(Buffer.from('0203010001', 'hex'), spki.byteOffset - leaf.byteOffset)
    expect(exponentAt).toBeGreaterThan(0)
    for (const [exponent, kind] of [
      [[1, 0, 1], 'RSA'],
      [[1, 0, 0], undefined],
      [[0, 0, 3], 'RSA'],
    ] as const) {
      const changed = Buffer.from(leaf)
      changed.set(exponent, exponentAt + 2)
      expect(readCertificateKey(changed)?.kind).toBe(kind)
    }
  })
})
