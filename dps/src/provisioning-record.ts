/**
 * The provisioning record of a device: begun at its first request, one entry per step with date, CoAP code and error.
 *
 * A step that cannot be recorded is answered as failed: the record is part of the audit, which fails closed.
 */

import { type Association, type CoapHandler, type CoapRequest, coapStatusOf } from '@sallyport/coaps'
import { type ErrorCode, isCodedError } from '@sallyport/errors'
import type { ProvisioningStep } from '@sallyport/fleet'
import type { DpsPeer } from './peer.ts'
import type { Act, RecordStore, StepOutcome } from './provisioning-store.ts'

/** Details come from errors, some of which quote a peer. */
const maxDetailLength = 500

export class ProvisioningRecords {
  readonly #store: RecordStore
  readonly #onStep: (step: ProvisioningStep, coapCode: string) => void
  readonly #begun = new WeakMap<Association<DpsPeer>, Promise<void>>()
  /** What an association has claimed; whether the device was blocked since is asked where something is issued. */
  readonly #claimed = new WeakMap<Association<DpsPeer>, string>()

  constructor(options: {
    readonly store: RecordStore
    readonly onStep?: (step: ProvisioningStep, coapCode: string) => void
  }) {
    this.#store = options.store
    this.#onStep = options.onStep ?? (() => {})
  }

  /** A handler whose every outcome is recorded under `step`. */
  step(step: ProvisioningStep, handler: CoapHandler<DpsPeer>): CoapHandler<DpsPeer> {
    return async (request) => {
      await this.#begin(request)
      try {
        const response = await handler(request)
        await this.#record(request, step, { coapCode: response.code })
        return response
      } catch (error) {
        await this.#recordFailure(request, step, error)
        throw error
      }
    }
  }

  /** @throws CodedError `device-id-claimed` when another manufacturer key owns the id, `device-blocked`. */
  async claimDevice(request: CoapRequest<DpsPeer>, deviceId: string, manufacturerSpkiSha256: string): Promise<void> {
    const { association } = request
    if (this.#claimed.get(association) === deviceId) return
    const { recordId } = association.identity
    await this.#store.claimDevice({ recordId, deviceId, manufacturerSpkiSha256 }, actOf(request))
    this.#claimed.set(association, deviceId)
  }

  /** The device that an association speaks for: by its identity certificate, or by what it has claimed. */
  deviceOf(association: Association<DpsPeer>): string | undefined {
    const peer = association.identity
    return peer.kind === 'identity' ? peer.deviceId : this.#claimed.get(association)
  }

  async #begin(request: CoapRequest<DpsPeer>): Promise<void> {
    const { association } = request
    const peer = association.identity
    if (peer.kind !== 'manufacturer') return
    let begun = this.#begun.get(association)
    if (begun === undefined) {
      const { group, recordId, manufacturer } = peer
      const remote = `${association.remote.address}:${association.remote.port}`
      begun = this.#store.begin(
        { recordId, groupId: group.id, organizationId: group.organizationId, manufacturer, remote },
        actOf(request),
      )
      this.#begun.set(association, begun)
      begun.catch(() => this.#begun.delete(association))
    }
    await begun
  }

  async #record(request: CoapRequest<DpsPeer>, step: ProvisioningStep, outcome: StepOutcome): Promise<void> {
    this.#onStep(step, outcome.coapCode)
    await this.#store.recordStep(request.association.identity.recordId, step, outcome, actOf(request))
  }

  /** The device is told its own error, also where that could not be recorded. */
  async #recordFailure(request: CoapRequest<DpsPeer>, step: ProvisioningStep, error: unknown): Promise<void> {
    const errorCode: ErrorCode = isCodedError(error) ? error.code : 'internal'
    const detail = isCodedError(error) ? error.message.slice(0, maxDetailLength) : undefined
    const outcome = { coapCode: coapStatusOf[errorCode], errorCode, ...(detail === undefined ? {} : { detail }) }
    await this.#record(request, step, outcome).catch(() => {})
  }
}

/** Who acts in audit events: the device, by its id once it is proven by its certificate, else by its record. */
export function actOf(request: CoapRequest<DpsPeer>): Act {
  const peer = request.association.identity
  const name = peer.kind === 'manufacturer' ? peer.manufacturer.commonName : undefined
  return {
    actor: {
      kind: 'device',
      id: peer.kind === 'identity' ? peer.deviceId : peer.recordId,
      ...(name === undefined ? {} : { name }),
    },
    correlationId: request.correlationId,
    address: request.association.remote.address,
  }
}
