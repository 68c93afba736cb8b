/** What people call things by: an id, or a name where it is the name of one thing alone. */

import type { BodyOf, Client, ItemOf } from '@sallyport/client'
import { InvalidArgumentError } from 'commander'
import { CommandFailure } from './command-failure.ts'

export type Device = BodyOf<'readDevice'>
export type EnrollmentGroup = BodyOf<'readEnrollmentGroup'>
export type Member = ItemOf<'listMembers'>

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** A parser for commander. */
export function uuidArgument(text: string): string {
  if (!uuid.test(text)) throw new InvalidArgumentError('An id is needed, as the list shows it.')
  return text.toLowerCase()
}

/** With the ETag, for a change. */
export interface Found<Thing> {
  readonly thing: Thing
  readonly etag: string | undefined
}

/** @throws CommandFailure, ApiProblem `not-found` */
export async function findDevice(client: Client, text: string): Promise<Found<Device>> {
  const deviceId = uuid.test(text)
    ? text
    : await oneId('device', text, client.items('listDevices', { name: text, limit: 50 }))
  const { body, etag } = await client.call('readDevice', { deviceId })
  return { thing: body, etag }
}

/** @throws CommandFailure, ApiProblem `not-found` */
export async function findGroup(client: Client, text: string): Promise<Found<EnrollmentGroup>> {
  const groupId = uuid.test(text)
    ? text
    : await oneId('group', text, client.items('listEnrollmentGroups', { name: text, limit: 50 }))
  const { body, etag } = await client.call('readEnrollmentGroup', { groupId })
  return { thing: body, etag }
}

/** By id, e-mail address or username. @throws CommandFailure, ApiProblem `not-found` */
export async function findMember(client: Client, text: string): Promise<Found<Member>> {
  let userId = text
  if (!uuid.test(text)) {
    const found: Member[] = []
    for await (const member of client.items('listMembers')) {
      if (member.email.toLowerCase() === text.toLowerCase() || member.username === text) found.push(member)
    }
    userId = onlyOne('member', text, found)
  }
  const { body, etag } = await client.call('readMember', { userId })
  return { thing: body, etag }
}

async function oneId(
  kind: string,
  name: string,
  items: AsyncIterable<{ readonly id: string; readonly name: string }>,
): Promise<string> {
  const found: { readonly id: string }[] = []
  for await (const item of items) {
    if (item.name === name) found.push(item)
    if (found.length > 5) break
  }
  return onlyOne(kind, name, found)
}

function onlyOne(kind: string, name: string, found: readonly { readonly id: string }[]): string {
  const [first] = found
  if (first === undefined) throw new CommandFailure('missing', `There is no ${kind} called "${name}".`)
  if (found.length > 1) {
    const ids = found.map(({ id }) => id).join(', ')
    throw new CommandFailure('usage', `More than one ${kind} is called "${name}"; take the id: ${ids}`)
  }
  return first.id
}
