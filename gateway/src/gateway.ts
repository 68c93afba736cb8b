/**
 * The gateway, put together: the one place that knows which implementation serves which port.
 *
 * Starting order: database, control plane, keys; then, standing by, the turn; the shard; the socket; the lease. What needs no
 * shard comes before: devices wait from the claim on. A request that comes in between waits.
 * Stopping order: unready; finish what devices asked; close_notify; commit telemetry; devices offline; let go of everything.
 */

import { createPrivateKey, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { clockFrom, type Duration, hours, inSeconds, milliseconds, seconds } from '@sallyport/clock'
import {
  type ClientResponse,
  type CoapsServer,
  type DtlsCredentials,
  HandshakeFailureCounts,
  listenCoaps,
} from '@sallyport/coaps'
import { coapsLimits, coapsTcpOf } from '@sallyport/config'
import { createMetrics, type Logger } from '@sallyport/diagnostics'
import { CodedError, hasCode } from '@sallyport/errors'
import { connectRedis, redisAssociationSnapshots } from '@sallyport/events'
import {
  type CircuitState,
  heldCertificate,
  openMutualTls,
  requireInDate,
  serviceClient,
  startManagement,
  watchCertificateEnds,
} from '@sallyport/http'
import { certificatesFromPem, deviceIdFromCommonName, parseCertificate } from '@sallyport/pki'
import { openStore, type TelemetryRow } from '@sallyport/store'
import { admission } from './admission.ts'
import { authenticationRecord } from './authentication-record.ts'
import { CommandDispatch } from './command-dispatch.ts'
import type { GatewayConfiguration } from './config.ts'
import type { DeviceIdentity } from './device-identity.ts'
import type { DeviceAssociation } from './device-request.ts'
import { DeviceTokenVerifier } from './device-token-verifier.ts'
import { startLease } from './gateway-lease.ts'
import { gatewayMetrics } from './gateway-metrics.ts'
import { gatewayObserver } from './gateway-observer.ts'
import type { InheritedSockets } from './inherited-sockets.ts'
import { JsonWebKeyCache } from './json-web-key-cache.ts'
import { type LiveDevice, LiveDevices } from './live-devices.ts'
import { Newcomers } from './newcomers.ts'
import { notificationFields } from './notification.ts'
import { Presence } from './presence.ts'
import { PskLookup } from './psk-lookup.ts'
import { accountResource } from './resource/account.ts'
import { anythingElse } from './resource/anything-else.ts'
import { deviceTwinResource } from './resource/device-twin.ts'
import { discoveryResource } from './resource/discovery.ts'
import { resourceDirectoryResource } from './resource/resource-directory.ts'
import { sessionResource } from './resource/session.ts'
import { telemetryPath, telemetryResource } from './resource/telemetry.ts'
import { timeResource } from './resource/time.ts'
import { tokenRefreshResource } from './resource/token-refresh.ts'
import { fetchSealingKeys, SealingKeyCache } from './sealing-key-cache.ts'
import { Takeover } from './takeover.ts'
import { TelemetryBatch } from './telemetry-batch.ts'
import { tokenEndpoint } from './token-endpoint.ts'
import { TwinObserver } from './twin-observer.ts'
import { watchWithdrawals } from './withdrawal.ts'

export interface Gateway {
  readonly id: string
  /** Resolves when another gateway has taken over the shard: then this one is to end at once, without a word to anyone. */
  readonly lost: Promise<void>
  /**
   * For a successor on the same socket: reads no more, finishes what is in flight, leaves the associations with all they hold,
   * and lets go. Devices stay online and are told nothing. Where they cannot be left to anybody, it is `close`.
   * @returns whether they were left.
   */
  handOver(): Promise<boolean>
  readonly coaps: { readonly host: string; readonly port: number }
  /** CoAP over TLS; undefined where it is off. */
  readonly coapsTcp: { readonly host: string; readonly port: number } | undefined
  readonly management: string
  /** Graceful: see the module's comment. Resolves when nothing is left open. */
  close(): Promise<void>
}

const noAssociations = { dtls: { live: 0, halfOpen: 0 }, tls: { live: 0, halfOpen: 0 } }
/** A device that does not publish anew after signing in is watched by what it published before. */
const failuresWrittenEvery = seconds(10)
const publicationExpectedWithin = seconds(3)
/** A device has one; a few more are there while it reconnects and before the old ones are noticed to be dead. */
const mostAssociationsOfDevice = 4
/** For commands under way at a stop; the devices' answers to the rest come to nobody. */
const longestCommandAtStop = seconds(10)
/** For each of commands, requests and commits under way at a hand-over: devices wait for the successor meanwhile. */
const longestInFlight = seconds(2)
const longestGoodBye = milliseconds(500)
const longestEndOfPredecessor = seconds(20)
/** As long as an association may live without a word. */
const snapshotLifetime = hours(24)
const askedAgainWithin = seconds(20)
/** Each is a question to the database, in the very moment in which a fleet is served again. */
const askedAgainEach = milliseconds(50)

export interface GatewayStart {
  readonly inherited?: InheritedSockets
  /** With `standby`: everything is ready but the devices' socket, which another gateway still serves. */
  readonly onStandingBy?: () => void
}

/**
 * @throws CodedError `configuration-invalid` for files that cannot be used, `database-unavailable` when there is no database.
 */
export async function startGateway(
  configuration: GatewayConfiguration,
  log: Logger,
  { inherited = {}, onStandingBy = () => undefined }: GatewayStart = {},
): Promise<Gateway> {
  const clock = clockFrom(Date.now)
  const id = configuration.gatewayId ?? `gateway-${randomUUID()}`
  const credentials = readCredentials(configuration)
  const mutualTls = openMutualTls(
    {
      certificate: configuration.serviceCertificateFile,
      key: configuration.serviceKeyFile,
      authority: configuration.serviceAuthorityFile,
    },
    { production: configuration.mode === 'production' },
  )
  const controlPlane = serviceClient({ baseUrl: configuration.controlPlaneUrl, mutualTls, clock })
  const store = await openStore({
    connectionString: configuration.databaseUrl,
    applicationName: 'sallyport-gateway',
    clock,
    log: ({ level, message, error, audited }) =>
      log[level]({ ...audited, ...(error === undefined ? {} : { err: error }) }, message),
  })
  try {
    await store.hub.ensure(hubIdOf(credentials))
  } catch (error) {
    await store.close()
    throw error
  }

  const metrics = createMetrics({ service: 'gateway' })
  const ends = watchCertificateEnds({
    certificates: [
      { name: 'service', file: configuration.serviceCertificateFile, notAfter: mutualTls.notAfter },
      heldCertificate('server', configuration.serverCertificateFile),
    ],
    metrics,
    log,
  })
  const devices = new LiveDevices(clock)
  const endpoint = tokenEndpoint(controlPlane)
  const keys = new JsonWebKeyCache({ fetch: () => endpoint.fetchKeys(), clock, log })
  const tokens = new DeviceTokenVerifier({
    keys,
    issuer: configuration.tokenIssuer,
    clock,
    findRecorded: (certificateSha256) => store.certificates.findRecorded(certificateSha256),
    findRecordedPsk: (pskIdentitySha256) => store.psks.findRecorded(pskIdentitySha256),
  })
  const sealingKeys = new SealingKeyCache({
    fetch: () => fetchSealingKeys(controlPlane),
    log,
    onChanged: (changed) => server?.setSealingKeys(changed),
  })
  const redis =
    configuration.redisUrl === undefined
      ? undefined
      : connectRedis({
          url: configuration.redisUrl,
          passwordFile: configuration.redisPasswordFile,
          name: 'gateway',
          log,
        })
  const newcomers = new Newcomers({ clock })
  const pskLookup = new PskLookup({ controlPlane, clock })
  let server: CoapsServer<DeviceIdentity> | undefined
  const theServer = (): CoapsServer<DeviceIdentity> => {
    if (server === undefined) throw new CodedError('shutting-down', 'The gateway is not listening.')
    return server
  }
  const presence = new Presence({ store, devices, gatewayId: id, clock, log, onSessionEnded: endSession })
  const twin = new TwinObserver({
    server: theServer,
    store,
    log,
    onContact: (association) => presence.contact(devices.of(association)),
    onReported: (outcome) => measured.twinReports.inc({ outcome }),
    onChanged: (association) => takeover?.writer.changed(association),
    mark: markResponse,
  })
  const commands = new CommandDispatch({
    server: theServer,
    store,
    devices,
    twin,
    gatewayId: id,
    clock,
    log,
    onCompleted: (state) => measured.commands.inc({ state }),
    onContact: (live) => presence.contact(live),
    mark: markResponse,
  })
  const telemetry = new TelemetryBatch<TelemetryRow>({
    append: (rows, marks) => takeover?.append(rows, marks) ?? store.telemetry.append(rows),
    maxBufferedRows: configuration.telemetryBufferRows,
    onCommitted(rows) {
      measured.telemetryRows.inc(rows)
      measured.telemetryBatchRows.observe(rows)
    },
  })
  const failures = new HandshakeFailureCounts({
    write: (counts) => store.auditEvents.countAdmissionFailures([...counts]),
    clock,
  })
  const writeFailures = () =>
    failures.flush().catch((error: unknown) => log.warn({ err: error }, 'handshake failures stay uncounted'))
  const authentication = authenticationRecord({ auditEvents: store.auditEvents, log })
  const measured = gatewayMetrics(metrics, () => ({
    byTransport: server?.counts.byTransport ?? noAssociations,
    observations: server?.counts.observations ?? 0,
    devicesOnline: devices.onlineCount,
    telemetryBuffered: telemetry.buffered,
    newcomers: newcomers.count,
    snapshotDelay: takeover === undefined ? 0 : inSeconds(takeover.writer.delay),
  }))

  async function markResponse(association: DeviceAssociation, { recordSequence }: ClientResponse): Promise<void> {
    const mark = takeover?.markOf({ association, recordSequence })
    if (mark !== undefined) await takeover?.marks.commit(mark.associationId, mark.recordSequence)
  }
  function endSession(live: LiveDevice): void {
    twin.unwatch(live.association)
    takeover?.writer.changed(live.association)
  }
  /** Resolves when the device may be told: a successor knows of its session then, since the device would not say it again. */
  async function afterSignIn(live: LiveDevice): Promise<void> {
    const { association } = live
    await takeover?.writer.written(association)
    measured.signIns.inc({ outcome: 'succeeded', reason: '' })
    void commands.replay(association.identity.deviceId)
    setTimeout(() => void watchPublished(live), publicationExpectedWithin).unref()
  }
  /** It thinks that it is signed in, and is not: told that this is over, it connects and signs in again. */
  async function comesBack(live: LiveDevice): Promise<void> {
    await presence.goesOffline(live, 'association-closed')
    live.association.close()
  }
  async function watchPublished(live: LiveDevice): Promise<void> {
    const { association } = live
    if (!twin.isWatching(association)) await watchAll(live)
  }
  async function watchAll(live: LiveDevice): Promise<void> {
    const { association } = live
    if (association.closed || !live.session.isSignedIn(clock.now())) return
    try {
      await twin.watch(association, await store.resources.links(undefined, association.identity.deviceId))
    } catch (error) {
      log.warn({ deviceId: association.identity.deviceId, err: error }, 'published resources could not be read')
    }
  }

  let takeover: Takeover | undefined
  await Promise.all([
    sealingKeys.start(),
    keys.keysFor(undefined).catch(() => log.warn({}, 'no token keys yet: the control plane does not answer')),
  ])
  const withdrawals = await watchWithdrawals({ store, devices, presence, tokens, pskLookup, log })
  // A key that others may have: its tokens are refused as soon as that is said (the association is proven by its certificate).
  await store.listen(
    'keys_changed',
    (payload) => {
      const { purpose, keyId, state } = notificationFields(payload)
      if (purpose !== 'jwt' || keyId === undefined) return
      if (state === 'retired') keys.withdraw(keyId)
      else keys.announce(keyId)
    },
    () => void keys.lookAgain(),
  )
  await commands.start()
  const turn = store.shards.takeTurn(configuration.shard, configuration.standby ? 'stands-by' : 'serves-already')
  if (configuration.standby) {
    onStandingBy()
    await turn.taken
  }
  if (redis !== undefined) {
    takeover = await Takeover.begin({
      snapshots: redisAssociationSnapshots({ redis, clock, lifetime: snapshotLifetime }),
      store,
      shard: configuration.shard,
      gatewayId: id,
      keys: () => sealingKeys.keys,
      server: theServer,
      devices,
      twin: () => twin,
      metrics: () => measured,
      clock,
      log,
    })
  }
  let stopping = false
  const { promise: started, resolve: start } = Promise.withResolvers<void>()
  const tcp = coapsTcpOf(configuration)
  server = await listenCoaps<DeviceIdentity>({
    host: configuration.host,
    port: configuration.coapsPort,
    descriptor: inherited.coaps,
    limits: coapsLimits(configuration),
    ...(tcp === undefined ? {} : { tls: { ...tcp, descriptor: inherited.coapsTcp } }),
    shard: configuration.shard,
    beforeReading: async (importer) => takeover?.importAll(importer),
    credentials,
    ...admission({
      store: {
        authorities: store.authorities,
        certificates: {
          findRecorded: (certificateSha256) =>
            newcomers.lookUp(() => store.certificates.findRecorded(certificateSha256)),
        },
      },
      clock,
      log,
      onRefusedDevice: (refused) => authentication.refused(refused),
    }),
    hearsNewcomers: () => !newcomers.areTooMany,
    ...(sealingKeys.keys === undefined ? {} : { sealingKeys: sealingKeys.keys }),
    findPsk: pskLookup.find,
    resources: [
      accountResource({ endpoint, tokens, devices, store, log }),
      sessionResource({
        tokens,
        devices,
        presence,
        store,
        clock,
        log,
        inTurn: (request, work) => newcomers.inTurn(request, work),
        onSignedIn: afterSignIn,
        onSignedOut: endSession,
        onRefused({ association, correlationId }, code) {
          measured.signIns.inc({ outcome: 'refused', reason: code })
          authentication.signInRefused(association, code, correlationId)
        },
      }),
      tokenRefreshResource({ endpoint, log }),
      resourceDirectoryResource({
        store,
        twin,
        log,
        onPublished: async (association) => takeover?.writer.written(association),
      }),
      discoveryResource({ store, endpoints: () => (coapsTcpUri === undefined ? [coapsUri] : [coapsUri, coapsTcpUri]) }),
      deviceTwinResource({ store }),
      telemetryResource({ batch: telemetry, clock, markOf: (request) => takeover?.markOf(request) }),
      timeResource({ clock }),
      anythingElse(),
    ],
    associationsPerPeer: { keyOf: ({ deviceId }) => deviceId, most: mostAssociationsOfDevice },
    async admit(request) {
      await started
      await takeover?.holder.ensureHeld()
      if (stopping) throw new CodedError('shutting-down', 'Connect again in a moment.')
      devices.of(request.association).session.admit(request.path, clock.now())
      // Telemetry commits its mark with its measurements.
      if (request.path !== telemetryPath) await takeover?.admitted(request)
    },
    observer: gatewayObserver({
      devices,
      presence,
      failures,
      authentication,
      metrics: () => measured,
      log,
      onChanged: (association) => takeover?.writer.changed(association),
      onHeard: (association) => takeover?.writer.heard(association),
      onOpened: (association) => newcomers.opened(association),
      onClosed(live, wasSignedIn) {
        newcomers.closed(live.association)
        takeover?.closed(live.association)
        twin.unwatch(live.association)
        if (!wasSignedIn || stopping) return
        // A device that came back over another association is online there.
        if (devices.signedInAs(live.association.identity.deviceId) !== undefined) return
        void presence.goesOffline(live, 'association-closed')
      },
    }),
  })
  const { address, port } = server.address
  const { tlsAddress } = server
  const coapsUri: string = configuration.coapsUri ?? `coaps://${authorityOf(server.address)}`
  const coapsTcpUri: string | undefined =
    tlsAddress === undefined ? undefined : (configuration.coapsTcpUri ?? `coaps+tcp://${authorityOf(tlsAddress)}`)
  const lease = await startLease({
    gateways: store.gateways,
    id,
    coapsUri,
    coapsTcpUri,
    ...(takeover === undefined ? {} : { keeps: takeover.keeps }),
    clock,
    log,
    onRecovered: () => void presence.declareAgain(),
  })
  const adopted = await takeover?.adoptSessions()
  presence.start()
  const failureTimer = setInterval(writeFailures, failuresWrittenEvery)
  start()
  takeover?.start()
  withdrawals.lookAgain()
  for (const live of adopted?.unknown ?? []) void comesBack(live)
  void commands.lookForWaiting()
  // Spread, so that a fleet is not asked at once.
  const asksOn = adopted?.asksOn ?? []
  const spreadOver = Math.max(askedAgainWithin, asksOn.length * askedAgainEach)
  for (const live of asksOn) setTimeout(() => void watchAll(live), Math.random() * spreadOver).unref()
  const management = await startManagement({
    host: configuration.host,
    port: configuration.managementPort,
    // The one before has it until it has ended.
    ...(configuration.standby ? { portFreeWithin: longestEndOfPredecessor } : {}),
    metrics,
    readiness: {
      database: { check: () => store.health() },
      'control-plane': { check: () => assertReachable(controlPlane.circuit), soft: true },
    },
  })

  /** What a stop and a hand-over have in common: all but devices and lease. */
  async function letGo(): Promise<void> {
    clearInterval(failureTimer)
    sealingKeys.close()
    ends.close()
    await Promise.all([writeFailures(), authentication.settled(), withdrawals.stop()])
    redis?.disconnect()
    mutualTls.close()
    await Promise.all([management.close(), controlPlane.close(), turn.giveUp()])
    await store.close()
  }

  async function close(): Promise<void> {
    management.becomeUnready()
    await within(commands.stop(), longestCommandAtStop)
    stopping = true
    await theServer().close()
    await telemetry.drain()
    await takeover?.stop().catch((error: unknown) => log.warn({ err: error }, 'snapshots were left to lapse'))
    await presence.stop()
    await lease.retire().catch((error: unknown) => log.warn({ err: error }, 'the lease was left to lapse'))
    await letGo()
  }

  return {
    id,
    coaps: { host: address, port },
    coapsTcp: tlsAddress === undefined ? undefined : { host: tlsAddress.address, port: tlsAddress.port },
    management: management.url,
    lost: takeover?.holder.lost ?? new Promise<never>(() => undefined),
    async handOver() {
      if (takeover === undefined) {
        await close()
        return false
      }
      management.becomeUnready()
      await within(commands.stop(), longestInFlight)
      await server.stopReading(longestInFlight)
      const associations = [...server.associations]
      const settled = [telemetry.drain(), twin.settled(associations), takeover.marks.drain(), presence.stop()]
      await within(Promise.allSettled(settled), longestInFlight)
      try {
        const left = await takeover.writer.finish(associations)
        measured.handedOver.inc({}, left)
        log.info({ ...takeover.holder.claim, associations: left }, 'shard left to a successor')
      } catch (error) {
        log.error({ err: error }, 'the associations could not be left to a successor: their devices are told')
        await close()
        return false
      }
      // Nothing of ours is changed any more: from here on the successor works.
      await turn.giveUp()
      takeover.holder.stop()
      await server.abandon()
      lease.leave()
      // The devices wait for the successor, which waits for our end: what is left ends with the process.
      await within(Promise.all([writeFailures(), authentication.settled()]), longestGoodBye)
      letGo().catch((error: unknown) => log.warn({ err: error }, 'not everything was let go of'))
      return true
    },
    close,
  }
}

const authorityOf = ({ address, port }: { readonly address: string; readonly port: number }): string =>
  `${address.includes(':') ? `[${address}]` : address}:${port}`

function readCredentials(configuration: GatewayConfiguration): DtlsCredentials {
  const { serverCertificateFile, serverKeyFile } = configuration
  try {
    const pem = readFileSync(serverCertificateFile, 'utf8')
    requireInDate(serverCertificateFile, pem)
    return {
      chain: certificatesFromPem(pem).map((certificate) => certificate.der),
      privateKey: createPrivateKey(readFileSync(serverKeyFile)),
    }
  } catch (cause) {
    if (hasCode(cause, 'configuration-invalid')) throw cause
    const files = `${serverCertificateFile}, ${serverKeyFile}`
    throw new CodedError('configuration-invalid', `The server's credentials cannot be used: ${files}`, { cause })
  }
}

/** Devices authorize the gateway by this name (`sid` of their cloud configuration). */
function hubIdOf(credentials: DtlsCredentials): string {
  const [leaf] = credentials.chain
  const hubId = leaf === undefined ? undefined : deviceIdFromCommonName(parseCertificate(leaf).commonName)
  if (hubId !== undefined) return hubId
  throw new CodedError('configuration-invalid', 'The common name of SALLYPORT_SERVER_CERTIFICATE is not uuid:<hub id>.')
}

async function assertReachable(circuit: CircuitState): Promise<void> {
  if (circuit !== 'closed') throw new CodedError('dependency-unavailable', 'The control plane keeps failing.')
}

/** Waits for the work, but no longer than that. */
async function within(work: Promise<unknown>, longest: Duration): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, longest)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}
