#!/usr/bin/env node
/** Entry of the process: the terminal, the environment and the signals. */

import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Sink } from './surroundings.ts'

// Most of a start is compiling: the rest is imported after it. In the person's own folder, for whoever writes there writes code.
enableCompileCache(join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sallyport'))
const { CommandFailure } = await import('./command-failure.ts')
const { exitCodes } = await import('./exit-code.ts')
const { runSallyport } = await import('./run-sallyport.ts')

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // The second one does not wait for anything.
    if (stop.signal.aborted) process.exit(exitCodes.interrupted.code)
    stop.abort(new CommandFailure('interrupted', 'interrupted'))
  })
}

function sink(stream: NodeJS.WriteStream): Sink {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // As `| head` does when it has what it wants. Nobody reads what would be said of it.
    process.exit(error.code === 'EPIPE' ? exitCodes.pipe.code : exitCodes.failed.code)
  })
  return {
    write: (text) =>
      new Promise((resolve) => {
        if (stream.write(text)) resolve()
        else stream.once('drain', resolve)
      }),
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns ?? 80
    },
  }
}

async function readAll(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

// Questions go to standard error: standard output is the result.
async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await terminal.question(question, { signal: stop.signal })
  } finally {
    terminal.close()
  }
}

async function askSecret(question: string): Promise<string> {
  const { readSecretLine } = await import('./secret-prompt.ts')
  process.stderr.write(question)
  const secret = await readSecretLine(process.stdin)
  process.stderr.write('\n')
  if (secret === undefined) {
    stop.abort(new CommandFailure('interrupted', 'interrupted'))
    stop.signal.throwIfAborted()
  }
  return secret ?? ''
}

process.exitCode = await runSallyport(process.argv.slice(2), {
  now: () => Date.now(),
  stdout: sink(process.stdout),
  stderr: sink(process.stderr),
  stdin: { isTerminal: process.stdin.isTTY === true, read: readAll },
  ask,
  askSecret,
  environment: process.env,
  home: homedir(),
  stop: stop.signal,
})
