import { instant } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import {
  derElement,
  derObjectIdentifier,
  derSequence,
  derUtf8String,
  encodeDirectoryName,
  encodeGeneralName,
  parseCertificate,
  validatePath,
  type WrittenName,
} from '../src/index.ts'
import {
  alternativeNames,
  at,
  authorityExtensions,
  device,
  deviceExtensions,
  extension,
  intermediate,
  nameConstraints,
  root,
} from './certificate-builder.ts'

const dns = (text: string): WrittenName => ({ kind: 'dns', text })
const uri = (text: string): WrittenName => ({ kind: 'uri', text })
const ip = (...octets: number[]): WrittenName => ({ kind: 'ip', octets: Uint8Array.from(octets) })

type Constraints = { permitted?: Uint8Array[]; excluded?: Uint8Array[] }

/** What becomes of a leaf with these names below an authority with these constraints. */
function outcome(
  constraints: Constraints,
  names: readonly (WrittenName | Uint8Array)[],
  subject: string | Uint8Array = 'device',
) {
  const trusted = root({ extensions: [...authorityExtensions(), nameConstraints(constraints)] })
  const alternatives = names.map((name) => (name instanceof Uint8Array ? name : encodeGeneralName(name)))
  const extensions =
    names.length === 0
      ? deviceExtensions()
      : [...deviceExtensions(), extension('2.5.29.17', derSequence(...alternatives))]
  const verdict = validatePath({
    chain: [device(trusted, { name: subject, extensions }).der],
    anchors: [parseCertificate(trusted.der)],
    at: instant(at),
    purpose: 'manufacturer-device',
  })
  return verdict.valid ? 'accepted' : verdict.code
}
const violated = 'certificate-constraint-violated'
const permitted = (name: WrittenName): Constraints => ({ permitted: [encodeGeneralName(name)] })
const excluded = (name: WrittenName): Constraints => ({ excluded: [encodeGeneralName(name)] })

describe('name constraints', () => {
  it.each([
    [dns('acme.example'), dns('acme.example'), true],
    [dns('acme.example'), dns('lamp.ACME.example'), true],
    [dns('acme.example'), dns('acme.example.'), true],
    [dns('acme.example'), dns('notacme.example'), false],
    [dns('acme.example'), dns('example'), false],
    [dns('.acme.example'), dns('lamp.acme.example'), true],
    [dns('.acme.example'), dns('acme.example'), false],
    [dns(''), dns('anything.example'), true],
    [uri('acme.example'), uri('coaps://acme.example:5684/a'), true],
    [uri('acme.example'), uri('https://user@acme.example/'), true],
    [uri('acme.example'), uri('https://acme.example@evil.example/'), false],
    [uri('acme.example'), uri('https://lamp.acme.example/'), false],
    [uri('.acme.example'), uri('https://lamp.acme.example'), true],
    [ip(10, 0, 0, 0, 255, 0, 0, 0), ip(10, 9, 8, 7), true],
    [ip(10, 0, 0, 0, 255, 0, 0, 0), ip(11, 9, 8, 7), false],
  ])('[4.5] base %j, name %j: inside is %s', (base, name, inside) => {
    expect(outcome(permitted(base), [name])).toBe(inside ? 'accepted' : violated)
    expect(outcome(excluded(base), [name])).toBe(inside ? violated : 'accepted')
  })

  it('[4.5] a URI without a host, or with an address for one, is refused where URIs are constrained', () => {
    for (const name of [uri('urn:uuid:8f0c2a53'), uri('https://10.0.0.1/'), uri('https://[::1]/')]) {
      expect(outcome(permitted(uri('acme.example')), [name])).toBe(violated)
      expect(outcome(excluded(uri('acme.example')), [name])).toBe(violated)
    }
  })

  it('[4.5] a name of a form that is not constrained is free', () => {
    expect(outcome(permitted(dns('acme.example')), [uri('https://evil.example'), ip(1, 2, 3, 4)])).toBe('accepted')
  })

  it('[4.5] one name outside is enough to refuse', () => {
    expect(outcome(permitted(dns('acme.example')), [dns('acme.example'), dns('evil.example')])).toBe(violated)
  })

  it('[4.5] an IPv6 name is outside of an IPv4 range, and inside of its own', () => {
    const address = new Array<number>(15).fill(0)
    const range = ip(...address, 0, ...new Array<number>(8).fill(255), ...new Array<number>(8).fill(0))
    expect(outcome(permitted(range), [ip(...address, 1)])).toBe('accepted')
    expect(outcome(permitted(ip(0, 0, 0, 0, 0, 0, 0, 0)), [ip(...address, 1)])).toBe(violated)
  })

  const name = (organization: string, ...more: string[]): Uint8Array =>
    derSequence(
      ...[organization, ...more].map((text, index) =>
        derElement(0x31, derSequence(derObjectIdentifier(index === 0 ? '2.5.4.10' : '2.5.4.3'), derUtf8String(text))),
      ),
    )

  it('[4.5] a subject outside of the permitted directory is refused; spelling does not help it out of an excluded one', () => {
    const base = encodeDirectoryName(name('Acme'))
    expect(outcome({ permitted: [base] }, [], name('Acme', 'lamp'))).toBe('accepted')
    expect(outcome({ permitted: [base] }, [], name('Evil', 'lamp'))).toBe(violated)
    expect(outcome({ permitted: [base] }, [], 'lamp')).toBe(violated)
    expect(outcome({ excluded: [base] }, [], name('Acme', 'lamp'))).toBe(violated)
    expect(outcome({ excluded: [base] }, [], name(' aCME ', 'lamp'))).toBe(violated)
    expect(outcome({ excluded: [base] }, [], name('Other', 'lamp'))).toBe('accepted')
  })

  it('[4.5] a name of a form that is not compared is refused where that form is constrained', () => {
    const mail = derElement(0x81, Buffer.from('a@acme.example'))
    expect(outcome({ permitted: [mail] }, [mail])).toBe(violated)
    expect(outcome({ excluded: [mail] }, [mail])).toBe(violated)
    expect(outcome({ permitted: [mail] }, [dns('acme.example')])).toBe('accepted')
  })

  it('[4.5] constraints of every authority above hold together, on authorities too', () => {
    const trusted = root({ extensions: [...authorityExtensions(), nameConstraints(permitted(dns('acme.example')))] })
    const below = intermediate(trusted, {
      extensions: [...authorityExtensions(), nameConstraints(permitted(dns('lamps.acme.example')))],
    })
    const verdict = (host: string, authority = below) => {
      const leaf = device(authority, { extensions: [...deviceExtensions(), alternativeNames(dns(host))] })
      const answer = validatePath({
        chain: [leaf.der, authority.der],
        anchors: [parseCertificate(trusted.der)],
        at: instant(at),
        purpose: 'manufacturer-device',
      })
      return answer.valid ? 'accepted' : `${answer.code} ${answer.index}`
    }
    expect(verdict('one.lamps.acme.example')).toBe('accepted')
    expect(verdict('acme.example')).toBe(`${violated} 0`)
    const misnamed = intermediate(trusted, {
      extensions: [...authorityExtensions(), alternativeNames(dns('evil.example'))],
    })
    expect(verdict('acme.example', misnamed)).toBe(`${violated} 1`)
  })
})
