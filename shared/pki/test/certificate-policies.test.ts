/** After the sections 4.8 to 4.12 of NIST's PKITS, in chains of our own; OpenSSL judges each as well. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { instant } from '@sallyport/clock'
import { afterAll, describe, expect, it } from 'vitest'
import {
  certificateToPem,
  derContextPrimitive,
  derInteger,
  derObjectIdentifier,
  derSequence,
  encodeName,
  parseCertificate,
  validatePath,
} from '../src/index.ts'
import {
  at,
  authorityExtensions,
  authorityKeyIdentifier,
  certificate,
  device,
  deviceExtensions,
  extension,
  intermediate,
  type Party,
  root,
  subjectKeyIdentifier,
} from './certificate-builder.ts'

const any = '2.5.29.32.0'
const [one, two, three] = ['1.3.6.1.4.1.99999.2.1', '1.3.6.1.4.1.99999.2.2', '1.3.6.1.4.1.99999.2.3'] as const

const policies = (...ids: string[]): Uint8Array =>
  extension('2.5.29.32', derSequence(...ids.map((id) => derSequence(derObjectIdentifier(id)))))
const mappings = (...pairs: [string, string][]): Uint8Array =>
  extension(
    '2.5.29.33',
    derSequence(
      ...pairs.map(([issuer, subject]) => derSequence(derObjectIdentifier(issuer), derObjectIdentifier(subject))),
    ),
    true,
  )
const constraints = (limits: { explicit?: number; mapping?: number }): Uint8Array =>
  extension(
    '2.5.29.36',
    derSequence(
      ...(limits.explicit === undefined ? [] : [derContextPrimitive(0, Uint8Array.of(limits.explicit))]),
      ...(limits.mapping === undefined ? [] : [derContextPrimitive(1, Uint8Array.of(limits.mapping))]),
    ),
    true,
  )
const inhibitAny = (skip: number): Uint8Array => extension('2.5.29.54', derInteger(skip), true)

const trusted = root()
/** A path below the root: authorities from the top, each by its policy extensions, then the leaf. */
function chain(...extensions: Uint8Array[][]): Party[] {
  const built: Party[] = []
  let issuer = trusted
  for (const [index, more] of extensions.slice(0, -1).entries()) {
    issuer = intermediate(issuer, { name: `CA ${index}`, extensions: [...authorityExtensions(), ...more] })
    built.unshift(issuer)
  }
  built.unshift(device(issuer, { extensions: [...deviceExtensions(), ...(extensions.at(-1) ?? [])] }))
  return built
}

function judge(path: readonly Party[], anchor: Party = trusted): { code: string; index?: number; detail?: string } {
  const verdict = validatePath({
    chain: path.map(({ der }) => der),
    anchors: [parseCertificate(anchor.der)],
    at: instant(at),
    purpose: 'manufacturer-device',
  })
  return verdict.valid ? { code: 'accepted' } : { code: verdict.code, index: verdict.index, detail: verdict.detail }
}

const folder = mkdtempSync(join(tmpdir(), 'sallyport-policies-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function opensslJudges(path: readonly Party[]): 'accepted' | 'refused' {
  const file = (name: string, parties: readonly Party[]): string => {
    const target = join(folder, name)
    writeFileSync(target, parties.map(({ der }) => certificateToPem(der)).join(''))
    return target
  }
  const trust = ['-CAfile', file('anchor.pem', [trusted]), '-untrusted', file('untrusted.pem', path.slice(1))]
  const leaf = file('leaf.pem', path.slice(0, 1))
  const result = spawnSync('openssl', [
    'verify',
    '-policy_check',
    '-policy',
    any,
    '-attime',
    String(at / 1000),
    ...trust,
    leaf,
  ])
  return result.status === 0 ? 'accepted' : 'refused'
}

const explicit = constraints({ explicit: 0 })

const cases: readonly [string, 'accepted' | 'refused', Uint8Array[][]][] = [
  ['no policies, and none demanded', 'accepted', [[], []]],
  ['policies that do not fit, and none demanded', 'accepted', [[policies(one)], [policies(two)]]],
  ['one policy throughout, demanded', 'accepted', [[policies(one), explicit], [policies(one)]]],
  ['none in the leaf, demanded', 'refused', [[policies(one), explicit], []]],
  ['another in the leaf, demanded', 'refused', [[policies(one), explicit], [policies(two)]]],
  ['none in the authority, demanded', 'refused', [[explicit], [policies(one)]]],
  ['one of several, demanded', 'accepted', [[policies(one, two), explicit], [policies(two, three)]]],
  ['any-policy in the authority, demanded', 'accepted', [[policies(any), explicit], [policies(one)]]],
  ['any-policy in the leaf, demanded', 'accepted', [[policies(one), explicit], [policies(any)]]],
  ['lost in the middle, demanded at the top', 'refused', [[policies(one), explicit], [policies(two)], [policies(one)]]],
  ['a demand that comes into force below the leaf', 'accepted', [[constraints({ explicit: 3 })], [], []]],
  ['a demand that comes into force at the leaf', 'refused', [[constraints({ explicit: 1 })], [], []]],
  ['a demand that two authorities count down to the leaf', 'refused', [[constraints({ explicit: 2 })], [], [], []]],
  ['a demand that is not counted down in time', 'accepted', [[constraints({ explicit: 4 })], [], [], []]],
  ['a demand of the leaf alone', 'refused', [[], [explicit]]],
  ['a demand of the leaf, met', 'accepted', [[policies(one)], [policies(one), explicit]]],
  ['mapped to what the leaf has', 'accepted', [[policies(one), mappings([one, two]), explicit], [policies(two)]]],
  ['mapped away from what the leaf has', 'refused', [[policies(one), mappings([one, two]), explicit], [policies(one)]]],
  [
    'mapped twice',
    'accepted',
    [[policies(one), mappings([one, two]), explicit], [policies(two), mappings([two, three])], [policies(three)]],
  ],
  [
    'mapped where mapping is inhibited',
    'refused',
    [[policies(one), constraints({ explicit: 0, mapping: 0 })], [policies(one), mappings([one, two])], [policies(two)]],
  ],
  [
    'mapped one level before it is inhibited',
    'accepted',
    [[policies(one), constraints({ explicit: 0, mapping: 1 })], [policies(one), mappings([one, two])], [policies(two)]],
  ],
  [
    'mapped from any-policy by a node of its own',
    'accepted',
    [[policies(any), mappings([one, two]), explicit], [policies(two)]],
  ],
  ['mapped from any-policy, which is malformed', 'refused', [[policies(any), mappings([any, two])], [policies(two)]]],
  ['any-policy where it is inhibited', 'refused', [[policies(one), inhibitAny(0), explicit], [policies(any)]]],
  [
    'any-policy one level before it is inhibited',
    'accepted',
    [[policies(one), inhibitAny(1), explicit], [policies(any)], [policies(one)]],
  ],
  [
    'a named policy where any-policy is inhibited',
    'accepted',
    [[policies(one), inhibitAny(0), explicit], [policies(one)]],
  ],
]

describe('certificate policies (RFC 5280 section 6.1)', () => {
  it.each(cases)('[4.5] %s: %s, and OpenSSL says so too', (_, expected, extensions) => {
    const path = chain(...extensions)
    const { code } = judge(path)
    expect({ we: code === 'accepted' ? code : 'refused', openssl: opensslJudges(path) }).toEqual({
      we: expected,
      openssl: expected,
    })
    if (expected === 'refused') expect(code).toBe('certificate-constraint-violated')
  })

  it('[4.5] a refusal says at which certificate no policy was left', () => {
    expect(judge(chain([policies(one), explicit], [policies(two)], [policies(one)]))).toEqual({
      code: 'certificate-constraint-violated',
      index: 1,
      detail:
        'authority 1 above the leaf: an authority above demands a certificate policy, and none is valid for the whole path',
    })
  })

  it('[4.5] a self-issued authority counts nothing down, and may bear any-policy where that is inhibited', () => {
    // OpenSSL takes a self-issued certificate for a self-signed one unless key identifiers tell it otherwise.
    const [firstKey, secondKey] = [Uint8Array.of(1), Uint8Array.of(2)]
    const first = intermediate(trusted, {
      name: 'CA',
      extensions: [...authorityExtensions(), policies(one), explicit, inhibitAny(0), subjectKeyIdentifier(firstKey)],
    })
    const again = certificate({
      name: encodeName({ commonName: 'CA' }),
      issuer: first,
      extensions: [
        ...authorityExtensions(),
        ...[policies(any), subjectKeyIdentifier(secondKey), authorityKeyIdentifier(firstKey)],
      ],
    })
    const leaf = device(again, {
      extensions: [...deviceExtensions(), policies(one), authorityKeyIdentifier(secondKey)],
    })
    expect(judge([leaf, again, first]).code).toBe('accepted')
    expect(opensslJudges([leaf, again, first])).toBe('accepted')
  })

  it('[4.5] a self-issued authority does not bring a demand nearer', () => {
    const first = intermediate(trusted, {
      name: 'CA',
      extensions: [...authorityExtensions(), constraints({ explicit: 2 })],
    })
    const selfIssued = certificate({ name: 'CA', issuer: first, extensions: authorityExtensions() })
    expect(judge([device(selfIssued), selfIssued, first]).code).toBe('accepted')
    const other = intermediate(first, { name: 'Other' })
    expect(judge([device(other), other, first]).code).toBe('certificate-constraint-violated')
  })

  it('[4.5] a demand of the anchor itself holds', () => {
    const demanding = root({ extensions: [...authorityExtensions(), explicit] })
    expect(judge([device(demanding)], demanding).code).toBe('certificate-constraint-violated')
    const leaf = device(demanding, { extensions: [...deviceExtensions(), policies(one)] })
    expect(judge([leaf], demanding).code).toBe('accepted')
  })

  it('[4.5] thousands of policies and mappings cost no more than their number (RFC 9618)', () => {
    const many = Array.from({ length: 1500 }, (_, index) => `1.3.6.1.4.1.99999.3.${index}`)
    const all = many.flatMap((issuer, index): [string, string][] => [
      [issuer, many[(index + 1) % many.length] ?? issuer],
      [issuer, many[(index + 2) % many.length] ?? issuer],
    ])
    const level = () => [policies(...many), mappings(...all.slice(0, 1500))]
    const path = chain([...level(), explicit], level(), level(), level(), [policies(many[1000] ?? one)])
    const started = performance.now()
    expect(judge(path).code).toBe('accepted')
    expect(performance.now() - started).toBeLessThan(1000)
  })
})
