import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { instant } from '@sallyport/clock'
import { type Certificate, certificateToPem, parseCertificationRequest, validatePath } from '@sallyport/pki'
import { afterAll, describe, expect, it } from 'vitest'
import {
  type CertificateProfile,
  dnsName,
  type Issuance,
  ipName,
  issueCertificate,
  prepareCertificate,
  type Signer,
  signCertificate,
  softwareSigner,
  uriName,
  validityFor,
} from '../src/index.ts'

const start = Date.UTC(2026, 0, 1)
const deviceId = '8f0c2a53-5f1e-4d0e-9a3c-0d6f1f2b3c4d'
const serialNumber = Uint8Array.of(0x7f, ...new Array<number>(16).fill(0xab))
const ecKey = (namedCurve = 'P-256'): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey

async function authority(
  profile: CertificateProfile,
  issuer?: { certificate: Certificate; signer: Signer },
  curve?: string,
) {
  const signer = softwareSigner(ecKey(curve))
  const certificate = await issueCertificate({
    profile,
    subject: { organization: 'Sallyport', commonName: profile },
    spki: signer.publicKey,
    issuer: issuer ?? { signer },
    serialNumber,
    ...validityFor(start, 3650),
  })
  return { certificate, signer }
}

const identityAuthority = await authority('identity-ca')
const spki = softwareSigner(ecKey()).publicKey

const identity = (changes: Partial<Issuance> = {}): Issuance => ({
  profile: 'identity',
  subject: { commonName: `uuid:${deviceId}` },
  spki,
  issuer: identityAuthority,
  serialNumber,
  ...validityFor(start, 90),
  ...changes,
})

const refused = (message: RegExp) =>
  expect.objectContaining({ code: 'issuance-refused', message: expect.stringMatching(message) })

describe('an identity certificate', () => {
  it('[4.6] [4.7] has the names, usages and dates of its profile, and is good for a device at the gateway', async () => {
    const certificate = await issueCertificate(identity())
    expect(certificate).toMatchObject({
      serialNumber: `7f${'ab'.repeat(16)}`,
      subject: `CN=uuid:${deviceId}`,
      issuer: 'CN=identity-ca,O=Sallyport',
      isCa: false,
      notAfter: start + 90 * 86_400_000,
    })
    const { extensions } = certificate
    expect(extensions.subjectAlternativeNames).toEqual([{ kind: 'uri', text: `urn:uuid:${deviceId}` }])
    expect([...(extensions.keyUsage ?? [])]).toEqual(['digitalSignature', 'keyAgreement'])
    expect([...(extensions.extendedKeyUsage ?? [])]).toEqual([
      '1.3.6.1.5.5.7.3.2',
      '1.3.6.1.5.5.7.3.1',
      '1.3.6.1.4.1.44924.1.6',
    ])
    expect(extensions.authorityKeyIdentifier).toEqual(identityAuthority.certificate.extensions.subjectKeyIdentifier)
    expect(
      validatePath({
        chain: [certificate.der],
        anchors: [identityAuthority.certificate],
        at: instant(start),
        purpose: 'identity-device',
      }),
    ).toMatchObject({ valid: true })
  })

  it('[4.6] takes nothing from a request but the key: a wish to be a CA under many names stays a wish (F24)', async () => {
    const wishes = ['basicConstraints=critical,CA:TRUE', 'keyUsage=keyCertSign', 'subjectAltName=DNS:*.evil.example']
    const pem = execFileSync(
      'openssl',
      [
        ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null'],
        ...['-subj', `/O=Evil/CN=uuid:${deviceId}`],
        ...wishes.flatMap((wish) => ['-addext', wish]),
      ],
      { stdio: 'pipe' },
    )
    const request = parseCertificationRequest(pem)
    expect(request.signatureValid).toBe(true)
    const certificate = await issueCertificate(identity({ spki: request.spki }))
    expect(certificate.spki).toEqual(request.spki)
    expect(certificate).toMatchObject({ isCa: false, subject: `CN=uuid:${deviceId}` })
    expect(certificate.extensions.subjectAlternativeNames).toEqual([{ kind: 'uri', text: `urn:uuid:${deviceId}` }])
    expect(certificate.extensions.listed.map(({ id }) => id).toSorted()).toEqual(
      ['2.5.29.14', '2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.35', '2.5.29.37'].toSorted(),
    )
  })

  it.each(['lamp', 'uuid:*', `uuid:${deviceId.toUpperCase()}`, `uuid:${deviceId}\u0000`, ''])(
    '[4.6] is refused for the name %j (F24)',
    async (commonName) => {
      await expect(issueCertificate(identity({ subject: { commonName } }))).rejects.toEqual(refused(/common name/))
    },
  )

  it('[4.6] is refused with names of its own, for an RSA key, for longer than the profile allows, and with a weak serial number', async () => {
    const subject = { commonName: `uuid:${deviceId}`, subjectAlternativeNames: [dnsName('evil.example')] }
    await expect(issueCertificate(identity({ subject }))).rejects.toEqual(refused(/own names/))
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'der', type: 'spki' })
    await expect(issueCertificate(identity({ spki: new Uint8Array(rsa) }))).rejects.toEqual(refused(/RSA/))
    await expect(issueCertificate(identity(validityFor(start, 365)))).rejects.toEqual(refused(/longer than 91 days/))
    await expect(issueCertificate(identity(validityFor(start, 0)))).rejects.toEqual(refused(/notAfter/))
    for (const octets of [
      [1],
      [0x80, ...new Array<number>(16).fill(1)],
      new Array<number>(21).fill(1),
      new Array<number>(17).fill(0),
    ]) {
      await expect(issueCertificate(identity({ serialNumber: Uint8Array.from(octets) }))).rejects.toEqual(
        refused(/serial number/),
      )
    }
  })

  it("[4.7] is refused below what is no CA, beyond the life of its CA, and with a key that is not the CA's", async () => {
    const leaf = await issueCertificate(identity())
    const other = softwareSigner(ecKey())
    await expect(
      issueCertificate(identity({ issuer: { certificate: leaf, signer: { ...other, publicKey: leaf.spki } } })),
    ).rejects.toEqual(refused(/no certificate authority/))
    await expect(issueCertificate(identity(validityFor(start + 3600 * 86_400_000, 90)))).rejects.toEqual(
      refused(/longer than its issuer/),
    )
    await expect(
      issueCertificate(identity({ issuer: { certificate: identityAuthority.certificate, signer: other } })),
    ).rejects.toEqual(refused(/not the key of the issuer/))
  })
})

describe('signing', () => {
  it('[4.7] releases nothing whose signature does not verify, as from a faulty HSM', async () => {
    const { signer } = identityAuthority
    const faulty: Signer = {
      publicKey: signer.publicKey,
      sign: async (data) => {
        const signature = await signer.sign(data)
        return signature.with(-1, (signature.at(-1) ?? 0) ^ 1)
      },
    }
    const issuance = identity({ issuer: { certificate: identityAuthority.certificate, signer: faulty } })
    await expect(issueCertificate(issuance)).rejects.toEqual(expect.objectContaining({ code: 'hsm-signature-wrong' }))
  })

  it('[4.7] never touches the CA key for a certificate that does not pass lint, and prepares without it', async () => {
    const { signer, certificate } = identityAuthority
    let signatures = 0
    const counting: Signer = {
      publicKey: signer.publicKey,
      sign: (data) => {
        signatures++
        return signer.sign(data)
      },
    }
    const issuer = { certificate, signer: counting }
    await expect(prepareCertificate(identity({ issuer, ...validityFor(start, 365) }))).rejects.toEqual(
      refused(/longer/),
    )
    const prepared = await prepareCertificate(identity({ issuer }))
    expect(signatures).toBe(0)
    const signed = await signCertificate(prepared)
    expect(signatures).toBe(1)
    expect(signed.toBeSigned).toEqual(prepared.unsignedCopy.toBeSigned)
    expect(signed.signature).not.toEqual(prepared.unsignedCopy.signature)
    const { valid } = validatePath({
      chain: [prepared.unsignedCopy],
      anchors: [certificate],
      at: instant(start),
      purpose: 'identity-device',
    })
    expect(valid).toBe(false)
  })

  it('[4.7] with an authority on P-384 uses SHA-384', async () => {
    const strong = await authority('identity-ca', undefined, 'P-384')
    const certificate = await issueCertificate(identity({ issuer: strong }))
    expect(certificate.signatureAlgorithm).toMatchObject({ name: 'ecdsa-with-SHA384' })
  })
})

describe('what openssl says', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-issuer-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const file = (name: string, ...certificates: Certificate[]): string => {
    const path = join(folder, name)
    writeFileSync(path, certificates.map(({ der }) => certificateToPem(der)).join(''))
    return path
  }
  const verify = (purpose: string, anchor: Certificate, leaf: Certificate, ...untrusted: Certificate[]): string =>
    execFileSync('openssl', [
      'verify',
      '-x509_strict',
      '-check_ss_sig',
      '-attime',
      String(start / 1000 + 60),
      '-purpose',
      purpose,
      '-CAfile',
      file('anchor.pem', anchor),
      ...(untrusted.length === 0 ? [] : ['-untrusted', file('untrusted.pem', ...untrusted)]),
      file('leaf.pem', leaf),
    ]).toString()

  it('[4.7] it accepts identities, as client and as server, in its strict mode', async () => {
    const certificate = await issueCertificate(identity())
    expect(verify('sslclient', identityAuthority.certificate, certificate)).toContain('OK')
    expect(verify('sslserver', identityAuthority.certificate, certificate)).toContain('OK')
  })

  it('it accepts the certificates of servers and services below their authorities', async () => {
    const root = await authority('installation-root')
    for (const [ca, profile] of [
      ['server-ca', 'server'],
      ['service-ca', 'service'],
    ] as const) {
      const issuer = await authority(ca, root)
      const subjectAlternativeNames = [
        uriName('urn:sallyport:service:dps'),
        dnsName('localhost'),
        ipName('127.0.0.1'),
        ipName('::1'),
      ]
      const certificate = await issueCertificate(
        identity({ profile, issuer, subject: { commonName: 'dps', subjectAlternativeNames } }),
      )
      expect(verify('sslserver', root.certificate, certificate, issuer.certificate)).toContain('OK')
      const text = execFileSync('openssl', [
        'x509',
        '-in',
        file('shown.pem', certificate),
        '-noout',
        '-text',
      ]).toString()
      expect(text).toContain(
        'URI:urn:sallyport:service:dps, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
      )
    }
  })

  it('[4.1] it accepts devices of a manufacturer below root and intermediate', async () => {
    const root = await authority('manufacturer-root')
    const issuer = await authority('manufacturer-intermediate', root)
    const certificate = await issueCertificate(identity({ profile: 'manufacturer-device', issuer }))
    expect(verify('sslclient', root.certificate, certificate, issuer.certificate)).toContain('OK')
  })
})

describe('names', () => {
  it('an address becomes its octets, and what is none is refused', () => {
    const octets = (text: string) => {
      const name = ipName(text)
      return name.kind === 'ip' ? Buffer.from(name.octets).toString('hex') : ''
    }
    expect(octets('10.1.2.3')).toBe('0a010203')
    expect(octets('2001:db8::1')).toBe('20010db8000000000000000000000001')
    expect(octets('::')).toBe('0'.repeat(32))
    expect(octets('1:2:3:4:5:6:7:8')).toBe('00010002000300040005000600070008')
    for (const text of ['', 'localhost', '1.2.3', '::1%eth0', '::ffff:1.2.3.4']) {
      expect(() => ipName(text)).toThrow(expect.objectContaining({ code: 'validation-failed' }))
    }
  })

  it('[4.7] a subject of more than 64 characters or with control characters is found by lint', async () => {
    for (const name of ['x'.repeat(65), 'a\u0000b', 'a\nb']) {
      const commonName = { profile: 'manufacturer-device', subject: { commonName: name } } as const
      await expect(issueCertificate(identity(commonName)), name).rejects.toEqual(refused(/a part of the subject/))
      const organization = { profile: 'manufacturer-device', subject: { commonName: 'x', organization: name } } as const
      await expect(issueCertificate(identity(organization)), name).rejects.toEqual(refused(/a part of the subject/))
    }
  })

  it('[4.7] a host that is none is found by lint', async () => {
    for (const host of ['*.example', 'a b', '-a.example', 'ä.example', 'a\u0000.example', '']) {
      const subject = { commonName: 'dps', subjectAlternativeNames: [dnsName(host)] }
      await expect(issueCertificate(identity({ profile: 'server', subject })), host).rejects.toEqual(refused(/./))
    }
  })
})
