/**
 * The closed registry of what people are told of: the shape of the data, who is told, by which ways unless they say otherwise,
 * and what a mail says.
 */

import type { Instant } from '@sallyport/clock'
import { toRfc3339 } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { Permission } from '@sallyport/fleet'
import { type Static, type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import type { MailMessage } from './mail-message.ts'

export interface NotificationWays {
  readonly inApp: boolean
  readonly mail: boolean
}

interface Person {
  readonly username: string
  readonly email: string
}

interface NotificationKindDefinition<Data extends TSchema> {
  readonly data: Data
  readonly defaults: NotificationWays
  /** Who in the organization is told; undefined: the one person whom it concerns. */
  readonly audience?: Permission
  /** Undefined: never by mail. */
  readonly mail?: (person: Person, data: Static<Data>, occurredAt: Instant) => MailMessage
}

const define = <Data extends TSchema>(definition: NotificationKindDefinition<Data>) => definition
const Line = Type.String({ minLength: 1, maxLength: 600 })
const noMore = { additionalProperties: false } as const

export const notificationKinds = {
  /** Somebody logged in to the account from a network that it was not used from before. */
  'login-from-new-address': define({
    data: Type.Object({ address: Line }, noMore),
    defaults: { inApp: true, mail: true },
    mail: ({ username, email }, { address }, occurredAt) => ({
      to: email,
      template: 'security-notice',
      parameters: {
        username,
        happened: 'Somebody logged in to your account from an address that was not used for it before.',
        occurredAt: toRfc3339(occurredAt),
        address,
      },
    }),
  }),
  /** Devices went quiet, or their gateway did. Those that signed out are not among them. */
  'devices-offline': define({
    data: Type.Object(
      { count: Type.Integer({ minimum: 1 }), deviceIds: Type.Array(Type.String(), { maxItems: 10 }) },
      noMore,
    ),
    defaults: { inApp: true, mail: false },
    audience: 'devices:read',
    mail: ({ username, email }, { count, deviceIds }, occurredAt) => ({
      to: email,
      template: 'notification',
      parameters: {
        username,
        title: count === 1 ? 'A device went offline' : `${count} devices went offline`,
        text: `Not heard of any more: ${deviceIds.slice(0, 5).join(', ')}${count > 5 ? ` and ${count - Math.min(5, deviceIds.length)} more` : ''}.`,
        occurredAt: toRfc3339(occurredAt),
      },
    }),
  }),
  /** A job has failed for good and waits for somebody. Never by mail: that may be the very thing that fails. */
  'job-dead': define({
    data: Type.Object({ jobId: Line, kind: Line, about: Line, errorCode: Line }, noMore),
    defaults: { inApp: true, mail: false },
    audience: 'jobs:read',
  }),
} as const

export type NotificationKind = keyof typeof notificationKinds
export type NotificationData<Kind extends NotificationKind> = Static<(typeof notificationKinds)[Kind]['data']>

export const isNotificationKind = (name: string): name is NotificationKind => Object.hasOwn(notificationKinds, name)

/** @throws CodedError `internal`: data that does not fit its kind is our mistake. */
export function checkNotificationData<Kind extends NotificationKind>(
  kind: Kind,
  data: unknown,
): NotificationData<Kind> {
  const schema: TSchema = notificationKinds[kind].data
  if (Value.Check(schema, data)) return data as NotificationData<Kind>
  throw new CodedError('internal', `The data of a notification of kind ${kind} is not as it should be.`)
}

export const canBeMailed = (kind: NotificationKind): boolean => 'mail' in notificationKinds[kind]
