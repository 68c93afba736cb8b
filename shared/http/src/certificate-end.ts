/**
 * When a service's own certificates end: a start with one that has ended is refused, with what to do about it, and while one is
 * about to end it is said each day, and shown in a metric. Renewing them is for the key ceremony (`certs installation`).
 */

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Duration, days, hours } from '@sallyport/clock'
import type { Logger, Metrics } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'

/** The ceremony renews what has less left: whoever hears of it can act at once. */
const soon = days(30)
const saidEvery = hours(24)
const renewal = 'hold the key ceremony again (`certs installation`, docs/pki.md), which issues it anew'

/** @throws CodedError `configuration-invalid` for a leaf that has ended, or that is not valid yet. */
export function requireInDate(file: string, pem: string): void {
  const { validFromDate, validToDate } = new X509Certificate(pem)
  const now = Date.now()
  if (now >= validToDate.getTime()) {
    throw new CodedError(
      'configuration-invalid',
      `The certificate in ${file} ended on ${validToDate.toISOString()}: ${renewal}.`,
    )
  }
  if (now < validFromDate.getTime()) {
    throw new CodedError(
      'configuration-invalid',
      `The certificate in ${file} is valid from ${validFromDate.toISOString()} on, and here it is ${new Date(now).toISOString()}: look at the clock.`,
    )
  }
}

export interface OwnCertificate {
  /** `service`: towards other services; `server`: towards devices. */
  readonly name: 'service' | 'server'
  readonly file: string
  notAfter(): Date
}

/** As the process holds it: read at the start, and not again. */
export function heldCertificate(name: OwnCertificate['name'], file: string): OwnCertificate {
  const { validToDate } = new X509Certificate(readFileSync(file))
  return { name, file, notAfter: () => validToDate }
}

/** @param options.sayEvery default 24 h. */
export function watchCertificateEnds(options: {
  readonly certificates: readonly OwnCertificate[]
  readonly metrics: Metrics
  readonly log: Logger
  readonly sayEvery?: Duration
}): { close(): void } {
  const { certificates, metrics, log } = options
  for (const { name, notAfter } of certificates) {
    metrics.gauge({
      name: `sallyport_${name}_certificate_expires_timestamp_seconds`,
      help: `When this service's own certificate (towards ${name === 'service' ? 'other services' : 'devices'}) ends, in seconds since the epoch: an alert belongs to less than 30 days before it.`,
      collect: (gauge) => gauge.set(notAfter().getTime() / 1000),
    })
  }
  const say = (): void => {
    for (const { name, file, notAfter } of certificates) {
      const left = notAfter().getTime() - Date.now()
      if (left >= soon) continue
      const told = { certificate: name, file, notAfter: notAfter().toISOString() }
      if (left > 0) log.warn(told, `a certificate ends soon: ${renewal}`)
      else log.error(told, `a certificate has ended: ${renewal}`)
    }
  }
  say()
  const timer = setInterval(say, options.sayEvery ?? saidEvery)
  timer.unref()
  return { close: () => clearInterval(timer) }
}
