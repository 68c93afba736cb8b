/** An installation of its own for a part of `make bench`, in a folder that is gone again afterwards. */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { checkoutRoot } from './home.ts'
import { type Installation, startInstallation } from './installation.ts'
import { freePorts } from './port-plan.ts'
import { terminalProgress } from './progress.ts'

export interface BenchInstallation {
  readonly home: string
  readonly installation: Installation
  end(): Promise<void>
}

export async function startBenchInstallation(options: {
  /** Of the part. */
  readonly name: string
  readonly write: (text: string) => void
  readonly environment?: Readonly<Record<string, string>>
}): Promise<BenchInstallation> {
  const { name, write, environment } = options
  const home = join(checkoutRoot, '.dev', `bench-${name}`)
  const remove = (): void => rmSync(home, { recursive: true, force: true })
  remove()
  mkdirSync(home, { recursive: true })
  const installation = await startInstallation({
    home,
    ports: await freePorts(),
    mode: 'development',
    progress: terminalProgress(write),
    onChange: (text) => write(`${text}\n`),
    ...(environment === undefined ? {} : { environment }),
  })
  return {
    home,
    installation,
    async end() {
      await installation.stop()
      remove()
    },
  }
}
