/** A device's resource as people see it: what the device published, and its twin (what it last reported). */

import { type Static, Type } from '@fastify/type-provider-typebox'
import type { ResourceLink, TwinResource } from '@sallyport/store'
import { presentTime, TimeOrNull } from '../../presented-time.ts'

/** Any JSON value. */
export const Representation = Type.Unknown({ description: 'Any JSON value.' })

export const Resource = Type.Object({
  href: Type.String(),
  resourceTypes: Type.Array(Type.String()),
  interfaces: Type.Array(Type.String()),
  published: Type.Boolean({ description: 'Whether the device lists the resource now.' }),
  representation: Representation,
  representationAt: TimeOrNull,
  version: Type.Integer({ description: 'Counts what the device reported; 0 before the first report.' }),
})
export type Resource = Static<typeof Resource>

export const presentResource = (
  href: string,
  link: ResourceLink | undefined,
  twin: TwinResource | undefined,
): Resource => ({
  href,
  resourceTypes: [...(link?.rt ?? [])],
  interfaces: [...(link?.if ?? [])],
  published: link !== undefined,
  representation: twin?.representation ?? null,
  representationAt: presentTime(twin?.updatedAt),
  version: twin?.version ?? 0,
})

/** A wildcard in the path: everything after `/resources/`. */
export const ResourceParams = Type.Object({
  deviceId: Type.String({ format: 'uuid' }),
  '*': Type.String({ minLength: 1, maxLength: 512, description: "The resource's href without its first slash." }),
})

export const hrefOf = (params: Static<typeof ResourceParams>): string => `/${params['*']}`
