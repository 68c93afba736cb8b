import { namesAttack, renderConformance, sectionsIn } from '@sallyport/development'
import { describe, expect, it } from 'vitest'

describe('what a test names', () => {
  it('is read with one section, several, a paragraph sign, or none', () => {
    const number = '6347'
    expect(sectionsIn(`cookies (RFC ${number} section 4.2.1)`)).toEqual(['RFC 6347 4.2.1'])
    expect(sectionsIn(`RFC ${number} §4.2.1: cookies`)).toEqual(['RFC 6347 4.2.1'])
    expect(sectionsIn(`RFC ${number} sections 4 and 5.3.`)).toEqual(['RFC 6347 4', 'RFC 6347 5.3'])
    expect(sectionsIn(`links (RFC ${number})`)).toEqual(['RFC 6347 '])
  })

  it('is an attack when it stands by itself', () => {
    expect(namesAttack('[6.9] F16: floods', 'F16')).toBe(true)
    expect(namesAttack('[6.9] F16: floods', 'F1')).toBe(false)
    expect(namesAttack('CertificateVerify-less Client Authentication', 'Certificate-less Client Authentication')).toBe(
      false,
    )
  })
})

describe('the page', () => {
  const catalogue = {
    documents: { 'RFC 1': { title: 'one', sections: { '4.1': 'records', '4.2': 'messages' } } },
    attacks: { attacks: ['F1'] },
  }

  it('lists what no test shows, and counts a test of a part for the whole', () => {
    const number = '1'
    const page = renderConformance(catalogue, [
      { file: 'a.test.ts', name: `drops it (RFC ${number} section 4.1.2)`, state: 'passed' },
      { file: 'a.test.ts', name: `keeps it (RFC ${number} section 4.1)`, state: 'not run' },
    ])
    expect(page).toMatch(/\| 4\.1 \| records \| `a\.test\.ts`: drops it · keeps it \| 1 passed, 1 not run \|/)
    expect(page).toContain('| 4.2 | messages | **none** | – |')
    expect(page).toContain('| F1 | **none** | – |')
  })
})
