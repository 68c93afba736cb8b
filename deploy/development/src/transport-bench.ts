/**
 * `make bench`, the transport: our CoAP server over DTLS beside libcoap's, under the load of one generator (`tests/bench/coaps-load.c`,
 * on OpenSSL), in one run. What a server costs is CPU time and resident memory as the operating system counts them: a generator that
 * is slow or a machine that is shared makes the run longer, not the figures larger.
 *
 * Each run starts each server anew. Both are warmed up before anything is counted.
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BenchCertificates, makeBenchCertificates } from './bench-certificates.ts'
import { type BenchServer, type BenchServerKind, benchServerKinds, startBenchServer } from './bench-server.ts'
import { SetupFailure } from './failure.ts'
import { checkoutRoot } from './home.ts'
import { LoadGenerator } from './load-generator.ts'
import { median } from './median.ts'
import { costOf } from './process-cost.ts'

export interface TransportBenchOptions {
  readonly write: (text: string) => void
  readonly runs: number
}

interface Measure {
  readonly name: string
  readonly unit: string
  readonly digits: number
}

/** In the order of the table. */
const measures = {
  handshakeCcm: { name: 'full mutual handshake, AES_128_CCM_8', unit: 'ms CPU', digits: 2 },
  handshakeGcm: { name: 'full mutual handshake, AES_128_GCM', unit: 'ms CPU', digits: 2 },
  resumed: { name: 'resumed handshake (ticket), AES_128_CCM_8', unit: 'ms CPU', digits: 2 },
  getOverOne: { name: 'CON GET over 1 association', unit: 'µs CPU', digits: 1 },
  getOverMany: { name: 'CON GET over 100 associations', unit: 'µs CPU', digits: 1 },
  memoryOfFew: { name: 'memory of an idle association, 1 000', unit: 'kB', digits: 1 },
  memoryOfMany: { name: 'memory of an idle association, 10 000', unit: 'kB', digits: 1 },
  memoryOfMost: { name: 'memory of an idle association, 20 000', unit: 'kB', digits: 1 },
} as const satisfies Record<string, Measure>

type MeasureName = keyof typeof measures
type Figures = Readonly<Record<MeasureName, number>>

const suites = { ccm: 'ECDHE-ECDSA-AES128-CCM8', gcm: 'ECDHE-ECDSA-AES128-GCM-SHA256' } as const

/** Handshakes before anything is counted: after a few hundred, code that a handshake meets once is still interpreted. */
const warmUp = 3000
const handshakes = 500
const requests = 30_000
const few = 1000
const many = 10_000
const most = 20_000
const programs = {
  cc: 'gcc libc6-dev',
  openssl: 'openssl',
  'coap-server-openssl': 'libcoap3-bin',
} as const

export async function benchTransport({ write, runs }: TransportBenchOptions): Promise<void> {
  requirePrograms()
  const home = join(checkoutRoot, '.dev', 'bench-transport')
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true, mode: 0o700 })
  try {
    const generator = compileGenerator(home)
    const certificates = makeBenchCertificates(home)
    const found: Record<BenchServerKind, Figures[]> = { sallyport: [], libcoap: [] }
    for (let run = 1; run <= runs; run += 1) {
      for (const kind of benchServerKinds) {
        const figures = await measureServer({ kind, home, generator, certificates })
        found[kind].push(figures)
        write(
          `run ${run}, ${kind}: ${Object.values(figures)
            .map((figure) => figure.toFixed(2))
            .join(', ')}\n`,
        )
      }
    }
    writeTable(write, found, runs)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** @throws SetupFailure with the line that installs what is missing */
function requirePrograms(): void {
  const missing: string[] = Object.entries(programs)
    .filter(([program]) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
    .map(([, debianPackage]) => debianPackage)
  if (missing.length === 0) return
  throw new SetupFailure(
    `the transport benchmark needs other programs: apt-get install --no-install-recommends ${missing.join(' ')}`,
  )
}

function compileGenerator(home: string): string {
  const program = join(home, 'coaps-load')
  const source = join(checkoutRoot, 'tests', 'bench', 'coaps-load.c')
  const compiled = spawnSync('cc', ['-O2', '-o', program, source, '-lssl', '-lcrypto'], { encoding: 'utf8' })
  if (compiled.status === 0) return program
  const said = compiled.stderr.trim().split('\n')[0] ?? ''
  throw new SetupFailure(`the load generator does not compile (libssl-dev and libc6-dev are needed): ${said}`)
}

interface Scene {
  readonly kind: BenchServerKind
  readonly home: string
  readonly generator: string
  readonly certificates: BenchCertificates
}

async function measureServer(scene: Scene): Promise<Figures> {
  const cpu = await withServer(scene, async (server) => {
    const load = (suite: keyof typeof suites, work: (generator: LoadGenerator) => Promise<number>) =>
      withGenerator(scene, server, suites[suite], work)
    // Compiled code, filled caches: what a server is like that has run for a while.
    await load('gcm', (generator) => handshakeCost(generator, server, warmUp))
    await load('ccm', (generator) => requestCost(generator, server, 1))
    return {
      handshakeCcm: await load('ccm', (generator) => handshakeCost(generator, server)),
      handshakeGcm: await load('gcm', (generator) => handshakeCost(generator, server)),
      // libcoap 4.3.1 gives tickets and ends every handshake that brings one with internal_error.
      resumed:
        scene.kind === 'libcoap' ? Number.NaN : await load('ccm', (generator) => resumptionCost(generator, server)),
      getOverOne: await load('ccm', (generator) => requestCost(generator, server, 1)),
      getOverMany: await load('ccm', (generator) => requestCost(generator, server, 100)),
    }
  })
  const memory = await withServer(scene, (server) =>
    withGenerator(scene, server, suites.ccm, (generator) => memoryCost(generator, server)),
  )
  return { ...cpu, ...memory }
}

/** Milliseconds each. */
async function handshakeCost(generator: LoadGenerator, server: BenchServer, count = handshakes): Promise<number> {
  const before = costOf(server.pid).cpuMilliseconds
  await generator.connect(count)
  const cost = (costOf(server.pid).cpuMilliseconds - before) / count
  await generator.close()
  return cost
}

/** Milliseconds each; not a number for a server that resumes none. The session is that of a full handshake before. */
async function resumptionCost(generator: LoadGenerator, server: BenchServer): Promise<number> {
  await generator.connect(1)
  const before = costOf(server.pid).cpuMilliseconds
  const resumed = await generator.resume(handshakes)
  const cost = (costOf(server.pid).cpuMilliseconds - before) / handshakes
  await generator.close()
  return resumed === handshakes ? cost : Number.NaN
}

/** Microseconds each. */
async function requestCost(generator: LoadGenerator, server: BenchServer, associations: number): Promise<number> {
  await generator.connect(associations)
  const before = costOf(server.pid).cpuMilliseconds
  await generator.get(requests)
  const cost = ((costOf(server.pid).cpuMilliseconds - before) * 1000) / requests
  await generator.close()
  return cost
}

async function memoryCost(
  generator: LoadGenerator,
  server: BenchServer,
): Promise<Pick<Figures, 'memoryOfFew' | 'memoryOfMany' | 'memoryOfMost'>> {
  // The first handshakes load code and grow heaps: that is not the price of an association.
  await generator.connect(handshakes)
  await generator.rest()
  const atFirst = await settledMemory(server)
  await generator.connect(few)
  await generator.rest()
  const withFew = await settledMemory(server)
  await generator.connect(many - few)
  await generator.rest()
  const withMany = await settledMemory(server)
  await generator.connect(most - many)
  await generator.rest()
  const withMost = await settledMemory(server)
  // The first of them all is still served.
  await generator.get(1)
  return {
    memoryOfFew: (withFew - atFirst) / few,
    memoryOfMany: (withMany - atFirst) / many,
    memoryOfMost: (withMost - atFirst) / most,
  }
}

/** Kilobytes that are resident once the server has let go of what it can. */
async function settledMemory(server: BenchServer): Promise<number> {
  for (let count = 0; count < 3; count += 1) {
    server.collectGarbage()
    await sleep(500)
  }
  return costOf(server.pid).residentKilobytes
}

async function withServer<Result>(scene: Scene, work: (server: BenchServer) => Promise<Result>): Promise<Result> {
  const server = await startBenchServer(scene.kind, scene.home, scene.certificates)
  try {
    return await work(server)
  } finally {
    await server.stop()
  }
}

async function withGenerator<Result>(
  { generator: program, certificates }: Scene,
  server: BenchServer,
  suite: string,
  work: (generator: LoadGenerator) => Promise<Result>,
): Promise<Result> {
  const { authority, device } = certificates
  const generator = new LoadGenerator(program, [String(server.port), authority, device.certificate, device.key, suite])
  try {
    return await work(generator)
  } finally {
    generator.stop()
  }
}

function writeTable(
  write: (text: string) => void,
  found: Readonly<Record<BenchServerKind, readonly Figures[]>>,
  runs: number,
): void {
  write(`\nmedians of ${runs}: ${handshakes} handshakes, ${requests} requests each\n`)
  write(`| server's cost of each | sallyport | libcoap |\n|---|---|---|\n`)
  for (const name of Object.keys(measures) as MeasureName[]) {
    const { name: title, unit, digits } = measures[name]
    const of = (kind: BenchServerKind) => shown(median(found[kind].map((figures) => figures[name])), unit, digits)
    write(`| ${title} | ${of('sallyport')} | ${of('libcoap')} |\n`)
  }
}

const shown = (figure: number, unit: string, digits: number): string =>
  Number.isNaN(figure) ? 'none' : `${figure.toFixed(digits)} ${unit}`
