/** GET /api/v1/events: the organization's live device events as server-sent events. */

import { Type } from '@fastify/type-provider-typebox'
import { between, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { type Caller, callerOf, credentialOf } from '../../caller.ts'
import { type EventFeed, openEventFeed } from '../../event-feed.ts'
import { endOfAccess, onAccessChanged, personOf } from '../../live-access.ts'
import { askedEvents, mostNamed } from './asked-events.ts'

const heartbeat = seconds(15)
const mostFeeds = 10
const permission = 'events:read'

const listOf = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 37 * mostNamed, description }))

export function registerFollowEvents(server: HttpServer, ports: ApiPorts): void {
  const feeds = new Map<EventFeed, Caller>()
  // A feed never ends by itself: a stopping server says goodbye, and the watcher comes back elsewhere.
  server.addHook('preClose', async () => {
    for (const feed of feeds.keys()) feed.end('shutting-down')
  })
  const askAgain = async (feed: EventFeed, caller: Caller): Promise<void> => {
    const end = await endOfAccess(ports, caller, permission)
    if (end !== undefined) feed.end(end)
  }
  server.get(
    '/api/v1/events',
    {
      config: { access: requires(permission) },
      schema: {
        operationId: 'followEvents',
        summary: 'Live events of the organization (server-sent events)',
        description:
          'Each event has its topic as name and its id for `Last-Event-ID`. `reset` says that events since that id are lost and the present state must be read; `end` comes before the feed ends, as it does with the access token.',
        tags: ['events'],
        produces: ['text/event-stream'],
        querystring: Type.Object(
          {
            topic: listOf('Topics, separated by commas; `device.*` is all of one kind.'),
            deviceId: listOf('Ids of devices, separated by commas.'),
            groupId: listOf('Ids of enrollment groups, separated by commas: their devices and themselves.'),
            after: Type.Optional(
              Type.String({
                maxLength: 64,
                description: 'The id of an event, for who cannot send it as `Last-Event-ID`, which goes before.',
              }),
            ),
          },
          { additionalProperties: false },
        ),
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 64 })) }),
        response: { 200: Type.String({ description: 'text/event-stream' }) },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const { topic, deviceId, groupId, after } = request.query
      const asked = askedEvents({
        topics: topic?.split(','),
        deviceIds: deviceId?.split(','),
        groupIds: groupId?.split(','),
      })
      const credential = credentialOf(caller)
      if ([...feeds.values()].filter((other) => credentialOf(other) === credential).length >= mostFeeds) {
        ports.metrics.streamClosed('feed', 'too-many-streams')
        throw new CodedError('rate-limited', `At most ${mostFeeds} feeds of one session or API key.`, {
          details: { retryAfterSeconds: 5 },
        })
      }
      const headers = Object.fromEntries(
        Object.entries(reply.getHeaders()).map(([name, value]) => [name, [value].flat().join(', ')]),
      )
      reply.hijack()
      const feed = openEventFeed(reply.raw, {
        headers,
        heartbeat,
        longest: between(ports.clock.now(), caller.expiresAt),
        onHeartbeat() {
          if (watching.after !== undefined) feed.mark(watching.after)
          void askAgain(feed, caller)
        },
        onSent: (count) => ports.metrics.eventsSent('feed', count),
      })
      feeds.set(feed, caller)
      ports.metrics.streamOpened('feed')
      const watching = ports.liveEvents.watch({
        filter: { organizationId: caller.organizationId, userId: personOf(caller), ...asked },
        lastEventId: request.headers['last-event-id'] ?? after,
        onEvent: feed.send,
        onLost: () => feed.tell('reset', 'events-lost'),
        ready: feed.ready,
      })
      const stopAsking = onAccessChanged(ports, caller, () => void askAgain(feed, caller))
      feed.onEnded((reason) => {
        watching.stop()
        stopAsking()
        feeds.delete(feed)
        ports.metrics.streamClosed('feed', reason)
      })
      watching.begun.then(
        (begun) => {
          if (!begun.complete) feed.tell('reset', 'events-lost')
          if (begun.after !== undefined) feed.mark(begun.after)
        },
        // The watcher still has its last id, and comes back with it.
        () => feed.end('unavailable'),
      )
    },
  )
}
