import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { clockFrom, instant } from '@sallyport/clock'
import type { CoapsClient } from '@sallyport/coaps'
import { coapsTcpUrl, eventually, installationForTest, type TestInstallation } from '@sallyport/development'
import { certificateToPem, createCertificationRequest, extendedKeyUsageId, toPem, validatePath } from '@sallyport/pki'
import { openStore } from '@sallyport/store'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createManufacturer, type TestDevice, type TestManufacturer } from './manufacturer-pki.ts'
import {
  bodyOf,
  connectDevice,
  credentialsBody,
  type DpsAddress,
  get,
  givenCredentials,
  handshakeOutcome,
  isKeyOf,
  ownKey,
  post,
  problemOf,
  requestPem,
  type ServerIdentity,
} from './provisioning-device.ts'

interface Step {
  readonly step: string
  readonly coapCode: string
  readonly errorCode?: string
  readonly detail?: string
}
interface ProvisioningRecord {
  readonly id: string
  readonly deviceId?: string
  readonly steps: readonly Step[]
}
interface AuditEvent {
  readonly type: string
  readonly correlationId: string
}
interface Page<T> {
  readonly items: readonly T[]
}

describe('provisioning over DTLS', () => {
  let installation: TestInstallation
  let dps: DpsAddress
  let maker: TestManufacturer
  let groupId: string
  let organizationId: string
  const open: CoapsClient<ServerIdentity>[] = []

  const connect = async (device: TestDevice): Promise<CoapsClient<ServerIdentity>> => {
    const client = await connectDevice(dps, device)
    open.push(client)
    return client
  }
  const recordsOf = async (deviceId: string): Promise<readonly ProvisioningRecord[]> => {
    const page = await installation.api.get<Page<ProvisioningRecord>>(
      `/api/v1/provisioning-records?groupId=${groupId}&limit=100`,
    )
    return page.items.filter((record) => record.deviceId === deviceId)
  }

  beforeAll(async () => {
    installation = await installationForTest()
    dps = { url: installation.dpsUrl, trustAnchorFile: installation.pki.trustAnchor }
    maker = await createManufacturer('Provisioning Maker')
    const chain = [maker.intermediate, maker.root].map(({ certificate }) => certificateToPem(certificate.der)).join('')
    const group = await installation.api.post<{ id: string }>('/api/v1/enrollment-groups', {
      name: 'provisioning tests',
      certificateChain: chain,
    })
    groupId = group.id
    organizationId = (await installation.api.get<{ organizationId: string }>('/api/v1/me')).organizationId
  })
  afterEach(async () => {
    for (const client of open.splice(0)) await client.close()
  })
  afterAll(async () => {
    await installation?.stop()
  })

  it('[4.4] [4.6] [4.8] [4.9] [4.10] gives a device with a manufacturer certificate all it needs, and records each step', async () => {
    const device = await maker.device()
    const client = await connect(device)
    const time = await get(client, '/x.plgd.dev/time')
    expect(time.code).toBe('2.05')
    expect(Math.abs(Date.parse(String(bodyOf(time).time)) - Date.now())).toBeLessThan(5000)

    const ownership = await get(client, '/api/v1/provisioning/ownership')
    expect({ ...bodyOf(ownership) }).toEqual({ devowneruuid: organizationId })

    const cloud = bodyOf(await post(client, 'cloud-configuration', { di: device.id }))
    const hubId = readFileSync(join(installation.home, 'pki', 'hub-id'), 'utf8').trim()
    expect(cloud).toMatchObject({ apn: 'sallyport', cis: installation.gatewayUrl, sid: hubId })
    expect(String(cloud.at)).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(JSON.parse(JSON.stringify(cloud['x.org.iotivity.servers']))).toEqual([
      { id: hubId, uri: installation.gatewayUrl },
    ])

    const key = ownKey()
    const answered = await post(client, 'credentials', credentialsBody(device.id, requestPem(device.id, key)))
    expect(problemOf(answered)).toBe('2.04')
    const { certificate, trusted } = givenCredentials(answered)
    expect(isKeyOf(certificate, key)).toBe(true)
    expect(certificate.commonName).toBe(`uuid:${device.id}`)
    expect([...(certificate.extensions.extendedKeyUsage ?? [])].sort()).toEqual(
      [extendedKeyUsageId.clientAuth, extendedKeyUsageId.serverAuth, extendedKeyUsageId.ocfIdentity].sort(),
    )
    expect([...(certificate.extensions.keyUsage ?? [])].sort()).toEqual(['digitalSignature', 'keyAgreement'])
    expect(Math.round((certificate.notAfter - Date.now()) / 86_400_000)).toBe(90)
    expect(Date.now() - certificate.notBefore).toBeLessThanOrEqual(5 * 60_000 + 10_000)
    expect(certificate.serialNumber).toMatch(/^[0-9a-f]{34}$/)
    const path = validatePath({
      chain: [certificate],
      anchors: trusted,
      at: instant(Date.now()),
      purpose: 'identity-device',
    })
    expect(path.valid).toBe(true)
    expect(trusted).toHaveLength(2)

    const acls = await get(client, '/api/v1/provisioning/acls')
    expect(acls.code).toBe('2.05')
    expect(JSON.stringify(bodyOf(acls).aclist2)).toContain(hubId)

    const [record] = await recordsOf(device.id)
    expect(record?.steps.map(({ step, coapCode }) => `${step} ${coapCode}`).sort()).toEqual([
      'acls 2.05',
      'cloud-configuration 2.04',
      'credentials 2.04',
      'ownership 2.05',
      'time 2.05',
    ])
  })

  it('[6.4] [4.10] provisions over TLS as over DTLS, and sends the device on to a gateway by TLS', async () => {
    const url = coapsTcpUrl(installation.dps.ready) ?? ''
    const gatewayUrl = coapsTcpUrl(installation.gateway.ready)
    expect(url).toMatch(/^coaps\+tcp:/)
    const device = await maker.device()
    const client = await connectDevice({ ...dps, url }, device)
    open.push(client)
    expect((await get(client, '/x.plgd.dev/time')).code).toBe('2.05')
    expect({ ...bodyOf(await get(client, '/api/v1/provisioning/ownership')) }).toEqual({ devowneruuid: organizationId })
    const cloud = bodyOf(await post(client, 'cloud-configuration', { di: device.id }))
    expect(cloud.cis).toBe(gatewayUrl)
    expect(JSON.parse(JSON.stringify(cloud['x.org.iotivity.servers']))).toMatchObject([{ uri: gatewayUrl }])
    const asked = { di: device.id, selectedGateway: { uri: installation.gatewayUrl } }
    expect(bodyOf(await post(client, 'cloud-configuration', asked)).cis).toBe(installation.gatewayUrl)
    const key = ownKey()
    const answered = await post(client, 'credentials', credentialsBody(device.id, requestPem(device.id, key)))
    expect(isKeyOf(givenCredentials(answered).certificate, key)).toBe(true)
    expect((await get(client, '/api/v1/provisioning/acls')).code).toBe('2.05')
    const [record] = await recordsOf(device.id)
    expect(record?.steps.length).toBeGreaterThanOrEqual(5)
    const opened = await eventually('the log line of the association', async () =>
      installation.logOf('dps').find((line) => line.recordId === record?.id && line.msg === 'association opened'),
    )
    expect(opened).toMatchObject({ transport: 'tls' })
  })

  it('[4.10] depends on no order of the steps, and speaks JSON and CBOR', async () => {
    for (const format of [50, 60]) {
      const device = await maker.device()
      const client = await connect(device)
      expect((await get(client, '/api/v1/provisioning/acls', format)).contentFormat).toBe(format)
      const body = credentialsBody(device.id, requestPem(device.id, ownKey()))
      const answered = await post(client, 'credentials', body, format)
      expect(answered.contentFormat).toBe(format)
      expect(givenCredentials(answered).certificate.commonName).toBe(`uuid:${device.id}`)
      expect((await post(client, 'cloud-configuration', { di: device.id }, format)).code).toBe('2.04')
      expect((await get(client, '/api/v1/provisioning/ownership', format)).contentFormat).toBe(format)
    }
  })

  it('[4.7] [4.8] gives fifty equal requests at once one certificate', async () => {
    const device = await maker.device()
    const clients = await Promise.all(Array.from({ length: 5 }, () => connect(device)))
    const body = credentialsBody(device.id, requestPem(device.id, ownKey()))
    const answers = await Promise.all(
      clients.flatMap((client) => Array.from({ length: 10 }, () => post(client, 'credentials', body))),
    )
    expect(new Set(answers.map(problemOf))).toEqual(new Set(['2.04']))
    expect(new Set(answers.map((answered) => givenCredentials(answered).pem)).size).toBe(1)
    const again = await post(await connect(device), 'credentials', body)
    expect(givenCredentials(again).pem).toBe(givenCredentials(answers[0] as (typeof answers)[number]).pem)
  })

  it('[4.7] gives each key of a device a certificate of its own, with serial numbers all different', async () => {
    const device = await maker.device()
    const clients = await Promise.all(Array.from({ length: 12 }, () => connect(device)))
    const answers = await Promise.all(
      clients.map((client) => post(client, 'credentials', credentialsBody(device.id, requestPem(device.id, ownKey())))),
    )
    expect(new Set(answers.map(problemOf))).toEqual(new Set(['2.04']))
    const serials = answers.map((answered) => givenCredentials(answered).certificate.serialNumber)
    expect(new Set(serials).size).toBe(12)
  })

  it('[4.9] hands out a new onboarding code each time', async () => {
    const device = await maker.device()
    const client = await connect(device)
    const codes = []
    for (let count = 0; count < 3; count++)
      codes.push(bodyOf(await post(client, 'cloud-configuration', { di: device.id })).at)
    expect(new Set(codes).size).toBe(3)
  })

  it('[4.6] refuses a request that names another device than the body, and records why', async () => {
    const device = await maker.device()
    const client = await connect(device)
    const other = crypto.randomUUID()
    expect(problemOf(await post(client, 'credentials', credentialsBody(device.id, requestPem(other, ownKey()))))).toBe(
      '4.00 device-id-mismatch',
    )
    await post(client, 'cloud-configuration', { di: device.id })
    const [record] = await recordsOf(device.id)
    expect(record?.steps.find(({ step }) => step === 'credentials')).toMatchObject({
      coapCode: '4.00',
      errorCode: 'device-id-mismatch',
      detail: expect.stringContaining(other),
    })
  })

  it('[4.10] leaves a device id to the manufacturer key that claimed it first (F26)', async () => {
    const first = await maker.device()
    expect((await post(await connect(first), 'cloud-configuration', { di: first.id })).code).toBe('2.04')
    const second = await maker.device({ id: first.id })
    const client = await connect(second)
    expect(problemOf(await post(client, 'cloud-configuration', { di: first.id }))).toBe('4.03 device-id-claimed')
    expect(
      problemOf(await post(client, 'credentials', credentialsBody(first.id, requestPem(first.id, ownKey())))),
    ).toBe('4.03 device-id-claimed')
    expect((await post(await connect(first), 'cloud-configuration', { di: first.id })).code).toBe('2.04')
  })

  it('[4.6] answers each bad request with its own code, and issues nothing (F22, F23, F24)', async () => {
    const device = await maker.device()
    const client = await connect(device)
    const key = ownKey()
    const good = createCertificationRequest({ commonName: `uuid:${device.id}`, privateKey: key })
    const forged = Uint8Array.from(good)
    forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1
    const pem = (der: Uint8Array) => toPem('CERTIFICATE REQUEST', der)
    const named = (commonName: string) => pem(createCertificationRequest({ commonName, privateKey: key }))
    const cases: readonly (readonly [string, string])[] = [
      [pem(forged), '4.00 request-signature-invalid'],
      [pem(good) + pem(good), '4.00 request-certificate-malformed'],
      [pem(Uint8Array.from([...good, 0])), '4.00 request-certificate-malformed'],
      ['-----BEGIN CERTIFICATE REQUEST-----', '4.00 request-certificate-malformed'],
      [named('uuid:*'), '4.00 request-subject-invalid'],
      [named(`uuid:${device.id}\0.example`), '4.00 request-subject-invalid'],
      [named('gateway'), '4.00 request-subject-invalid'],
    ]
    for (const [csr, expected] of cases) {
      expect(problemOf(await post(client, 'credentials', credentialsBody(device.id, csr)))).toBe(expected)
    }
    expect(problemOf(await post(client, 'credentials', { di: device.id }))).toBe('4.00 malformed-request')
    expect(problemOf(await post(client, 'credentials', [1, 2]))).toBe('4.00 malformed-request')
    const large = credentialsBody(device.id, pem(good) + ' '.repeat(100_000))
    expect((await post(client, 'credentials', large)).code).toBe('4.13')
    const metrics = await installation.metricsOf('dps')
    expect(metrics).toMatch(/sallyport_dps_steps_total\{step="credentials",code="4\.00",[^}]*\} \d/)
    const answered = await post(client, 'credentials', credentialsBody(device.id, pem(good)))
    expect(problemOf(answered)).toBe('2.04')
  })

  it('F21: answers payload bombs with 4.00 and keeps serving', async () => {
    const device = await maker.device()
    const client = await connect(device)
    const bombs: readonly Uint8Array[] = [
      new Uint8Array(10_000).fill(0x81),
      Uint8Array.of(0x9a, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0xa2, 0x62, 0x64, 0x69, 0x01, 0x62, 0x64, 0x69, 0x02),
      Uint8Array.of(0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0),
      new Uint8Array(),
    ]
    for (const payload of bombs) {
      const answered = await client.request({
        method: 'POST',
        path: '/api/v1/provisioning/credentials',
        payload,
        contentFormat: 60,
      })
      expect(problemOf(answered)).toBe('4.00 malformed-request')
    }
    expect((await get(client, '/x.plgd.dev/time')).code).toBe('2.05')
  })

  it('answers formats, methods and paths that it does not have with the codes for it', async () => {
    const device = await maker.device()
    const client = await connect(device)
    expect(problemOf(await get(client, '/api/v1/provisioning/ownership', 42))).toBe('4.06 not-acceptable')
    const wrongFormat = await client.request({
      method: 'POST',
      path: '/api/v1/provisioning/cloud-configuration',
      payload: new Uint8Array([1]),
      contentFormat: 0,
    })
    expect(problemOf(wrongFormat)).toBe('4.15 unsupported-content-format')
    const wrongMethod = await client.request({ method: 'DELETE', path: '/api/v1/provisioning/acls' })
    expect(problemOf(wrongMethod)).toBe('4.05 method-not-allowed')
    expect(problemOf(await get(client, '/api/v1/provisioning/other'))).toBe('4.04 not-found')
    expect((await get(client, '/x.plgd.dev/time')).code).toBe('2.05')
  })

  it('[0.10] carries one correlation id from the CoAP request to the control plane and the audit', async () => {
    const device = await maker.device()
    const client = await connect(device)
    expect((await post(client, 'cloud-configuration', { di: device.id })).code).toBe('2.04')
    const [record] = await recordsOf(device.id)
    const served = await eventually('the log line of the request', async () =>
      installation
        .logOf('dps')
        .findLast(
          (line) =>
            line.msg === 'request served' &&
            line.path === '/api/v1/provisioning/cloud-configuration' &&
            line.recordId === record?.id,
        ),
    )
    const correlationId = String(served.correlationId)
    await eventually('the same id in the log of the control plane', async () =>
      installation.logOf('control-plane').some((line) => line.correlationId === correlationId),
    )
    const audit = await installation.api.get<Page<{ correlationId: string }>>(
      `/api/v1/audit-events?correlationId=${correlationId}`,
    )
    expect(audit.items.length).toBeGreaterThan(0)
  })

  it('[4.20] renews with the identity certificate, for its own device alone', async () => {
    const device = await maker.device()
    const key = ownKey()
    const first = await post(
      await connect(device),
      'credentials',
      credentialsBody(device.id, requestPem(device.id, key)),
    )
    const identity = { chain: [givenCredentials(first).certificate.der], privateKey: key }
    const client = await connectDevice(dps, identity)
    open.push(client)
    const next = ownKey()
    const renewed = await post(client, 'credentials', credentialsBody(device.id, requestPem(device.id, next)))
    expect(isKeyOf(givenCredentials(renewed).certificate, next)).toBe(true)
    expect((await post(client, 'cloud-configuration', { di: device.id })).code).toBe('2.04')
    const other = crypto.randomUUID()
    expect(problemOf(await post(client, 'credentials', credentialsBody(other, requestPem(other, ownKey()))))).toBe(
      '4.00 device-id-mismatch',
    )
    expect(problemOf(await post(client, 'cloud-configuration', { di: other }))).toBe('4.00 device-id-mismatch')
  })

  it('[4.7] audits an issuance before and after the signature, under the correlation id of its request', async () => {
    const device = await maker.device()
    const client = await connect(device)
    const answered = await post(client, 'credentials', credentialsBody(device.id, requestPem(device.id, ownKey())))
    const { certificate } = givenCredentials(answered)
    const issued = await installation.api.get<Page<AuditEvent>>(
      '/api/v1/audit-events?type=certificate.issued&limit=100',
    )
    const event = issued.items.find((each) => JSON.stringify(each).includes(certificate.serialNumber))
    const chain = await installation.api.get<Page<AuditEvent>>(
      `/api/v1/audit-events?correlationId=${event?.correlationId}&limit=100`,
    )
    expect(chain.items.map(({ type }) => type)).toEqual(
      expect.arrayContaining([
        'device.claimed',
        'certificate.issuance-begun',
        'certificate.issued',
        'provisioning.step',
      ]),
    )
    expect(await installation.metricsOf('dps')).toMatch(/sallyport_dps_issuance_duration_seconds_count\{[^}]*\} [1-9]/)
  })

  it('[5.10] writes neither onboarding codes nor the PIN of the token to its log', async () => {
    const device = await maker.device()
    const client = await connect(device)
    const code = String(bodyOf(await post(client, 'cloud-configuration', { di: device.id })).at)
    const pin = readFileSync(join(installation.home, 'secrets', 'ca-pin'), 'utf8').trim()
    for (const service of ['dps', 'control-plane'] as const) {
      const log = readFileSync(join(installation.home, 'log', `${service}.log`), 'utf8')
      expect(log.length).toBeGreaterThan(0)
      expect(log.includes(code), `${service} and the code`).toBe(false)
      expect(log.includes(pin), `${service} and the PIN`).toBe(false)
    }
  })

  it('[4.20] [6.16] ends the association of a deleted device, refuses its certificate, and takes its manufacturer key again', async () => {
    const device = await maker.device()
    const key = ownKey()
    const manufacturer = await connect(device)
    const first = await post(manufacturer, 'credentials', credentialsBody(device.id, requestPem(device.id, key)))
    const identity = { chain: [givenCredentials(first).certificate.der], privateKey: key }
    const client = await connectDevice(dps, identity)
    open.push(client)
    expect((await get(client, '/x.plgd.dev/time')).code).toBe('2.05')
    const store = await openStore({
      connectionString: installation.databaseUrl,
      applicationName: 'test',
      clock: clockFrom(() => Date.now()),
      poolSize: 1,
    })
    await store.devices.delete(organizationId, device.id, {
      actor: { kind: 'system', id: 'test' },
      correlationId: crypto.randomUUID(),
    })
    await store.close()
    await eventually(
      'both associations to be closed',
      async () => client.association.closed && manufacturer.association.closed,
      1000,
    )
    expect(await handshakeOutcome(dps, identity)).toBe('certificate_revoked')
    expect(await handshakeOutcome(dps, device)).toBe('accepted')
    const again = await post(
      await connect(device),
      'credentials',
      credentialsBody(device.id, requestPem(device.id, ownKey())),
    )
    expect(problemOf(again)).toBe('2.04')
  })

  it('[4.20] refuses a blocked device with either certificate', async () => {
    const device = await maker.device()
    const key = ownKey()
    const first = await post(
      await connect(device),
      'credentials',
      credentialsBody(device.id, requestPem(device.id, key)),
    )
    const identity = { chain: [givenCredentials(first).certificate.der], privateKey: key }
    const database = new pg.Client({ connectionString: installation.databaseUrl })
    await database.connect()
    await database.query("update device set state = 'blocked' where id = $1", [device.id])
    await database.end()
    expect(await handshakeOutcome(dps, identity)).toBe('access_denied')
    expect(await handshakeOutcome(dps, device)).toBe('access_denied')
    const refusals = await installation.api.get<Page<AuditEvent>>('/api/v1/audit-events?outcome=failed&limit=100')
    expect(JSON.stringify(refusals.items)).toContain('device-blocked')
  })

  // The last one: the control plane stays stopped.
  it('[4.9] answers 5.03 while the control plane is down, and serves everything else', async () => {
    const device = await maker.device()
    const client = await connect(device)
    await installation.controlPlane.stop()
    const refused = await post(client, 'cloud-configuration', { di: device.id })
    expect(problemOf(refused)).toBe('5.03 dependency-unavailable')
    const answered = await post(client, 'credentials', credentialsBody(device.id, requestPem(device.id, ownKey())))
    expect(problemOf(answered)).toBe('2.04')
  })
})
