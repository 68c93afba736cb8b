/**
 * What a device publishes at /oic/rd (OCF oic.wk.rdpub), read strictly: each link has an href below the device's root; types,
 * interfaces and policy are kept, addresses are not, since a device is reached over its association.
 */

import { CodedError } from '@sallyport/errors'
import {
  asArray,
  asRecord,
  optionalIntegerAt,
  optionalTextAt,
  textAt,
  type Value,
  type ValueRecord,
} from '@sallyport/representation'
import type { ResourceLink } from '@sallyport/store'
import { assertOwnDevice } from './device-id.ts'
import type { DeviceIdentity } from './device-identity.ts'

export interface Publication {
  readonly links: readonly ResourceLink[]
  /** Seconds; 0: no end. */
  readonly timeToLive: number
}

const mostLinks = 256
const mostNames = 32
const longestText = 256

/** @throws CodedError `malformed-request`, `validation-failed`, `device-id-mismatch` */
export function publicationIn(body: ValueRecord, identity: DeviceIdentity): Publication {
  const deviceId = optionalTextAt(body, 'di')
  if (deviceId !== undefined) assertOwnDevice(deviceId, identity)
  const timeToLive = optionalIntegerAt(body, 'ttl') ?? optionalIntegerAt(body, 'lt') ?? 0
  if (timeToLive < 0) throw new CodedError('validation-failed', "'ttl' is negative")
  const links = asArray(body.links, "'links'")
  if (links.length === 0 || links.length > mostLinks) {
    throw new CodedError('validation-failed', `Publish 1 to ${mostLinks} links.`)
  }
  const byHref = new Map(links.map(linkIn).map((link) => [link.href, link]))
  return { links: [...byHref.values()], timeToLive }
}

function linkIn(value: Value): ResourceLink {
  const link = asRecord(value, 'a link')
  const href = textAt(link, 'href')
  if (!isHref(href)) throw new CodedError('validation-failed', 'An href is a path of 2 to 256 characters.')
  const policy = link.p === undefined ? undefined : optionalIntegerAt(asRecord(link.p, "'p'"), 'bm')
  const relation = optionalTextAt(link, 'rel')
  return {
    href,
    rt: namesAt(link, 'rt'),
    if: namesAt(link, 'if'),
    ...(relation === undefined ? {} : { rel: relation.slice(0, longestText) }),
    ...(policy === undefined ? {} : { p: { bm: policy } }),
  }
}

const isHref = (href: string): boolean =>
  href.length >= 2 &&
  href.length <= longestText &&
  /^(?:\/[^/\p{Cc}?#]+)+$/u.test(href) &&
  !/\/\.\.?(?:\/|$)/.test(href)

/** Stock devices send one name as text, several as an array. */
function namesAt(link: ValueRecord, key: string): readonly string[] {
  const value = link[key]
  if (value === undefined) return []
  const names = typeof value === 'string' ? [value] : asArray(value, `'${key}'`)
  if (names.length > mostNames) throw new CodedError('validation-failed', `'${key}' has more than ${mostNames} names`)
  return names.map((name) => {
    if (typeof name === 'string' && name.length <= longestText) return name
    throw new CodedError('validation-failed', `'${key}' holds something else than short texts`)
  })
}
