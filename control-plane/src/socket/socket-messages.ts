/** What goes over the web socket in both directions: JSON texts, one message each. The AsyncAPI document is made from this. */

import { type EventTopic, eventTopics } from '@sallyport/fleet'
import { type Static, type TSchema, Type } from 'typebox'
import { topicData } from './topic-data.ts'

/** The one subprotocol there is (RFC 6455 section 1.9). */
export const socketProtocol = 'sallyport.v1'

const noMore = { additionalProperties: false } as const
const Name = Type.String({
  pattern: '^[\\w-]{1,64}$',
  description: 'The client’s own name for a subscription, unique on its socket.',
})
const EventId = Type.String({ maxLength: 64, description: 'The id of an event: what came after it is sent.' })
const Sequence = Type.Integer({ minimum: 1, description: 'Counts the events of this socket, from 1, without holes.' })

export const clientMessages = {
  subscribe: Type.Object(
    {
      type: Type.Literal('subscribe'),
      subscription: Name,
      topics: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64, description: 'Default: all.' })),
      deviceIds: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 100 })),
      groupIds: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 100 })),
      after: Type.Optional(EventId),
    },
    { ...noMore, description: 'Asks for events: live ones, and with `after` those that were missed.' },
  ),
  unsubscribe: Type.Object({ type: Type.Literal('unsubscribe'), subscription: Name }, noMore),
  acknowledge: Type.Object(
    { type: Type.Literal('acknowledge'), sequence: Sequence },
    {
      ...noMore,
      description:
        'Everything up to this event was dealt with. Who acknowledges once is held to it: beyond 1024 events that are not acknowledged the socket is closed with 4408.',
    },
  ),
  ping: Type.Object(
    { type: Type.Literal('ping') },
    { ...noMore, description: 'For browsers, which cannot send the protocol’s own ping.' },
  ),
} as const satisfies Record<string, TSchema>

const eventOf = (topic: EventTopic): TSchema =>
  Type.Object(
    {
      id: Type.String({ format: 'uuid', description: 'The same for every delivery of this event.' }),
      topic: Type.Literal(topic),
      organizationId: Type.String({ format: 'uuid' }),
      deviceId: Type.Optional(Type.String({ format: 'uuid' })),
      groupId: Type.Optional(
        Type.String({ format: 'uuid', description: 'The enrollment group, or that of the device.' }),
      ),
      userId: Type.Optional(Type.String({ format: 'uuid' })),
      occurredAt: Type.String({ format: 'date-time' }),
      correlationId: Type.String(),
      data: topicData[topic],
    },
    noMore,
  )

/** An event as it is sent, by topic. */
export const eventSchemas: ReadonlyMap<EventTopic, TSchema> = new Map(
  eventTopics.map((topic) => [topic, eventOf(topic)]),
)

const Standing = {
  subscription: Name,
  after: Type.Union([EventId, Type.Null()], { description: 'What to come back with to go on from here.' }),
}

export const serverMessages = {
  welcome: Type.Object(
    {
      type: Type.Literal('welcome'),
      heartbeatSeconds: Type.Integer({
        description: 'The server pings this often, and closes a socket that is silent.',
      }),
      mostSubscriptions: Type.Integer(),
      mostMessageBytes: Type.Integer(),
      expiresAt: Type.String({ format: 'date-time', description: 'When the credential ends, and the socket with it.' }),
    },
    noMore,
  ),
  subscribed: Type.Object(
    { type: Type.Literal('subscribed'), ...Standing },
    { ...noMore, description: 'All that was missed has been sent; live events follow.' },
  ),
  unsubscribed: Type.Object({ type: Type.Literal('unsubscribed'), subscription: Name }, noMore),
  event: Type.Object(
    {
      type: Type.Literal('event'),
      subscription: Name,
      sequence: Sequence,
      event: Type.Union([...eventSchemas.values()]),
    },
    noMore,
  ),
  position: Type.Object(
    { type: Type.Literal('position'), ...Standing },
    { ...noMore, description: 'Nothing for this subscription lately; this is where it stands.' },
  ),
  reset: Type.Object(
    { type: Type.Literal('reset'), subscription: Name, reason: Type.Literal('events-lost') },
    { ...noMore, description: 'Events are lost to this subscription: read the present state. Live events follow.' },
  ),
  problem: Type.Object(
    {
      type: Type.Literal('problem'),
      code: Type.String(),
      detail: Type.String(),
      subscription: Type.Optional(Name),
    },
    { ...noMore, description: 'What was asked for is refused; the socket stays.' },
  ),
  pong: Type.Object({ type: Type.Literal('pong') }, noMore),
} as const satisfies Record<string, TSchema>

export type ClientMessage = {
  [Kind in keyof typeof clientMessages]: Static<(typeof clientMessages)[Kind]>
}[keyof typeof clientMessages]

export interface CloseCode {
  readonly code: number
  readonly meaning: string
}

/** Why a socket is closed (RFC 6455 section 7.4); the reason stands in the close frame too. */
export const closeCodes = {
  'broken-message': { code: 4400, meaning: 'A message was no JSON, or none that is described here. Mend the client.' },
  'session-ended': { code: 4401, meaning: 'The session, the key or the membership has ended. Log in again.' },
  'token-expired': {
    code: 4401,
    meaning: 'The credential has expired. Get a new one, a ticket with it, and come back.',
  },
  'permission-lost': { code: 4403, meaning: 'The right to what was subscribed to is gone.' },
  'too-slow': { code: 4408, meaning: 'Events were not read, or not acknowledged. Come back with `after`.' },
  silent: { code: 4408, meaning: 'No answer to a ping. Come back with `after`.' },
  'too-many-messages': { code: 4429, meaning: 'Too many messages or pings in a second. Come back slowly.' },
  'shutting-down': { code: 1012, meaning: 'This node is restarted. Come back at once, with `after`.' },
  unavailable: { code: 1013, meaning: 'What was missed cannot be read now. Come back later, with `after`.' },
} as const satisfies Record<string, CloseCode>
