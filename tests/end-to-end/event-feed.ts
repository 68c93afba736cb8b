/** A customer's server-sent events, collected as they come. */

import type { TestInstallation } from '@sallyport/development'

export interface SeenEvent {
  readonly id: string
  readonly topic: string
  readonly deviceId?: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface EventFeed {
  readonly seen: readonly SeenEvent[]
  close(): void
}

/** Resolves once the stream is open. */
export async function followEvents(installation: TestInstallation, query: string): Promise<EventFeed> {
  const abort = new AbortController()
  const response = await fetch(`${installation.http}/api/v1/events${query}`, {
    headers: { authorization: `Bearer ${installation.api.token}`, accept: 'text/event-stream' },
    signal: abort.signal,
  })
  if (!response.ok || response.body === null) throw new Error(`the event stream answered ${response.status}`)
  const seen: SeenEvent[] = []
  void collect(response.body, seen).catch(() => {
    // Closed by us, or by a service that was killed on purpose; what came before stays.
  })
  return { seen, close: () => abort.abort() }
}

async function collect(body: ReadableStream<Uint8Array>, seen: SeenEvent[]): Promise<void> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end)
      text = text.slice(end + 2)
      const data = block
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).trim())
        .join('\n')
      if (data !== '') seen.push(JSON.parse(data) as SeenEvent)
    }
  }
}
