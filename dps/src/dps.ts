/**
 * The Device Provisioning Service, put together: devices prove a manufacturer key and leave with an identity certificate,
 * an owner, access rules, and a code for their gateway.
 */

import { createPrivateKey, randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { toHex } from '@sallyport/bytes'
import { clockFrom, type Duration, minutes, seconds } from '@sallyport/clock'
import { type CoapsServer, type DtlsCredentials, HandshakeFailureCounts, listenCoaps } from '@sallyport/coaps'
import { coapsLimits, coapsTcpOf } from '@sallyport/config'
import { createLogger, createMetrics, type Logger } from '@sallyport/diagnostics'
import { CodedError, hasCode, isCodedError } from '@sallyport/errors'
import { authorityRoles } from '@sallyport/fleet'
import {
  heldCertificate,
  type Management,
  openMutualTls,
  requireInDate,
  serviceClient,
  startManagement,
  watchCertificateEnds,
} from '@sallyport/http'
import { certificatesFromPem } from '@sallyport/pki'
import { openStore, type Store } from '@sallyport/store'
import { AuditHeadKey } from './audit-head-key.ts'
import { AuditSealer } from './audit-sealer.ts'
import type { DpsConfiguration } from './config.ts'
import { createDpsMetrics, type DpsMetrics } from './dps-metrics.ts'
import { HsmToken } from './hsm-token.ts'
import { TokenAuthority } from './identity-authority.ts'
import { type InstallationAuthorities, readInstallationAuthorities } from './installation-authorities.ts'
import { IdentityIssuer } from './issuance.ts'
import { onboardingCodesFrom } from './onboarding-code.ts'
import type { DpsPeer } from './peer.ts'
import { peerVerification } from './peer-verification.ts'
import { provisioningStoreOf } from './postgres-provisioning.ts'
import { ProvisioningRecords } from './provisioning-record.ts'
import { aclsResource } from './resource/acls.ts'
import { cloudConfigurationResource } from './resource/cloud-configuration.ts'
import { credentialsResource } from './resource/credentials.ts'
import { ownershipResource } from './resource/ownership.ts'
import { timeResource } from './resource/time.ts'
import { transportObserver } from './transport-observer.ts'

export interface DpsAddresses {
  readonly coaps: { readonly host: string; readonly port: number }
  /** CoAP over TLS; undefined where it is off. */
  readonly coapsTcp: { readonly host: string; readonly port: number } | undefined
  readonly management: string
}

export interface Dps {
  readonly addresses: DpsAddresses
  readonly log: Logger
  /** Takes no more work, finishes what is in flight (20 s at most), and closes everything. */
  close(): Promise<void>
}

/** One to ask for the time, one to provision, and, of many tries on a bad link, those that it has lost without a word. */
const mostAssociationsOfDevice = 16
const noAssociations = { dtls: { live: 0, halfOpen: 0 }, tls: { live: 0, halfOpen: 0 } }
const failureFlushInterval: Duration = seconds(2)
const reconcileInterval: Duration = minutes(1)
const closeTimeout: Duration = seconds(20)

export async function startDps(configuration: DpsConfiguration): Promise<Dps> {
  refuseSoftwareTokenInProduction(configuration)
  const log = createLogger({ service: 'dps', level: configuration.logLevel })
  const clock = clockFrom(() => Date.now())
  const metrics = createMetrics({ service: 'dps' })
  const authorities = readInstallationAuthorities(configuration.authoritiesFile)
  const credentials = serverCredentials(configuration)

  const store = await openStore({
    connectionString: configuration.databaseUrl,
    applicationName: 'sallyport-dps',
    clock,
    poolSize: configuration.databaseConnections,
    log: ({ level, message, error, audited }) =>
      log[level]({ ...audited, ...(error === undefined ? {} : { err: error }) }, message),
  })
  const closing: (() => Promise<unknown> | unknown)[] = [() => store.close()]
  try {
    await recordAuthorities(store, authorities)
    const provisioning = provisioningStoreOf(store, configuration.databaseConnections)
    let server: CoapsServer<DpsPeer> | undefined
    let issuer: IdentityIssuer | undefined
    const counted: DpsMetrics = createDpsMetrics(metrics, {
      associations: () => server?.counts.byTransport ?? noAssociations,
      issuancesWaiting: () => issuer?.waiting ?? 0,
    })
    const token = new HsmToken({
      modulePath: configuration.hsmModule,
      tokenLabel: configuration.hsmToken,
      pinFile: configuration.hsmPinFile,
      lock: { withLock: (work) => store.withAdvisoryLock(`hsm token ${configuration.hsmToken}`, work) },
      observer: {
        opened({ attempts }) {
          counted.tokenUp(true)
          log.info({ token: configuration.hsmToken, attempts }, 'HSM token opened')
        },
        lost({ reason }) {
          counted.tokenUp(false)
          log.error({ token: configuration.hsmToken, reason, code: 'hsm-unavailable' }, 'HSM token lost')
        },
      },
    })
    closing.unshift(() => token.close())
    const authority = new TokenAuthority({ authority: authorities.identity, token })
    await authority.signer().catch((error) => {
      log.error({ err: error }, 'the issuing key cannot be used; credentials are refused until it can')
    })
    issuer = new IdentityIssuer({
      store: provisioning.issuances,
      authority,
      clock,
      randomBytes: (count) => new Uint8Array(randomBytes(count)),
      onIssued: counted.certificateIssued,
    })

    const headKey = new AuditHeadKey({
      token,
      chain: store.auditChain,
      withLock: (work) => store.withAdvisoryLock('audit head key', work),
    })
    const sealer = new AuditSealer({
      chain: store.auditChain,
      sign: (bytes) => headKey.sign(bytes),
      clock,
      log,
      onSealed: counted.auditSealed,
      onSigned: ({ sequence, sha256 }) => {
        counted.auditHeadSigned(clock.now())
        // Kept where the log is kept: an end that is cut off the chain, heads included, is missed there.
        log.info({ sequence, sha256: toHex(sha256) }, 'audit head signed')
      },
    })

    const mutualTls = openMutualTls(
      {
        certificate: configuration.serviceCertificateFile,
        key: configuration.serviceKeyFile,
        authority: configuration.serviceAuthorityFile,
      },
      { production: configuration.mode === 'production' },
    )
    const ends = watchCertificateEnds({
      certificates: [
        { name: 'service', file: configuration.serviceCertificateFile, notAfter: mutualTls.notAfter },
        heldCertificate('server', configuration.serverCertificateFile),
      ],
      metrics,
      log,
    })
    closing.unshift(() => ends.close())
    const controlPlane = serviceClient({ baseUrl: configuration.controlPlaneUrl, mutualTls, clock })
    closing.unshift(async () => {
      await controlPlane.close()
      mutualTls.close()
    })

    const failures = new HandshakeFailureCounts({ write: provisioning.countFailures, clock })
    const records = new ProvisioningRecords({ store: provisioning.records, onStep: counted.step })
    const coapsTcp = coapsTcpOf(configuration)
    server = await listenCoaps<DpsPeer>({
      host: configuration.host,
      port: configuration.coapsPort,
      limits: coapsLimits(configuration),
      ...(coapsTcp === undefined ? {} : { tls: coapsTcp }),
      credentials,
      verifyPeer: peerVerification({
        store: provisioning.admission,
        identityAuthorities: [authorities.identity.certificate],
        clock,
        log,
        recordRefusal: provisioning.recordRefusal,
        newCorrelationId: randomUUID,
      }),
      observer: transportObserver({ log, metrics: counted, failures }),
      associationsPerPeer: { keyOf: ({ recordId }) => recordId, most: mostAssociationsOfDevice },
      resources: [
        timeResource(records, clock),
        ownershipResource(records),
        cloudConfigurationResource(records, {
          hubId: provisioning.hubId,
          liveGateways: provisioning.liveGateways,
          onboardingCodes: onboardingCodesFrom(controlPlane),
        }),
        credentialsResource(records, issuer, {
          identityChain: authorities.identity.chain,
          installationRoot: authorities['installation-root'].certificate,
        }),
        aclsResource(records, provisioning),
      ],
    })
    const listening = server
    closing.unshift(() => listening.close())
    closing.unshift(
      await store.listen(
        'device_closed',
        (payload) => closeAssociationsOf(payload, listening, records),
        () => {},
      ),
    )

    const management = await startManagement({
      host: configuration.host,
      port: configuration.managementPort,
      metrics,
      readiness: {
        database: { check: () => store.health() },
        hsm: { check: () => token.probe() },
        'control-plane': { check: async () => assertClosed(controlPlane.circuit), soft: true },
      },
    })
    closing.push(() => management.close())

    const flush = () => failures.flush().catch((error) => log.warn({ err: error }, 'handshake failures stay uncounted'))
    const reconcile = () => reconcileOnce(issuer, counted, log)
    const timers = [setInterval(flush, failureFlushInterval), setInterval(reconcile, reconcileInterval)]
    void reconcile()
    sealer.start()
    closing.unshift(() => sealer.stop())
    log.info({ coaps: listening.address, coapsTcp: listening.tlsAddress, management: management.url }, 'dps is ready')
    return {
      addresses: {
        coaps: { host: listening.address.address, port: listening.address.port },
        coapsTcp:
          listening.tlsAddress === undefined
            ? undefined
            : { host: listening.tlsAddress.address, port: listening.tlsAddress.port },
        management: management.url,
      },
      log,
      close: () => closeAll(management, timers, flush, closing, log),
    }
  } catch (error) {
    for (const close of closing) await close()
    throw error
  }
}

function refuseSoftwareTokenInProduction(configuration: DpsConfiguration): void {
  if (configuration.mode !== 'production' || configuration.softwareToken) return
  if (/softhsm/i.test(configuration.hsmModule)) {
    throw new CodedError(
      'configuration-invalid',
      'SALLYPORT_HSM_MODULE is SoftHSM, whose keys are files; a production start needs SALLYPORT_ALLOW_SOFTWARE_HSM=true for that',
    )
  }
}

function serverCredentials(configuration: DpsConfiguration): DtlsCredentials {
  try {
    const pem = readFileSync(configuration.serverCertificateFile, 'utf8')
    requireInDate(configuration.serverCertificateFile, pem)
    return {
      chain: certificatesFromPem(pem).map(({ der }) => der),
      privateKey: createPrivateKey(readFileSync(configuration.serverKeyFile, 'utf8')),
    }
  } catch (cause) {
    if (hasCode(cause, 'configuration-invalid')) throw cause
    const reason = cause instanceof Error ? cause.message : 'unreadable'
    throw new CodedError('configuration-invalid', `the server certificate or its key cannot be used: ${reason}`, {
      cause,
    })
  }
}

async function recordAuthorities(store: Store, authorities: InstallationAuthorities): Promise<void> {
  for (const role of authorityRoles) {
    const { certificate, keyId } = authorities[role]
    await store.authorities.record({
      role,
      certificateDer: certificate.der,
      keyId: Buffer.from(keyId).toString('hex'),
    })
  }
}

async function reconcileOnce(issuer: IdentityIssuer, metrics: DpsMetrics, log: Logger): Promise<void> {
  try {
    const withdrawn = await issuer.reconcile({
      actor: { kind: 'service', id: 'dps' },
      correlationId: randomUUID(),
    })
    metrics.orphansWithdrawn(withdrawn)
    if (withdrawn > 0) log.warn({ withdrawn }, 'issuances that were never completed were withdrawn')
  } catch (error) {
    log.warn({ err: error }, 'orphaned issuances could not be looked for')
  }
}

/**
 * A device that was deleted or blocked is gone from here too, at once. With its manufacturer key it may come again and begin
 * a new record.
 */
function closeAssociationsOf(payload: string, server: CoapsServer<DpsPeer>, records: ProvisioningRecords): void {
  const deviceId = deviceIdInNotice(payload)
  if (deviceId === undefined) return
  for (const association of server.associations) {
    if (records.deviceOf(association) === deviceId) association.close()
  }
}

function deviceIdInNotice(payload: string): string | undefined {
  try {
    const notice: unknown = JSON.parse(payload)
    const deviceId = typeof notice === 'object' && notice !== null && 'deviceId' in notice ? notice.deviceId : undefined
    return typeof deviceId === 'string' ? deviceId : undefined
  } catch {
    return undefined
  }
}

async function assertClosed(circuit: string): Promise<void> {
  if (circuit === 'open') throw new CodedError('dependency-unavailable', 'the control plane keeps failing')
}

async function closeAll(
  management: Management,
  timers: readonly NodeJS.Timeout[],
  flush: () => Promise<unknown>,
  closing: readonly (() => Promise<unknown> | unknown)[],
  log: Logger,
): Promise<void> {
  management.becomeUnready()
  for (const timer of timers) clearInterval(timer)
  const limit = new Promise((resolve) => setTimeout(resolve, closeTimeout).unref())
  const close = async () => {
    await flush()
    for (const step of closing) {
      try {
        await step()
      } catch (error) {
        log.warn({ err: error, code: isCodedError(error) ? error.code : 'internal' }, 'not closed cleanly')
      }
    }
  }
  await Promise.race([close(), limit])
}
