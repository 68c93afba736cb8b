/** A device at the dps, over our own DTLS and CoAP client: what it holds, how it connects, what it asks. */

import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { instant } from '@sallyport/clock'
import { type ClientResponse, type CoapsClient, connectCoaps, type DtlsCredentials } from '@sallyport/coaps'
import { type Certificate, certificatesFromPem, createCertificationRequest, toPem, validatePath } from '@sallyport/pki'
import { asRecord, decode, encode, type Value, type ValueRecord } from '@sallyport/representation'

export interface ServerIdentity {
  readonly commonName: string | undefined
}

export interface DpsAddress {
  /** `coaps://host:port` or `coaps+tcp://host:port` */
  readonly url: string
  readonly trustAnchorFile: string
}

/** Connects and accepts the dps only if its chain leads to the installation's root. */
export async function connectDevice(
  dps: DpsAddress,
  credentials: DtlsCredentials | undefined,
): Promise<CoapsClient<ServerIdentity>> {
  const anchors = certificatesFromPem(readFileSync(dps.trustAnchorFile, 'utf8'))
  const { protocol, hostname, port } = new URL(dps.url)
  return await connectCoaps<ServerIdentity>({
    transport: protocol === 'coaps+tcp:' ? 'tls' : 'dtls',
    host: hostname,
    port: Number(port),
    ...(credentials === undefined ? {} : { credentials }),
    verifyPeer(chain) {
      const result = validatePath({ chain, anchors, at: instant(Date.now()), purpose: 'server' })
      if (!result.valid) return { accepted: false, alert: result.alert, code: result.code, detail: result.detail }
      return { accepted: true, identity: { commonName: result.path[0]?.commonName } }
    },
  })
}

/** The alert with which the server refused, or `accepted`. */
export async function handshakeOutcome(dps: DpsAddress, credentials: DtlsCredentials | undefined): Promise<string> {
  try {
    const client = await connectDevice(dps, credentials)
    // A server's refusal of the client's last flight may come after the client's side is finished.
    const alive = await client.request({ method: 'GET', path: '/x.plgd.dev/time' }).then(
      () => 'accepted',
      (error: unknown) => outcomeOf(error),
    )
    await client.close()
    return alive
  } catch (error) {
    return outcomeOf(error)
  }
}

function outcomeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const details = 'details' in error ? (error.details as { alert?: unknown }) : {}
  return typeof details.alert === 'string' ? details.alert : error.message
}

export const ownKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

export const requestPem = (deviceId: string, privateKey: KeyObject): string =>
  toPem('CERTIFICATE REQUEST', createCertificationRequest({ commonName: `uuid:${deviceId}`, privateKey }))

export const credentialsBody = (deviceId: string, csr: string): ValueRecord => ({
  di: deviceId,
  csr: { encoding: 'oic.sec.encoding.pem', data: csr },
})

export function post(
  client: CoapsClient<ServerIdentity>,
  resource: 'cloud-configuration' | 'credentials',
  body: Value,
  format = 10000,
): Promise<ClientResponse> {
  return client.request({
    method: 'POST',
    path: `/api/v1/provisioning/${resource}`,
    payload: encode(format, body),
    contentFormat: format,
    accept: format,
  })
}

export const get = (client: CoapsClient<ServerIdentity>, path: string, accept = 10000): Promise<ClientResponse> =>
  client.request({ method: 'GET', path, accept })

export const bodyOf = (response: ClientResponse): ValueRecord =>
  asRecord(decode(response.contentFormat ?? 0, response.payload))

/** `4.00 device-id-mismatch`: the code of a response, and our own where it is a problem (RFC 9290). */
export function problemOf(response: ClientResponse): string {
  if (response.contentFormat !== 257) return response.code
  const problem = decode(60, response.payload)
  const code = problem instanceof Map ? problem.get('code') : undefined
  return `${response.code} ${String(code)}`
}

export interface GivenCredentials {
  readonly certificate: Certificate
  readonly trusted: readonly Certificate[]
  readonly pem: string
}

export function givenCredentials(response: ClientResponse): GivenCredentials {
  const entries = (bodyOf(response).creds as readonly Value[]).map((entry) => asRecord(entry))
  const pemOf = (entry: ValueRecord): string => String(asRecord(entry.publicdata).data)
  const pem = entries
    .filter(({ credusage }) => credusage === 'oic.sec.cred.cert')
    .map(pemOf)
    .join('')
  const trusted = entries
    .filter(({ credusage }) => credusage === 'oic.sec.cred.trustca')
    .map(pemOf)
    .join('')
  return { certificate: certificatesFromPem(pem)[0] as Certificate, trusted: certificatesFromPem(trusted), pem }
}

export const isKeyOf = (certificate: Certificate, privateKey: KeyObject): boolean =>
  Buffer.compare(certificate.spki, createPublicKey(privateKey).export({ format: 'der', type: 'spki' })) === 0
