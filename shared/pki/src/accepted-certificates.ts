/**
 * Certificates that stood in an accepted path, so that a device which comes back is judged without the two things that
 * cannot have changed: what its bytes mean, and that the key of its issuer signed them.
 *
 * It remembers no judgement. Dates, purpose, constraints, the anchors, and what the caller knows of revocation are asked
 * each time anew. A certificate is known by the SHA-256 of all its bytes, a signature by that and the issuer's key. Only what
 * was accepted is kept, so that strangers cannot fill it; where it is full, what was not used for longest goes.
 */

import { hash } from 'node:crypto'
import type { Certificate } from './certificate.ts'

interface Known {
  readonly certificate: Certificate
  /** SHA-256 of the key that signed it; undefined for an anchor, which peers present too, and which nobody has to have signed. */
  readonly issuerKey: string | undefined
}

/** Some 4 kB each. */
const defaultMost = 1024

export class AcceptedCertificates {
  readonly #most: number
  /** By SHA-256 of the DER, the longest unused first. */
  readonly #known = new Map<string, Known>()

  /** @param most certificates at a time; 0: none is kept */
  constructor(most = defaultMost) {
    this.#most = most
  }

  get size(): number {
    return this.#known.size
  }

  /** The certificate of these bytes, as it was parsed before. */
  find(der: Uint8Array): Certificate | undefined {
    if (this.#known.size === 0) return undefined
    const sha256 = hash('sha256', der)
    const known = this.#known.get(sha256)
    if (known === undefined) return undefined
    this.#known.delete(sha256)
    this.#known.set(sha256, known)
    return known.certificate
  }

  /** False: not that we knew. */
  isSignedBy(subject: Certificate, issuer: Certificate): boolean {
    return this.#known.get(subject.sha256)?.issuerKey === issuer.spkiSha256
  }

  /** @param path that was accepted, leaf first; each certificate is signed by the next, and the last is an anchor */
  remember(path: readonly Certificate[]): void {
    for (const [index, certificate] of path.entries()) {
      const issuerKey = path[index + 1]?.spkiSha256
      const known = this.#known.get(certificate.sha256)
      if (known !== undefined && (known.issuerKey !== undefined || issuerKey === undefined)) continue
      this.#known.set(certificate.sha256, { certificate, issuerKey })
    }
    for (const longestUnused of this.#known.keys()) {
      if (this.#known.size <= this.#most) return
      this.#known.delete(longestUnused)
    }
  }
}
