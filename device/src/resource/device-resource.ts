/** A resource of the device (OCF): what it says, what may be changed about it, and who wants to hear of changes. */

import type { ValueRecord } from '@sallyport/representation'

export interface ResourceDescription {
  readonly href: string
  readonly types: readonly string[]
  readonly interfaces: readonly string[]
}

export abstract class DeviceResource {
  readonly description: ResourceDescription
  readonly #listeners = new Set<() => void>()

  constructor(description: ResourceDescription) {
    this.description = description
  }

  abstract representation(): ValueRecord

  /** False where the resource only reports. */
  get writable(): boolean {
    return false
  }

  /**
   * Applies an update.
   *
   * @throws CodedError `malformed-request` or `validation-failed`, and then nothing was changed
   */
  update(_changes: ValueRecord): void {
    throw new Error('not writable')
  }

  /** Lets simulated time pass. */
  tick(_elapsedSeconds: number): void {}

  /** @returns how to stop listening. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  protected changed(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
