/**
 * Issuing identity certificates, in the order that the design fixes (§6):
 *
 *   1. the device id is claimed by its manufacturer key          (claimDevice)
 *   2. a repeat within 10 minutes gets what was issued           (findRepeat)
 *   3. serial number: 135 random bits
 *   4. template and lint of a copy that a throwaway key signed   (prepareCertificate)
 *   5. the serial number and the intent are stored and audited   (begin)
 *   6. signature by the authority's key in the HSM, verified     (signCertificate)
 *   7. the certificate is stored and audited                     (complete)
 *   8. answer
 *
 * A crash between 5 and 7 leaves an intent without a certificate: the certificate, if there was one, never left, and the
 * reconciler withdraws its serial number. The key and the device id are all that comes from the request.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { toHex } from '@sallyport/bytes'
import { type Clock, type Duration, days, earlier, type Instant, instant, minutes } from '@sallyport/clock'
import { CodedError, hasCode, isCodedError } from '@sallyport/errors'
import { type PreparedCertificate, prepareCertificate, type Signer, signCertificate } from '@sallyport/issuer'
import { type Certificate, type CertificationRequest, parseCertificate } from '@sallyport/pki'
import type { Act, IssuanceStore } from './provisioning-store.ts'
import { WorkQueue } from './work-queue.ts'

/** Device, key and profile alike within this time: the same certificate (a lost reply must not burn serial numbers). */
export const repeatWindow: Duration = minutes(10)
export const identityLifetime: Duration = days(90)
/** For devices whose clock is behind. */
const backdating: Duration = minutes(5)
/** A signature takes seconds at worst; an intent older than this belongs to a process that is gone. */
const orphanAge: Duration = minutes(5)

const maxAttempts = 4

export interface IdentityAuthority {
  readonly certificate: Certificate
  /** @throws CodedError `hsm-unavailable`, `hsm-key-missing`. */
  signer(): Promise<Signer>
}

export interface IdentityIssuerOptions {
  readonly store: IssuanceStore
  readonly authority: IdentityAuthority
  readonly clock: Clock
  readonly randomBytes: (count: number) => Uint8Array
  /** Told how long each new certificate took. */
  readonly onIssued?: (duration: Duration) => void
  /** Issuances at once; 8 unless told. The token has 4 sessions, and the others wait for the database. */
  readonly concurrency?: number
  readonly maxWaiting?: number
}

export interface IdentityOrder {
  readonly recordId: string
  readonly deviceId: string
  readonly request: CertificationRequest
}

export class IdentityIssuer {
  readonly #options: IdentityIssuerOptions
  readonly #queue: WorkQueue
  readonly #underway = new Map<string, Promise<Certificate>>()

  constructor(options: IdentityIssuerOptions) {
    this.#options = options
    this.#queue = new WorkQueue({ concurrency: options.concurrency ?? 8, maxWaiting: options.maxWaiting ?? 1000 })
  }

  get waiting(): number {
    return this.#queue.length
  }

  /**
   * The certificate for a request that has been verified and whose device id is claimed.
   * @throws CodedError `hsm-unavailable`, `hsm-signature-wrong`, `database-unavailable`, `overloaded`.
   */
  async issue(order: IdentityOrder, act: Act): Promise<Certificate> {
    const same = `${order.deviceId} ${order.request.spkiSha256}`
    const underway = this.#underway.get(same)
    if (underway !== undefined) return await underway
    const issued = this.#queue.run(() => this.#issueOrFind(order, act)).finally(() => this.#underway.delete(same))
    this.#underway.set(same, issued)
    return await issued
  }

  /** Withdraws intents that were never completed. @returns how many there were. */
  async reconcile(act: Act): Promise<number> {
    const orphans = await this.#options.store.orphans(earlier(this.#options.clock.now(), orphanAge))
    for (const { issuanceId } of orphans) await this.#options.store.fail(issuanceId, 'internal', act)
    return orphans.length
  }

  /** Equal requests share one promise here; with another instance of this service the database is the arbiter. */
  async #issueOrFind(order: IdentityOrder, act: Act): Promise<Certificate> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#issueOnce(order, act)
      } catch (error) {
        if (!hasCode(error, 'conflict')) throw error
        if (attempt === maxAttempts) {
          throw new CodedError('overloaded', 'another instance is issuing for the same device', { cause: error })
        }
        await sleep(100 * attempt)
      }
    }
  }

  async #issueOnce(order: IdentityOrder, act: Act): Promise<Certificate> {
    const { store, authority, clock } = this.#options
    const { deviceId, recordId, request } = order
    const repeated = await store.findRepeat({ deviceId, spkiSha256: request.spkiSha256, within: repeatWindow })
    if (repeated !== undefined) return parseCertificate(repeated)

    const startedAt = clock.now()
    const serialNumber = this.#serialNumber()
    const validity = validityOf(startedAt, authority.certificate)
    const prepared = await prepareCertificate({
      profile: 'identity',
      subject: { commonName: `uuid:${deviceId}` },
      spki: request.spki,
      issuer: { certificate: authority.certificate, signer: await authority.signer() },
      serialNumber,
      ...validity,
    })
    const issuanceId = await store.begin(
      {
        serialNumber: toHex(serialNumber),
        issuerSha256: authority.certificate.sha256,
        deviceId,
        recordId,
        spkiSha256: request.spkiSha256,
        ...validity,
      },
      act,
    )
    const certificate = await this.#sign(prepared, issuanceId, act)
    await store.complete({ issuanceId, der: certificate.der, sha256: certificate.sha256 }, act)
    this.#options.onIssued?.((clock.now() - startedAt) as Duration)
    return certificate
  }

  async #sign(prepared: PreparedCertificate, issuanceId: string, act: Act): Promise<Certificate> {
    try {
      return await signCertificate(prepared)
    } catch (error) {
      // Should this fail too, the reconciler finds the intent.
      await this.#options.store.fail(issuanceId, isCodedError(error) ? error.code : 'internal', act).catch(() => {})
      throw error
    }
  }

  /** RFC 5280 section 4.1.2.2: positive, at most 20 octets. A first octet of 1 to 127 keeps all 17 in every encoding. */
  #serialNumber(): Uint8Array {
    for (;;) {
      const serialNumber = this.#options.randomBytes(17)
      serialNumber[0] = (serialNumber[0] ?? 0) & 0x7f
      if (serialNumber[0] !== 0) return serialNumber
    }
  }
}

/** Whole seconds; within the authority's own validity. */
function validityOf(now: Instant, authority: Certificate): { notBefore: Instant; notAfter: Instant } {
  const wholeSecond = Math.floor(now / 1000) * 1000
  return {
    notBefore: instant(Math.max(wholeSecond - backdating, authority.notBefore)),
    notAfter: instant(Math.min(wholeSecond + identityLifetime, authority.notAfter)),
  }
}
