/**
 * One service of the product as a child process: started, waited for until it says it is ready, started again when it dies.
 */

import { existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, startChild } from './child.ts'
import { SetupFailure } from './failure.ts'
import type { HeldSocket } from './held-socket.ts'
import { mainOf, nodeProgram } from './home.ts'
import { lastLine } from './postgres.ts'

export interface ServiceReady {
  readonly pid: number
  /** It waits for the one before to let go; nothing but `pid` is there yet. */
  readonly standby?: boolean
  readonly coaps?: { readonly host: string; readonly port: number }
  /** CoAP over TLS. */
  readonly coapsTcp?: { readonly host: string; readonly port: number }
  readonly http?: string
  readonly internal?: string
  readonly management: string
}

export interface ServiceOptions {
  readonly name: 'control-plane' | 'dps' | 'gateway'
  readonly home: string
  /** Called before each start, so that a restart takes the ports that the first start was given. */
  readonly environment: (previous: ServiceReady | undefined) => Readonly<Record<string, string>>
  /** Kept open over restarts, and inherited by each start. */
  readonly sockets?: readonly HeldSocket[]
  /** What makes a start wait for its predecessor: then a planned restart starts the successor first. */
  readonly standbyEnvironment?: Readonly<Record<string, string>>
  /** Hears of every start and end after the first. */
  readonly onChange: (text: string) => void
}

export interface Service {
  readonly name: string
  readonly pid: number
  readonly ready: ServiceReady
  /** Ends it with `signal`; it is started again, as after any death, unless it was stopped. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /**
   * A planned restart: it ends in order and hands over what it can to the next start, which stands by already where the service
   * can do that. Resolves once that one is ready.
   */
  restart(): Promise<void>
  /** Resolves once the service has been ready with a pid other than `oldPid`. */
  readyAgain(oldPid: number): Promise<void>
  stop(): Promise<void>
}

const startTimeout = 60_000
const endTimeout = 25_000
/** Milliseconds: what lived for so long did not die of its start. */
const longLife = 10_000
const largeLog = 20 * 1024 * 1024
/**
 * As in docs/systemd.md. V8 lets its young generation grow to 96 MB under a burst of requests, and keeps the pages: objects of a
 * request live for milliseconds, so a third of that collects as little. And node's own code lies in 40 MB of text, of which a
 * datagram touches much: on huge pages fewer of its addresses have to be looked up. Where there are none, it is silent.
 */
export const nodeOptions = ['--max-semi-space-size=16', '--use-largepages=silent'] as const

export async function startService(options: ServiceOptions): Promise<Service> {
  const service = new SupervisedService(options)
  await service.start()
  return service
}

class SupervisedService implements Service {
  readonly #options: ServiceOptions
  readonly #logFile: string
  #child: Child | undefined
  /** Stands by until the child has let go. */
  #successor: Child | undefined
  #readyFile: string
  #ready: ServiceReady | undefined
  #stopping = false
  #restarts = 0
  #standbys = 0
  #startedAt = 0

  constructor(options: ServiceOptions) {
    this.#options = options
    this.#readyFile = this.#readyFileOf('')
    this.#logFile = join(options.home, 'log', `${options.name}.log`)
  }

  /** Of one start: the one before still has its own. */
  #readyFileOf(suffix: string): string {
    return join(this.#options.home, 'run', `${this.name}${suffix}.json`)
  }

  get name(): string {
    return this.#options.name
  }

  get pid(): number {
    return this.#child?.pid ?? -1
  }

  get ready(): ServiceReady {
    if (this.#ready === undefined) throw new SetupFailure(`${this.name} is not ready`)
    return this.#ready
  }

  async start(): Promise<void> {
    const child = this.#startChild(this.#readyFile, {})
    this.#child = child
    this.#startedAt = Date.now()
    this.#ready = await this.#waitFor(child, this.#readyFile, isReady)
    void child.ended.then((end) => this.#restart(child, end))
  }

  #startChild(readyFile: string, more: Readonly<Record<string, string>>): Child {
    rmSync(readyFile, { force: true })
    if (existsSync(this.#logFile) && statSync(this.#logFile).size > largeLog)
      renameSync(this.#logFile, `${this.#logFile}.1`)
    return startChild({
      name: this.name,
      command: nodeProgram,
      args: [...nodeOptions, mainOf(this.name)],
      logFile: this.#logFile,
      env: { ...this.#options.environment(this.#ready), ...more, SALLYPORT_READY_FILE: readyFile },
      ...(this.#options.sockets === undefined ? {} : { sockets: this.#options.sockets }),
    })
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    child?.kill(signal)
    await child?.ended
  }

  async restart(): Promise<void> {
    const { pid } = this.ready
    this.#restarts = 0
    const { standbyEnvironment } = this.#options
    if (standbyEnvironment !== undefined) return this.#succeed(standbyEnvironment)
    await this.kill('SIGTERM')
    await this.readyAgain(pid)
  }

  /** The one that serves is told to leave only when its successor is ready but for that. */
  async #succeed(standbyEnvironment: Readonly<Record<string, string>>): Promise<void> {
    const predecessor = this.#child
    this.#standbys += 1
    const readyFile = this.#readyFileOf(`-${this.#standbys}`)
    const successor = this.#startChild(readyFile, standbyEnvironment)
    this.#successor = successor
    try {
      await this.#waitFor(successor, readyFile, () => true)
    } catch (error) {
      this.#successor = undefined
      if (predecessor?.running === false) void predecessor.ended.then((end) => this.#restart(predecessor, end))
      throw error
    }
    this.#successor = undefined
    this.#child = successor
    this.#startedAt = Date.now()
    this.#readyFile = readyFile
    void successor.ended.then((end) => this.#restart(successor, end))
    const [ready] = await Promise.all([
      this.#waitFor(successor, readyFile, isReady),
      predecessor?.stop('SIGTERM', endTimeout),
    ])
    this.#ready = ready
    this.#options.onChange(`${this.name} was restarted`)
  }

  async readyAgain(oldPid: number): Promise<void> {
    const deadline = Date.now() + startTimeout
    while (this.#ready === undefined || this.#ready.pid === oldPid || this.#child?.running !== true) {
      if (Date.now() > deadline) throw new SetupFailure(`${this.name} did not come back; see ${this.#logFile}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true
    // For good: SIGTERM would say that a successor follows.
    await Promise.all([this.#successor?.stop('SIGKILL'), this.#child?.stop('SIGINT', endTimeout)])
    rmSync(this.#readyFile, { force: true })
  }

  async #restart(child: Child, end: number | NodeJS.Signals): Promise<void> {
    // Where one stands by, that one goes on.
    if (this.#stopping || this.#child !== child || this.#successor !== undefined) return
    if (Date.now() - this.#startedAt > longLife) this.#restarts = 0
    // The first time in long, at once: it is missed.
    const wait = this.#restarts === 0 ? 0 : Math.min(250 * 2 ** Math.min(this.#restarts - 1, 5), 8_000)
    this.#restarts += 1
    this.#options.onChange(`${this.name} ended (${end}); starting it again in ${wait} ms (log: ${this.#logFile})`)
    await new Promise((resolve) => setTimeout(resolve, wait))
    if (this.#stopping) return
    try {
      await this.start()
      this.#options.onChange(`${this.name} is ready again`)
    } catch (error) {
      this.#options.onChange(error instanceof Error ? error.message : String(error))
      if (this.#child !== undefined) await this.#restart(this.#child, await this.#child.ended)
    }
  }

  async #waitFor(child: Child, readyFile: string, wanted: (ready: ServiceReady) => boolean): Promise<ServiceReady> {
    const deadline = Date.now() + startTimeout
    for (;;) {
      const ready = readReadyFile(readyFile)
      if (ready !== undefined && wanted(ready)) return ready
      if (!child.running) {
        throw new SetupFailure(
          `${this.name} stopped while starting: ${lastLine(this.#logFile)} (whole log: ${this.#logFile})`,
        )
      }
      if (Date.now() > deadline) {
        await child.stop('SIGKILL')
        throw new SetupFailure(`${this.name} was not ready within ${startTimeout / 1000} s; see ${this.#logFile}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
}

const isReady = ({ standby }: ServiceReady): boolean => standby !== true

function readReadyFile(file: string): ServiceReady | undefined {
  if (!existsSync(file)) return undefined
  return JSON.parse(readFileSync(file, 'utf8')) as ServiceReady
}
