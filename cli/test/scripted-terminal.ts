/** A person's surroundings for one run: what is typed, and what a server of a script answers. */

import { runSallyport, type Surroundings } from '@sallyport/cli'

export interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
  readonly asked: readonly { readonly method: string; readonly url: string; readonly body: unknown }[]
}

export interface Script {
  readonly environment?: Readonly<Record<string, string>>
  readonly home: string
  /** By method and path with query. */
  readonly answers?: Readonly<Record<string, unknown>>
  readonly typed?: readonly string[]
  readonly isTerminal?: boolean
  readonly columns?: number
  readonly input?: string
}

const server = 'https://sallyport.example'

export async function run(args: readonly string[], script: Script): Promise<Run> {
  let out = ''
  let err = ''
  const asked: { method: string; url: string; body: unknown }[] = []
  const typed = [...(script.typed ?? [])]
  const isTerminal = script.isTerminal ?? false
  const columns = script.columns ?? 80
  const type = async (question: string): Promise<string> => {
    err += question
    return typed.shift() ?? ''
  }
  const surroundings: Surroundings = {
    now: () => Date.parse('2026-11-21T12:00:00Z'),
    stdout: {
      write: async (text) => {
        out += text
      },
      isTerminal,
      columns,
    },
    stderr: {
      write: async (text) => {
        err += text
      },
      isTerminal,
      columns,
    },
    stdin: { isTerminal: isTerminal || typed.length > 0, read: async () => script.input ?? '' },
    ask: type,
    askSecret: type,
    environment: { SALLYPORT_SERVER: server, SALLYPORT_API_KEY: 'a key', ...script.environment },
    home: script.home,
    stop: new AbortController().signal,
    fetch: async (url, init) => {
      const path = url.slice(server.length)
      asked.push({ method: init.method, url: path, body: init.body === undefined ? undefined : JSON.parse(init.body) })
      const answer = script.answers?.[`${init.method} ${path}`]
      if (answer === undefined) return Response.json(problem, { status: 404, headers: problemHeaders })
      if (answer instanceof Response) return answer.clone()
      return Response.json(answer, { headers: { etag: '"1"' } })
    },
  }
  const code = await runSallyport(args, surroundings)
  return { code, out, err, asked }
}

const problemHeaders = { 'content-type': 'application/problem+json' }
const problem = { code: 'not-found', title: 'There is nothing.', detail: 'Nothing is here.', correlationId: 'c-1' }

export const refusal = (status: number, code: string, more: object = {}): Response =>
  Response.json(
    { title: 'A title.', detail: `The detail of ${code}.`, code, correlationId: 'c-1', ...more },
    {
      status,
      headers: problemHeaders,
    },
  )
