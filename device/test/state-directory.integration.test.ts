import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { instant } from '@sallyport/clock'
import { certificateToPem } from '@sallyport/pki'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseCredentials } from '../src/credentials.ts'
import type { Identity } from '../src/device-state.ts'
import { makeFleetDevices, readFleetDevices } from '../src/fleet-devices.ts'
import { readIdentityFiles, stateDirectory } from '../src/state-directory.ts'
import { type DeviceFiles, makeDevices, makeManufacturer } from './manufacturer-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-device-test-'))
let manufacturer: string
let first: Identity
let second: Identity
let files: readonly DeviceFiles[]
let firstId: string

beforeAll(() => {
  manufacturer = makeManufacturer(folder)
  files = makeDevices(manufacturer, join(folder, 'devices'), '--count', '2')
  const [a, b] = files
  if (a === undefined || b === undefined) throw new Error('two devices were asked for')
  firstId = a.id
  first = readIdentityFiles(a.certificate, a.key)
  second = readIdentityFiles(b.certificate, b.key)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const state = () => mkdtempSync(join(folder, 'state-'))
const leafOf = (identity: Identity | undefined): string | undefined => identity?.chain[0]?.sha256

describe('the state folder', () => {
  it('keeps identity and tokens for their owner alone', () => {
    const at = state()
    const kept = stateDirectory(at)
    expect([kept.readIdentity(), kept.readTokens(), kept.readCloudConfiguration()]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    kept.stageIdentity(first)
    kept.adoptIdentity()
    kept.writeTokens({ deviceId: 'd', uid: 'u', accessToken: 'a', refreshToken: 'r', expiresAt: instant(1000) })
    expect(readdirSync(at).sort()).toEqual(['identity.key', 'identity.pem', 'tokens.json'])
    for (const file of readdirSync(at)) expect(statSync(join(at, file)).mode & 0o777).toBe(0o600)
    const again = stateDirectory(at)
    expect(leafOf(again.readIdentity())).toBe(leafOf(first))
    expect(again.readTokens()).toEqual({
      deviceId: 'd',
      uid: 'u',
      accessToken: 'a',
      refreshToken: 'r',
      expiresAt: instant(1000),
    })
  })

  it('uses the old identity until the new one is adopted', () => {
    const kept = stateDirectory(state())
    kept.stageIdentity(first)
    kept.adoptIdentity()
    kept.stageIdentity(second)
    expect(leafOf(kept.readIdentity())).toBe(leafOf(first))
    kept.adoptIdentity()
    expect(leafOf(kept.readIdentity())).toBe(leafOf(second))
  })

  it('finds the pair that fits when a crash fell between the two renames', () => {
    const at = state()
    const kept = stateDirectory(at)
    kept.stageIdentity(first)
    kept.adoptIdentity()
    kept.stageIdentity(second)
    renameSync(join(at, 'identity.next.key'), join(at, 'identity.key'))
    expect(leafOf(stateDirectory(at).readIdentity())).toBe(leafOf(second))
  })

  it('takes a file that is cut or foreign as absent', () => {
    const at = state()
    writeFileSync(join(at, 'tokens.json'), '{"deviceId":"d"')
    writeFileSync(join(at, 'identity.pem'), 'nonsense')
    writeFileSync(join(at, 'identity.key'), 'nonsense')
    const kept = stateDirectory(at)
    expect([kept.readIdentity(), kept.readTokens()]).toEqual([undefined, undefined])
  })

  it('says which file is wrong', () => {
    const [a, b] = files
    expect(() => readIdentityFiles(a?.certificate ?? '', b?.key ?? '')).toThrow('does not belong to the certificate')
    expect(() => readIdentityFiles(a?.certificate ?? '', join(folder, 'none.key'))).toThrow('none.key')
    expect(() => stateDirectory(`${a?.certificate}/state`)).toThrow('cannot be made')
  })
})

describe('the credentials from the dps', () => {
  const credential = (usage: string, pem: string) => ({
    credtype: 8,
    credusage: usage,
    publicdata: { data: pem, encoding: 'oic.sec.encoding.pem' },
  })
  const pem = (identity: Identity): string => identity.chain.map(({ der }) => certificateToPem(der)).join('')
  const spki = (identity: Identity): Uint8Array => identity.chain[0]?.spki ?? new Uint8Array()

  it('give the identity chain and the trusted authorities', () => {
    const answer = {
      creds: [
        credential('oic.sec.cred.cert', pem(first)),
        credential('oic.sec.cred.trustca', readFileSync(join(manufacturer, 'root.pem'), 'utf8')),
      ],
    }
    const issued = parseCredentials(answer, { deviceId: firstId, spki: spki(first) })
    expect(issued.identityChain).toHaveLength(2)
    expect(issued.trustedAuthorities).toHaveLength(1)
  })

  it('are refused for another key, another device, or without a certificate', () => {
    const answer = { creds: [credential('oic.sec.cred.cert', pem(first))] }
    expect(() => parseCredentials(answer, { deviceId: firstId, spki: spki(second) })).toThrow('another key')
    expect(() => parseCredentials(answer, { deviceId: 'other', spki: spki(first) })).toThrow('not uuid:other')
    expect(() => parseCredentials({ creds: [] }, { deviceId: firstId, spki: spki(first) })).toThrow('no credential')
    expect(() => parseCredentials({}, { deviceId: firstId, spki: spki(first) })).toThrow("'creds' is not an array")
  })
})

describe('the devices of a fleet', () => {
  it('are made by the manufacturer tool as a process', async () => {
    const out = join(folder, 'fleet')
    await makeFleetDevices(manufacturer, out, 3)
    expect(readFleetDevices(out, 3)).toHaveLength(3)
    expect(() => readFleetDevices(out, 4)).toThrow('holds 3 device certificates, 4 are needed')
  })

  it('say what the manufacturer tool said when it fails', async () => {
    await expect(makeFleetDevices(join(folder, 'nothing'), join(folder, 'x'), 1)).rejects.toThrow(
      "'certs manufacturer device' failed",
    )
  })
})
