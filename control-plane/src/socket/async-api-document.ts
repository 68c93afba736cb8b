/** The AsyncAPI 3.0 document of the live events, made from the schemas by which messages are judged. Checked in as `asyncapi.json`. */

import type { TSchema } from 'typebox'
import { clientMessages, closeCodes, eventSchemas, serverMessages, socketProtocol } from './socket-messages.ts'

export function asyncApiDocument(): Readonly<Record<string, unknown>> {
  const fromClient = namesOf(clientMessages)
  const fromServer = namesOf(serverMessages)
  return plain({
    asyncapi: '3.0.0',
    info: {
      title: 'Sallyport live events',
      version: '1',
      description: `Live events of an organization: over one web socket, which goes both ways, and as server-sent events.

The web socket is opened with the subprotocols \`${socketProtocol}\` and \`ticket.…\`, a ticket of \`POST /api/v1/socket/tickets\`. Each
message is one JSON text. It is closed with:

${Object.entries(closeCodes)
  .map(([reason, { code, meaning }]) => `- ${code} \`${reason}\`: ${meaning}`)
  .join('\n')}
- 1009: a message was too long.`,
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    channels: {
      socket: {
        address: '/api/v1/socket',
        description: 'The web socket.',
        messages: Object.fromEntries(
          [...fromClient, ...fromServer].map((name) => [name, { $ref: `#/components/messages/${name}` }]),
        ),
        bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
      },
      feed: {
        address: '/api/v1/events',
        description: 'Server-sent events: `event` is the topic, `id` the id, `data` the event.',
        messages: Object.fromEntries(
          [...eventSchemas.keys()].map((topic) => [topic, { $ref: `#/components/messages/${topic}` }]),
        ),
      },
    },
    operations: {
      ask: operation('receive', 'socket', fromClient, 'What a client sends.'),
      tell: operation('send', 'socket', fromServer, 'What a client is sent.'),
      follow: operation('send', 'feed', [...eventSchemas.keys()], 'What a feed is sent, by topic.'),
    },
    components: {
      messages: {
        ...Object.fromEntries(
          [...Object.entries(clientMessages), ...Object.entries(serverMessages)].map(([name, schema]) => [
            name,
            message(name, name === 'event' ? socketEvent(schema) : schema),
          ]),
        ),
        ...Object.fromEntries(
          [...eventSchemas.keys()].map((topic) => [topic, message(topic, { $ref: `#/components/schemas/${topic}` })]),
        ),
      },
      schemas: Object.fromEntries(eventSchemas),
    },
  })
}

const namesOf = (messages: Readonly<Record<string, TSchema>>): readonly string[] => Object.keys(messages)

const message = (name: string, payload: unknown) => ({ name, contentType: 'application/json', payload })

/** Its event is one of the topics’, which stand in the document once. */
const socketEvent = (schema: TSchema): unknown => {
  const { properties, ...rest } = plain(schema) as { readonly properties: object }
  const anyOf = [...eventSchemas.keys()].map((topic) => ({ $ref: `#/components/schemas/${topic}` }))
  return { ...rest, properties: { ...properties, event: { anyOf } } }
}

const operation = (action: 'send' | 'receive', channel: string, messages: readonly string[], summary: string) => ({
  action,
  summary,
  channel: { $ref: `#/channels/${channel}` },
  messages: messages.map((name) => ({ $ref: `#/channels/${channel}/messages/${name}` })),
})

/** Without what the schema library keeps for itself. */
const plain = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value))
