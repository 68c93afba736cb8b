import { instant } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { type PathInput, parseCertificate, validatePath } from '../src/index.ts'
import {
  at,
  authorityExtensions,
  authorityKeyIdentifier,
  basicConstraints,
  certificate,
  day,
  device,
  deviceExtensions,
  ecKey,
  ed25519Key,
  explicitCurveKey,
  extendedKeyUsage,
  extension,
  intermediate,
  keyUsage,
  type Party,
  root,
  rsaKey,
  type SignatureName,
  subjectKeyIdentifier,
} from './certificate-builder.ts'

function judge(chain: readonly Party[], anchors: readonly Party[], overrides: Partial<PathInput> = {}) {
  const verdict = validatePath({
    chain: chain.map(({ der }) => der),
    anchors: anchors.map(({ der }) => parseCertificate(der)),
    at: instant(at),
    purpose: 'manufacturer-device',
    ...overrides,
  })
  return verdict.valid
    ? { valid: true, subjects: verdict.path.map(({ subject }) => subject) }
    : { code: verdict.code, alert: verdict.alert, index: verdict.index, detail: verdict.detail }
}

const accepted = { valid: true }
const trusted = root()
const issuing = intermediate(trusted)

describe('a chain in order', () => {
  it('[4.4] [4.5] is accepted, and the path goes from the leaf to the anchor', () => {
    expect(judge([device(issuing), issuing], [trusted])).toEqual({
      valid: true,
      subjects: ['CN=device', 'CN=Intermediate', 'CN=Root'],
    })
  })

  it('[4.5] is accepted with the root in it, out of order, with strangers, and with an intermediate that we knew', () => {
    const leaf = device(issuing)
    expect(judge([leaf, issuing, trusted], [trusted])).toMatchObject(accepted)
    expect(judge([leaf, trusted, issuing], [trusted])).toMatchObject(accepted)
    expect(judge([leaf, root({ name: 'Stranger' }), issuing], [trusted])).toMatchObject(accepted)
    expect(judge([leaf], [trusted], { intermediates: [parseCertificate(issuing.der)] })).toMatchObject(accepted)
  })

  it('[4.5] ends at an intermediate where that is the anchor', () => {
    expect(judge([device(issuing), issuing, trusted], [issuing])).toEqual({
      valid: true,
      subjects: ['CN=device', 'CN=Intermediate'],
    })
  })

  it('[4.4] of no certificates is refused with handshake_failure', () => {
    expect(judge([], [trusted])).toMatchObject({ code: 'certificate-missing', alert: 'handshake_failure' })
  })
})

describe('signatures', () => {
  it.each<[SignatureName, () => ReturnType<typeof ecKey>]>([
    ['ecdsa-sha256', () => ecKey('P-256')],
    ['ecdsa-sha384', () => ecKey('P-384')],
    ['ecdsa-sha512', () => ecKey('P-384')],
    ['ecdsa-sha512', () => ecKey('P-521')],
    ['rsa-sha256', () => rsaKey(2048)],
    ['rsa-sha384', () => rsaKey(3072)],
    ['rsa-sha512', () => rsaKey(2048)],
    ['pss-sha256', () => rsaKey(2048)],
    ['pss-sha512', () => rsaKey(2048)],
    ['ed25519', ed25519Key],
  ])('[4.5] %s by an authority is accepted, and refused once its signature is changed', (signature, makeKey) => {
    const authority = root({ key: makeKey(), signature })
    expect(judge([device(authority, { signature })], [authority])).toMatchObject(accepted)
    const tamper = (octets: Uint8Array): Uint8Array => octets.with(octets.length - 1, (octets.at(-1) ?? 0) ^ 1)
    expect(judge([device(authority, { signature, tamper })], [authority])).toMatchObject({
      code: 'certificate-signature-invalid',
      alert: 'bad_certificate',
      index: 0,
    })
  })

  it.each<[SignatureName, () => ReturnType<typeof ecKey>]>([
    ['ecdsa-sha1', () => ecKey('P-256')],
    ['rsa-sha1', () => rsaKey(2048)],
    ['pss-defaults', () => rsaKey(2048)],
  ])('[4.5] %s is refused by name', (signature, makeKey) => {
    const authority = root({
      key: makeKey(),
      signature: makeKey().asymmetricKeyType === 'rsa' ? 'rsa-sha256' : 'ecdsa-sha256',
    })
    const verdict = judge([device(authority, { signature })], [authority])
    expect(verdict).toMatchObject({ code: 'certificate-signature-invalid', alert: 'bad_certificate', index: 0 })
    expect(verdict.detail).toMatch(/not accepted/)
  })

  it('[4.4] [4.5] a leaf whose every byte is changed in turn is never accepted', () => {
    const leaf = device(issuing)
    for (let at = 0; at < leaf.der.length; at++) {
      const changed = leaf.der.with(at, (leaf.der[at] ?? 0) ^ (1 << (at & 7)))
      expect(judge([{ ...leaf, der: changed }, issuing], [trusted]), `byte ${at}`).not.toMatchObject(accepted)
    }
  })

  it('[4.4] a signature by another authority than the chain names is refused with bad_certificate', () => {
    const other = intermediate(trusted)
    expect(judge([device(other), issuing], [trusted])).toMatchObject({
      code: 'certificate-signature-invalid',
      alert: 'bad_certificate',
      index: 0,
    })
  })
})

describe('trust', () => {
  it('[4.4] an unknown authority is refused with unknown_ca, and the detail names it', () => {
    const stranger = root({ name: 'Stranger' })
    expect(judge([device(stranger), stranger], [trusted])).toMatchObject({
      code: 'certificate-authority-unknown',
      alert: 'unknown_ca',
      index: 1,
      detail: 'the chain ends in the self-signed CN=Stranger, which is not trusted',
    })
    expect(judge([device(stranger)], [trusted])).toMatchObject({ code: 'certificate-authority-unknown', index: 0 })
    expect(judge([device(stranger)], [])).toMatchObject({ code: 'certificate-authority-unknown' })
  })

  it('[4.4] a self-signed leaf is refused as that', () => {
    const leaf = certificate({ name: 'device', extensions: deviceExtensions() })
    expect(judge([leaf], [trusted])).toMatchObject({ code: 'certificate-self-signed', alert: 'unknown_ca', index: 0 })
  })

  it('[4.4] [4.5] a self-made authority with the name and key identifier of ours is refused (F4)', () => {
    const identifier = Uint8Array.of(1, 2, 3, 4)
    const extensions = [...authorityExtensions(), subjectKeyIdentifier(identifier)]
    const ours = root({ extensions })
    const forged = root({ extensions })
    const leaf = device(forged, { extensions: [...deviceExtensions(), authorityKeyIdentifier(identifier)] })
    for (const chain of [[leaf], [leaf, forged], [leaf, forged, ours], [leaf, ours, forged]]) {
      expect(['certificate-signature-invalid', 'certificate-authority-unknown']).toContain(judge(chain, [ours]).code)
    }
  })

  it('[4.5] of two anchors of one name the one that signed is found, with and without key identifiers', () => {
    const one = root()
    const two = root()
    expect(judge([device(two)], [one, two])).toMatchObject(accepted)
    const marked = root({ extensions: [...authorityExtensions(), subjectKeyIdentifier(Uint8Array.of(7))] })
    const leaf = device(marked, { extensions: [...deviceExtensions(), authorityKeyIdentifier(Uint8Array.of(7))] })
    expect(judge([leaf], [one, two, marked])).toMatchObject(accepted)
  })

  it('[4.5] an anchor whose key identifier is not the one that the leaf names is not tried', () => {
    const marked = root({ extensions: [...authorityExtensions(), subjectKeyIdentifier(Uint8Array.of(7))] })
    const leaf = device(marked, { extensions: [...deviceExtensions(), authorityKeyIdentifier(Uint8Array.of(8))] })
    expect(judge([leaf], [marked])).toMatchObject({ code: 'certificate-authority-unknown' })
  })
})

describe('dates', () => {
  const cases = [
    ['expired', { notBefore: at - 2 * day, notAfter: at - 1000 }, 'certificate-expired'],
    ['not yet valid', { notBefore: at + 1000, notAfter: at + day }, 'certificate-not-yet-valid'],
  ] as const

  it.each(cases)('[4.4] [4.5] a leaf that is %s is refused with certificate_expired', (_, dates, code) => {
    expect(judge([device(issuing, dates), issuing], [trusted])).toMatchObject({
      code,
      alert: 'certificate_expired',
      index: 0,
    })
  })

  it.each(cases)('[4.5] an intermediate and an anchor that are %s are refused', (_, dates, code) => {
    const stale = intermediate(trusted, dates)
    expect(judge([device(stale), stale], [trusted])).toMatchObject({ code, index: 1 })
    const staleRoot = root(dates)
    const below = intermediate(staleRoot)
    expect(judge([device(below), below], [staleRoot])).toMatchObject({ code, index: 2 })
  })

  it('[4.5] both ends of the validity are inside, to the second', () => {
    const leaf = device(issuing, { notBefore: at, notAfter: at })
    expect(judge([leaf, issuing], [trusted])).toMatchObject(accepted)
    expect(judge([leaf, issuing], [trusted], { at: instant(at + 999) })).toMatchObject(accepted)
    expect(judge([leaf, issuing], [trusted], { at: instant(at + 1000) })).toMatchObject({ code: 'certificate-expired' })
    expect(judge([leaf, issuing], [trusted], { at: instant(at - 1) })).toMatchObject({
      code: 'certificate-not-yet-valid',
    })
  })

  it('[4.5] a device whose certificate never expires (99991231235959Z) is accepted', () => {
    const leaf = device(issuing, { notAfter: Date.UTC(9999, 11, 31, 23, 59, 59) })
    expect(judge([leaf, issuing], [trusted])).toMatchObject(accepted)
  })
})

describe('authorities', () => {
  it.each([
    ['no basicConstraints', [keyUsage('keyCertSign')]],
    ['cA FALSE', [basicConstraints(false), keyUsage('digitalSignature')]],
    ['no extensions', []],
  ])('[4.5] an intermediate with %s is refused (F5)', (_, extensions) => {
    const unfit = intermediate(trusted, { extensions })
    expect(judge([device(unfit), unfit], [trusted])).toMatchObject({
      code: 'certificate-constraint-violated',
      alert: 'bad_certificate',
      index: 1,
    })
  })

  it('[4.5] an authority without keyCertSign is refused, one without key usage is not', () => {
    const unfit = intermediate(trusted, { extensions: [basicConstraints(true), keyUsage('cRLSign')] })
    expect(judge([device(unfit), unfit], [trusted])).toMatchObject({
      code: 'certificate-purpose-wrong',
      alert: 'unsupported_certificate',
      index: 1,
    })
    const silent = intermediate(trusted, { extensions: [basicConstraints(true)] })
    expect(judge([device(silent), silent], [trusted])).toMatchObject(accepted)
  })

  it('[4.4] [4.5] a path longer than an authority allows is refused, one as long as it allows is not', () => {
    const short = root({ extensions: authorityExtensions(0) })
    const below = intermediate(short)
    expect(judge([device(short)], [short])).toMatchObject(accepted)
    expect(judge([device(below), below], [short])).toMatchObject({
      code: 'certificate-constraint-violated',
      alert: 'bad_certificate',
      index: 1,
    })
    const longer = root({ extensions: authorityExtensions(1) })
    const first = intermediate(longer, { name: 'First' })
    const second = intermediate(first, { name: 'Second' })
    expect(judge([device(first), first], [longer])).toMatchObject(accepted)
    expect(judge([device(second), second, first], [longer])).toMatchObject({
      code: 'certificate-constraint-violated',
      index: 1,
    })
  })

  it('[4.5] the shortest path length of all above holds, also where one further down allows more', () => {
    const short = root({ extensions: authorityExtensions(1) })
    const generous = intermediate(short, { name: 'First', extensions: authorityExtensions(5) })
    const second = intermediate(generous, { name: 'Second' })
    expect(judge([device(second), second, generous], [short])).toMatchObject({
      code: 'certificate-constraint-violated',
    })
  })

  it('[4.5] a self-issued authority (a key roll-over) does not count in the path length', () => {
    const old = root({ extensions: authorityExtensions(0) })
    const renewed = certificate({ name: 'Root', issuer: old, extensions: authorityExtensions(0) })
    expect(judge([device(renewed), renewed], [old])).toMatchObject(accepted)
  })

  it.each([
    ['P-192', () => ecKey('prime192v1'), 'ecdsa-sha256'],
    ['secp256k1', () => ecKey('secp256k1'), 'ecdsa-sha256'],
    ['brainpoolP256r1', () => ecKey('brainpoolP256r1'), 'ecdsa-sha256'],
    ['explicit curve parameters', explicitCurveKey, 'ecdsa-sha256'],
    ['RSA of 1024 bits', () => rsaKey(1024), 'rsa-sha256'],
  ] as const)(
    '[4.5] an authority with a key of %s is refused with unsupported_certificate',
    (_, makeKey, signature) => {
      const weak = root({ key: makeKey(), signature })
      expect(judge([device(weak, { signature })], [weak])).toMatchObject({
        code: 'certificate-key-unsupported',
        alert: 'unsupported_certificate',
        index: 1,
      })
    },
  )
})

describe('the leaf', () => {
  it('[4.4] [4.5] may have a key of RSA from a factory, and none as identity or server', () => {
    const rsa = device(issuing, { key: rsaKey(2048) })
    expect(judge([rsa, issuing], [trusted])).toMatchObject(accepted)
    for (const purpose of ['identity-device', 'server'] as const) {
      expect(judge([rsa, issuing], [trusted], { purpose })).toMatchObject({ code: 'certificate-key-unsupported' })
    }
  })

  it.each([
    ['P-192', () => ecKey('prime192v1')],
    ['P-521', () => ecKey('P-521')],
    ['RSA of 1024 bits', () => rsaKey(1024)],
    ['explicit curve parameters', explicitCurveKey],
  ] as const)('[4.4] [4.5] with a key of %s is refused with unsupported_certificate', (_, makeKey) => {
    expect(judge([device(issuing, { key: makeKey() }), issuing], [trusted])).toMatchObject({
      code: 'certificate-key-unsupported',
      alert: 'unsupported_certificate',
      index: 0,
    })
  })

  it('[4.5] with a key on P-384 is accepted, also below RSA authorities', () => {
    const rsaRoot = root({ key: rsaKey(2048), signature: 'rsa-sha256' })
    const leaf = device(rsaRoot, { key: ecKey('P-384'), signature: 'rsa-sha256' })
    expect(judge([leaf], [rsaRoot])).toMatchObject(accepted)
  })

  it('[4.4] that is a certificate authority is refused (F5)', () => {
    const extensions = [
      basicConstraints(true),
      keyUsage('digitalSignature', 'keyCertSign'),
      extendedKeyUsage('clientAuth'),
    ]
    expect(judge([device(issuing, { extensions }), issuing], [trusted])).toMatchObject({
      code: 'certificate-purpose-wrong',
      alert: 'unsupported_certificate',
      index: 0,
    })
    expect(judge([issuing], [trusted])).toMatchObject({ code: 'certificate-purpose-wrong', index: 0 })
    for (const hint of [basicConstraints(true), keyUsage('digitalSignature', 'keyCertSign')]) {
      const half = device(issuing, { extensions: [hint, extendedKeyUsage('clientAuth')] })
      expect(judge([half, issuing], [trusted])).toMatchObject({ code: 'certificate-purpose-wrong', index: 0 })
    }
  })

  it('[4.4] [4.5] with another extended key usage than clientAuth is refused, and the detail says which (RFC 7925 section 4.4.4)', () => {
    const wrong = (...usages: string[]) =>
      judge(
        [
          device(issuing, {
            extensions: [basicConstraints(false), ...(usages.length ? [extendedKeyUsage(...usages)] : [])],
          }),
          issuing,
        ],
        [trusted],
      )
    expect(wrong('serverAuth')).toEqual({
      code: 'certificate-purpose-wrong',
      alert: 'unsupported_certificate',
      index: 0,
      detail: 'the leaf has extended key usage serverAuth; clientAuth is needed',
    })
    expect(wrong('2.5.29.37.0')).toMatchObject({ code: 'certificate-purpose-wrong' })
    expect(wrong()).toMatchObject({ detail: 'the leaf has no extended key usage; clientAuth is needed' })
    expect(wrong('serverAuth', 'clientAuth')).toMatchObject(accepted)
  })

  it('[4.4] [4.5] whose key usage lacks digitalSignature is refused; without key usage it is not (RFC 7925 section 4.4.4)', () => {
    const withUsage = (...extensions: Uint8Array[]) =>
      judge([device(issuing, { extensions: [...extensions, extendedKeyUsage('clientAuth')] }), issuing], [trusted])
    expect(withUsage(keyUsage('keyAgreement'))).toMatchObject({
      code: 'certificate-purpose-wrong',
      alert: 'unsupported_certificate',
    })
    expect(withUsage()).toMatchObject(accepted)
  })

  it('[4.5] that is a device identity needs all three usages and the name of a device (RFC 7925 section 4.4.2)', () => {
    const identity = (name: string, ...usages: string[]) =>
      judge([device(issuing, { name, extensions: [extendedKeyUsage(...usages)] }), issuing], [trusted], {
        purpose: 'identity-device',
      })
    const id = 'uuid:8f0c2a53-5f1e-4d0e-9a3c-0d6f1f2b3c4d'
    expect(identity(id, 'clientAuth', 'serverAuth', 'ocfIdentity')).toMatchObject(accepted)
    expect(identity(id, 'clientAuth', 'serverAuth')).toMatchObject({ code: 'certificate-purpose-wrong' })
    expect(identity(id, 'clientAuth')).toMatchObject({
      detail: 'the leaf has extended key usage clientAuth; serverAuth, ocfIdentity are needed',
    })
    for (const name of [
      'lamp',
      `${id}\u0000`,
      `${id} `,
      'uuid:8f0c2a53',
      'uuid:00000000-0000-0000-0000-000000000000',
    ]) {
      expect(identity(name, 'clientAuth', 'serverAuth', 'ocfIdentity'), name).toMatchObject({
        code: 'certificate-purpose-wrong',
      })
    }
  })

  it('[4.5] that is a server needs serverAuth', () => {
    const server = (usage: string) =>
      judge([device(issuing, { extensions: [extendedKeyUsage(usage)] }), issuing], [trusted], { purpose: 'server' })
    expect(server('serverAuth')).toMatchObject(accepted)
    expect(server('clientAuth')).toMatchObject({ code: 'certificate-purpose-wrong' })
  })
})

describe('critical extensions', () => {
  const unknown = (critical: boolean) => extension('1.3.6.1.4.1.99999.1', Uint8Array.of(5, 0), critical)

  it('[4.5] an unknown critical one is refused wherever it stands, an unknown plain one is not (F5)', () => {
    const leaf = device(issuing, { extensions: [...deviceExtensions(), unknown(true)] })
    expect(judge([leaf, issuing], [trusted])).toMatchObject({
      code: 'certificate-constraint-violated',
      alert: 'bad_certificate',
      index: 0,
      detail: 'the leaf has the critical extension 1.3.6.1.4.1.99999.1, which is not processed here',
    })
    const odd = intermediate(trusted, { extensions: [...authorityExtensions(), unknown(true)] })
    expect(judge([device(odd), odd], [trusted])).toMatchObject({ code: 'certificate-constraint-violated', index: 1 })
    const fine = device(issuing, { extensions: [...deviceExtensions(), unknown(false)] })
    expect(judge([fine, issuing], [trusted])).toMatchObject(accepted)
  })
})
