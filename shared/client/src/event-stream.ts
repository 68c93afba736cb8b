/**
 * A reader of server-sent events (WHATWG HTML section 9.2.6): bytes in, events out, as they come.
 *
 * Comments, which are heartbeats, are given too, so that the reader's reader knows that the stream lives.
 */

export interface StreamedEvent {
  readonly kind: 'event'
  readonly name: string
  /** The last id that the stream has told; empty before the first. */
  readonly id: string
  readonly data: string
}

export type StreamPart =
  | StreamedEvent
  | { readonly kind: 'comment' }
  /** Milliseconds to wait before coming back. */
  | { readonly kind: 'retry'; readonly after: number }

/** No event of ours comes near it: a stream that never ends a line is not kept in memory. */
const longestEvent = 4 * 1_048_576

/** @throws RangeError for an event of more than 4 MiB. */
export async function* eventStreamParts(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<StreamPart> {
  const decoder = new TextDecoder()
  let text = ''
  let name = ''
  let id = ''
  let data: string[] = []
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true })
    for (;;) {
      const end = /\r\n|\n|\r(?!$)/.exec(text)
      if (end === null) break
      const line = text.slice(0, end.index)
      text = text.slice(end.index + end[0].length)
      if (line === '') {
        if (data.length > 0) yield { kind: 'event', name: name === '' ? 'message' : name, id, data: data.join('\n') }
        name = ''
        data = []
        continue
      }
      const [field, value] = fieldOf(line)
      if (field === '') yield { kind: 'comment' }
      else if (field === 'event') name = value
      else if (field === 'data') data.push(value)
      else if (field === 'id' && !value.includes('\0')) id = value
      else if (field === 'retry' && /^\d{1,7}$/.test(value)) yield { kind: 'retry', after: Number(value) }
    }
    if (text.length + data.reduce((sum, line) => sum + line.length, 0) > longestEvent)
      throw new RangeError('an event of the stream is longer than 4 MiB')
  }
}

function fieldOf(line: string): readonly [string, string] {
  const colon = line.indexOf(':')
  if (colon < 0) return [line, '']
  const value = line.slice(colon + 1)
  return [line.slice(0, colon), value.startsWith(' ') ? value.slice(1) : value]
}
