/**
 * A whole installation as child processes: Postgres, Redis, HSM tokens, PKI, and the three services.
 *
 * `make run` starts one on fixed ports and keeps its data; tests start one on free ports and throw it away.
 */

import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { holdUdpSocket } from './held-socket.ts'
import { keepRunning } from './kept-running.ts'
import { type MailServer, startMailServer } from './mail-server.ts'
import type { PortPlan } from './port-plan.ts'
import { type Postgres, startPostgres } from './postgres.ts'
import { runProgram } from './program.ts'
import type { Progress } from './progress.ts'
import { type RedisProcess, startRedisServer } from './redis.ts'
import { type Service, type ServiceReady, startService } from './service.ts'
import { openTokenDirectory, type TokenDirectory } from './token-directory.ts'

export interface InstallationOptions {
  readonly home: string
  readonly ports: PortPlan
  readonly mode: 'development' | 'test'
  readonly progress: Progress
  /** Hears of processes that died and came back. */
  readonly onChange: (text: string) => void
  /** Called whenever the set of child processes has changed. */
  readonly onProcesses?: (processes: readonly { readonly name: string; readonly pid: number }[]) => void
  /** More environment for the services, by name or for all: what a test wants to be otherwise. */
  readonly environment?: Readonly<Record<string, string>>
}

export interface Installation {
  readonly home: string
  readonly postgres: Postgres
  readonly redis: RedisProcess
  /** What is mailed lands in `mail/` of the home. */
  readonly mail: MailServer
  readonly controlPlane: Service
  readonly dps: Service
  readonly gateway: Service
  readonly databaseUrl: string
  readonly pki: { readonly trustAnchor: string }
  readonly admin: { readonly email: string; readonly password: string }
  readonly processes: readonly { readonly name: string; readonly pid: number }[]
  stop(): Promise<void>
}

const databaseName = 'sallyport'

export async function startInstallation(options: InstallationOptions): Promise<Installation> {
  const { home, ports, progress } = options
  for (const folder of ['log', 'run', 'secrets', 'pki']) mkdirSync(join(home, folder), { recursive: true, mode: 0o700 })
  const stops: (() => Promise<void>)[] = []
  const processes: { name: string; pid: () => number }[] = []
  const listProcesses = () => processes.map(({ name, pid }) => ({ name, pid: pid() }))
  const remember = (name: string, pid: () => number, stop: () => Promise<void>) => {
    processes.push({ name, pid })
    stops.unshift(stop)
    options.onProcesses?.(listProcesses())
  }
  const stop = async () => {
    for (const end of stops.splice(0)) await end()
  }
  const onChange = (text: string) => {
    options.onProcesses?.(listProcesses())
    options.onChange(text)
  }
  try {
    const postgres = await progress.step('Postgres', async () => {
      const start = () => startPostgres({ home, port: ports.postgres, disposable: options.mode === 'test' })
      const result = await start()
      // A test stops and starts Postgres and Redis as it likes; in a run nobody else would start them again.
      const logFile = join(home, 'log', 'postgres.log')
      const kept =
        options.mode === 'test'
          ? { current: result, stop: () => result.stop() }
          : keepRunning(result, { name: 'postgres', logFile, start, onChange })
      remember(
        'postgres',
        () => kept.current.process.pid,
        () => kept.stop(),
      )
      await result.createDatabase(databaseName)
      return { result, note: `on port ${ports.postgres}` }
    })
    const redis = await progress.step('Redis', async () => {
      const start = () => startRedisServer({ home, port: ports.redis })
      const result = await start()
      const logFile = join(home, 'log', 'redis.log')
      const kept =
        options.mode === 'test'
          ? { current: result, stop: () => result.stop() }
          : keepRunning(result, { name: 'redis', logFile, start, onChange })
      remember(
        'redis',
        () => kept.current.process.pid,
        () => kept.stop(),
      )
      return { result, note: `on port ${ports.redis}` }
    })
    const mail = await progress.step('mail', async () => {
      const folder = join(home, 'mail')
      const result = await startMailServer({ port: ports.smtp, folder })
      stops.unshift(() => result.stop())
      return { result, note: `lands in ${folder}` }
    })
    const tokens = await progress.step('HSM tokens', async () => {
      const result = await makeTokens(home)
      return { result, note: 'ca (dps) and kek (control plane)' }
    })
    await progress.step('PKI', async () => {
      const fresh = await holdCeremony(home, tokens)
      return { result: undefined, note: fresh ? 'made; the keys are in the HSM tokens' : 'there' }
    })
    const databaseUrl = postgres.urlOf(databaseName)
    const databaseUrls = await progress.step('migrations', async () => {
      const said = await runProgram('control-plane', ['migrate'], { env: { SALLYPORT_DATABASE_URL: databaseUrl } })
      return { result: await giveLogins(postgres), note: migrationNote(said) }
    })
    const common = commonEnvironment({ ...options, databaseUrls, redis })
    const start = async (name: Service['name'], service: Promise<Service>, note: (ready: ServiceReady) => string) =>
      progress.step(name, async () => {
        const result = await service
        remember(
          name,
          () => result.pid,
          () => result.stop(),
        )
        return { result, note: note(result.ready) }
      })
    const controlPlane = await start(
      'control-plane',
      startService({
        name: 'control-plane',
        home,
        onChange,
        environment: controlPlaneEnvironment(options, common, tokens, mail.url),
      }),
      (ready) => ready.http ?? '',
    )
    const internalUrl = controlPlane.ready.internal ?? ''
    const coaps = await holdUdpSocket('coaps', '127.0.0.1', ports.gatewayCoaps)
    stops.unshift(() => coaps.release())
    const both = [
      startService({ name: 'dps', home, onChange, environment: dpsEnvironment(options, common, tokens, internalUrl) }),
      startService({
        name: 'gateway',
        home,
        onChange,
        sockets: [coaps],
        standbyEnvironment: { SALLYPORT_STANDBY: 'true' },
        environment: gatewayEnvironment(options, common, internalUrl),
      }),
    ] as const
    // The one that fails first speaks; the other must not end the starter as an unhandled rejection.
    for (const service of both) service.catch(() => {})
    const dps = await start('dps', both[0], (ready) => coapsUrl(ready))
    const gateway = await start('gateway', both[1], (ready) => coapsUrl(ready))
    return {
      home,
      postgres,
      redis,
      mail,
      controlPlane,
      dps,
      gateway,
      databaseUrl,
      pki: { trustAnchor: join(home, 'pki', 'trust-anchor.pem') },
      admin: readAdmin(home),
      get processes() {
        return listProcesses()
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Null where it is off. */
export function coapsTcpUrl({ coapsTcp }: ServiceReady): string | null {
  return coapsTcp === undefined ? null : `coaps+tcp://${coapsTcp.host}:${coapsTcp.port}`
}

export function coapsUrl(ready: ServiceReady): string {
  return ready.coaps === undefined ? '' : `coaps://${ready.coaps.host}:${ready.coaps.port}`
}

interface Tokens {
  readonly ca: TokenDirectory
  readonly kek: TokenDirectory
  readonly caPinFile: string
  readonly kekPinFile: string
}

/** Two folders, so that each service sees only its own token. */
async function makeTokens(home: string): Promise<Tokens> {
  const secrets = join(home, 'secrets')
  const ca = openTokenDirectory(join(home, 'hsm', 'ca'), secrets)
  const kek = openTokenDirectory(join(home, 'hsm', 'kek'), secrets)
  const [caToken, kekToken] = await Promise.all([ca.ensureToken('ca'), kek.ensureToken('kek')])
  return { ca, kek, caPinFile: caToken.pinFile, kekPinFile: kekToken.pinFile }
}

/** True when the ceremony made something. */
async function holdCeremony(home: string, tokens: Tokens): Promise<boolean> {
  const done = join(home, 'pki', 'authorities.json')
  const sealingDone = join(home, 'pki', 'sealing-key.json')
  if (existsSync(done) && existsSync(sealingDone)) return false
  await runProgram(
    'certs',
    [
      'installation',
      ...['--home', home, '--module', tokens.ca.modulePath, '--ca-token', 'ca', '--ca-pin-file', tokens.caPinFile],
      ...['--dns', 'localhost', '--ip', '127.0.0.1', '--development'],
    ],
    { env: { SOFTHSM2_CONF: tokens.ca.softhsmConf } },
  )
  await runProgram(
    'certs',
    [
      'sealing-key',
      ...['--home', home, '--module', tokens.kek.modulePath, '--kek-token', 'kek', '--kek-pin-file', tokens.kekPinFile],
    ],
    { env: { SOFTHSM2_CONF: tokens.kek.softhsmConf } },
  )
  return true
}

type ServiceName = 'control-plane' | 'dps' | 'gateway'
type DatabaseUrls = Readonly<Record<ServiceName, string>>

/** Each service logs in as a role of its own, with the rights that its work needs. */
async function giveLogins(postgres: Postgres): Promise<DatabaseUrls> {
  return {
    'control-plane': await postgres.giveLogin('sallyport_control_plane', databaseName),
    dps: await postgres.giveLogin('sallyport_dps', databaseName),
    gateway: await postgres.giveLogin('sallyport_gateway', databaseName),
  }
}

function migrationNote(output: string): string {
  const applied = /"applied":\s*\[([^\]]*)\]/.exec(output)?.[1]?.trim()
  return applied === undefined || applied === '' ? 'up to date' : `${applied.split(',').length} applied`
}

type Environment = Readonly<Record<string, string>>
type CommonEnvironment = (name: ServiceName) => Environment

function commonEnvironment(
  o: InstallationOptions & { readonly databaseUrls: DatabaseUrls; readonly redis: RedisProcess },
): CommonEnvironment {
  const pki = join(o.home, 'pki')
  return (name) => ({
    SALLYPORT_MODE: o.mode,
    SALLYPORT_LOG_LEVEL: 'info',
    SALLYPORT_HOST: '127.0.0.1',
    SALLYPORT_DATABASE_URL: o.databaseUrls[name],
    ...redisEnvironment(o.redis, name),
    SALLYPORT_SERVICE_CERTIFICATE: join(pki, 'services', `${name}.pem`),
    SALLYPORT_SERVICE_KEY: join(pki, 'services', `${name}.key`),
    SALLYPORT_SERVICE_CA: join(pki, 'service-ca.pem'),
    ...o.environment,
  })
}

/** The dps needs none. */
function redisEnvironment(redis: RedisProcess, name: ServiceName): Environment {
  if (name === 'dps') return {}
  const { url, passwordFile } = redis.urlAs(`sallyport-${name}`)
  return { SALLYPORT_REDIS_URL: url, SALLYPORT_REDIS_PASSWORD_FILE: passwordFile }
}

const portOf = (url: string | undefined, planned: number): string =>
  url === undefined ? String(planned) : new URL(url).port

function controlPlaneEnvironment(o: InstallationOptions, common: CommonEnvironment, tokens: Tokens, smtpUrl: string) {
  return (previous: ServiceReady | undefined): Environment => ({
    ...common('control-plane'),
    SALLYPORT_HTTP_PORT: portOf(previous?.http, o.ports.http),
    SALLYPORT_INTERNAL_PORT: portOf(previous?.internal, o.ports.internal),
    SALLYPORT_MANAGEMENT_PORT: portOf(previous?.management, o.ports.controlPlaneManagement),
    SALLYPORT_TOKEN_ISSUER: tokenIssuer(o),
    SALLYPORT_HSM_MODULE: tokens.kek.modulePath,
    SALLYPORT_HSM_TOKEN: 'kek',
    SALLYPORT_HSM_PIN_FILE: tokens.kekPinFile,
    SALLYPORT_FIRST_ADMIN_FILE: join(o.home, 'secrets', 'first-admin.json'),
    SALLYPORT_SMTP_URL: smtpUrl,
    SALLYPORT_MAIL_FROM: 'Sallyport <sallyport@example.com>',
    SOFTHSM2_CONF: tokens.kek.softhsmConf,
  })
}

function dpsEnvironment(o: InstallationOptions, common: CommonEnvironment, tokens: Tokens, internalUrl: string) {
  const pki = join(o.home, 'pki')
  return (previous: ServiceReady | undefined): Environment => ({
    ...common('dps'),
    SALLYPORT_COAPS_PORT: String(previous?.coaps?.port ?? o.ports.dpsCoaps),
    SALLYPORT_COAPS_TCP_PORT: String(previous?.coapsTcp?.port ?? o.ports.dpsCoapsTcp),
    SALLYPORT_MANAGEMENT_PORT: portOf(previous?.management, o.ports.dpsManagement),
    SALLYPORT_SERVER_CERTIFICATE: join(pki, 'dps.pem'),
    SALLYPORT_SERVER_KEY: join(pki, 'dps.key'),
    SALLYPORT_CONTROL_PLANE_URL: internalUrl,
    SALLYPORT_AUTHORITIES_FILE: join(pki, 'authorities.json'),
    SALLYPORT_HSM_MODULE: tokens.ca.modulePath,
    SALLYPORT_HSM_TOKEN: 'ca',
    SALLYPORT_HSM_PIN_FILE: tokens.caPinFile,
    SOFTHSM2_CONF: tokens.ca.softhsmConf,
  })
}

function gatewayEnvironment(o: InstallationOptions, common: CommonEnvironment, internalUrl: string) {
  const pki = join(o.home, 'pki')
  return (previous: ServiceReady | undefined): Environment => ({
    ...common('gateway'),
    SALLYPORT_COAPS_TCP_PORT: String(previous?.coapsTcp?.port ?? o.ports.gatewayCoapsTcp),
    SALLYPORT_MANAGEMENT_PORT: portOf(previous?.management, o.ports.gatewayManagement),
    SALLYPORT_SERVER_CERTIFICATE: join(pki, 'gateway.pem'),
    SALLYPORT_SERVER_KEY: join(pki, 'gateway.key'),
    SALLYPORT_CONTROL_PLANE_URL: internalUrl,
    SALLYPORT_TOKEN_ISSUER: tokenIssuer(o),
  })
}

/** The `iss` of tokens names the installation, not a port, so that a run with another offset still reads its tokens. */
function tokenIssuer(_o: InstallationOptions): string {
  return 'urn:sallyport:development'
}

function readAdmin(home: string): { email: string; password: string } {
  const admin = JSON.parse(readFileSync(join(home, 'secrets', 'first-admin.json'), 'utf8')) as {
    email: string
    password: string
  }
  return { email: admin.email, password: admin.password }
}
