/** Lists: `{ "items": […], "nextCursor": "…" | null }` (design §8). */

import { type TSchema, Type } from '@fastify/type-provider-typebox'
import type { Page } from '@sallyport/store'

/** The part of a query that every list has. */
export const pageQuery = {
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'nextCursor of the page before.' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, description: 'Items in a page; 50 unless told.' })),
}

/** Items in a page where the query does not say. */
export const defaultLimit = 50

export const pageOf = <Item extends TSchema>(item: Item) =>
  Type.Object({ items: Type.Array(item), nextCursor: Type.Union([Type.String(), Type.Null()]) })

export const presentPage = <Record, Item>(
  page: Page<Record>,
  present: (record: Record) => Item,
): { items: Item[]; nextCursor: string | null } => ({
  items: page.items.map(present),
  nextCursor: page.nextCursor ?? null,
})
