/** GET /api/v1/events: the organization's live device events as server-sent events. */

import { Type } from '@fastify/type-provider-typebox'
import { between, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { type Caller, callerOf } from '../../caller.ts'
import { type EventFeed, openEventFeed } from '../../event-feed.ts'
import { stillMay } from '../../person-access.ts'

const heartbeat = seconds(15)
const mostFeedsPerSession = 10

export function registerFollowEvents(server: HttpServer, ports: ApiPorts): void {
  const feeds = new Map<EventFeed, string>()
  // A feed never ends by itself: a stopping server says goodbye, and the watcher comes back elsewhere.
  server.addHook('preClose', async () => {
    for (const feed of feeds.keys()) feed.end('shutting-down')
  })
  server.get(
    '/api/v1/events',
    {
      config: { access: requires('events:read') },
      schema: {
        operationId: 'followEvents',
        summary: 'Live events of the organization (server-sent events)',
        description:
          'Each event has its topic as name and its id for `Last-Event-ID`. `reset` says that events since that id are lost and the present state must be read; `end` comes before the feed ends, as it does with the access token.',
        tags: ['events'],
        produces: ['text/event-stream'],
        querystring: Type.Object(
          {
            topic: Type.Optional(
              Type.String({
                pattern: '^[a-z]+\\.(\\*|[a-z]+)(,[a-z]+\\.(\\*|[a-z]+))*$',
                maxLength: 512,
                description: 'Topics, separated by commas; `device.*` is all of one kind.',
              }),
            ),
            deviceId: Type.Optional(Type.String({ format: 'uuid' })),
          },
          { additionalProperties: false },
        ),
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 64 })) }),
        response: { 200: Type.String({ description: 'text/event-stream' }) },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      if ([...feeds.values()].filter((session) => session === caller.sessionId).length >= mostFeedsPerSession) {
        throw new CodedError('rate-limited', `At most ${mostFeedsPerSession} feeds of one session.`, {
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
        onHeartbeat: () => void endWithAccess(ports, caller, feed),
      })
      feeds.set(feed, caller.sessionId)
      ports.metrics.feedOpened()
      const { topic, deviceId } = request.query
      const watch = ports.liveEvents.watch(
        {
          organizationId: caller.organizationId,
          userId: caller.userId,
          topics: topic?.split(',') ?? [],
          deviceId: deviceId?.toLowerCase(),
        },
        request.headers['last-event-id'],
        feed.send,
      )
      const stopAsking = ports.personPermissions.onChanged(() => void endWithAccess(ports, caller, feed))
      if (!watch.complete) feed.tell('reset', 'events-lost')
      feed.onEnded(() => {
        watch.stop()
        stopAsking()
        feeds.delete(feed)
        ports.metrics.feedClosed()
      })
    },
  )
}

/** A feed does not outlive its session, nor the right to it. */
async function endWithAccess(ports: ApiPorts, caller: Caller, feed: EventFeed): Promise<void> {
  const may = await stillMay(caller, 'events:read', ports).catch(() => false)
  if (!may) feed.end('session-ended')
}
