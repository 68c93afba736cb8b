/**
 * Foreign DTLS and CoAP implementations as clients of our servers, each driven as its own manual says: what it was served, or
 * with which alert it was refused.
 */

import { spawn, spawnSync } from 'node:child_process'
import { connectLinkFromFiles, isDeviceFailure } from '@sallyport/device'

export interface Target {
  readonly host: string
  readonly port: number
  /** PEM of the installation's root. */
  readonly trustAnchor: string
}

/** PEM files; certificate: the leaf first. */
export interface Presented {
  readonly certificate: string
  readonly key: string
}

export interface Outcome {
  /** The answer to GET /x.plgd.dev/time came. */
  readonly served: boolean
  /** RFC 5246 name of the fatal alert that the peer received. */
  readonly alert: string | undefined
  /** What the peer printed, for a failing test. */
  readonly output: string
}

export interface ForeignPeer {
  readonly name: string
  /** Debian's name of what is needed, and the program to look for; undefined for what npm brings. */
  readonly program?: { readonly command: string; readonly debianPackage: string }
  connect(target: Target, presented: Presented | undefined): Promise<Outcome>
}

const path = '/x.plgd.dev/time'
/** CON GET of that path without a token, message id 1 (RFC 7252 section 3). */
const request = Buffer.concat([
  Buffer.of(0x40, 0x01, 0x00, 0x01, 0xba),
  Buffer.from('x.plgd.dev'),
  Buffer.of(0x04),
  Buffer.from('time'),
])
/** ACK 2.05, message id 1. */
const answerStart = Buffer.of(0x60, 0x45, 0x00, 0x01)

const openssl = (name: string, cipher: string): ForeignPeer => ({
  name,
  program: { command: 'openssl', debianPackage: 'openssl' },
  connect: async (target, presented) => {
    const run = await runPeer(
      'openssl',
      [
        ...['s_client', '-dtls1_2', '-quiet', '-connect', `${target.host}:${target.port}`, '-cipher', cipher],
        ...['-CAfile', target.trustAnchor, '-verify_return_error'],
        ...(presented === undefined ? [] : ['-cert', presented.certificate, '-key', presented.key]),
      ],
      request,
    )
    return outcome(run, /SSL alert number (\d+)/)
  },
})

const gnutls = (name: string, cipher: string): ForeignPeer => ({
  name,
  program: { command: 'gnutls-cli', debianPackage: 'gnutls-bin' },
  connect: async (target, presented) => {
    const run = await runPeer(
      'gnutls-cli',
      [
        ...['--udp', '--port', String(target.port), target.host, '--x509cafile', target.trustAnchor],
        ...['--sni-hostname', 'localhost', '--verify-hostname', 'localhost'],
        ...(presented === undefined ? [] : ['--x509certfile', presented.certificate, '--x509keyfile', presented.key]),
        '--priority',
        `NONE:+VERS-DTLS1.2:+${cipher}:+ECDHE-ECDSA:+AEAD:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+GROUP-SECP256R1:+COMP-NULL`,
      ],
      request,
    )
    return outcome(run, /Received alert \[(\d+)\]/)
  },
})

const libcoap = (library: 'openssl' | 'gnutls'): ForeignPeer => ({
  name: `libcoap on ${library}`,
  program: { command: `coap-client-${library}`, debianPackage: 'libcoap3-bin' },
  connect: async (target, presented) => {
    const run = await runPeer(`coap-client-${library}`, [
      ...['-v', '7', '-m', 'get', '-B', '4', '-C', target.trustAnchor],
      ...(presented === undefined ? [] : ['-c', presented.certificate, '-j', presented.key]),
      `coaps://${target.host}:${target.port}${path}`,
    ])
    const text = run.output.toString('latin1')
    const named = /alert read:fatal:([A-Za-z ]+)/.exec(text)?.[1]
    const numbered = /Alert '(\d+)'/.exec(text)?.[1]
    return {
      served: /c:2\.05/.test(text),
      alert: named?.trim().toLowerCase().replaceAll(' ', '_') ?? alertNames.get(Number(numbered)),
      output: text,
    }
  },
})

const nodeCoap: ForeignPeer = {
  name: 'node-coap',
  connect: async (target, presented) => {
    try {
      const link = await connectLinkFromFiles({
        address: { host: target.host, port: target.port },
        trustAnchor: target.trustAnchor,
        ...(presented === undefined ? {} : { presented }),
      })
      try {
        const answer = await link.request('time', { method: 'GET', path })
        return { served: answer.code === '2.05', alert: undefined, output: answer.code }
      } finally {
        link.close()
      }
    } catch (error) {
      if (!isDeviceFailure(error)) throw error
      return { served: false, alert: error.alert, output: error.message }
    }
  },
}

export const foreignPeers: readonly ForeignPeer[] = [
  openssl('openssl, CCM_8', 'ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0'),
  openssl('openssl, GCM', 'ECDHE-ECDSA-AES128-GCM-SHA256'),
  gnutls('gnutls, CCM_8', 'AES-128-CCM-8'),
  gnutls('gnutls, GCM', 'AES-128-GCM'),
  libcoap('openssl'),
  libcoap('gnutls'),
  nodeCoap,
]

/** @throws Error that names the Debian packages of the programs that are missing. */
export function requirePrograms(peers: readonly ForeignPeer[]): void {
  const missing = peers
    .map(({ program }) => program)
    .filter((program) => program !== undefined)
    .filter(({ command }) => spawnSync('sh', ['-c', `command -v ${command}`]).status !== 0)
    .map(({ debianPackage }) => debianPackage)
  if (missing.length > 0) {
    throw new Error(
      `foreign peers are missing: apt-get install --no-install-recommends ${[...new Set(missing)].join(' ')}`,
    )
  }
}

const alertNames: ReadonlyMap<number, string> = new Map([
  [40, 'handshake_failure'],
  [42, 'bad_certificate'],
  [43, 'unsupported_certificate'],
  [44, 'certificate_revoked'],
  [45, 'certificate_expired'],
  [46, 'certificate_unknown'],
  [48, 'unknown_ca'],
  [49, 'access_denied'],
  [51, 'decrypt_error'],
  [80, 'internal_error'],
])

interface PeerRun {
  readonly output: Buffer
}

function outcome({ output }: PeerRun, alertNumber: RegExp): Outcome {
  const text = output.toString('latin1')
  const number = alertNumber.exec(text)?.[1]
  return {
    served: output.includes(answerStart),
    alert: number === undefined ? undefined : alertNames.get(Number(number)),
    output: text,
  }
}

const longestRun = 12_000

/** Runs a peer until it ends; one that was given input is ended once the answer is there, as these programs wait for more. */
function runPeer(command: string, args: readonly string[], input?: Buffer): Promise<PeerRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const parts: Buffer[] = []
    const deadline = setTimeout(() => child.kill('SIGKILL'), longestRun)
    const take = (part: Buffer): void => {
      parts.push(part)
      if (input !== undefined && Buffer.concat(parts).includes(answerStart)) child.stdin.end()
      if (input !== undefined && Buffer.concat(parts).includes(answerStart)) setTimeout(() => child.kill(), 50)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.stdin.on('error', () => undefined)
    if (input === undefined) child.stdin.end()
    else child.stdin.write(input)
    child.once('error', reject)
    child.once('close', () => {
      clearTimeout(deadline)
      resolve({ output: Buffer.concat(parts) })
    })
  })
}
