/** From an operation and its parameters to the HTTP request. */

import type { OperationDefinition } from './operations.ts'

export interface HttpRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/**
 * @param request the operation's parameters by name, and its `body`.
 * @throws TypeError for a parameter of the path that would lead elsewhere.
 */
export function httpRequest(
  baseUrl: string,
  definition: OperationDefinition,
  request: Readonly<Record<string, unknown>>,
): HttpRequest {
  const headers: Record<string, string> = { accept: acceptOf(definition) }
  const query = new URLSearchParams()
  let path = definition.path
  for (const [name, place] of Object.entries(definition.parameters)) {
    const value = request[name]
    if (value === undefined) continue
    if (place === 'path') path = path.replace(`{${name}}`, () => pathSegment(name, value))
    else if (place === 'header') headers[headerName(name)] = String(value)
    else for (const each of [value].flat()) query.append(name, String(each))
  }
  const missing = /\{(\w+)\}/.exec(path)
  if (missing !== null) throw new TypeError(`${missing[1]} is missing`)
  const body = request.body === undefined ? undefined : JSON.stringify(request.body)
  if (body !== undefined) headers['content-type'] = 'application/json'
  const search = query.size === 0 ? '' : `?${query}`
  return { method: definition.method, url: `${baseUrl.replace(/\/+$/, '')}${path}${search}`, headers, body }
}

function acceptOf({ answers }: OperationDefinition): string {
  if (answers === 'lines') return 'application/x-ndjson, application/problem+json'
  return answers === 'events' ? 'text/event-stream' : 'application/json, application/problem+json'
}

/** One segment, its slashes escaped: what a person typed as an id reaches no other route. */
function pathSegment(name: string, value: unknown): string {
  const text = String(value)
  // A URL's parser resolves these two, escaped or not.
  if (text === '' || text === '.' || text === '..') throw new TypeError(`"${text}" is no ${name}`)
  return encodeURIComponent(text)
}

/** `ifMatch` → `if-match`. */
const headerName = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
