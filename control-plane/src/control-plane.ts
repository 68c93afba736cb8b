/**
 * The control plane, put together: people's HTTP API, the internal API for our services, the relay of events, the sweeper.
 *
 * It starts in the order in which its parts depend on each other and stops in the reverse. It refuses a database whose schema
 * is behind, and in production anything that is only good for development.
 */

import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { SecretBytes, utf8 } from '@sallyport/bytes'
import { clockFrom, type Duration } from '@sallyport/clock'
import type { Configuration } from '@sallyport/config'
import { createLogger, createMetrics, type Logger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import { connectRedis, redisReadiness, startRelay } from '@sallyport/events'
import { openToken, type Token } from '@sallyport/hsm'
import {
  closeGracefully,
  type HttpObserver,
  type HttpServer,
  openMutualTls,
  openServerCertificate,
  originsIn,
  startManagement,
  watchCertificateEnds,
} from '@sallyport/http'
import { openStore, type Store } from '@sallyport/store'
import { openApiKeys } from './api-keys.ts'
import { openAuditOpening } from './audit-opening.ts'
import { listenForAnswers } from './command-answers.ts'
import type { controlPlaneSettings } from './config.ts'
import { controlPlaneMetrics } from './control-plane-metrics.ts'
import { openDevicePsks } from './device-psks.ts'
import { deviceTokens } from './device-tokens.ts'
import { ensureFirstAdmin } from './first-admin.ts'
import { openGatewaySealingKeys } from './gateway-sealing-keys.ts'
import { createInternalServer } from './internal-server.ts'
import { startJobs } from './jobs.ts'
import { openMeasuredKeyRing } from './key-ring-metrics.ts'
import { checkKeyPolicy, type KeyPolicy } from './key-rotation.ts'
import { followEvents } from './live-events.ts'
import { redisLoginLimit } from './login-limit.ts'
import { type MailSender, smtpSender } from './mail/smtp.ts'
import { openPersonPermissions } from './person-permissions.ts'
import { personTokens } from './person-tokens.ts'
import { createPublicServer } from './public-server.ts'
import { openRefusalTrail } from './refusal-trail.ts'
import { redisRequestLimit } from './request-limit.ts'
import { redisSessionFamilies } from './session-families.ts'
import { startSweeper } from './sweeper.ts'

export type ControlPlaneConfiguration = Configuration<typeof controlPlaneSettings>

export interface ControlPlane {
  readonly addresses: { readonly http: string; readonly internal: string; readonly management: string }
  readonly log: Logger
  /** Graceful: unready first, then what is in flight finishes, at most 20 s. */
  close(): Promise<void>
}

/** @throws CodedError `configuration-invalid`, `database-unavailable`, `hsm-unavailable`. */
export async function startControlPlane(configuration: ControlPlaneConfiguration): Promise<ControlPlane> {
  refuseWhatIsForDevelopment(configuration)
  const opened = new Opened()
  try {
    return await assemble(configuration, opened)
  } catch (error) {
    await opened.close()
    throw error
  }
}

async function assemble(configuration: ControlPlaneConfiguration, opened: Opened): Promise<ControlPlane> {
  const clock = clockFrom(() => Date.now())
  const log = createLogger({ service: 'control-plane', level: configuration.logLevel })
  const metrics = createMetrics({ service: 'control-plane' })
  const figures = controlPlaneMetrics(metrics)

  const store = await openStore({
    connectionString: configuration.databaseUrl,
    applicationName: 'sallyport-control-plane',
    clock,
    log: ({ level, message, error, audited }) =>
      log[level]({ ...audited, ...(error === undefined ? {} : { err: error }) }, message),
  })
  opened.add(() => store.close())
  const mailSender = mailSenderOf(configuration, log)
  const token = await openKekToken(configuration, store, log)
  opened.add(() => token.close())
  const sealingKey = await token.findSealingKey(configuration.sealingKeyLabel)
  const keyRing = await openMeasuredKeyRing(
    { store, sealingKey, policy: keyPolicyOf(configuration), log },
    metrics,
    clock,
  )
  opened.add(() => keyRing.close())
  const sealingKeys = await openGatewaySealingKeys({
    store,
    sealingKey,
    period: configuration.sealingKeyPeriod,
    log,
  })
  opened.add(() => sealingKeys.close())
  const devicePsks = await openDevicePsks({ store, sealingKey, clock })
  // Before anything is written about a person.
  const auditOpening = await openAuditOpening({ store, token, clock, log })
  await ensureFirstAdmin({
    store,
    file: configuration.firstAdminFile,
    email: configuration.firstAdminEmail,
    log,
  })

  const { redisUrl: url, redisPasswordFile: passwordFile } = configuration
  const redisOptions = { url, passwordFile, name: 'control-plane', log }
  const redis = connectRedis(redisOptions)
  opened.add(async () => redis.disconnect())
  const relay = startRelay({
    outbox: store.outbox,
    redis: connectedTo(opened, { ...redisOptions, name: 'control-plane-relay' }),
    wake: (nudge) => store.listen('outbox', nudge, nudge),
    log,
  })
  opened.add(() => relay.close())
  const liveEvents = await followEvents({ redis: redisOptions, store, log })
  opened.add(() => liveEvents.close())
  metrics.gauge({
    name: 'sallyport_live_events_recovered_total',
    help: 'Events that Redis did not bring in time or in order and that were read from Postgres.',
    collect: (gauge) => gauge.set(liveEvents.recovered),
  })
  const commandAnswers = await listenForAnswers({ store, clock })
  const personPermissions = await openPersonPermissions({ store, clock })
  opened.add(() => personPermissions.close())
  const apiKeys = await openApiKeys({ store, clock, log, metrics: figures })
  opened.add(() => apiKeys.close())
  const sweeper = startSweeper({ store, clock, log })
  opened.add(() => sweeper.close())
  const jobs = await startJobs({ store, mailSender, concurrency: configuration.jobConcurrency, metrics, log })
  opened.add(() => jobs.close())

  const refusalTrail = openRefusalTrail({ store, clock, log })
  opened.add(() => refusalTrail.close())

  const observer = (listener: 'public' | 'internal'): HttpObserver => ({
    requestServed(request) {
      figures.requestServed(listener, request)
      const { correlationId, method, route, status, duration, errorCode } = request
      log.info({ listener, correlationId, method, route, status, duration, errorCode }, 'request')
    },
    requestFailed({ error, correlationId, route }) {
      log.error({ listener, correlationId, route, err: error }, 'request failed')
    },
    connectionRefused() {
      figures.connectionRefused(listener)
    },
  })

  // Bound before the tokens' issuer is settled, which may be the bound address; served only afterwards.
  const address: { http?: string } = {}
  const issuer = (): string => configuration.tokenIssuer ?? configuration.publicUrl ?? address.http ?? ''
  const signingKey = keyRing
  const publishedKeys = keyRing.published
  const certificate = publicCertificate(configuration)
  if (certificate !== undefined) {
    opened.add(async () => certificate.close())
    metrics.gauge({
      name: 'sallyport_http_certificate_expires_timestamp_seconds',
      help: "When the certificate of the people's HTTP port ends, in seconds since the epoch: an alert belongs before it.",
      collect: (gauge) => gauge.set(certificate.notAfter().getTime() / 1000),
    })
  }
  const publicServer = await createPublicServer(
    {
      store,
      clock,
      log,
      metrics: figures,
      personTokens: personTokens({
        clock,
        issuer,
        signingKey,
        publishedKeys,
        accessLifetime: configuration.accessTokenLifetime,
        idleTimeout: configuration.sessionIdleTimeout,
        sessionLifetime: configuration.sessionLifetime,
      }),
      personPermissions,
      organizationCreation: {
        allowedTo: configuration.organizationCreation,
        mostOfOnePerson: configuration.organizationsPerPerson,
      },
      apiKeys,
      recentAuthentication: configuration.recentAuthentication,
      sendsMail: mailSender !== undefined,
      sessions: redisSessionFamilies(redis, { clock }),
      loginLimit: redisLoginLimit(redis),
      requestLimit: redisRequestLimit(redis, { perMinute: configuration.requestsPerMinute, clock }),
      auditOpening,
      refusalTrail,
      commandAnswers,
      liveEvents,
      socketLimits: {
        mostInAll: configuration.mostSockets,
        mostOfOnePerson: configuration.socketsPerPerson,
        heartbeatSeconds: configuration.socketHeartbeat / 1000,
      },
      socketOrigins: () => [
        new URL(configuration.publicUrl ?? address.http ?? 'http://localhost').origin,
        ...originsIn(configuration.allowedOrigins),
      ],
      devicePsks,
      sealingKey,
      publishedKeys,
    },
    {
      observer: observer('public'),
      trustedProxies: trustedProxies(configuration),
      allowedOrigins: originsIn(configuration.allowedOrigins),
      ownOrigin: configuration.publicUrl === undefined ? undefined : new URL(configuration.publicUrl).origin,
      connectionsPerNetwork: configuration.connectionsPerNetwork,
      certificate,
    },
  )
  opened.add(() => closeGracefully(publicServer))
  // Closed before the server: who waits for a device is answered 202 rather than cut.
  opened.add(() => commandAnswers.close())
  const scheme = certificate === undefined ? 'http' : 'https'
  address.http = await listen(publicServer, scheme, configuration.host, configuration.httpPort)

  const mutualTls = openMutualTls(
    {
      certificate: configuration.serviceCertificateFile,
      key: configuration.serviceKeyFile,
      authority: configuration.serviceAuthorityFile,
    },
    { production: configuration.mode === 'production' },
  )
  opened.add(async () => mutualTls.close())
  const ends = watchCertificateEnds({
    certificates: [{ name: 'service', file: configuration.serviceCertificateFile, notAfter: mutualTls.notAfter }],
    metrics,
    log,
  })
  opened.add(async () => ends.close())
  const internalServer = createInternalServer(
    {
      store,
      clock,
      metrics: figures,
      deviceTokens: deviceTokens({ clock, issuer, signingKey, lifetime: configuration.deviceTokenLifetime }),
      onboardingCodeLifetime: configuration.onboardingCodeLifetime,
      publishedKeys,
      devicePsks,
      sealingKeys,
    },
    { mutualTls, observer: observer('internal') },
  )
  opened.add(() => closeGracefully(internalServer))
  const internal = await listen(internalServer, 'https', configuration.host, configuration.internalPort)

  const management = await startManagement({
    host: configuration.host,
    port: configuration.managementPort,
    metrics,
    readiness: {
      database: { check: () => store.health() },
      redis: { ...redisReadiness(redis), soft: true },
      hsm: { check: () => token.probe(), soft: true },
    },
  })
  const addresses = { http: address.http, internal, management: management.url }
  log.info({ ...addresses }, 'the control plane is ready')
  return {
    addresses,
    log,
    async close() {
      management.becomeUnready()
      await opened.close()
      await management.close()
    },
  }
}

/** What is open, closed in the reverse order; one that fails to close does not keep the others open. */
class Opened {
  readonly #closers: (() => Promise<void>)[] = []

  add(close: () => Promise<void>): void {
    this.#closers.push(close)
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close().catch(() => {})
  }
}

function connectedTo(opened: Opened, options: Parameters<typeof connectRedis>[0]): ReturnType<typeof connectRedis> {
  const redis = connectRedis(options)
  opened.add(async () => redis.disconnect())
  return redis
}

async function openKekToken(configuration: ControlPlaneConfiguration, store: Store, log: Logger): Promise<Token> {
  const pin = readPin(configuration.hsmPinFile)
  try {
    return await openToken({
      modulePath: configuration.hsmModule,
      tokenLabel: configuration.hsmToken,
      pin,
      lock: { withLock: (work) => store.withAdvisoryLock(`hsm-token-${configuration.hsmToken}`, work) },
      observer: { lost: ({ reason }) => log.warn({ reason }, 'the HSM token was lost') },
    })
  } catch (error) {
    pin.wipe()
    throw error
  }
}

/** Refresh tokens of people are JWTs too. */
function keyPolicyOf(configuration: ControlPlaneConfiguration): KeyPolicy {
  const { jwtKeyPeriod: activeFor, jwtKeyAhead: publishedFor, jwtKeyGrace: grace } = configuration
  const { accessTokenLifetime, deviceTokenLifetime, sessionIdleTimeout, sessionLifetime } = configuration
  const refreshTokenLifetime = Math.min(sessionIdleTimeout, sessionLifetime)
  const longest = Math.max(accessTokenLifetime, deviceTokenLifetime, refreshTokenLifetime) as Duration
  return checkKeyPolicy({ activeFor, publishedFor, grace }, longest)
}

function readPin(path: string): SecretBytes {
  try {
    return new SecretBytes(utf8(readFileSync(path, 'utf8').trim()))
  } catch (cause) {
    throw new CodedError('configuration-invalid', `SALLYPORT_HSM_PIN_FILE cannot be read: ${path}`, { cause })
  }
}

function refuseWhatIsForDevelopment(configuration: ControlPlaneConfiguration): void {
  const { mode, hsmModule, softwareToken, publicUrl } = configuration
  if (mode !== 'production') return
  if (/softhsm/i.test(hsmModule) && !softwareToken) {
    throw new CodedError(
      'configuration-invalid',
      'SALLYPORT_HSM_MODULE is SoftHSM, whose keys are files: not in production, unless SALLYPORT_ALLOW_SOFTWARE_HSM is true.',
    )
  }
  if (publicUrl === undefined) {
    throw new CodedError('configuration-invalid', 'In production SALLYPORT_PUBLIC_URL has to be said: https://…')
  }
}

function mailSenderOf(configuration: ControlPlaneConfiguration, log: Logger): MailSender | undefined {
  const { mode, smtpUrl: url, smtpPasswordFile, smtpAuthorityFile, mailFrom: from } = configuration
  if (url === undefined) {
    log.warn({}, 'no mail is sent: SALLYPORT_SMTP_URL is not set')
    return undefined
  }
  return smtpSender({
    url,
    from,
    passwordFile: smtpPasswordFile,
    authorityFile: smtpAuthorityFile,
    requireTls: mode === 'production' && !url.startsWith('smtps:'),
  })
}

const trustedProxies = ({ trustedProxies: text }: ControlPlaneConfiguration): readonly string[] =>
  (text ?? '').split(',').flatMap((address) => (address.trim() === '' ? [] : [address.trim()]))

function publicCertificate({ httpCertificateFile: certificate, httpKeyFile: key }: ControlPlaneConfiguration) {
  if (certificate !== undefined && key !== undefined) return openServerCertificate({ certificate, key })
  if (certificate === undefined && key === undefined) return undefined
  throw new CodedError(
    'configuration-invalid',
    'SALLYPORT_HTTP_CERTIFICATE and SALLYPORT_HTTP_KEY belong together: set both, or neither for plain HTTP.',
  )
}

async function listen(server: HttpServer, scheme: 'http' | 'https', host: string, port: number): Promise<string> {
  try {
    await server.listen({ host, port })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'failed'
    throw new CodedError('configuration-invalid', `Cannot listen on ${host}:${port}: ${reason}`, { cause })
  }
  const bound = server.server.address() as AddressInfo
  return `${scheme}://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`
}
