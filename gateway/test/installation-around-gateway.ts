/**
 * What a gateway needs around it, all of it real: a migrated database, Redis, a control plane as a process with its key in a
 * SoftHSM token, and certificates of every kind. Provisioning is written into the database as the dps writes it.
 */

import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { toBase64Url } from '@sallyport/bytes'
import { clockFrom, instant } from '@sallyport/clock'
import { type CoapResource, type CoapsClient, connectCoaps } from '@sallyport/coaps'
import { readConfiguration } from '@sallyport/config'
import { databaseForTest, redisForTest, runProgram, testHome, tokenForTest } from '@sallyport/development'
import { createLogger } from '@sallyport/diagnostics'
import { certificateToPem } from '@sallyport/pki'
import { decode, encode, isRecord, type Value, type ValueRecord } from '@sallyport/representation'
import { type ActContext, migrate, openStore, type Store } from '@sallyport/store'
import pg from 'pg'
import { gatewaySettings } from '../src/config.ts'
import { type Gateway, startGateway } from '../src/gateway.ts'
import { type RunningProcess, startProcess } from './running-process.ts'
import { type Credentials, makeAuthorities, newAuthority, newKey, type TestAuthorities } from './test-authorities.ts'

const ocfCbor = 10000
const tokenIssuer = 'urn:sallyport:test'

export interface ProvisionedDevice {
  readonly id: string
  readonly recordId: string
  readonly credentials: Credentials
  readonly code: string
}

export interface InstallationAroundGateway {
  readonly store: Store
  readonly organizationId: string
  readonly authorities: TestAuthorities
  readonly databaseUrl: string
  /** Of the user that may do anything. */
  readonly redisUrl: string
  /** Where gateways leave their associations, if they are told so. */
  readonly redisEnvironment: Readonly<Record<string, string>>
  readonly controlPlane: RunningProcess
  /** A gateway in this process. */
  startGateway(environment?: Readonly<Record<string, string>>): Promise<GatewayUnderTest>
  /** What `gateway/src/main.ts` is told. */
  gatewayEnvironment(): Readonly<Record<string, string>>
  /** A device that the dps has just finished with. */
  provision(options?: { id?: string; validity?: { startsAt?: number; days?: number } }): Promise<ProvisionedDevice>
  /** A further certificate for it, as a renewal gives. */
  renew(device: ProvisionedDevice): Promise<Credentials>
  /** An onboarding code for it. */
  issueCode(device: { id: string; recordId: string }, lifetime?: number): Promise<string>
  /** For what no method does yet, and for faults. */
  onDatabase(statement: string, values?: readonly string[]): Promise<void>
  stopControlPlane(): Promise<void>
  startControlPlane(): Promise<void>
  close(): Promise<void>
}

export interface GatewayUnderTest {
  readonly gateway: Gateway
  /** The log lines so far, parsed. */
  readonly log: readonly Readonly<Record<string, unknown>>[]
  metric(name: string): Promise<string>
}

export const system: ActContext = {
  actor: { kind: 'system', id: 'test' },
  correlationId: '00000000-0000-4000-8000-000000000000',
}

export async function installationAroundGateway(
  options: {
    /** More environment for the control plane. */
    readonly controlPlane?: Readonly<Record<string, string>>
    readonly expectedIntervalSeconds?: number
  } = {},
): Promise<InstallationAroundGateway> {
  const folder = join(testHome(), `gateway-${randomUUID()}`)
  const authorities = await makeAuthorities(folder, ['gateway', 'control-plane'])
  const database = await databaseForTest({ migrate: (url) => migrate({ connectionString: url }) })
  const redis = await redisForTest()
  const token = await tokenForTest('kek')
  await runProgram('certs', [
    'sealing-key',
    ...['--home', folder, '--module', token.modulePath, '--kek-token', token.label, '--kek-pin-file', token.pinFile],
  ])
  const common = (service: string): Record<string, string> => ({
    SALLYPORT_MODE: 'test',
    SALLYPORT_DATABASE_URL: database.urlAs(`sallyport_${service.replace('-', '_')}`),
    ...redis.environmentOf(service === 'gateway' ? 'sallyport-gateway' : 'sallyport-control-plane'),
    SALLYPORT_SERVICE_CERTIFICATE: authorities.files.service(service).certificate,
    SALLYPORT_SERVICE_KEY: authorities.files.service(service).key,
    SALLYPORT_SERVICE_CA: authorities.files.serviceAuthority,
    SALLYPORT_TOKEN_ISSUER: tokenIssuer,
  })
  const adminFile = join(folder, 'first-admin.json')
  let internalPort = '0'
  const startControlPlane = () =>
    startProcess(
      'control-plane',
      {
        ...common('control-plane'),
        SALLYPORT_HTTP_PORT: '0',
        SALLYPORT_INTERNAL_PORT: internalPort,
        SALLYPORT_HSM_MODULE: token.modulePath,
        SALLYPORT_HSM_TOKEN: token.label,
        SALLYPORT_HSM_PIN_FILE: token.pinFile,
        SALLYPORT_FIRST_ADMIN_FILE: adminFile,
        SOFTHSM2_CONF: process.env.SOFTHSM2_CONF ?? '',
        ...options.controlPlane,
      },
      join(folder, 'control-plane.json'),
    )
  let controlPlane = await startControlPlane()
  internalPort = new URL(String(controlPlane.ready.internal)).port
  const store = await openStore({
    connectionString: database.url,
    applicationName: 'test',
    clock: clockFrom(Date.now),
  })
  const { organizationId } = JSON.parse(readFileSync(adminFile, 'utf8')) as { organizationId: string }
  await store.authorities.record({ role: 'identity', certificateDer: authorities.identity.certificate.der })
  const manufacturer = await newAuthority('manufacturer-root', 'Test manufacturer')
  const group = await store.enrollmentGroups.create(
    organizationId,
    {
      name: 'test',
      chainPem: certificateToPem(manufacturer.certificate.der),
      ...(options.expectedIntervalSeconds === undefined
        ? {}
        : { expectedIntervalSeconds: options.expectedIntervalSeconds }),
      authorities: [
        {
          sha256: manufacturer.certificate.sha256,
          subjectSha256: createHash('sha256').update(manufacturer.certificate.subjectDer).digest('hex'),
          spkiSha256: manufacturer.certificate.spkiSha256,
          der: manufacturer.certificate.der,
          commonName: manufacturer.certificate.commonName ?? '',
          isLead: true,
        },
      ],
    },
    system,
  )

  const gateways: Gateway[] = []
  const gatewayEnvironment = () => ({
    ...withoutRedis(common('gateway')),
    SALLYPORT_COAPS_PORT: '0',
    SALLYPORT_SERVER_CERTIFICATE: authorities.files.gateway.certificate,
    SALLYPORT_SERVER_KEY: authorities.files.gateway.key,
    SALLYPORT_CONTROL_PLANE_URL: `https://127.0.0.1:${internalPort}`,
  })

  async function record(deviceId: string, recordId: string, credentials: Credentials): Promise<void> {
    const { certificate } = credentials
    const { issuanceId } = await store.certificates.beginIssuance(
      {
        serialNumber: certificate.serialNumber,
        issuerSha256: authorities.identity.certificate.sha256,
        deviceId,
        recordId,
        profile: 'identity',
        spkiSha256: certificate.spkiSha256,
        notBefore: certificate.notBefore,
        notAfter: certificate.notAfter,
      },
      system,
    )
    await store.certificates.completeIssuance({ issuanceId, der: certificate.der, sha256: certificate.sha256 }, system)
  }

  async function issueCode(device: { id: string; recordId: string }, lifetime = 600_000): Promise<string> {
    const code = toBase64Url(randomBytes(32))
    await store.onboardingCodes.create(
      {
        codeHash: createHash('sha256').update(code).digest(),
        deviceId: device.id,
        recordId: device.recordId,
        expiresAt: instant(Date.now() + lifetime),
      },
      system,
    )
    return code
  }

  return {
    store,
    organizationId,
    authorities,
    databaseUrl: database.url,
    redisUrl: redis.url,
    redisEnvironment: redis.environmentOf('sallyport-gateway'),
    get controlPlane() {
      return controlPlane
    },
    gatewayEnvironment,
    async startGateway(environment = {}) {
      const lines: Readonly<Record<string, unknown>>[] = []
      const log = createLogger({
        service: 'gateway',
        level: 'debug',
        destination: { write: (line) => void lines.push(JSON.parse(line)) },
      })
      const configuration = readConfiguration(gatewaySettings, { ...gatewayEnvironment(), ...environment })
      const gateway = await startGateway(configuration, log)
      gateways.push(gateway)
      return {
        gateway,
        log: lines,
        async metric(name) {
          const text = await (await fetch(`${gateway.management}/metrics`)).text()
          return text
            .split('\n')
            .filter((line) => line.startsWith(name))
            .join('\n')
        },
      }
    },
    async provision({ id = randomUUID(), validity } = {}) {
      const key = newKey()
      const recordId = randomUUID()
      const spkiSha256 = createHash('sha256').update(key.spki).digest('hex')
      await store.provisioning.begin(
        {
          recordId,
          groupId: group.id,
          organizationId,
          manufacturer: { spkiSha256, certificatePem: 'test', commonName: `uuid:${id}` },
          deviceId: id,
          remote: '127.0.0.1',
        },
        system,
      )
      await store.provisioning.claimDevice({ recordId, deviceId: id, manufacturerSpkiSha256: spkiSha256 }, system)
      const credentials = await authorities.identityOf(id, validity)
      await record(id, recordId, credentials)
      return { id, recordId, credentials, code: await issueCode({ id, recordId }) }
    },
    async renew(device) {
      const credentials = await authorities.identityOf(device.id)
      await record(device.id, device.recordId, credentials)
      return credentials
    },
    issueCode,
    async onDatabase(statement, values = []) {
      const client = new pg.Client({ connectionString: database.url })
      await client.connect()
      await client.query(statement, [...values]).finally(() => client.end())
    },
    async stopControlPlane() {
      await controlPlane.end('SIGTERM')
    },
    async startControlPlane() {
      controlPlane = await startControlPlane()
    },
    async close() {
      for (const gateway of gateways) await gateway.close().catch(() => undefined)
      await controlPlane.end('SIGTERM')
      await store.close()
      await redis.stop()
      await database.drop()
    },
  }
}

/** Gateways of a test stand side by side, and would take each other's associations over. */
const withoutRedis = ({
  SALLYPORT_REDIS_URL: _,
  SALLYPORT_REDIS_PASSWORD_FILE: __,
  ...rest
}: Record<string, string>): Record<string, string> => rest

/** Sign-up answers, as a device keeps them. */
export interface Tokens {
  readonly accesstoken: string
  readonly refreshtoken: string
  readonly uid: string
  readonly expiresin: number
}

export interface Answer {
  readonly code: string
  readonly body: ValueRecord
  readonly value: Value
}

/** A device's side of one association, in the words of the protocol. */
export class DeviceAtGateway {
  readonly #client: CoapsClient<undefined>
  readonly id: string

  constructor(client: CoapsClient<undefined>, id: string) {
    this.#client = client
    this.id = id
  }

  /** @throws CodedError `handshake-failed` with the alert in its details. */
  static async connect(
    gateway: Pick<Gateway, 'coaps'> & Partial<Pick<Gateway, 'coapsTcp'>>,
    device: { readonly id: string; readonly credentials: Credentials },
    resources: readonly CoapResource<undefined>[] = [],
    tlsVersion?: 'TLSv1.2' | 'TLSv1.3',
  ): Promise<DeviceAtGateway> {
    const address = tlsVersion === undefined ? gateway.coaps : gateway.coapsTcp
    if (address === undefined) throw new Error('the gateway does not serve that transport')
    const client = await connectCoaps<undefined>({
      connectionId: true,
      ...(tlsVersion === undefined ? {} : { transport: 'tls' as const, tlsVersion }),
      host: address.host,
      port: address.port,
      credentials: { chain: device.credentials.chain, privateKey: device.credentials.privateKey },
      verifyPeer: () => ({ accepted: true, identity: undefined }),
      resources,
    })
    return new DeviceAtGateway(client, device.id)
  }

  get closed(): boolean {
    return this.#client.association.closed
  }

  get client(): CoapsClient<undefined> {
    return this.#client
  }

  async send(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: Value,
    options: { query?: readonly string[]; accept?: number; contentFormat?: number; payload?: Uint8Array } = {},
  ): Promise<Answer> {
    const contentFormat = options.contentFormat ?? ocfCbor
    const payload = options.payload ?? (body === undefined ? undefined : encode(contentFormat, body))
    const response = await this.#client.request({
      method,
      path,
      ...(payload === undefined ? {} : { payload, contentFormat }),
      ...(options.query === undefined ? {} : { query: options.query }),
      ...(options.accept === undefined ? {} : { accept: options.accept }),
    })
    const format = response.contentFormat === 257 ? 60 : (response.contentFormat ?? 42)
    const value = response.payload.length === 0 ? null : decode(format, response.payload)
    return { code: response.code, value, body: isRecord(value) ? value : {} }
  }

  signUp(code: string, deviceId = this.id): Promise<Answer> {
    return this.send('POST', '/oic/sec/account', { di: deviceId, accesstoken: code, authprovider: 'sallyport' })
  }

  signIn(tokens: Pick<Tokens, 'uid' | 'accesstoken'>, deviceId = this.id): Promise<Answer> {
    const { uid, accesstoken } = tokens
    return this.send('POST', '/oic/sec/session', { di: deviceId, uid, accesstoken, login: true })
  }

  signOut(): Promise<Answer> {
    return this.send('POST', '/oic/sec/session', { di: this.id, login: false })
  }

  /** Signs up and in. */
  async enter(code: string): Promise<Tokens> {
    const tokens = tokensIn(await this.signUp(code))
    const signedIn = await this.signIn(tokens)
    if (signedIn.code !== '2.04') throw new Error(`sign-in was answered ${signedIn.code}`)
    return tokens
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}

export function tokensIn(answer: Answer): Tokens {
  const { accesstoken, refreshtoken, uid, expiresin } = answer.body
  if (answer.code !== '2.04' || typeof accesstoken !== 'string' || typeof refreshtoken !== 'string') {
    throw new Error(`sign-up was answered ${answer.code} ${JSON.stringify(answer.body)}`)
  }
  return { accesstoken, refreshtoken, uid: String(uid), expiresin: Number(expiresin) }
}

/** Waits until the claim holds. */
export async function eventually(claim: () => Promise<void> | void, within = 5000): Promise<void> {
  const deadline = Date.now() + within
  for (;;) {
    try {
      await claim()
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
