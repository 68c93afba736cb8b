/** What the rest of the system is told about after a commit: the closed list of topics. */

export const eventTopics = [
  'device.registered',
  'device.online',
  'device.offline',
  'device.changed',
  'device.deleted',
  'resource.published',
  'resource.unpublished',
  'resource.changed',
  'command.pending',
  'command.finished',
  'provisioning.step',
  'group.created',
  'group.changed',
  'group.deleted',
  'notification.created',
  'notification.read',
] as const

export type EventTopic = (typeof eventTopics)[number]
