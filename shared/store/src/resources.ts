/** What devices publish and report: links, and the twin with the last representation of each resource. */

import type { Instant } from '@sallyport/clock'
import type { JsonValue } from '@sallyport/fleet'
import type { ActContext } from './act.ts'

/** A published link (OCF `oic.wk.res`). */
export interface ResourceLink {
  /** `/light/1` */
  readonly href: string
  readonly rt: readonly string[]
  readonly if: readonly string[]
  readonly rel?: string
  /** `bm`: 1 discoverable, 2 observable. */
  readonly p?: { readonly bm: number }
}

export interface TwinResource {
  readonly href: string
  readonly representation: JsonValue
  readonly contentFormat: number
  readonly etag?: string
  /** Counts the changes of the representation. */
  readonly version: number
  readonly updatedAt: Instant
}

export interface Resources {
  /**
   * Adds links, or replaces those of the same href.
   * @param timeToLive seconds; 0: no end.
   * @throws CodedError `device-not-registered`.
   */
  publish(deviceId: string, links: readonly ResourceLink[], timeToLive: number, act: ActContext): Promise<void>
  /** With the links their twins go. */
  unpublish(deviceId: string, hrefs: readonly string[] | 'all', act: ActContext): Promise<void>
  /** By href. With an organization, only if the device is its. */
  links(organizationId: string | undefined, deviceId: string): Promise<readonly ResourceLink[]>
  /**
   * The last representation. An equal one changes the time alone and tells nobody.
   * @throws CodedError `device-not-registered`.
   */
  report(
    deviceId: string,
    href: string,
    report: {
      readonly representation: JsonValue
      readonly contentFormat: number
      readonly etag?: string | undefined
    },
    act: ActContext,
  ): Promise<{ readonly version: number }>
  twin(organizationId: string, deviceId: string, href?: string): Promise<readonly TwinResource[]>
}
