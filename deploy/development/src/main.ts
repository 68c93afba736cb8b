/** What the Makefile calls: `main.ts run | test | check | interop | soak | bench | acceptance | docs`. */

import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { SetupFailure } from './failure.ts'
import { checkoutRoot } from './home.ts'

const write = (text: string) => {
  process.stdout.write(text)
}

async function main(): Promise<number> {
  const { positionals } = parseArgs({ allowPositionals: true, strict: false })
  const home = resolve(process.env.SALLYPORT_HOME ?? `${checkoutRoot}/.dev`)
  switch (positionals[0]) {
    case 'run': {
      const { run } = await import('./run.ts')
      await run({ home, portOffset: process.env.SALLYPORT_PORT_OFFSET, write, stopped: interrupted() })
      return 0
    }
    case 'check': {
      const { check } = await import('./check.ts')
      return (await check(write)) ? 0 : 1
    }
    case 'test': {
      const { test } = await import('./test.ts')
      return (await test({ write })) ? 0 : 1
    }
    case 'interop': {
      const { interop } = await import('./test.ts')
      return (await interop({ write })) ? 0 : 1
    }
    case 'soak': {
      const { soak } = await import('./test.ts')
      return (await soak({ write })) ? 0 : 1
    }
    case 'acceptance': {
      const { acceptance } = await import('./acceptance.ts')
      return (await acceptance({ write })) ? 0 : 1
    }
    case 'docs': {
      const { writeDocs } = await import('./generated-docs.ts')
      await writeDocs(write)
      return 0
    }
    case 'bench': {
      const { bench } = await import('./bench.ts')
      await bench({
        write,
        part: process.env.SALLYPORT_BENCH,
        devices: Number(process.env.SALLYPORT_BENCH_DEVICES ?? '500'),
        runs: process.env.SALLYPORT_BENCH_RUNS === undefined ? undefined : Number(process.env.SALLYPORT_BENCH_RUNS),
      })
      return 0
    }
    default:
      write('usage: main.ts run | test | check | interop | soak | bench | acceptance | docs\n')
      return 2
  }
}

/** The first signal asks for an orderly stop; more of them change nothing, so that the stop is not cut short. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    // Nobody reads on, as after `make run | head`.
    process.stdout.on('error', () => resolve())
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
  })
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  process.stderr.write(`sallyport: ${error.message}\n`)
  process.exitCode = 1
}
// What a run was still starting when it was told to stop, or failed, would hold the process; it ends with it.
if (process.argv[2] === 'run') process.exit()
