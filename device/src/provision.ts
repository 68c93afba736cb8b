/**
 * Provisioning at the dps, in the order of stock devices: time → ownership → cloud-configuration → credentials → acls.
 *
 * The device proves itself with its manufacturer certificate; the identity key is made here and never leaves.
 */

import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { between, type Clock, type Duration, instant } from '@sallyport/clock'
import { isCodedError } from '@sallyport/errors'
import { type Certificate, createCertificationRequest, toPem } from '@sallyport/pki'
import { asArray, asRecord, textAt, type Value, type ValueRecord } from '@sallyport/representation'
import { CoapLink } from './coap-link.ts'
import { parseCoapsUri } from './coaps-uri.ts'
import { parseCredentials } from './credentials.ts'
import { DeviceFailure, isDeviceFailure, type Step } from './device-failure.ts'
import { type CloudConfiguration, credentialsOf, type Identity } from './device-state.ts'
import { verifyServer } from './server-trust.ts'

export interface ProvisioningOptions {
  /** `coaps://host:port` */
  readonly dps: string
  readonly anchors: readonly Certificate[]
  readonly manufacturer: Identity
  readonly deviceId: string
  readonly clock: Clock
  readonly handshakeTimeout?: Duration
  /** Told after each step that worked. */
  readonly onStep?: (step: Step) => void
}

export interface Provisioned {
  readonly identity: Identity
  readonly cloud: CloudConfiguration
  readonly owner: string
  /** How far our clock is from the server's, in milliseconds, to be added to ours. */
  readonly clockOffset: number
  readonly accessControlEntries: number
}

/** @throws DeviceFailure of the step that did not work. */
export async function provision(options: ProvisioningOptions): Promise<Provisioned> {
  const link = await connectToDps(options, options.manufacturer)
  try {
    const clockOffset = await readTime(link, options.clock)
    options.onStep?.('time')
    const owner = await readOwnership(link)
    options.onStep?.('ownership')
    const cloud = await configureCloud(link, options.deviceId)
    options.onStep?.('cloud-configuration')
    const identity = await requestIdentity(link, options.deviceId)
    options.onStep?.('credentials')
    const accessControlEntries = await readAccessControl(link)
    options.onStep?.('acls')
    return { identity, cloud, owner, clockOffset, accessControlEntries }
  } finally {
    link.close()
  }
}

/**
 * A new identity certificate for a new key, over an association of its own with the present identity.
 *
 * @throws DeviceFailure
 */
export async function renewIdentity(options: ProvisioningOptions, present: Identity): Promise<Identity> {
  const link = await connectWithIdentity(options, present)
  try {
    return await requestIdentity(link, options.deviceId)
  } finally {
    link.close()
  }
}

/**
 * Where the device's gateway is now, and a code that is of use only before sign-up.
 *
 * @throws DeviceFailure
 */
export async function askForGateway(options: ProvisioningOptions, present: Identity): Promise<CloudConfiguration> {
  const link = await connectWithIdentity(options, present)
  try {
    return await configureCloud(link, options.deviceId)
  } finally {
    link.close()
  }
}

/** A dps that refuses the identity certificate (stock ones know only the other) is asked with the manufacturer certificate. */
async function connectWithIdentity(options: ProvisioningOptions, present: Identity): Promise<CoapLink> {
  try {
    return await connectToDps(options, present)
  } catch (error) {
    if (!isDeviceFailure(error) || error.alert === undefined) throw error
    return await connectToDps(options, options.manufacturer)
  }
}

function connectToDps(options: ProvisioningOptions, presented: Identity): Promise<CoapLink> {
  return CoapLink.connect({
    address: parseCoapsUri(options.dps),
    credentials: credentialsOf(presented),
    verifyPeer: verifyServer({ anchors: options.anchors, clock: options.clock }),
    ...(options.handshakeTimeout === undefined ? {} : { handshakeTimeout: options.handshakeTimeout }),
  })
}

async function readTime(link: CoapLink, clock: Clock): Promise<number> {
  const asked = clock.now()
  const answer = await link.call('time', { method: 'GET', path: '/x.plgd.dev/time' })
  const time = Date.parse(textIn('time', answer, 'time'))
  if (Number.isNaN(time)) throw malformed('time', "'time' is not a time of RFC 3339")
  const middle = instant(asked + between(asked, clock.now()) / 2)
  return Math.round(time - middle)
}

/** Stock devices refuse any other property in this answer. */
async function readOwnership(link: CoapLink): Promise<string> {
  const answer = await link.call('ownership', { method: 'GET', path: '/api/v1/provisioning/ownership' })
  const owner = textIn('ownership', answer, 'devowneruuid')
  const spare = Object.keys(asRecord(answer)).filter((key) => key !== 'devowneruuid')
  if (spare.length > 0) throw malformed('ownership', `unexpected properties: ${spare.join(', ')}`)
  return owner
}

async function configureCloud(link: CoapLink, deviceId: string): Promise<CloudConfiguration> {
  const step = 'cloud-configuration'
  const answer = await link.call(step, {
    method: 'POST',
    path: '/api/v1/provisioning/cloud-configuration',
    body: { di: deviceId },
  })
  const gateway = textIn(step, answer, 'cis')
  parseCoapsUri(gateway)
  return {
    deviceId,
    gateway,
    hubId: textIn(step, answer, 'sid'),
    authProvider: textIn(step, answer, 'apn'),
    onboardingCode: textIn(step, answer, 'at'),
  }
}

async function requestIdentity(link: CoapLink, deviceId: string): Promise<Identity> {
  const privateKey = newIdentityKey()
  const request = createCertificationRequest({ commonName: `uuid:${deviceId}`, privateKey })
  const answer = await link.call('credentials', {
    method: 'POST',
    path: '/api/v1/provisioning/credentials',
    body: {
      di: deviceId,
      csr: { encoding: 'oic.sec.encoding.pem', data: toPem('CERTIFICATE REQUEST', request) },
    },
  })
  const spki = new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }))
  return { chain: parseCredentials(answer, { deviceId, spki }).identityChain, privateKey }
}

async function readAccessControl(link: CoapLink): Promise<number> {
  const answer = await link.call('acls', { method: 'GET', path: '/api/v1/provisioning/acls' })
  return readAs('acls', () => asArray(asRecord(answer, 'the answer').aclist2, "'aclist2'").length)
}

const newIdentityKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

const textIn = (step: Step, answer: Value, key: string): string =>
  readAs(step, () => textAt(asRecord(answer, 'the answer') satisfies ValueRecord, key))

function readAs<T>(step: Step, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!isCodedError(error)) throw error
    throw malformed(step, error.message)
  }
}

const malformed = (step: Step, detail: string): DeviceFailure =>
  new DeviceFailure(step, `${step}: ${detail}`, { errorCode: 'malformed-answer' })
