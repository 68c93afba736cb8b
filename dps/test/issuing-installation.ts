/** What issuing needs, on real parts: a migrated database with a claimed device, and a token with the installation's authorities. */

import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, clockFrom } from '@sallyport/clock'
import { databaseForTest, runProgram, testHome, tokenForTest } from '@sallyport/development'
import { fileTokenLock } from '@sallyport/hsm'
import { certificateToPem, provisioningRecordId } from '@sallyport/pki'
import { migrate, openStore, type Store } from '@sallyport/store'
import { HsmToken } from '../src/hsm-token.ts'
import { TokenAuthority } from '../src/identity-authority.ts'
import { readInstallationAuthorities } from '../src/installation-authorities.ts'
import { type IdentityAuthority, IdentityIssuer, type IdentityIssuerOptions } from '../src/issuance.ts'
import { type ProvisioningStore, provisioningStoreOf } from '../src/postgres-provisioning.ts'
import type { Act } from '../src/provisioning-store.ts'
import { createManufacturer, type TestManufacturer } from './manufacturer-pki.ts'
import { sha256Hex } from './sha256-hex.ts'

export const act = (): Act => ({ actor: { kind: 'service', id: 'dps' }, correlationId: randomUUID() })

export interface IssuingInstallation {
  readonly store: Store
  readonly databaseUrl: string
  readonly ports: ProvisioningStore
  readonly token: HsmToken
  readonly authority: TokenAuthority
  issuer(
    over?: Partial<Omit<IdentityIssuerOptions, 'clock'>> & {
      readonly clock?: Clock
      readonly authority?: IdentityAuthority
    },
  ): IdentityIssuer
  /** A device of the enrolled maker whose id is claimed. */
  claimedDevice(): Promise<{ readonly id: string; readonly recordId: string }>
  close(): Promise<void>
}

export async function createIssuingInstallation(): Promise<IssuingInstallation> {
  const clock = clockFrom(() => Date.now())
  const database = await databaseForTest({ migrate: (url) => migrate({ connectionString: url }), template: 'store' })
  const store = await openStore({ connectionString: database.url, applicationName: 'dps-test', clock, poolSize: 16 })
  const token = await tokenForTest('issuing')
  const home = join(testHome(), token.label)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  await runProgram('certs', [
    ...['installation', '--home', home, '--module', token.modulePath],
    ...['--ca-token', token.label, '--ca-pin-file', token.pinFile, '--dns', 'localhost', '--ip', '127.0.0.1'],
  ])
  const authorities = readInstallationAuthorities(join(home, 'pki', 'authorities.json'))
  const hsmToken = new HsmToken({
    modulePath: token.modulePath,
    tokenLabel: token.label,
    pinFile: token.pinFile,
    lock: fileTokenLock(join(home, 'token.lock')),
  })
  const authority = new TokenAuthority({ authority: authorities.identity, token: hsmToken })
  const maker = await createManufacturer('Issuing Maker')
  const group = await enroll(store, maker)
  // The dps itself has no more rights than in production.
  const ownStore = await openStore({
    connectionString: database.urlAs('sallyport_dps'),
    applicationName: 'dps-test',
    clock,
    poolSize: 16,
  })
  const ports = provisioningStoreOf(ownStore, 16)
  return {
    store,
    databaseUrl: database.url,
    ports,
    token: hsmToken,
    authority,
    issuer: (over = {}) =>
      new IdentityIssuer({
        store: ports.issuances,
        authority,
        clock,
        randomBytes: (count) => new Uint8Array(randomBytes(count)),
        ...over,
      }),
    async claimedDevice() {
      const { id, certificate } = await maker.device()
      const recordId = provisioningRecordId(certificate.spki)
      const { spkiSha256, commonName } = certificate
      const manufacturer = { spkiSha256, commonName, certificatePem: certificateToPem(certificate.der) }
      await ports.records.begin({ recordId, ...group, manufacturer, remote: '127.0.0.1:1' }, act())
      await ports.records.claimDevice({ recordId, deviceId: id, manufacturerSpkiSha256: spkiSha256 }, act())
      return { id, recordId }
    },
    async close() {
      await hsmToken.close()
      await ownStore.close()
      await store.close()
      await database.drop()
    },
  }
}

async function enroll(store: Store, maker: TestManufacturer): Promise<{ groupId: string; organizationId: string }> {
  const first = await store.organizations.createFirst(
    { name: 'First', admin: { email: 'admin@example.com', username: 'admin', passwordHash: '-' } },
    act(),
  )
  if (first === undefined) throw new Error('the database is not empty')
  const certificates = [maker.intermediate.certificate, maker.root.certificate]
  const group = await store.enrollmentGroups.create(
    first.organizationId,
    {
      name: 'issuing',
      chainPem: certificates.map(({ der }) => certificateToPem(der)).join(''),
      authorities: certificates.map((certificate, index) => ({
        sha256: certificate.sha256,
        subjectSha256: sha256Hex(certificate.subjectDer),
        spkiSha256: certificate.spkiSha256,
        der: certificate.der,
        commonName: certificate.commonName ?? '',
        isLead: index === 0,
      })),
    },
    act(),
  )
  return { groupId: group.id, organizationId: first.organizationId }
}
