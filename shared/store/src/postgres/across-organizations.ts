/** What is a person's, over all of their organizations: for the few steps that no one organization's scope can take. */

import type { Query } from './database.ts'
import { sql } from './sql.ts'

/** Until the transaction ends it is the service's own, as it logged in: each statement says itself whose rows it means. */
export async function asTheService(query: Query): Promise<void> {
  await query.run(sql`set local role none`)
}

/**
 * The memberships of one person change one after the other. Always after `lockMemberships`, never before it.
 * @returns false for who has no account (any more).
 */
export async function lockPerson(query: Query, userId: string): Promise<boolean> {
  const row = await query.first(sql`select 1 as there from user_account where id = ${userId} for no key update`)
  return row !== undefined
}
