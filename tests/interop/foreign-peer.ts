/**
 * Foreign DTLS and CoAP implementations as clients of our servers, each driven as its own manual says: what it was served, or
 * with which alert it was refused.
 */

import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connectLinkFromFiles, isDeviceFailure } from '@sallyport/device'
import { peerProgram } from './peer-programs.ts'

const coapPackage = JSON.parse(readFileSync(createRequire(import.meta.url).resolve('coap/package.json'), 'utf8')) as {
  readonly version: string
}

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
  /** As its makers call it. */
  readonly peer: string
  /** The only suite it offers; undefined: its own choice. */
  readonly suite: ForeignSuite | undefined
  /** What is needed on the machine: Debian's name of it, and where to look; nothing for what npm brings. */
  readonly needs: readonly { readonly found: string; readonly debianPackage: string }[]
  version(): string
  connect(target: Target, presented: Presented | undefined): Promise<Outcome>
}

export type ForeignSuite =
  | 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'
  | 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM'
  | 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'
  | 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'

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

export const opensslNames: Readonly<Record<ForeignSuite, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8: 'ECDHE-ECDSA-AES128-CCM8',
  TLS_ECDHE_ECDSA_WITH_AES_128_CCM: 'ECDHE-ECDSA-AES128-CCM',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
}

export const gnutlsNames: Readonly<Record<ForeignSuite, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8: 'AES-128-CCM-8',
  TLS_ECDHE_ECDSA_WITH_AES_128_CCM: 'AES-128-CCM',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'AES-128-GCM',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'AES-256-GCM',
}

const inPath = (command: string): string => `command -v ${command}`
const firstLine = (command: string, args: readonly string[]): string =>
  spawnSync(command, args, { encoding: 'utf8' }).stdout.split('\n')[0] ?? ''
const installed = (debianPackage: string): string => firstLine('dpkg-query', ['-W', debianPackage]).split('\t')[1] ?? ''

/** @param more as for `-mtu 296` */
export const openssl = (suite: ForeignSuite, ...more: readonly string[]): ForeignPeer => ({
  peer: 'openssl',
  suite,
  needs: [{ found: inPath('openssl'), debianPackage: 'openssl' }],
  version: () => firstLine('openssl', ['version']).split(' ')[1] ?? '',
  connect: async (target, presented) => {
    const run = await runPeer(
      'openssl',
      [
        ...['s_client', '-dtls1_2', '-quiet', '-connect', `${target.host}:${target.port}`],
        ...['-cipher', `${opensslNames[suite]}:@SECLEVEL=0`, '-CAfile', target.trustAnchor, '-verify_return_error'],
        ...(presented === undefined ? [] : ['-cert', presented.certificate, '-key', presented.key]),
        ...more,
      ],
      request,
    )
    return outcome(run, /SSL alert number (\d+)/)
  },
})

/** @param more as for `--mtu=300` */
export const gnutls = (suite: ForeignSuite, ...more: readonly string[]): ForeignPeer => ({
  peer: 'gnutls',
  suite,
  needs: [{ found: inPath('gnutls-cli'), debianPackage: 'gnutls-bin' }],
  version: () => firstLine('gnutls-cli', ['--version']).split(' ')[1] ?? '',
  connect: async (target, presented) => {
    const signatures =
      '+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-EDDSA-ED25519:+SIGN-RSA-SHA256:+SIGN-RSA-PSS-RSAE-SHA256'
    const run = await runPeer(
      'gnutls-cli',
      [
        ...['--udp', '--port', String(target.port), target.host, '--x509cafile', target.trustAnchor],
        ...['--sni-hostname', 'localhost', '--verify-hostname', 'localhost'],
        ...(presented === undefined ? [] : ['--x509certfile', presented.certificate, '--x509keyfile', presented.key]),
        '--priority',
        `NONE:+VERS-DTLS1.2:+${gnutlsNames[suite]}:+ECDHE-ECDSA:+AEAD:${signatures}:+GROUP-SECP256R1:+GROUP-SECP384R1:+COMP-NULL`,
        ...more,
      ],
      request,
    )
    return outcome(run, /Received alert \[(\d+)\]/)
  },
})

export const wolfssl = (suite: ForeignSuite): ForeignPeer => ({
  peer: 'wolfSSL',
  suite,
  needs: [
    { found: inPath('cc'), debianPackage: 'gcc libc6-dev' },
    { found: 'test -f /usr/include/wolfssl/ssl.h', debianPackage: 'libwolfssl-dev' },
  ],
  version: () => installed('libwolfssl-dev'),
  connect: async (target, presented) => {
    const name = suite === 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8' ? 'ECDHE-ECDSA-AES128-CCM-8' : opensslNames[suite]
    return outcome(
      await runPeer(peerProgram('wolfssl-client'), ourArguments(target, name, presented), request),
      /alert (\d+)/,
    )
  },
})

export const pion = (suite: ForeignSuite): ForeignPeer => ({
  peer: 'pion',
  suite,
  needs: [
    { found: inPath('go'), debianPackage: 'golang-go' },
    { found: 'test -d /usr/share/gocode/src/github.com/pion/dtls', debianPackage: 'golang-github-pion-dtls.v2-dev' },
  ],
  version: () => installed('golang-github-pion-dtls.v2-dev'),
  connect: async (target, presented) => {
    const run = await runPeer(peerProgram('pion-client'), ourArguments(target, suite, presented), request)
    const text = run.output.toString('latin1')
    // As `handshake error: alert: Alert Fatal: UnknownCA`.
    const named = /Alert Fatal: (\w+)/.exec(text)?.[1]
    const alert = named
      ?.replace('CA', 'Ca')
      .replaceAll(/(?<=.)([A-Z])/g, '_$1')
      .toLowerCase()
    return { served: run.output.includes(answerStart), alert, output: text }
  },
})

/** What `peers/` take. */
const ourArguments = (target: Target, suite: string, presented: Presented | undefined): string[] => [
  ...[target.host, String(target.port), target.trustAnchor, suite],
  ...(presented === undefined ? [] : [presented.certificate, presented.key]),
]

export const libcoap = (library: 'openssl' | 'gnutls'): ForeignPeer => ({
  peer: `libcoap on ${library}`,
  suite: undefined,
  needs: [{ found: inPath(`coap-client-${library}`), debianPackage: 'libcoap3-bin' }],
  version: () => installed('libcoap3-bin'),
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
  peer: 'node-coap on our DTLS',
  suite: undefined,
  needs: [],
  version: () => coapPackage.version,
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

const ccm8 = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'
const gcm = 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'

/** What meets the running product. */
export const foreignPeers: readonly ForeignPeer[] = [
  ...[openssl(ccm8), openssl(gcm), gnutls(ccm8), gnutls(gcm), wolfssl(ccm8), wolfssl(gcm), pion(ccm8), pion(gcm)],
  ...[libcoap('openssl'), libcoap('gnutls'), nodeCoap],
]

export const nameOf = ({ peer, suite }: ForeignPeer): string => (suite === undefined ? peer : `${peer}, ${suite}`)

/** @throws Error that names the Debian packages that are missing. */
export function requirePrograms(peers: readonly ForeignPeer[]): void {
  const missing = peers
    .flatMap(({ needs }) => needs)
    .filter(({ found }) => spawnSync('sh', ['-c', found]).status !== 0)
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
