/** What the events of each topic carry as `data`: the shapes that the AsyncAPI document shows, one for each topic there is. */

import type { EventTopic } from '@sallyport/fleet'
import { type TSchema, Type } from 'typebox'

const Id = Type.String({ format: 'uuid' })
const Text = Type.String()
const noMore = { additionalProperties: false } as const

const Presence = { gatewayId: Text, sequence: Type.Integer({ description: 'Counts the device’s comings and goings.' }) }
const Command = { commandId: Id, href: Text, method: Text }
const Group = { groupId: Id, name: Text, state: Text }

export const topicData: Readonly<Record<EventTopic, TSchema>> = {
  'device.registered': Type.Object({ recordId: Type.Optional(Id) }, { description: 'A device signed up.' }),
  'device.online': Type.Object(Presence, { ...noMore, description: 'A device signed in.' }),
  'device.offline': Type.Object(
    { ...Presence, reason: Text },
    { ...noMore, description: 'A device signed out, went quiet, or its gateway did.' },
  ),
  'device.changed': Type.Object(
    { name: Text, labels: Type.Record(Text, Type.Unknown()), version: Type.Integer() },
    { ...noMore, description: 'A person changed a device.' },
  ),
  'device.deleted': Type.Object({}, { ...noMore, description: 'A person deleted a device.' }),
  'resource.published': Type.Object(
    { links: Type.Array(Type.Object({ href: Text, rt: Type.Array(Text), if: Type.Array(Text) }, noMore)) },
    { ...noMore, description: 'Links that are new or different.' },
  ),
  'resource.unpublished': Type.Object({ hrefs: Type.Array(Text) }, { ...noMore, description: 'Links that are gone.' }),
  'resource.changed': Type.Object(
    {
      href: Text,
      version: Type.Integer(),
      representation: Type.Optional(Type.Unknown({ description: 'Absent where it is long: read the resource.' })),
    },
    { ...noMore, description: 'A resource has another representation.' },
  ),
  'command.pending': Type.Object(Command, { ...noMore, description: 'A command waits for its device.' }),
  'command.finished': Type.Object(
    { ...Command, state: Text, coapCode: Type.Optional(Text), errorCode: Type.Optional(Text) },
    { ...noMore, description: 'A command was answered, or will not be.' },
  ),
  'provisioning.step': Type.Object(
    {
      recordId: Id,
      step: Text,
      coapCode: Type.Optional(Text),
      errorCode: Type.Optional(Text),
      detail: Type.Optional(Text),
    },
    { ...noMore, description: 'A device took a step of its provisioning, or was refused it.' },
  ),
  'group.created': Type.Object(Group, { ...noMore, description: 'An enrollment group was made.' }),
  'group.changed': Type.Object(Group, { ...noMore, description: 'An enrollment group was changed.' }),
  'group.deleted': Type.Object(
    { groupId: Id, name: Text },
    { ...noMore, description: 'An enrollment group was deleted.' },
  ),
  'notification.created': Type.Object(
    { notificationId: Id, kind: Text, data: Type.Unknown() },
    { ...noMore, description: 'The person was told of something. Goes to that person alone.' },
  ),
  'notification.read': Type.Object(
    {},
    { description: 'The person has read notifications, here or elsewhere. Goes to that person alone.' },
  ),
}
