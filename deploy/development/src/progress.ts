/** One line per step, with the time it took: what a person sees while a run comes up. */

export interface Progress {
  step<T>(name: string, work: () => Promise<{ readonly result: T; readonly note: string }>): Promise<T>
  line(text: string): void
}

export function terminalProgress(write: (text: string) => void): Progress {
  return {
    async step(name, work) {
      const start = performance.now()
      const { result, note } = await work()
      const seconds = ((performance.now() - start) / 1000).toFixed(1)
      write(`  ${name.padEnd(16)} ${note} (${seconds} s)\n`)
      return result
    },
    line: (text) => write(`${text}\n`),
  }
}

export const silentProgress: Progress = {
  async step(_name, work) {
    return (await work()).result
  },
  line: () => {},
}
