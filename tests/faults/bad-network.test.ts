/**
 * Mutual X.509 handshakes over real sockets through a network that loses, delays, doubles and limits: openssl and our own
 * client at our listener. A promise is a rate (docs/reliability.md); N trials must not contradict it.
 */

import { spawn } from 'node:child_process'
import { seconds } from '@sallyport/clock'
import { connectDtls, type DtlsListener, listenDtls } from '@sallyport/coaps'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { effort, firstSeed, quantile, say, soaking } from './effort.ts'
import { goodNetwork, type NetworkFaults } from './network-faults.ts'
import { makeOpensslCertificates, type OpensslCertificates } from './openssl-certificates.ts'
import { fewestSuccesses } from './success-rate.ts'
import { startUdpProxy } from './udp-proxy.ts'

/** Milliseconds until the client was connected; undefined: not within the limit. */
type Attempt = (port: number, limit: number, mtu: number | undefined) => Promise<number | undefined>

interface Promised {
  readonly name: string
  readonly faults: NetworkFaults
  readonly within: number
  readonly rate: number
  readonly mtu?: number
}

const trials = effort(40, 500)
/** At a time: the machine must not be what is slow. */
const atOnce = 40

let certificates: OpensslCertificates
const listeners = new Map<number | undefined, DtlsListener<string>>()

const twentyEach = { ...goodNetwork, drop: 0.2, delay: 0.2, duplicate: 0.2 }
const loss = (drop: number): NetworkFaults => ({ ...goodNetwork, drop })
const narrow = (mtu: number): NetworkFaults => ({ ...goodNetwork, mtu })

/** With 30 s instead of 60 the RFC's timers (1, 2, 4, 8, 16 s) give less: the last retransmission is left out. */
const promises: readonly Promised[] = [
  { name: 'loss, delay and duplicates of 20 % each', faults: twentyEach, within: 30_000, rate: 0.98 },
  ...(soaking
    ? [
        { name: 'loss of 30 % each way', faults: loss(0.3), within: 60_000, rate: 0.95 },
        { name: 'loss of 50 % each way', faults: loss(0.5), within: 60_000, rate: 0.55 },
      ]
    : [
        { name: 'loss of 30 % each way', faults: loss(0.3), within: 30_000, rate: 0.85 },
        { name: 'loss of 50 % each way', faults: loss(0.5), within: 30_000, rate: 0.4 },
      ]),
  { name: 'a path of 508 bytes', faults: narrow(508), within: 30_000, rate: 1, mtu: 508 },
  { name: 'a path of 256 bytes', faults: narrow(256), within: 30_000, rate: 1, mtu: 256 },
]

beforeAll(async () => {
  certificates = makeOpensslCertificates()
  for (const mtu of [undefined, 508, 256]) listeners.set(mtu, await listen(mtu))
})

afterAll(async () => {
  for (const listener of listeners.values()) await listener.close()
  certificates?.remove()
})

function listen(mtu: number | undefined): Promise<DtlsListener<string>> {
  return listenDtls<string>({
    host: '127.0.0.1',
    port: 0,
    credentials: certificates.server,
    verifyPeer: (chain) => ({ accepted: true, identity: `a chain of ${chain.length}` }),
    events: { data: (association, plaintext) => association.send(plaintext.slice()) },
    ...(mtu === undefined ? {} : { mtu }),
  })
}

const ours: Attempt = async (port, limit, mtu) => {
  const start = performance.now()
  try {
    const association = await connectDtls<string>({
      host: '127.0.0.1',
      port,
      credentials: certificates.device,
      verifyPeer: () => ({ accepted: true, identity: 'server' }),
      handshakeTimeout: seconds(limit / 1000),
      onData: () => undefined,
      onClosed: () => undefined,
      ...(mtu === undefined ? {} : { mtu }),
    })
    const took = performance.now() - start
    association.close()
    return took <= limit ? took : undefined
  } catch {
    return undefined
  }
}

const openssl: Attempt = (port, limit, mtu) =>
  new Promise((resolve, reject) => {
    const start = performance.now()
    const child = spawn('openssl', [
      ...['s_client', '-dtls1_2', '-brief', '-connect', `127.0.0.1:${port}`, '-CAfile', certificates.file('ca.pem')],
      ...['-cert', certificates.file('device.pem'), '-key', certificates.file('device.key'), '-verify_return_error'],
      // Its hello with all it can does not fit 256 bytes, and comes in pieces.
      ...(mtu === undefined ? [] : ['-mtu', String(mtu)]),
    ])
    let output = ''
    let took: number | undefined
    const timer = setTimeout(() => child.kill('SIGKILL'), limit)
    const hear = (chunk: Buffer): void => {
      output += chunk.toString('latin1')
      if (took !== undefined || !output.includes('CONNECTION ESTABLISHED')) return
      took = performance.now() - start
      child.kill('SIGKILL')
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.stdin.on('error', () => undefined)
    child.once('error', reject)
    child.once('close', () => {
      clearTimeout(timer)
      resolve(took)
    })
  })

async function measure(attempt: Attempt, promise: Promised): Promise<(number | undefined)[]> {
  const listener = listeners.get(promise.mtu)
  if (listener === undefined) throw new Error('no listener')
  const results: (number | undefined)[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let trial = next++; trial < trials; trial = next++) {
      const proxy = await startUdpProxy({
        server: () => ({ host: '127.0.0.1', port: listener.address.port }),
        seed: firstSeed + trial,
        toServer: promise.faults,
        toClient: promise.faults,
      })
      results[trial] = await attempt(proxy.port, promise.within, promise.mtu)
      proxy.close()
      if (soaking && (trial + 1) % 100 === 0) say(`${promise.name}: trial ${trial + 1} of ${trials}`)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, trials) }, worker))
  return results
}

const inTheirTurn = soaking ? describe : describe.concurrent

inTheirTurn('a handshake over a bad network', () => {
  for (const [client, attempt] of [
    ['openssl', openssl],
    ['our client', ours],
  ] as const) {
    for (const promise of promises) {
      it(
        `${client}, ${promise.name}: at least ${Math.round(promise.rate * 100)} % within ${promise.within / 1000} s`,
        async () => {
          const results = await measure(attempt, promise)
          const times = results.filter((time) => time !== undefined)
          const needed = soaking ? Math.ceil(trials * promise.rate) : fewestSuccesses(trials, promise.rate)
          say(
            `${client}, ${promise.name}: ${times.length} of ${trials} within ${promise.within / 1000} s ` +
              `(${((100 * times.length) / trials).toFixed(1)} %, ${needed} needed), p50 ${Math.round(quantile(times, 0.5))} ms, ` +
              `p90 ${Math.round(quantile(times, 0.9))} ms, seeds ${firstSeed}..${firstSeed + trials - 1}`,
          )
          expect(times.length).toBeGreaterThanOrEqual(needed)
        },
        effort(50_000, 3_600_000),
      )
    }
  }
})
