/**
 * Certificate policies (RFC 5280 sections 6.1.2 to 6.1.5), for a relying party that takes any policy, maps freely, and
 * does not itself demand one: initial-policy-set any-policy, none of the three inhibitors set.
 *
 * What is asked is only whether any policy is valid for the path where an authority demands one. For that the last level
 * of the RFC's tree suffices, so nothing grows with the number of ways to reach a node (RFC 9618 tells of the attack).
 */

import type { Certificate } from './certificate.ts'
import { anyPolicyId } from './object-identifiers.ts'

/** Processes the certificates of a path from the one below the anchor down to the leaf. */
export class PolicyProcessing {
  /** Valid policies at the present depth, each with those that the next certificate may name for it. */
  #level: ReadonlyMap<string, ReadonlySet<string>> = new Map([[anyPolicyId, new Set([anyPolicyId])]])
  #explicitPolicy: number
  #policyMapping: number
  #inhibitAnyPolicy: number

  /** @param length certificates below the anchor. The anchor's own demands hold, as RFC 5937 has it. */
  constructor(anchor: Certificate, length: number) {
    this.#explicitPolicy = length + 1
    this.#policyMapping = length + 1
    this.#inhibitAnyPolicy = length + 1
    this.#takeDemands(anchor)
  }

  /** Section 6.1.3 (d) to (f) and 6.1.4. Why the path is refused at this authority, or undefined. */
  authority(certificate: Certificate): string | undefined {
    this.#descend(certificate, certificate.selfIssued)
    if (this.#lacksPolicy()) return lacking
    const { policyMappings } = certificate.extensions
    if (policyMappings?.some((mapping) => mapping.issuer === anyPolicyId || mapping.subject === anyPolicyId) === true) {
      return 'it maps from or to any-policy'
    }
    if (policyMappings !== undefined) this.#map(policyMappings)
    if (!certificate.selfIssued) this.#countDown()
    this.#takeDemands(certificate)
    return undefined
  }

  /** Section 6.1.3 (d) to (f) and 6.1.5. */
  leaf(certificate: Certificate): string | undefined {
    this.#descend(certificate, false)
    if (this.#lacksPolicy()) return lacking
    this.#explicitPolicy = Math.max(0, this.#explicitPolicy - 1)
    if (certificate.extensions.policyConstraints?.requireExplicitPolicy === 0) this.#explicitPolicy = 0
    return this.#lacksPolicy() ? lacking : undefined
  }

  /** Section 6.1.3 (d), (e): the valid policies one level further down. */
  #descend(certificate: Certificate, mayBeAnything: boolean): void {
    const next = new Map<string, ReadonlySet<string>>()
    const policies = certificate.extensions.certificatePolicies ?? new Set()
    const expected = new Set([...this.#level.values()].flatMap((values) => [...values]))
    for (const policy of policies) {
      if (policy === anyPolicyId) continue
      if (expected.has(policy) || this.#level.has(anyPolicyId)) next.set(policy, new Set([policy]))
    }
    if (policies.has(anyPolicyId) && (this.#inhibitAnyPolicy > 0 || mayBeAnything)) {
      for (const policy of expected) if (!next.has(policy)) next.set(policy, new Set([policy]))
    }
    this.#level = next
  }

  /** Section 6.1.4 (b). */
  #map(mappings: readonly { readonly issuer: string; readonly subject: string }[]): void {
    const next = new Map(this.#level)
    const subjects = new Map<string, Set<string>>()
    for (const { issuer, subject } of mappings) {
      subjects.set(issuer, (subjects.get(issuer) ?? new Set()).add(subject))
    }
    for (const [issuer, mapped] of subjects) {
      if (this.#policyMapping === 0) next.delete(issuer)
      else if (this.#level.has(issuer) || this.#level.has(anyPolicyId)) next.set(issuer, mapped)
    }
    this.#level = next
  }

  /** Section 6.1.4 (h). */
  #countDown(): void {
    this.#explicitPolicy = Math.max(0, this.#explicitPolicy - 1)
    this.#policyMapping = Math.max(0, this.#policyMapping - 1)
    this.#inhibitAnyPolicy = Math.max(0, this.#inhibitAnyPolicy - 1)
  }

  /** Section 6.1.4 (i), (j). */
  #takeDemands({ extensions }: Certificate): void {
    const { policyConstraints, inhibitAnyPolicy } = extensions
    this.#explicitPolicy = Math.min(
      this.#explicitPolicy,
      policyConstraints?.requireExplicitPolicy ?? Number.POSITIVE_INFINITY,
    )
    this.#policyMapping = Math.min(
      this.#policyMapping,
      policyConstraints?.inhibitPolicyMapping ?? Number.POSITIVE_INFINITY,
    )
    this.#inhibitAnyPolicy = Math.min(this.#inhibitAnyPolicy, inhibitAnyPolicy ?? Number.POSITIVE_INFINITY)
  }

  #lacksPolicy(): boolean {
    return this.#explicitPolicy === 0 && this.#level.size === 0
  }
}

const lacking = 'an authority above demands a certificate policy, and none is valid for the whole path'
