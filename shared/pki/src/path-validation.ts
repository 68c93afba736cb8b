/**
 * Path validation (RFC 5280 section 6) for the chains that devices and our servers present.
 *
 *   1. the presented certificates are parsed, no more of them than a path may have;
 *   2. the leaf is looked at for its purpose, and for having signed itself;
 *   3. issuers are looked for among anchors, presented certificates and known intermediates, by name, then by
 *      signature, depth first, with a bound on signatures checked;
 *   4. each path that reaches an anchor is judged from the anchor down; the first that passes is the answer.
 *
 * Stricter than RFC 5280: anchors are judged like any authority (dates, constraints, key); names are chained by their
 * bytes; the leaf must state its extended key usage. Revocation is not looked at: it is the caller's, who knows what was revoked.
 */

import type { Instant } from '@sallyport/clock'
import { isCodedError } from '@sallyport/errors'
import type { AcceptedCertificates } from './accepted-certificates.ts'
import { type Certificate, parseCertificate, sameBytes } from './certificate.ts'
import { type CertificatePurpose, leafRefusal } from './certificate-purpose.ts'
import { judgePath } from './path-judgement.ts'
import { type PathRefusal, pathRefusal } from './path-refusal.ts'
import { authorityKeyRefusal } from './public-key.ts'
import { verifySignature } from './signature.ts'

export interface PathAccepted {
  readonly valid: true
  /** Leaf first, anchor last. */
  readonly path: readonly Certificate[]
}

export interface PathInput {
  /** As presented, leaf first: DER, or certificates parsed before. */
  readonly chain: readonly (Uint8Array | Certificate)[]
  /** Trusted certificate authorities. */
  readonly anchors: readonly Certificate[]
  /** Known but not trusted by themselves: they only fill gaps. */
  readonly intermediates?: readonly Certificate[]
  readonly at: Instant
  readonly purpose: CertificatePurpose
  /** Certificates in a path, leaf and anchor included; also the most that may be presented. Default 8. */
  readonly maxPathLength?: number
  /** Spares parsing and signatures that were checked before; it changes no verdict. Default: nothing is remembered. */
  readonly accepted?: AcceptedCertificates | undefined
}

/** Signatures checked for one chain: cross-signed authorities multiply paths, and each check costs up to a millisecond. */
const maxSignatureChecks = 32

/** Whether the chain leads from an anchor to a leaf that is good for the purpose at that time. Never throws for what a peer sent. */
export function validatePath(input: PathInput): PathAccepted | PathRefusal {
  const maxPathLength = input.maxPathLength ?? 8
  if (input.chain.length === 0) return pathRefusal('certificate-missing', 0, 'no certificate was presented')
  if (input.chain.length > maxPathLength) {
    return pathRefusal(
      'certificate-path-too-long',
      maxPathLength,
      `${input.chain.length} certificates were presented; at most ${maxPathLength} are accepted`,
    )
  }
  const presented = parsePresented(input)
  if (!Array.isArray(presented)) return presented
  const outcome = new PathSearch(input, presented, maxPathLength).run()
  if (outcome.valid) input.accepted?.remember(outcome.path)
  return outcome
}

function parsePresented({ chain, accepted }: PathInput): Certificate[] | PathRefusal {
  const presented: Certificate[] = []
  for (const [index, given] of chain.entries()) {
    try {
      presented.push(given instanceof Uint8Array ? (accepted?.find(given) ?? parseCertificate(given)) : given)
    } catch (error) {
      if (!isCodedError(error)) throw error
      return pathRefusal('certificate-malformed', index, error.message)
    }
  }
  return presented
}

class PathSearch {
  readonly #input: PathInput
  readonly #leaf: Certificate
  readonly #candidates: readonly Certificate[]
  readonly #maxPathLength: number
  readonly #verified = new Map<string, boolean>()
  #checksLeft = maxSignatureChecks
  /** The refusal of the path that came nearest to being accepted. */
  #nearest: { readonly rank: number; readonly refusal: PathRefusal } | undefined

  constructor(input: PathInput, presented: readonly Certificate[], maxPathLength: number) {
    this.#input = input
    this.#leaf = presented[0] as Certificate
    this.#candidates = [...presented.slice(1), ...(input.intermediates ?? [])]
    this.#maxPathLength = maxPathLength
  }

  run(): PathAccepted | PathRefusal {
    const leaf = this.#leaf
    if (leaf.selfIssued && this.#signed(leaf, leaf)) {
      return pathRefusal('certificate-self-signed', 0, 'the leaf is signed by its own key')
    }
    const unfit = leafRefusal(leaf, this.#input.purpose)
    if (unfit !== undefined) return unfit
    return (
      this.#extend([leaf]) ??
      this.#nearest?.refusal ??
      pathRefusal('certificate-authority-unknown', 0, `no trusted authority has the name ${shortened(leaf.issuer)}`)
    )
  }

  /** Tries every issuer of the last certificate; undefined when none leads to an accepted path. */
  #extend(path: readonly Certificate[]): PathAccepted | undefined {
    const last = path[path.length - 1] as Certificate
    if (path.length + 1 > this.#maxPathLength) {
      this.#refuse(
        2,
        pathRefusal(
          'certificate-path-too-long',
          path.length,
          `the path has more than ${this.#maxPathLength} certificates`,
        ),
      )
      return undefined
    }
    const anchors = this.#input.anchors.filter((anchor) => mayIssue(anchor, last))
    for (const anchor of anchors) {
      const accepted = this.#complete(path, anchor)
      if (accepted !== undefined) return accepted
    }
    const issuers = this.#candidates.filter((candidate) => mayIssue(candidate, last) && !repeats(path, candidate))
    for (const issuer of issuers) {
      if (!this.#checkIssued(path, issuer)) continue
      const accepted = this.#extend([...path, issuer])
      if (accepted !== undefined) return accepted
    }
    if (anchors.length === 0 && issuers.length === 0)
      this.#refuse(path.length === 1 ? 0 : 2, unknownAuthority(path, last))
    return undefined
  }

  #complete(path: readonly Certificate[], anchor: Certificate): PathAccepted | undefined {
    if (!this.#checkIssued(path, anchor)) return undefined
    const complete = [...path, anchor]
    const refusal = judgePath(complete, this.#input.at)
    if (refusal === undefined) return { valid: true, path: complete }
    this.#refuse(3, refusal)
    return undefined
  }

  #checkIssued(path: readonly Certificate[], issuer: Certificate): boolean {
    const index = path.length - 1
    const subject = path[index] as Certificate
    const keyRefusal = authorityKeyRefusal(issuer.publicKey)
    if (keyRefusal !== undefined) {
      const detail = `the key of ${named(index + 1)} is ${keyRefusal}`
      this.#refuse(2, pathRefusal('certificate-key-unsupported', index + 1, detail))
      return false
    }
    if (this.#signed(subject, issuer)) return true
    if (this.#checksLeft < 0) {
      this.#refuse(
        3,
        pathRefusal('certificate-path-too-long', index, 'there are more possible paths than are searched'),
      )
    } else if (subject.signatureAlgorithm.kind === 'refused') {
      const { name } = subject.signatureAlgorithm
      this.#refuse(
        2,
        pathRefusal(
          'certificate-signature-invalid',
          index,
          `${named(index)} is signed with ${name}, which is not accepted`,
        ),
      )
    } else {
      this.#refuse(
        1,
        pathRefusal(
          'certificate-signature-invalid',
          index,
          `${named(index)} is not signed by the key of ${shortened(issuer.subject)}`,
        ),
      )
    }
    return false
  }

  /** Remembered, so that cyclic cross-signs cost each check once. */
  #signed(subject: Certificate, issuer: Certificate): boolean {
    if (this.#input.accepted?.isSignedBy(subject, issuer) === true) return true
    const pair = `${subject.sha256} ${issuer.spkiSha256}`
    const known = this.#verified.get(pair)
    if (known !== undefined) return known
    if (this.#checksLeft-- <= 0) {
      this.#checksLeft = -1
      return false
    }
    const { signatureAlgorithm, toBeSigned, signature } = subject
    const verified = verifySignature(signatureAlgorithm, issuer.publicKey, toBeSigned, signature)
    this.#verified.set(pair, verified)
    return verified
  }

  #refuse(rank: number, refusal: PathRefusal): void {
    if (this.#nearest === undefined || rank > this.#nearest.rank) this.#nearest = { rank, refusal }
  }
}

/** By name, and by key identifier where both bear one. Names say nothing yet: anyone can write them. */
function mayIssue(issuer: Certificate, subject: Certificate): boolean {
  if (!sameBytes(issuer.subjectDer, subject.issuerDer)) return false
  const wanted = subject.extensions.authorityKeyIdentifier
  const offered = issuer.extensions.subjectKeyIdentifier
  return wanted === undefined || offered === undefined || sameBytes(wanted, offered)
}

/** The same name with the same key twice is a loop, whatever certificates say so. */
const repeats = (path: readonly Certificate[], candidate: Certificate): boolean =>
  path.some((seen) => seen.spkiSha256 === candidate.spkiSha256 && sameBytes(seen.subjectDer, candidate.subjectDer))

function unknownAuthority(path: readonly Certificate[], last: Certificate): PathRefusal {
  const index = path.length - 1
  const detail = last.selfIssued
    ? `the chain ends in the self-signed ${shortened(last.subject)}, which is not trusted`
    : `no trusted authority has the name and key identifier of ${shortened(last.issuer)}`
  return pathRefusal('certificate-authority-unknown', index, detail)
}

const named = (index: number): string => (index === 0 ? 'the leaf' : `authority ${index} above the leaf`)
const shortened = (name: string): string => (name.length > 120 ? `${name.slice(0, 120)}…` : name)
