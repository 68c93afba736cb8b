/**
 * Server-sent events (WHATWG HTML section 9.2) on one response: written as they come, a comment as heartbeat, ended when the
 * token ends. A reader that does not keep up is cut rather than kept in memory: it comes back with `Last-Event-ID`.
 */

import type { ServerResponse } from 'node:http'
import type { Duration } from '@sallyport/clock'
import type { PublishedEvent } from '@sallyport/events'

export interface EventFeed {
  send(event: PublishedEvent): void
  /** A named event without an id, which says something about the feed itself. */
  tell(name: 'reset' | 'end', reason: string): void
  end(reason: string): void
  onEnded(listener: () => void): void
}

const mostBufferedBytes = 1_048_576

export function openEventFeed(
  response: ServerResponse,
  options: {
    readonly headers: Record<string, string>
    readonly heartbeat: Duration
    readonly longest: Duration
    readonly onHeartbeat?: () => void
  },
): EventFeed {
  const listeners: (() => void)[] = []
  let open = true
  const finish = (): void => {
    if (!open) return
    open = false
    clearInterval(heartbeat)
    clearTimeout(expiry)
    for (const listener of listeners) listener()
  }
  const write = (text: string): void => {
    if (!open) return
    response.write(text)
    if (response.writableLength > mostBufferedBytes) response.destroy()
  }
  const tell: EventFeed['tell'] = (name, reason) => write(`event: ${name}\ndata: ${JSON.stringify({ reason })}\n\n`)
  const end = (reason: string): void => {
    if (!open) return
    tell('end', reason)
    response.end()
    finish()
  }
  const heartbeat = setInterval(() => {
    write(': still here\n\n')
    options.onHeartbeat?.()
  }, options.heartbeat)
  const expiry = setTimeout(() => end('token-expired'), Math.min(options.longest, 2 ** 31 - 1))
  response.on('close', finish)
  response.on('error', finish)
  response.writeHead(200, {
    ...options.headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'close',
    'x-accel-buffering': 'no',
  })
  write('retry: 2000\n: live\n\n')
  return {
    send: (event) => write(`id: ${event.id}\nevent: ${event.topic}\ndata: ${JSON.stringify(event)}\n\n`),
    tell,
    end,
    onEnded: (listener) => listeners.push(listener),
  }
}
