/**
 * `make bench`, the transport: our CoAP server over DTLS beside libcoap's and beside the floor (`tests/bench/floor-server.ts`: the
 * sockets and primitives that ours cannot do without), under the load of one generator (`tests/bench/coaps-load.c`, on OpenSSL), in
 * one run. What a server costs is CPU time and resident memory as the operating system counts them: a generator that
 * is slow or a machine that is shared makes the run longer, not the figures larger.
 *
 * Each run starts each server anew. Both are warmed up before anything is counted. At the end stands of each aim whether it was
 * reached, beside the load of the machine in each run: under load a thread's CPU time holds what others do to its caches.
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BenchCertificates, makeBenchCertificates } from './bench-certificates.ts'
import {
  type BenchServer,
  type BenchServerKind,
  benchServerKinds,
  type KnownDevices,
  startBenchServer,
} from './bench-server.ts'
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
  /** What ours is to cost at most; absent: it is only reported. */
  readonly aim?: number
}

/** In the order of the table. Memory is measured in the first run alone: it hardly differs, and takes as long as all the rest. */
const measures = {
  stranger: { name: 'full mutual handshake, AES_128_CCM_8, a device never seen', unit: 'ms CPU', digits: 2, aim: 0.8 },
  handshakeCcm: { name: 'full mutual handshake, AES_128_CCM_8, a known device', unit: 'ms CPU', digits: 2, aim: 0.8 },
  handshakeGcm: { name: 'full mutual handshake, AES_128_GCM, a known device', unit: 'ms CPU', digits: 2, aim: 0.8 },
  resumed: { name: 'resumed handshake (ticket), AES_128_CCM_8', unit: 'ms CPU', digits: 2, aim: 0.25 },
  getOverOne: { name: 'CON GET over 1 association', unit: 'µs CPU', digits: 1, aim: 40 },
  getOverMany: { name: 'CON GET over 100 associations', unit: 'µs CPU', digits: 1, aim: 40 },
  memoryOfFew: { name: 'memory of an idle association, 1 000, nothing asked of the server', unit: 'kB', digits: 1 },
  memoryOfMany: { name: 'the same, 10 000', unit: 'kB', digits: 1 },
  memoryOfManyRested: { name: 'the same, 10 000, after a minute and a half of rest', unit: 'kB', digits: 1, aim: 8 },
  memoryOfMost: { name: 'the same, 20 000', unit: 'kB', digits: 1 },
  memoryOfMostRested: { name: 'the same, 20 000, after a minute and a half of rest', unit: 'kB', digits: 1, aim: 8 },
} as const satisfies Record<string, Measure>

type MeasureName = keyof typeof measures
/** Not a number: this server does not do it, or could not this time. */
type Figures = Readonly<Record<MeasureName, number>>

const suites = { ccm: 'ECDHE-ECDSA-AES128-CCM8', gcm: 'ECDHE-ECDSA-AES128-GCM-SHA256' } as const

/**
 * Handshakes before anything is counted: of ours, after a few hundred, code that a handshake meets once is still interpreted. libcoap
 * is compiled, keeps each session for minutes, and looks at all of them at each turn.
 */
const warmUps: Readonly<Record<BenchServerKind, number>> = { sallyport: 3000, libcoap: 50, floor: 1000 }
const handshakesOf: Readonly<Record<BenchServerKind, number>> = { sallyport: 500, libcoap: 100, floor: 500 }
const requests = 30_000
/** Idle associations; libcoap is asked for `few`: for each of them it looks at all others, and ten thousand take it minutes. */
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
    const found: Record<BenchServerKind, Figures[]> = { sallyport: [], libcoap: [], floor: [] }
    for (let run = 1; run <= runs; run += 1) {
      for (const kind of benchServerKinds) {
        const scene = { kind, home, generator, certificates }
        const figures: Record<MeasureName, number> = { ...unmeasured, ...(await measureCpu(scene, write)) }
        if (kind === 'sallyport') Object.assign(figures, await measureStrangers(scene, write))
        // Nothing is remembered by libcoap: a device that it has seen is to it as one that it has not.
        else if (kind === 'libcoap') figures.stranger = figures.handshakeCcm
        if (run === 1 && kind !== 'floor') Object.assign(figures, await measureMemory(scene, write))
        found[kind].push(figures)
        const load = loadavg().map((average) => average.toFixed(1))
        write(`run ${run}, ${kind}: ${Object.values(figures).map(plain).join(', ')}; load ${load.join(', ')}\n`)
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

const unmeasured = Object.fromEntries(Object.keys(measures).map((name) => [name, Number.NaN])) as Figures

type Write = TransportBenchOptions['write']

async function measureCpu(scene: Scene, write: Write): Promise<Partial<Figures>> {
  const figures: Partial<Record<MeasureName, number>> = {}
  await withServer(scene, async (server) => {
    const load = (suite: keyof typeof suites, work: (generator: LoadGenerator) => Promise<number>) =>
      withGenerator(scene, server, suites[suite], work)
    // Compiled code, filled caches: what a server is like that has run for a while.
    await load('gcm', (generator) => handshakeCost(generator, server, warmUps[scene.kind]))
    await load('ccm', (generator) => requestCost(generator, server, 1))
    figures.handshakeCcm = await load('ccm', (generator) => handshakeCost(generator, server))
    if (scene.kind !== 'floor')
      figures.handshakeGcm = await load('gcm', (generator) => handshakeCost(generator, server))
    figures.getOverOne = await load('ccm', (generator) => requestCost(generator, server, 1))
    figures.getOverMany = await load('ccm', (generator) => requestCost(generator, server, 100))
    // libcoap 4.3.1 gives tickets and ends every handshake that brings one with internal_error.
    if (scene.kind === 'libcoap') return
    await load('ccm', (generator) => resumptionCost(generator, server))
    figures.resumed = await load('ccm', (generator) => resumptionCost(generator, server))
  }).catch(tell(scene, write))
  return figures
}

async function measureStrangers(scene: Scene, write: Write): Promise<Partial<Figures>> {
  const figures: Partial<Record<MeasureName, number>> = {}
  const connect = (server: BenchServer, count: number) =>
    withGenerator(scene, server, suites.ccm, (generator) => handshakeCost(generator, server, count))
  await withServer(
    scene,
    async (server) => {
      await connect(server, warmUps[scene.kind])
      figures.stranger = await connect(server, handshakesOf.sallyport)
    },
    'strangers',
  ).catch(tell(scene, write))
  return figures
}

async function measureMemory(scene: Scene, write: Write): Promise<Partial<Figures>> {
  const figures: Partial<Record<MeasureName, number>> = {}
  await withServer(scene, (server) =>
    withGenerator(scene, server, suites.ccm, async (generator) => {
      // The first handshakes load code and grow heaps: that is not the price of an association.
      await generator.connect(handshakesOf[scene.kind])
      await generator.rest()
      const atFirst = await settledMemory(server)
      const add = async (count: number): Promise<number> => {
        await generator.connect(count)
        await generator.rest()
        return (await settledMemory(server)) - atFirst
      }
      figures.memoryOfFew = (await add(few)) / few
      if (scene.kind === 'libcoap') return
      const ofMany = await add(many - few)
      figures.memoryOfMany = ofMany / many
      figures.memoryOfManyRested = ((await restedMemory(server)) - atFirst) / many
      figures.memoryOfMost = (await add(most - many)) / most
      figures.memoryOfMostRested = ((await restedMemory(server)) - atFirst) / most
      // The first of them all is still served.
      await generator.get(1)
    }),
  ).catch(tell(scene, write))
  return figures
}

/** A server that fails is told of, with what was measured of it before: the others are measured all the same. */
const tell =
  ({ kind }: Scene, write: Write) =>
  (error: unknown): void => {
    if (!(error instanceof SetupFailure)) throw error
    write(`${kind}: ${error.message}\n`)
  }

/** Milliseconds each. */
async function handshakeCost(
  generator: LoadGenerator,
  server: BenchServer,
  count = handshakesOf[server.kind],
): Promise<number> {
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
  const wanted = handshakesOf[server.kind]
  const resumed = await generator.resume(wanted)
  const cost = (costOf(server.pid).cpuMilliseconds - before) / wanted
  await generator.close()
  return resumed === wanted ? cost : Number.NaN
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

/** Kilobytes that are resident once the server has come to rest; nothing is asked of it. */
async function settledMemory(server: BenchServer): Promise<number> {
  await sleep(2000)
  return costOf(server.pid).residentKilobytes
}

/** What V8 collects and gives back by itself: it does so when nothing was allocated for a while, some 30 to 60 s. */
async function restedMemory(server: BenchServer): Promise<number> {
  await sleep(90_000)
  return costOf(server.pid).residentKilobytes
}

async function withServer<Result>(
  scene: Scene,
  work: (server: BenchServer) => Promise<Result>,
  devices: KnownDevices = 'known',
): Promise<Result> {
  const server = await startBenchServer(scene.kind, scene.home, scene.certificates, devices)
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
  // The floor gets plain datagrams.
  const security = server.kind === 'floor' ? [] : [authority, device.certificate, device.key, suite]
  const generator = new LoadGenerator(program, [String(server.port), ...security])
  try {
    return await work(generator)
  } finally {
    generator.stop()
  }
}

function writeTable(write: Write, found: Readonly<Record<BenchServerKind, readonly Figures[]>>, runs: number): void {
  write(`\nmedians of ${runs}: ${handshakesOf.sallyport} handshakes (of libcoap ${handshakesOf.libcoap}), ${requests} `)
  write('requests each; memory of the first run\n')
  write(
    "| server's cost of each | to reach | sallyport | | libcoap | floor | ratio to the floor |\n|---|---|---|---|---|---|---|\n",
  )
  for (const name of Object.keys(measures) as MeasureName[]) {
    const measure: Measure = measures[name]
    const of = (kind: BenchServerKind) =>
      median(found[kind].map((figures) => figures[name]).filter((figure) => !Number.isNaN(figure)))
    const [ours, theirs, floor] = [of('sallyport'), of('libcoap'), of('floor')]
    const { aim } = measure
    const verdict = aim === undefined || ours === 0 ? '' : ours <= aim ? 'reached' : 'NOT reached'
    const cells = [
      measure.name,
      aim === undefined ? '' : `${aim} ${measure.unit}`,
      shown(ours, measure),
      verdict,
      shown(theirs, measure),
      floor === 0 ? '' : shown(floor, measure),
      floor === 0 ? '' : (ours / floor).toFixed(2),
    ]
    write(`| ${cells.join(' | ')} |\n`)
  }
}

/** The median of nothing is 0. */
const shown = (figure: number, { unit, digits }: Measure): string =>
  figure === 0 ? 'none' : `${figure.toFixed(digits)} ${unit}`

const plain = (figure: number): string => (Number.isNaN(figure) ? '-' : figure.toFixed(2))
