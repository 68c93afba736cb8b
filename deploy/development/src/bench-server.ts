/** The servers that the transport benchmark measures: each a process of its own, on a UDP port of the loopback. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchCertificates } from './bench-certificates.ts'
import { type Child, startChild } from './child.ts'
import { SetupFailure } from './failure.ts'
import { freePortsBelowEphemeral } from './free-port.ts'
import { checkoutRoot, nodeProgram } from './home.ts'
import { nodeOptions } from './service.ts'

/** `floor` speaks no protocol: it does what neither of the others could do without (`tests/bench/floor-server.ts`). */
export const benchServerKinds = ['sallyport', 'libcoap', 'floor'] as const
export type BenchServerKind = (typeof benchServerKinds)[number]

/** Whether our server remembers a device that came in before, as the product does, or each is to it as if never seen. */
export type KnownDevices = 'known' | 'strangers'

export interface BenchServer {
  readonly kind: BenchServerKind
  readonly pid: number
  readonly port: number
  stop(): Promise<void>
}

const startingTime = 10_000

export async function startBenchServer(
  kind: BenchServerKind,
  home: string,
  certificates: BenchCertificates,
  devices: KnownDevices,
): Promise<BenchServer> {
  // libcoap takes one for CoAP and the next for DTLS. The generator's ten thousand sockets have the ephemeral ones.
  const port = (await freePortsBelowEphemeral(2)) + 1
  const logFile = join(home, `${kind}.log`)
  const child = startOf[kind]({ port, home, certificates, devices, logFile })
  await listening(child, port, logFile)
  return {
    kind,
    pid: child.pid,
    port,
    stop: () => child.stop('SIGKILL'),
  }
}

interface Start {
  readonly port: number
  readonly home: string
  readonly certificates: BenchCertificates
  readonly devices: KnownDevices
  readonly logFile: string
}

const startOf: Readonly<Record<BenchServerKind, (start: Start) => Child>> = {
  sallyport: ({ port, certificates: { authority, server }, devices, logFile }) =>
    startOurs('bench-server.ts', [String(port), authority, server.certificate, server.key, devices], logFile),
  libcoap: startLibcoap,
  floor: ({ port, logFile }) => startOurs('floor-server.ts', [String(port)], logFile),
}

/** As the services are started. */
const startOurs = (file: string, args: readonly string[], logFile: string): Child =>
  startChild({
    name: file,
    command: nodeProgram,
    args: [...nodeOptions, join(checkoutRoot, 'tests', 'bench', file), ...args],
    logFile,
  })

/** OpenSSL thinks CCM_8, which RFC 7252 makes mandatory, too weak for its default level. */
const libcoapConfiguration = `openssl_conf = bench
[bench]
ssl_conf = ssl
[ssl]
system_default = all
[all]
CipherString = DEFAULT:@SECLEVEL=0
`

function startLibcoap({ port, home, certificates, logFile }: Start): Child {
  const configuration = join(home, 'openssl.cnf')
  writeFileSync(configuration, libcoapConfiguration)
  const { authority, server } = certificates
  return startChild({
    name: 'libcoap',
    command: 'coap-server-openssl',
    args: ['-A', '127.0.0.1', '-p', String(port - 1), '-c', server.certificate, '-j', server.key, '-C', authority],
    env: { OPENSSL_CONF: configuration },
    logFile,
  })
}

/** A UDP socket of the kernel's table tells that the server is there, without a datagram sent. */
async function listening(child: Child, port: number, logFile: string): Promise<void> {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const deadline = performance.now() + startingTime
  while (!readFileSync('/proc/net/udp', 'utf8').includes(local)) {
    if (!child.running || performance.now() > deadline) {
      await child.stop('SIGKILL')
      throw new SetupFailure(`${child.name} did not start: ${readFileSync(logFile, 'utf8').trim().split('\n').at(-1)}`)
    }
    await sleep(20)
  }
}
