/** A server that gives the answers of a script, one for each request, and keeps what it was asked. */

import type { Fetch, FetchInit } from '@sallyport/client'

export interface Asked extends FetchInit {
  readonly url: string
}

type Answer = (asked: Asked) => Response | Error | Promise<Response>

export function scriptedServer(...script: readonly Answer[]): { readonly fetch: Fetch; readonly asked: Asked[] } {
  const asked: Asked[] = []
  return {
    asked,
    fetch: async (url, init) => {
      const request = { ...init, url }
      asked.push(request)
      const answer = script[asked.length - 1]
      if (answer === undefined) throw new Error(`unexpected ${init.method} ${url}`)
      const given = await answer(request)
      if (given instanceof Error) throw given
      return given
    },
  }
}

export const json =
  (body: unknown, init: ResponseInit = {}): Answer =>
  () =>
    Response.json(body, init)

export const problem =
  (status: number, code: string, headers: Readonly<Record<string, string>> = {}): Answer =>
  () =>
    new Response(JSON.stringify({ code, title: 'A title.', detail: `The detail of ${code}.`, status, correlationId }), {
      status,
      headers: { 'content-type': 'application/problem+json', ...headers },
    })

/** As undici says that nobody listens. */
export const refusedConnection: Answer = () =>
  new TypeError('fetch failed', { cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }) })

export const brokenConnection: Answer = () =>
  new TypeError('fetch failed', { cause: Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' }) })

export const correlationId = '0197a000-0000-7000-8000-0000000000aa'
