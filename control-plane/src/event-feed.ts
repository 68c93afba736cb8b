/**
 * Server-sent events (WHATWG HTML section 9.2) on one response: those of one turn of the loop in one write, a comment as
 * heartbeat, ended when the token ends. A reader that does not keep up is cut rather than kept in memory: it comes back with
 * `Last-Event-ID`.
 */

import type { ServerResponse } from 'node:http'
import type { Duration } from '@sallyport/clock'
import type { StreamEnd } from './control-plane-metrics.ts'
import type { LiveEvent } from './live-events.ts'

export interface EventFeed {
  send(event: LiveEvent): void
  /** A named event without an id, which says something about the feed itself. */
  tell(name: 'reset' | 'end', reason: string): void
  /** The id to come back with, although there is no event for this reader. */
  mark(eventId: string): void
  end(reason: StreamEnd): void
  /** Resolves when what was written is with the network, or the feed has ended. */
  ready(): Promise<void>
  onEnded(listener: (reason: StreamEnd) => void): void
}

export interface EventFeedOptions {
  readonly headers: Record<string, string>
  readonly heartbeat: Duration
  readonly longest: Duration
  readonly onHeartbeat?: () => void
  readonly onSent?: (count: number) => void
  /** What may wait for the reader, in bytes. Default 1 MiB. */
  readonly mostBufferedBytes?: number
}

const longestTimer = 2 ** 31 - 1

export function openEventFeed(response: ServerResponse, options: EventFeedOptions): EventFeed {
  const mostBuffered = options.mostBufferedBytes ?? 1_048_576
  const listeners: ((reason: StreamEnd) => void)[] = []
  let open = true
  let marked: string | undefined
  let waiting = ''
  let waitingEvents = 0
  let flushing: NodeJS.Immediate | undefined
  const finish = (reason: StreamEnd): void => {
    if (!open) return
    open = false
    clearInterval(heartbeat)
    clearTimeout(expiry)
    clearImmediate(flushing)
    for (const listener of listeners) listener(reason)
  }
  const flush = (): void => {
    flushing = undefined
    if (!open || waiting === '') return
    response.write(waiting)
    if (waitingEvents > 0) options.onSent?.(waitingEvents)
    waiting = ''
    waitingEvents = 0
    if (response.writableLength > mostBuffered) {
      finish('too-slow')
      response.destroy()
    }
  }
  const write = (text: string): void => {
    if (!open) return
    waiting += text
    flushing ??= setImmediate(flush)
  }
  const tell: EventFeed['tell'] = (name, reason) => write(`event: ${name}\ndata: ${JSON.stringify({ reason })}\n\n`)
  const end = (reason: StreamEnd): void => {
    if (!open) return
    tell('end', reason)
    flush()
    response.end()
    finish(reason)
  }
  const heartbeat = setInterval(() => {
    write(': still here\n\n')
    options.onHeartbeat?.()
  }, options.heartbeat)
  const expiry = setTimeout(() => end('token-expired'), Math.min(options.longest, longestTimer))
  response.on('close', () => finish('client'))
  response.on('error', () => finish('client'))
  response.writeHead(200, {
    ...options.headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'close',
    'x-accel-buffering': 'no',
  })
  // Node keeps the head back until something is written.
  response.write('retry: 2000\n: live\n\n')
  return {
    send({ event, json }) {
      marked = event.id
      waitingEvents += 1
      write(`id: ${event.id}\nevent: ${event.topic}\ndata: ${json}\n\n`)
    },
    tell,
    mark(eventId) {
      if (eventId === marked) return
      marked = eventId
      write(`id: ${eventId}\n\n`)
    },
    end,
    async ready() {
      flush()
      if (!open || !response.writableNeedDrain) return
      await new Promise<void>((resolve) => {
        response.once('drain', resolve)
        listeners.push(() => resolve())
      })
    },
    onEnded: (listener) => listeners.push(listener),
  }
}
