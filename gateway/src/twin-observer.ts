/**
 * Keeps the twin of a device's published resources fresh: observes what is observable (RFC 7641), reads the rest once, and
 * reports each representation to the store.
 *
 * The device is asked one thing at a time. When notifications come faster than they can be stored, the newest of each
 * resource wins. Nothing that goes wrong here ends the association: the twin is a convenience, the device is the truth.
 */

import { randomUUID } from 'node:crypto'
import { toHex } from '@sallyport/bytes'
import { seconds } from '@sallyport/clock'
import type { ClientResponse, CoapsServer, ImportedObservation } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import { isCodedError } from '@sallyport/errors'
import { decode, type JsonValue, toJsonValue } from '@sallyport/representation'
import type { ResourceLink, Store } from '@sallyport/store'
import type { DeviceIdentity } from './device-identity.ts'
import { actOf, type DeviceAssociation, logFieldsOf } from './device-request.ts'

export interface TwinObserverOptions {
  readonly server: () => Pick<CoapsServer<DeviceIdentity>, 'observe' | 'request'>
  readonly store: { readonly resources: Pick<Store['resources'], 'report' | 'unpublish'> }
  readonly log: Logger
  /** The device was heard of. */
  readonly onContact: (association: DeviceAssociation) => void
  readonly onReported: (outcome: 'stored' | 'failed') => void
  /** What another gateway would have to know of the association has changed. */
  readonly onChanged: (association: DeviceAssociation) => void
  /** Before a response has an effect: see `record-marks.ts`. */
  readonly mark: (association: DeviceAssociation, response: ClientResponse) => Promise<void>
}

interface WatchedResource {
  cancel: () => void
  retry: NodeJS.Timeout | undefined
  contentFormat: number | undefined
  answered: boolean
}

const unasked = (): WatchedResource => ({
  cancel: () => {},
  retry: undefined,
  contentFormat: undefined,
  answered: false,
})

interface WatchedDevice {
  readonly resources: Map<string, WatchedResource>
  /** Representations that wait to be stored, the newest of each resource. */
  readonly unstored: Map<string, ClientResponse>
  storing: boolean
  /** Of what is being stored. */
  stored: Promise<void>
  asking: Promise<void>
}

const retryAfter = seconds(30)
/** Of one device; as many as may be published. What expired may still be watched, so publishing alone does not bound it. */
const mostWatched = 512
/** OCF: bit 1 of `p.bm` says that the resource can be observed. */
const observableBit = 2

export class TwinObserver {
  readonly #options: TwinObserverOptions
  readonly #devices = new WeakMap<DeviceAssociation, WatchedDevice>()

  constructor(options: TwinObserverOptions) {
    this.#options = options
  }

  /**
   * Watches these resources from now on; those that are watched already stay so. Resolves once each was asked for.
   * @param after nothing is asked before it resolves
   */
  async watch(association: DeviceAssociation, links: readonly ResourceLink[], after?: Promise<void>): Promise<void> {
    const device = this.#watched(association)
    if (after !== undefined) device.asking = device.asking.then(() => after)
    for (const link of links) {
      if (device.resources.has(link.href) || device.resources.size >= mostWatched) continue
      device.resources.set(link.href, unasked())
      device.asking = device.asking.then(() => this.#ask(association, device, link))
    }
    await device.asking
  }

  /**
   * Goes on with what another gateway observed: without a question where nothing was open.
   * @param watched what had answered; of it, what is not observed is not asked again
   */
  resume(
    association: DeviceAssociation,
    watched: readonly { readonly href: string; readonly contentFormat: number | undefined }[],
    observations: readonly ImportedObservation[],
  ): void {
    const device = this.#watched(association)
    for (const { href, contentFormat } of watched.slice(0, mostWatched)) {
      device.resources.set(href, { ...unasked(), contentFormat, answered: true })
    }
    for (const observation of observations) {
      const { path: href } = observation
      const resource = device.resources.get(href)
      if (resource === undefined) {
        observation.cancel()
        continue
      }
      resource.cancel = () => observation.cancel()
      const link = { href, rt: [], if: [], p: { bm: observableBit } }
      observation.follow(
        (notification) => this.#take(association, device, href, notification),
        () => this.#askLater(association, device, link),
      )
    }
  }

  /** For whoever goes on with it. */
  watchedBy(association: DeviceAssociation): {
    readonly watched: readonly { readonly href: string; readonly contentFormat: number | undefined }[]
    /** Something is still to be asked. */
    readonly asksOn: boolean
  } {
    const resources = [...(this.#devices.get(association)?.resources ?? [])]
    const watched = resources.filter(([, { answered }]) => answered)
    return {
      watched: watched.map(([href, { contentFormat }]) => ({ href, contentFormat })),
      asksOn: watched.length < resources.length,
    }
  }

  /** Resolves when all that was reported so far has been stored, or could not be. */
  async settled(associations: Iterable<DeviceAssociation>): Promise<void> {
    for (const association of associations) await this.#devices.get(association)?.stored
  }

  isWatching(association: DeviceAssociation): boolean {
    return (this.#devices.get(association)?.resources.size ?? 0) > 0
  }

  /** The content format that the device itself uses for the resource. */
  contentFormatOf(association: DeviceAssociation, href: string): number | undefined {
    return this.#devices.get(association)?.resources.get(href)?.contentFormat
  }

  /** Stops watching these resources, or all. */
  unwatch(association: DeviceAssociation, hrefs?: readonly string[]): void {
    const device = this.#devices.get(association)
    if (device === undefined) return
    for (const href of hrefs ?? [...device.resources.keys()]) {
      const resource = device.resources.get(href)
      device.resources.delete(href)
      device.unstored.delete(href)
      clearTimeout(resource?.retry)
      resource?.cancel()
    }
  }

  /** A representation that came another way: the answer to a command. */
  report(association: DeviceAssociation, href: string, response: ClientResponse): void {
    this.#take(association, this.#watched(association), href, response)
  }

  #watched(association: DeviceAssociation): WatchedDevice {
    const known = this.#devices.get(association)
    if (known !== undefined) return known
    const device: WatchedDevice = {
      resources: new Map(),
      unstored: new Map(),
      storing: false,
      stored: Promise.resolve(),
      asking: Promise.resolve(),
    }
    this.#devices.set(association, device)
    return device
  }

  async #ask(association: DeviceAssociation, device: WatchedDevice, link: ResourceLink): Promise<void> {
    const { href } = link
    const resource = device.resources.get(href)
    if (resource === undefined || association.closed) return
    const request = { method: 'GET', path: href } as const
    try {
      const server = this.#options.server()
      if (!isObservable(link)) {
        this.#take(association, device, href, await server.request(association, request))
        return
      }
      const { first, observed, cancel } = await server.observe(
        association,
        request,
        (notification) => this.#take(association, device, href, notification),
        () => this.#askLater(association, device, link),
      )
      if (device.resources.get(href) !== resource) {
        cancel()
        return
      }
      if (observed) resource.cancel = cancel
      this.#take(association, device, href, first)
    } catch (error) {
      const code = isCodedError(error) ? error.code : 'internal'
      this.#options.log.debug({ ...logFieldsOf(association), href, code, err: error }, 'resource could not be read')
      this.#askLater(association, device, link)
    }
  }

  #askLater(association: DeviceAssociation, device: WatchedDevice, link: ResourceLink): void {
    const resource = device.resources.get(link.href)
    if (resource === undefined || association.closed || resource.retry !== undefined) return
    resource.cancel = () => {}
    resource.retry = setTimeout(() => {
      resource.retry = undefined
      device.asking = device.asking.then(() => this.#ask(association, device, link))
    }, retryAfter)
  }

  #take(association: DeviceAssociation, device: WatchedDevice, href: string, response: ClientResponse): void {
    this.#options.onContact(association)
    if (response.code === '4.04') {
      void this.#withdraw(association, href, response)
      return
    }
    if (!response.code.startsWith('2.')) return
    const resource = device.resources.get(href)
    if (resource !== undefined) {
      if (!resource.answered || resource.contentFormat !== response.contentFormat) this.#options.onChanged(association)
      resource.contentFormat = response.contentFormat
      resource.answered = true
    }
    device.unstored.set(href, response)
    if (!device.storing) device.stored = this.#store(association, device)
  }

  async #withdraw(association: DeviceAssociation, href: string, response: ClientResponse): Promise<void> {
    this.unwatch(association, [href])
    try {
      await this.#options.mark(association, response)
      await this.#options.store.resources.unpublish(
        association.identity.deviceId,
        [href],
        actOf(association, randomUUID()),
      )
    } catch (error) {
      this.#options.log.warn({ ...logFieldsOf(association), href, err: error }, 'a gone resource stays published')
    }
  }

  async #store(association: DeviceAssociation, device: WatchedDevice): Promise<void> {
    device.storing = true
    for (const [href, response] of device.unstored) {
      device.unstored.delete(href)
      try {
        await this.#options.mark(association, response)
        await this.#options.store.resources.report(
          association.identity.deviceId,
          href,
          {
            representation: representationOf(response),
            contentFormat: response.contentFormat ?? unnamedFormat,
            ...(response.etag === undefined ? {} : { etag: toHex(response.etag) }),
          },
          actOf(association, randomUUID()),
        )
        this.#options.onReported('stored')
      } catch (error) {
        this.#options.onReported('failed')
        const code = isCodedError(error) ? error.code : 'internal'
        this.#options.log.warn({ ...logFieldsOf(association), href, code, err: error }, 'twin could not be updated')
      }
    }
    device.storing = false
  }
}

/** What a payload without a content format is: bytes (RFC 7252 section 5.10.3 leaves it open). */
const unnamedFormat = 42

export function isObservable(link: ResourceLink): boolean {
  return ((link.p?.bm ?? 0) & observableBit) !== 0
}

/** @throws CodedError `malformed-request`, `unsupported-content-format` */
export function representationOf(response: ClientResponse): JsonValue {
  if (response.payload.length === 0) return null
  return toJsonValue(decode(response.contentFormat ?? unnamedFormat, response.payload))
}
