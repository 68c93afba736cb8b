/**
 * The rules for a path whose signatures and names already chain (RFC 5280 sections 6.1.3 to 6.1.5), from the anchor
 * down to the leaf.
 */

import { type Instant, toRfc3339 } from '@sallyport/clock'
import type { Certificate } from './certificate.ts'
import type { NameConstraints } from './certificate-extensions.ts'
import { comparisonBudget, nameConstraintRefusal } from './name-constraints.ts'
import { extensionId, nameIn } from './object-identifiers.ts'
import { type PathRefusal, pathRefusal } from './path-refusal.ts'
import { PolicyProcessing } from './policy-processing.ts'

/** Extensions whose demands are met here. */
const processedExtensions: ReadonlySet<string> = new Set([
  extensionId.basicConstraints,
  extensionId.keyUsage,
  extensionId.extKeyUsage,
  extensionId.subjectAltName,
  extensionId.nameConstraints,
  extensionId.certificatePolicies,
  extensionId.policyMappings,
  extensionId.policyConstraints,
  extensionId.inhibitAnyPolicy,
  extensionId.subjectKeyIdentifier,
  extensionId.authorityKeyIdentifier,
])

/** @param path leaf first, anchor last. */
export function judgePath(path: readonly Certificate[], at: Instant): PathRefusal | undefined {
  const budget = comparisonBudget()
  const constraints: NameConstraints[] = []
  const policies = new PolicyProcessing(path[path.length - 1] as Certificate, path.length - 1)
  /** Authorities that may still follow below, as the path lengths so far allow. */
  let authoritiesLeft = Number.POSITIVE_INFINITY
  for (let index = path.length - 1; index >= 0; index--) {
    const certificate = path[index] as Certificate
    const refusal =
      validityRefusal(certificate, index, at) ??
      criticalExtensionRefusal(certificate, index) ??
      (index === 0 ? undefined : authorityRefusal(certificate, index))
    if (refusal !== undefined) return refusal

    // RFC 5280 section 6.1.3 (b), (c): a self-issued authority (a key roll-over) is not constrained, the leaf always is.
    if (index === 0 || !certificate.selfIssued) {
      for (const constraint of constraints) {
        const broken = nameConstraintRefusal(certificate, constraint, budget)
        if (broken !== undefined)
          return pathRefusal('certificate-constraint-violated', index, `${named(index)}: ${broken}`)
      }
    }
    const lacking = policyRefusal(policies, certificate, index, path.length)
    if (lacking !== undefined)
      return pathRefusal('certificate-constraint-violated', index, `${named(index)}: ${lacking}`)
    if (index === 0) break

    // Section 6.1.4 (l), (m): the anchor itself does not count.
    if (index < path.length - 1 && !certificate.selfIssued && --authoritiesLeft < 0) {
      return pathRefusal(
        'certificate-constraint-violated',
        index,
        `${named(index)} is one authority more than the path length of an authority above it allows`,
      )
    }
    const { nameConstraints, basicConstraints } = certificate.extensions
    if (nameConstraints !== undefined) constraints.push(nameConstraints)
    authoritiesLeft = Math.min(authoritiesLeft, basicConstraints?.pathLength ?? authoritiesLeft)
  }
  return undefined
}

function validityRefusal(certificate: Certificate, index: number, at: Instant): PathRefusal | undefined {
  if (at < certificate.notBefore) {
    return pathRefusal(
      'certificate-not-yet-valid',
      index,
      `${named(index)} is valid from ${toRfc3339(certificate.notBefore)}, and it is ${toRfc3339(at)}`,
    )
  }
  // RFC 5280 section 4.1.2.5: notAfter is inclusive, to the whole second.
  if (at >= certificate.notAfter + 1000) {
    return pathRefusal(
      'certificate-expired',
      index,
      `${named(index)} expired at ${toRfc3339(certificate.notAfter)}, and it is ${toRfc3339(at)}`,
    )
  }
  return undefined
}

function criticalExtensionRefusal(certificate: Certificate, index: number): PathRefusal | undefined {
  const unknown = certificate.extensions.listed.find(({ id, critical }) => critical && !processedExtensions.has(id))
  if (unknown === undefined) return undefined
  const name = nameIn(extensionId, unknown.id)
  return pathRefusal(
    'certificate-constraint-violated',
    index,
    `${named(index)} has the critical extension ${name}, which is not processed here`,
  )
}

/** The anchor was taken in at the start. */
function policyRefusal(
  policies: PolicyProcessing,
  certificate: Certificate,
  index: number,
  length: number,
): string | undefined {
  if (index === length - 1) return undefined
  return index === 0 ? policies.leaf(certificate) : policies.authority(certificate)
}

function authorityRefusal(certificate: Certificate, index: number): PathRefusal | undefined {
  if (!certificate.isCa) {
    return pathRefusal('certificate-constraint-violated', index, `${named(index)} issued a certificate but is no CA`)
  }
  if (certificate.extensions.keyUsage?.has('keyCertSign') === false) {
    return pathRefusal(
      'certificate-purpose-wrong',
      index,
      `${named(index)} issued a certificate, but its key usage lacks keyCertSign`,
    )
  }
  return undefined
}

const named = (index: number): string => (index === 0 ? 'the leaf' : `authority ${index} above the leaf`)
