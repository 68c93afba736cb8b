/** A whole control plane in this process, on real Postgres, Redis and SoftHSM, with its two listeners on free ports. */

import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { utf8 } from '@sallyport/bytes'
import { clockFrom, later, minutes } from '@sallyport/clock'
import { readConfiguration } from '@sallyport/config'
import { databaseForTest, redisForTest, tokenForTest } from '@sallyport/development'
import { type MutualTls, openMutualTls, type ServiceClient, serviceClient } from '@sallyport/http'
import { migrate, openStore, type Store } from '@sallyport/store'
import { controlPlaneSettings } from '../src/config.ts'
import { type ControlPlane, startControlPlane } from '../src/control-plane.ts'
import { hashPassword } from '../src/password-hash.ts'
import { openedToken } from './opened-token.ts'
import { TestCertificates } from './test-certificates.ts'

export const issuer = 'urn:sallyport:test'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test says by its expectations what it takes the body for
  readonly body: any
}

export interface Session {
  readonly accessToken: string
  readonly refreshToken: string
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
}

interface CallOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface ProvisionedDevice {
  readonly deviceId: string
  readonly recordId: string
  readonly certificateSha256: string
}

export class RunningControlPlane {
  readonly clock = clockFrom(() => Date.now())
  readonly certificates: TestCertificates
  readonly store: Store
  readonly admin: {
    readonly email: string
    readonly username: string
    readonly password: string
    readonly organizationId: string
  }
  readonly databaseUrl: string
  readonly environment: Readonly<Record<string, string>>
  readonly redis: Awaited<ReturnType<typeof redisForTest>>
  controlPlane: ControlPlane
  readonly #closers: (() => Promise<unknown>)[]
  readonly #services = new Map<string, { client: ServiceClient; mutualTls: MutualTls }>()

  private constructor(made: {
    certificates: TestCertificates
    store: Store
    admin: RunningControlPlane['admin']
    databaseUrl: string
    environment: Readonly<Record<string, string>>
    redis: Awaited<ReturnType<typeof redisForTest>>
    controlPlane: ControlPlane
    closers: (() => Promise<unknown>)[]
  }) {
    this.certificates = made.certificates
    this.store = made.store
    this.admin = made.admin
    this.databaseUrl = made.databaseUrl
    this.environment = made.environment
    this.redis = made.redis
    this.controlPlane = made.controlPlane
    this.#closers = made.closers
  }

  static async start(overrides: Readonly<Record<string, string>> = {}): Promise<RunningControlPlane> {
    const closers: (() => Promise<unknown>)[] = []
    const certificates = serviceCertificates()
    closers.push(async () => certificates.remove())
    const [database, redis, token] = await Promise.all([
      databaseForTest({ migrate: (url) => migrate({ connectionString: url }) }),
      redisForTest(),
      kekToken(),
    ])
    closers.push(
      () => database.drop(),
      () => redis.stop(),
    )
    const environment = {
      SALLYPORT_MODE: 'test',
      SALLYPORT_LOG_LEVEL: 'silent',
      SALLYPORT_DATABASE_URL: database.urlAs('sallyport_control_plane'),
      ...redis.environmentOf('sallyport-control-plane'),
      SALLYPORT_HTTP_PORT: '0',
      SALLYPORT_INTERNAL_PORT: '0',
      SALLYPORT_TOKEN_ISSUER: issuer,
      SALLYPORT_SERVICE_CERTIFICATE: certificates.path('control-plane-chain.pem'),
      SALLYPORT_SERVICE_KEY: certificates.path('control-plane.key'),
      SALLYPORT_SERVICE_CA: certificates.path('authority.pem'),
      SALLYPORT_HSM_MODULE: token.modulePath,
      SALLYPORT_HSM_TOKEN: token.label,
      SALLYPORT_HSM_PIN_FILE: token.pinFile,
      SALLYPORT_FIRST_ADMIN_FILE: certificates.path('first-admin.json'),
      ...overrides,
    }
    const controlPlane = await startControlPlane(readConfiguration(controlPlaneSettings, environment))
    const admin = JSON.parse(await readFile(environment.SALLYPORT_FIRST_ADMIN_FILE, 'utf8'))
    const clock = clockFrom(() => Date.now())
    const store = await openStore({ connectionString: database.url, applicationName: 'test', clock })
    closers.push(() => store.close())
    return new RunningControlPlane({
      certificates,
      store,
      admin,
      databaseUrl: database.url,
      environment,
      redis,
      controlPlane,
      closers,
    })
  }

  async restart(overrides: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#closeServices()
    await this.controlPlane.close()
    this.controlPlane = await startControlPlane(
      readConfiguration(controlPlaneSettings, { ...this.environment, ...overrides }),
    )
  }

  async stop(): Promise<void> {
    await this.#closeServices()
    await this.controlPlane.close()
    for (const close of this.#closers.reverse()) await close()
  }

  async #closeServices(): Promise<void> {
    for (const { client, mutualTls } of this.#services.values()) {
      await client.close()
      mutualTls.close()
    }
    this.#services.clear()
  }

  call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    return this.callAt(this.controlPlane.addresses.http, method, path, options)
  }

  /** At a node that need not be ours. */
  async callAt(node: string, method: string, path: string, { body, headers }: CallOptions = {}): Promise<Answer> {
    const response = await fetch(`${node}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
  }

  async logIn(login: { username?: string; email?: string; password: string } = this.login): Promise<Session> {
    const { status, body } = await this.call('POST', '/api/v1/auth/login', { body: login })
    if (status !== 200) throw new Error(`login answered ${status}: ${body?.code}`)
    return this.session(body.access_token, body.refresh_token)
  }

  get login(): { username: string; password: string } {
    return { username: this.admin.username, password: this.admin.password }
  }

  /** @param node its address; without it ours, whichever that is at the time. */
  session(accessToken: string, refreshToken: string, node?: string): Session {
    const authorization = `Bearer ${accessToken}`
    return {
      accessToken,
      refreshToken,
      call: (method, path, options = {}) =>
        this.callAt(node ?? this.controlPlane.addresses.http, method, path, {
          ...options,
          headers: { authorization, ...options.headers },
        }),
    }
  }

  /** Calls the internal API as one of the services. */
  service(name: string): ServiceClient {
    const known = this.#services.get(name)
    if (known !== undefined) return known.client
    const mutualTls = openMutualTls({
      certificate: this.certificates.path(`${name}-chain.pem`),
      key: this.certificates.path(`${name}.key`),
      authority: this.certificates.path('authority.pem'),
    })
    const client = serviceClient({ baseUrl: this.controlPlane.addresses.internal, mutualTls, clock: this.clock })
    this.#services.set(name, { client, mutualTls })
    return client
  }

  /** What the dps does until a device has its identity certificate. */
  async provision(group: { id: string; organizationId: string }): Promise<ProvisionedDevice> {
    const act = { actor: { kind: 'service', id: 'dps' }, correlationId: randomUUID() } as const
    const [recordId, deviceId] = [randomUUID(), randomUUID()]
    const [spkiSha256, certificateSha256] = [randomHash(), randomHash()]
    await this.store.provisioning.begin(
      {
        recordId,
        groupId: group.id,
        organizationId: group.organizationId,
        manufacturer: { spkiSha256, certificatePem: this.certificates.pem('Issuing'), commonName: 'lamp' },
        remote: '192.0.2.7:40000',
      },
      act,
    )
    await this.store.provisioning.claimDevice({ recordId, deviceId, manufacturerSpkiSha256: spkiSha256 }, act)
    await this.certify({ deviceId, recordId, certificateSha256 })
    return { deviceId, recordId, certificateSha256 }
  }

  /** What the dps does when it issues an identity certificate. */
  async certify(device: ProvisionedDevice): Promise<void> {
    const act = { actor: { kind: 'service', id: 'dps' }, correlationId: randomUUID() } as const
    const now = this.clock.now()
    const { issuanceId } = await this.store.certificates.beginIssuance(
      {
        serialNumber: randomHash().slice(0, 34),
        issuerSha256: randomHash(),
        deviceId: device.deviceId,
        recordId: device.recordId,
        profile: 'identity',
        spkiSha256: randomHash(),
        notBefore: now,
        notAfter: later(now, minutes(60)),
      },
      act,
    )
    await this.store.certificates.completeIssuance(
      { issuanceId, der: utf8(device.certificateSha256), sha256: device.certificateSha256 },
      act,
    )
  }

  async onboardingCode(device: ProvisionedDevice): Promise<string> {
    const { body } = await this.service('dps').request({
      method: 'POST',
      path: '/internal/v1/onboarding-codes',
      json: { deviceId: device.deviceId, recordId: device.recordId },
    })
    return (body as { code: string }).code
  }

  async redeem(
    code: string,
    device: Pick<ProvisionedDevice, 'deviceId' | 'certificateSha256'>,
  ): Promise<DeviceTokenAnswer> {
    return this.#deviceTokens({ grant_type: 'authorization_code', code }, device)
  }

  async refreshDevice(
    refreshToken: string,
    device: Pick<ProvisionedDevice, 'deviceId' | 'certificateSha256'>,
  ): Promise<DeviceTokenAnswer> {
    return this.#deviceTokens({ grant_type: 'refresh_token', refresh_token: refreshToken }, device)
  }

  /** A device that has signed up. */
  async register(group: { id: string; organizationId: string }): Promise<ProvisionedDevice> {
    const device = await this.provision(group)
    await this.redeem(await this.onboardingCode(device), device)
    return device
  }

  /** What a gateway does when a device signs in. */
  async signIn(device: ProvisionedDevice, gatewayId = 'gateway-test'): Promise<void> {
    const act = { actor: { kind: 'device', id: device.deviceId }, correlationId: randomUUID() } as const
    await this.store.gateways.register({ id: gatewayId, coapsUri: 'coaps://127.0.0.1:1', startedAt: this.#startedAt })
    await this.store.devices.declareOnline(
      {
        deviceId: device.deviceId,
        gatewayId,
        associationId: randomHash().slice(0, 16),
        certificateSha256: device.certificateSha256,
        remote: { address: '192.0.2.7', port: 40_000 },
      },
      act,
    )
  }

  readonly #startedAt = this.clock.now()

  /** A second customer with an admin of its own: there is no API for that yet. */
  async anotherOrganization(): Promise<Session> {
    const [organizationId, userId] = [randomUUID(), randomUUID()]
    const password = randomUUID()
    const username = `other-${userId.slice(0, 8)}`
    const hash = await hashPassword(password)
    this.sql(
      `insert into organization (id, name) values ('${organizationId}', 'Other');
       insert into user_account (id, organization_id, email, username, password_hash, roles, email_verified_at)
       values ('${userId}', '${organizationId}', '${username}@example.com', '${username}', '${hash}', '{owner}', now())`,
    )
    return this.logIn({ username, password })
  }

  /** A member of the first organization with this role, logged in. */
  async person(role: string): Promise<{ readonly userId: string; readonly session: Session }> {
    const [userId, password] = [randomUUID(), randomUUID()]
    const username = `${role}-${userId.slice(0, 8)}`
    this.sql(
      `insert into user_account (id, organization_id, email, username, password_hash, roles) values ('${userId}',
       '${this.admin.organizationId}', '${username}@example.com', '${username}', '${await hashPassword(password)}', '{${role}}')`,
    )
    return { userId, session: await this.logIn({ username, password }) }
  }

  /** As if the person had confirmed the mail. */
  verifyEmailOf(username: string): void {
    this.sql(`update user_account set email_verified_at = now() where username = '${username}'`)
  }

  sql(statement: string, database = this.databaseUrl): string {
    return execFileSync('psql', ['-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', statement], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()
  }

  async #deviceTokens(
    grant: Record<string, string>,
    device: Pick<ProvisionedDevice, 'deviceId' | 'certificateSha256'>,
  ): Promise<DeviceTokenAnswer> {
    const { body } = await this.service('gateway').request({
      method: 'POST',
      path: '/oauth/token',
      form: { ...grant, device_id: device.deviceId, certificate_sha256: device.certificateSha256 },
    })
    return body as DeviceTokenAnswer
  }
}

export interface DeviceTokenAnswer {
  readonly access_token: string
  readonly refresh_token: string
  readonly token_type: string
  readonly expires_in: number
  readonly uid: string
  readonly device_id: string
}

export const randomHash = (): string => (randomUUID() + randomUUID()).replaceAll('-', '')

function serviceCertificates(): TestCertificates {
  const certificates = new TestCertificates()
  certificates.root('Installation Root').intermediate('Service CA', 'Installation Root')
  for (const name of ['control-plane', 'dps', 'gateway']) {
    certificates.leaf(name, 'Service CA', `URI:urn:sallyport:service:${name}`)
    certificates.bundle(`${name}-chain.pem`, name, 'Service CA')
  }
  certificates.bundle('authority.pem', 'Service CA', 'Installation Root')
  return certificates.root('Manufacturer').intermediate('Issuing', 'Manufacturer')
}

async function kekToken(): Promise<Awaited<ReturnType<typeof tokenForTest>>> {
  const softHsm = await tokenForTest('kek')
  const token = await openedToken(softHsm)
  await token.generateSealingKey('kek-1')
  await token.close()
  return softHsm
}
