/**
 * Who came and who was refused, in the audit trail (acceptance 0.13): device, address, cipher suite, certificate, reason.
 *
 * Only what concerns a known certificate becomes a row; strangers are counted elsewhere. Written behind the handshake, with a
 * bound on how many may wait: a database that is down must not keep devices out that were admitted, nor fill the memory.
 */

import { randomUUID } from 'node:crypto'
import type { RemoteAddress } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import type { ErrorCode } from '@sallyport/errors'
import type { Certificate } from '@sallyport/pki'
import type { Store } from '@sallyport/store'
import { actOf, type DeviceAssociation, logFieldsOf } from './device-request.ts'
import { WorkQueue } from './work-queue.ts'

export interface AuthenticationRecord {
  succeeded(association: DeviceAssociation, correlationId: string): void
  /** Refused in the handshake, for a certificate of ours. */
  refused(refusal: {
    readonly deviceId: string
    readonly leaf: Certificate
    readonly peer: RemoteAddress
    readonly code: ErrorCode
  }): void
  /** Refused at sign-in. */
  signInRefused(association: DeviceAssociation, code: ErrorCode, correlationId: string): void
  /** Resolves when all have been written, or could not be. */
  settled(): Promise<void>
}

const mostWaiting = 1000
/** Nobody waits for them: newcomers' own sign-ins come first at the database. */
const mostAtOnce = 3
/** Of one association: further ones are counted in the metric, and must not crowd out what others are owed. */
const mostRefusals = 10

export function authenticationRecord(options: {
  readonly auditEvents: Pick<Store['auditEvents'], 'recordAuthentication'>
  readonly log: Logger
}): AuthenticationRecord {
  const waiting = new Set<Promise<void>>()
  const writes = new WorkQueue(mostAtOnce)
  const refused = new WeakMap<DeviceAssociation, number>()
  type Entry = Parameters<Store['auditEvents']['recordAuthentication']>
  const write = (entry: Entry[0], act: Entry[1]): void => {
    if (waiting.size >= mostWaiting) {
      options.log.warn(
        { deviceId: act.actor.id, correlationId: act.correlationId },
        'an authentication was not recorded',
      )
      return
    }
    const written: Promise<void> = writes
      .run(() => options.auditEvents.recordAuthentication(entry, act))
      .catch((error: unknown) => {
        options.log.warn({ deviceId: act.actor.id, err: error }, 'an authentication could not be recorded')
      })
      .then(() => void waiting.delete(written))
    waiting.add(written)
  }
  const ofAssociation = (association: DeviceAssociation) => ({
    organizationId: association.identity.organizationId,
    deviceId: association.identity.deviceId,
    cipherSuite: association.cipherSuite,
    connectionId: association.connectionId,
    certificateSerial: association.identity.certificateSerial,
    certificateSha256: association.identity.certificateSha256,
    pskIdentitySha256: association.identity.pskIdentitySha256,
    associationId: association.id,
  })
  return {
    succeeded(association, correlationId) {
      write(
        { ...ofAssociation(association), outcome: 'succeeded', stage: 'handshake' },
        actOf(association, correlationId),
      )
    },
    refused({ deviceId, leaf, peer, code }) {
      const correlationId = randomUUID()
      options.log.warn(
        { deviceId, address: peer.address, reason: code, certificateSerial: leaf.serialNumber, correlationId },
        'device refused',
      )
      write(
        {
          deviceId,
          outcome: 'failed',
          stage: 'handshake',
          reason: code,
          certificateSerial: leaf.serialNumber,
          certificateSha256: leaf.sha256,
        },
        { actor: { kind: 'device', id: deviceId }, correlationId, address: peer.address },
      )
    },
    signInRefused(association, code, correlationId) {
      const refusals = (refused.get(association) ?? 0) + 1
      refused.set(association, refusals)
      if (refusals > mostRefusals) return
      options.log.info({ ...logFieldsOf(association), correlationId, reason: code }, 'sign-in refused')
      write(
        { ...ofAssociation(association), outcome: 'failed', stage: 'sign-in', reason: code },
        actOf(association, correlationId),
      )
    },
    async settled() {
      await Promise.all(waiting)
    },
  }
}
