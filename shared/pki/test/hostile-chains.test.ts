/** F6: chains made to cost a verifier time. */

import { instant } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { encodeGeneralName, encodeName, parseCertificate, validatePath } from '../src/index.ts'
import {
  alternativeNames,
  at,
  authorityExtensions,
  certificate,
  device,
  deviceExtensions,
  ecKey,
  intermediate,
  nameConstraints,
  type Party,
  root,
} from './certificate-builder.ts'

const trusted = root()

function judge(
  chain: readonly Party[],
  anchors: readonly Party[],
  intermediates: readonly Party[] = [],
  maxPathLength?: number,
) {
  const started = process.hrtime.bigint()
  const verdict = validatePath({
    chain: chain.map(({ der }) => der),
    anchors: anchors.map(({ der }) => parseCertificate(der)),
    intermediates: intermediates.map(({ der }) => parseCertificate(der)),
    at: instant(at),
    purpose: 'manufacturer-device',
    ...(maxPathLength === undefined ? {} : { maxPathLength }),
  })
  const milliseconds = Number(process.hrtime.bigint() - started) / 1e6
  return { milliseconds, outcome: verdict.valid ? 'accepted' : verdict.code, verdict }
}

function longChain(length: number): Party[] {
  const chain: Party[] = [trusted]
  for (let index = 1; index < length - 1; index++)
    chain.unshift(intermediate(chain[0] as Party, { name: `CA ${index}` }))
  chain.unshift(device(chain[0] as Party))
  return chain
}

describe('length', () => {
  it('[4.4] [4.5] a chain of 50 certificates is refused before any of them is read (F6)', () => {
    const { outcome, milliseconds, verdict } = judge(longChain(50), [trusted])
    expect(outcome).toBe('certificate-path-too-long')
    expect(verdict).toMatchObject({
      alert: 'unknown_ca',
      detail: '50 certificates were presented; at most 8 are accepted',
    })
    expect(milliseconds).toBeLessThan(1000)
  })

  it('[4.5] a path of 8 is accepted and one of 9 is refused, presented or known', () => {
    expect(judge(longChain(8), [trusted]).outcome).toBe('accepted')
    const nine = longChain(9)
    expect(judge(nine, [trusted]).outcome).toBe('certificate-path-too-long')
    expect(judge(nine.slice(0, 8), [trusted]).outcome).toBe('certificate-path-too-long')
    expect(judge(nine.slice(0, 1), [trusted], nine.slice(1)).outcome).toBe('certificate-path-too-long')
    expect(judge(nine, [trusted], [], 9).outcome).toBe('accepted')
  })
})

describe('cross-signs', () => {
  it('[4.5] authorities that signed each other in a circle end in a refusal within a second (F6)', () => {
    const names = ['A', 'B', 'C', 'D']
    const keys = names.map(() => ecKey('P-384'))
    const parties = names.map((name, index) => ({
      name: encodeName({ commonName: name }),
      key: keys[index] ?? ecKey(),
    }))
    const crossSigns = parties.flatMap((subject) =>
      parties
        .filter((issuer) => issuer !== subject)
        .map((issuer) =>
          certificate({ ...subject, issuer, signature: 'ecdsa-sha384', extensions: authorityExtensions() }),
        ),
    )
    const leaf = certificate({
      name: 'device',
      issuer: parties[0] as Party,
      signature: 'ecdsa-sha384',
      extensions: deviceExtensions(),
    })
    const { outcome, milliseconds } = judge([leaf], [trusted], crossSigns)
    expect(['certificate-authority-unknown', 'certificate-path-too-long']).toContain(outcome)
    expect(milliseconds).toBeLessThan(1000)
  })

  it('[4.5] two authorities that signed each other lead to nobody', () => {
    const a = root({ name: 'A' })
    const b = root({ name: 'B' })
    const crossed = [
      certificate({ ...a, issuer: b, extensions: authorityExtensions() }),
      certificate({ ...b, issuer: a, extensions: authorityExtensions() }),
    ]
    expect(judge([device(a), ...crossed], [trusted]).outcome).toBe('certificate-authority-unknown')
  })

  it('[4.5] through a cross-sign the trusted authority is found', () => {
    const other = root({ name: 'Other' })
    const shared = { name: 'Shared', key: ecKey() }
    const byOther = certificate({ ...shared, issuer: other, extensions: authorityExtensions() })
    const byTrusted = certificate({ ...shared, issuer: trusted, extensions: authorityExtensions() })
    expect(judge([device(byOther), byOther, byTrusted], [trusted]).outcome).toBe('accepted')
    expect(judge([device(byOther), other, byOther, byTrusted], [trusted]).outcome).toBe('accepted')
  })

  it('[4.5] a hundred authorities of one name cost a bounded number of signature checks', () => {
    const namesakes = Array.from({ length: 100 }, () => root())
    const { outcome, milliseconds } = judge([device(root())], namesakes)
    expect(outcome).toBe('certificate-path-too-long')
    expect(milliseconds).toBeLessThan(1000)
  })
})

describe('names', () => {
  const dns = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ kind: 'dns', text: `${index}` }) as const)

  it('[4.5] ten thousand alternative names are read or refused within a second (F6)', () => {
    const many = device(trusted, { extensions: [...deviceExtensions(), alternativeNames(...dns(9000))] })
    const first = judge([many], [trusted])
    expect(first.outcome).toBe('accepted')
    expect(first.milliseconds).toBeLessThan(1000)
    const tooMany = device(trusted, { extensions: [...deviceExtensions(), alternativeNames(...dns(20_000))] })
    const second = judge([tooMany], [trusted])
    expect(second.outcome).toBe('certificate-malformed')
    expect(second.milliseconds).toBeLessThan(1000)
  })

  it('[4.5] thousands of names under thousands of constraints are refused within a second', () => {
    const bases = dns(4000).map((name) => encodeGeneralName(name))
    const constrained = root({ extensions: [...authorityExtensions(), nameConstraints({ excluded: bases })] })
    const many = device(constrained, { extensions: [...deviceExtensions(), alternativeNames(...dns(4000))] })
    const { outcome, milliseconds } = judge([many], [constrained])
    expect(outcome).toBe('certificate-constraint-violated')
    expect(milliseconds).toBeLessThan(1000)
  })
})
