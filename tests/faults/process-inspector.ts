/**
 * What lives in a service's process, asked through Node's inspector (Chrome DevTools Protocol).
 *
 * Resident memory after a burst says how far the heap once grew, not what was kept: V8 holds on to the pages of its young
 * generation for the next burst. A full collection gives them back; what is resident then is what something refers to.
 */

import { readFileSync } from 'node:fs'

export interface KeptMemory {
  /** Megabytes of the JavaScript heap and of what its objects hold outside of it: buffers, keys, ciphers. */
  readonly live: number
  /** Megabytes that the process has of the machine's memory. */
  readonly resident: number
}

export interface ProcessInspector {
  /** After a full collection. */
  keptMemory(): Promise<KeptMemory>
  close(): void
}

/** What a service is started with, to be inspected: at a port that the system chooses, and that its log names. */
export const inspected = { NODE_OPTIONS: '--inspect=127.0.0.1:0' } as const

/** Megabytes, whatever of it is garbage. */
export const residentMemory = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** @param log the lines of the service, which was started with `inspected` */
export async function inspectProcess(pid: number, log: readonly Record<string, unknown>[]): Promise<ProcessInspector> {
  const url = log
    .map(({ text }) => /^Debugger listening on (ws:\S+)$/.exec(String(text))?.[1])
    .findLast((found) => found !== undefined)
  if (url === undefined) throw new Error('the process has no inspector')
  const socket = new WebSocket(url)
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true })
    socket.addEventListener('error', () => reject(new Error('the inspector does not answer')), { once: true })
  })
  let calls = 0
  const call = (method: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = ++calls
      const hear = ({ data }: MessageEvent): void => {
        const answer = JSON.parse(String(data)) as { id?: number; result?: unknown; error?: { message: string } }
        if (answer.id !== id) return
        socket.removeEventListener('message', hear)
        if (answer.error === undefined) resolve(answer.result)
        else reject(new Error(`${method}: ${answer.error.message}`))
      }
      socket.addEventListener('message', hear)
      socket.send(JSON.stringify({ id, method, params: parameters }))
    })
  return {
    keptMemory: async () => {
      // Twice: what finalizers let go of goes with the second.
      for (let turn = 0; turn < 2; turn += 1) await call('HeapProfiler.collectGarbage')
      const expression = 'process.memoryUsage().heapUsed + process.memoryUsage().external'
      const { result } = (await call('Runtime.evaluate', { expression })) as { result: { value: number } }
      return { live: result.value / 1024 ** 2, resident: residentMemory(pid) }
    },
    close: () => socket.close(),
  }
}
