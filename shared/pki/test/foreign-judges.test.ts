/** Two other implementations look at what we look at: OpenSSL at paths, pkijs at fields. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { instant } from '@sallyport/clock'
import { Certificate as ForeignCertificate } from 'pkijs'
import { afterAll, describe, expect, it } from 'vitest'
import { certificateToPem, encodeGeneralName, parseCertificate, validatePath } from '../src/index.ts'
import {
  alternativeNames,
  at,
  authorityExtensions,
  basicConstraints,
  certificate,
  day,
  device,
  deviceExtensions,
  ecKey,
  extendedKeyUsage,
  extension,
  intermediate,
  keyUsage,
  nameConstraints,
  type Party,
  root,
  rsaKey,
} from './certificate-builder.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-pki-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** `openssl verify` with the leaf's purpose a TLS client, at our time. */
function opensslAccepts(chain: readonly Party[], anchor: Party): boolean {
  const file = (name: string, parties: readonly Party[]): string => {
    const path = join(folder, name)
    writeFileSync(path, parties.map(({ der }) => certificateToPem(der)).join(''))
    return path
  }
  const [leaf, ...others] = chain
  const result = spawnSync('openssl', [
    'verify',
    '-attime',
    String(at / 1000),
    '-purpose',
    'sslclient',
    '-CAfile',
    file('anchor.pem', [anchor]),
    ...(others.length === 0 ? [] : ['-untrusted', file('untrusted.pem', others)]),
    file('leaf.pem', leaf === undefined ? [] : [leaf]),
  ])
  return result.status === 0
}

const weAccept = (chain: readonly Party[], anchor: Party): boolean =>
  validatePath({
    chain: chain.map(({ der }) => der),
    anchors: [parseCertificate(anchor.der)],
    at: instant(at),
    purpose: 'manufacturer-device',
  }).valid

const trusted = root()
const issuing = intermediate(trusted)
const under = (authority: Party, recipe = {}): Party[] => [device(authority, recipe), authority]
const acme = encodeGeneralName({ kind: 'dns', text: 'acme.example' })
const named = (host: string) => ({
  extensions: [...deviceExtensions(), alternativeNames({ kind: 'dns', text: host })],
})
const constrained = intermediate(trusted, {
  extensions: [...authorityExtensions(), nameConstraints({ permitted: [acme] })],
})
const shortRoot = root({ extensions: authorityExtensions(0) })
const rsaRoot = root({ key: rsaKey(2048), signature: 'rsa-sha256' })
const critical = extension('1.3.6.1.4.1.99999.1', Uint8Array.of(5, 0), true)

const cases: readonly [string, boolean, readonly Party[], Party][] = [
  ['a right chain', true, under(issuing), trusted],
  ['an RSA root with PSS', true, [device(rsaRoot, { signature: 'pss-sha256' })], rsaRoot],
  ['a leaf on P-384', true, under(issuing, { key: ecKey('P-384') }), trusted],
  ['an expired leaf', false, under(issuing, { notAfter: at - day }), trusted],
  ['a leaf of tomorrow', false, under(issuing, { notBefore: at + day, notAfter: at + 2 * day }), trusted],
  ['an expired intermediate', false, under(intermediate(trusted, { notAfter: at - day })), trusted],
  ['a self-signed leaf', false, [certificate({ extensions: deviceExtensions() })], trusted],
  ['another root of the same name', false, under(issuing), root()],
  [
    'an intermediate that is no CA',
    false,
    under(intermediate(trusted, { extensions: [basicConstraints(false)] })),
    trusted,
  ],
  [
    'an intermediate without keyCertSign',
    false,
    under(intermediate(trusted, { extensions: [basicConstraints(true), keyUsage('cRLSign')] })),
    trusted,
  ],
  ['a path that is too long', false, under(intermediate(shortRoot)), shortRoot],
  ['a server as client', false, under(issuing, { extensions: [extendedKeyUsage('serverAuth')] }), trusted],
  ['an unknown critical extension', false, under(issuing, { extensions: [...deviceExtensions(), critical] }), trusted],
  ['a permitted name', true, under(constrained, named('lamp.acme.example')), trusted],
  ['a name outside', false, under(constrained, named('evil.example')), trusted],
  [
    'a signature with one bit changed',
    false,
    under(issuing, { tamper: (s: Uint8Array) => s.with(20, (s[20] ?? 0) ^ 1) }),
    trusted,
  ],
]

describe('OpenSSL and we', () => {
  it.each(cases)('[4.5] agree on %s', (_, acceptable, chain, anchor) => {
    expect({ openssl: opensslAccepts(chain, anchor), we: weAccept(chain, anchor) }).toEqual({
      openssl: acceptable,
      we: acceptable,
    })
  })
})

describe('pkijs and we', () => {
  it('[4.5] read the same fields', () => {
    const der = device(issuing, named('lamp.acme.example')).der
    const theirs = ForeignCertificate.fromBER(new Uint8Array(der).buffer)
    const ours = parseCertificate(der)
    expect(ours.notBefore).toBe(theirs.notBefore.value.getTime())
    expect(ours.notAfter).toBe(theirs.notAfter.value.getTime())
    expect(ours.serialNumber).toBe(Buffer.from(theirs.serialNumber.valueBlock.valueHexView).toString('hex'))
    expect(ours.commonName).toBe(theirs.subject.typesAndValues[0]?.value.valueBlock.value)
    expect(Buffer.from(ours.spki)).toEqual(Buffer.from(theirs.subjectPublicKeyInfo.toSchema().toBER()))
    expect(ours.extensions.listed.map(({ id }) => id)).toEqual(theirs.extensions?.map(({ extnID }) => extnID))
    expect(Buffer.from(ours.toBeSigned)).toEqual(Buffer.from(theirs.tbsView))
  })
})
