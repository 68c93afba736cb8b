/**
 * Name constraints (RFC 5280 sections 4.2.1.10 and 6.1): dns, uri, ip and directory names.
 *
 * A constraint of another form is honoured by refusing a certificate that bears a name of that form. The work is
 * bounded, because both lists come from a peer.
 */

import type { Certificate } from './certificate.ts'
import type { NameConstraints } from './certificate-extensions.ts'
import { foldedRelativeNames } from './distinguished-name.ts'
import type { GeneralName } from './general-name.ts'

/** Comparisons for one path; a chain of real life needs some dozens. */
const maxComparisons = 100_000

export interface ComparisonBudget {
  left: number
}

export const comparisonBudget = (): ComparisonBudget => ({ left: maxComparisons })

/** Why the certificate breaks the constraints of an authority above it, or undefined. */
export function nameConstraintRefusal(
  certificate: Certificate,
  constraints: NameConstraints,
  budget: ComparisonBudget,
): string | undefined {
  const permitted = constraints.permitted.map(prepared)
  const excluded = constraints.excluded.map(prepared)
  const constrainedForms = new Set([...permitted, ...excluded].map(({ form }) => form))
  for (const name of namesOf(certificate).map(prepared)) {
    budget.left -= permitted.length + excluded.length
    if (budget.left < 0) return 'there are more names and name constraints than are compared'
    if (!constrainedForms.has(name.form)) continue
    if (!name.comparable) return `the name ${name.shown} cannot be compared with the authority's name constraints`
    const sameForm = permitted.filter((base) => base.form === name.form)
    if (sameForm.length > 0 && !sameForm.some((base) => base.contains(name))) {
      return `the name ${name.shown} is outside of what the authority may name`
    }
    if (excluded.some((base) => base.form === name.form && base.contains(name))) {
      return `the name ${name.shown} is excluded by the authority's name constraints`
    }
  }
  return undefined
}

function namesOf(certificate: Certificate): readonly GeneralName[] {
  const alternatives = certificate.extensions.subjectAlternativeNames ?? []
  const { subjectName } = certificate
  return subjectName.relativeNames.length === 0
    ? alternatives
    : [{ kind: 'directory', name: subjectName }, ...alternatives]
}

/** A name in the shape it is compared in; `contains` is asked of a constraint. */
interface PreparedName {
  readonly form: string
  readonly shown: string
  /** False for what no constraint can be said to permit or exclude: such a name is refused where its form is constrained. */
  readonly comparable: boolean
  readonly text: string
  readonly octets: Uint8Array
  readonly relativeNames: readonly string[]
  contains(name: PreparedName): boolean
}

const blank = {
  comparable: true,
  text: '',
  octets: new Uint8Array(0),
  relativeNames: [],
  contains: () => false,
} satisfies Partial<PreparedName>

const shortened = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)

function prepared(name: GeneralName): PreparedName {
  switch (name.kind) {
    case 'dns': {
      const text = name.text.toLowerCase().replace(/\.$/, '')
      return { ...blank, form: 'dns', shown: shortened(text), text, contains: (other) => dnsContains(text, other.text) }
    }
    case 'uri': {
      const base = name.text.toLowerCase()
      const host = hostOf(base)
      return {
        ...blank,
        form: 'uri',
        shown: shortened(name.text),
        comparable: host !== undefined,
        text: host ?? '',
        contains: (other) => (base.startsWith('.') ? other.text.endsWith(base) : other.text === base),
      }
    }
    case 'ip': {
      const { octets } = name
      return {
        ...blank,
        form: 'ip',
        shown: `IP ${[...octets].join('.')}`,
        octets,
        contains: (other) => ipContains(octets, other.octets),
      }
    }
    case 'directory': {
      const relativeNames = foldedRelativeNames(name.name)
      return {
        ...blank,
        form: 'directory',
        shown: 'of the subject',
        relativeNames,
        contains: (other) => relativeNames.every((part, index) => other.relativeNames[index] === part),
      }
    }
    case 'email':
      return { ...blank, form: 'email', shown: `of form email`, comparable: false }
    case 'other':
      return { ...blank, form: `other-${name.tag}`, shown: 'of a rare form', comparable: false }
  }
}

/** RFC 5280: the name itself, or labels added on the left. */
function dnsContains(base: string, name: string): boolean {
  if (base === '') return true
  return base.startsWith('.') ? name.endsWith(base) : name === base || name.endsWith(`.${base}`)
}

const hostOfUri = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([a-z0-9.-]+)(?::\d*)?(?:[/?#]|$)/

/** The host of a URI where it is a name: RFC 5280 has a URI without one, or with an address, refused. */
function hostOf(uri: string): string | undefined {
  const host = hostOfUri.exec(uri)?.[1]?.replace(/\.$/, '')
  return host === undefined || host === '' || /^[0-9.]+$/.test(host) ? undefined : host
}

function ipContains(range: Uint8Array, address: Uint8Array): boolean {
  const width = range.length / 2
  if (address.length !== width) return false
  return address.every((octet, index) => {
    const mask = range[width + index] as number
    return (octet & mask) === ((range[index] as number) & mask)
  })
}
