/**
 * A dps and a gateway that answer as protocol.md says, on real CoAP over DTLS, with nothing behind them: what the device does on
 * the wire is the subject here.
 */

import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { instant } from '@sallyport/clock'
import { type CoapResource, type CoapsServer, listenCoaps, type PeerVerdictRefused } from '@sallyport/coaps'
import type { CodedError } from '@sallyport/errors'
import { type Certificate, parseCertificate } from '@sallyport/pki'
import { asRecord, decode, decodeSenml, encode, type SenmlRecord, type Value } from '@sallyport/representation'
import type { OpensslAuthority } from './openssl-authority.ts'

export const hubId = '6f8d1f6e-8a4f-4a29-9d0a-3a1a0d6d2c11'
export const owner = '0b9e9f77-51a1-4f8c-a5b5-f3b6f1f2a001'

export interface StandInServices {
  readonly dps: string
  readonly gateway: CoapsServer<Certificate>
  /** What was asked, in order: `POST /oic/sec/session`. */
  readonly asked: string[]
  readonly telemetry: SenmlRecord[]
  readonly published: Value[]
  /** Serial numbers of the identity certificates that have signed in. */
  readonly signedIn: string[]
  /** Serial numbers of the certificates with which credentials were asked for. */
  readonly credentialsAskedBy: string[]
  /** Refuses handshakes at the dps with this certificate alone. */
  refuseAtDps(serialNumber: string | undefined): void
  /** Refuses every handshake at the gateway with this verdict. */
  refuseAtGateway(verdict: PeerVerdictRefused | undefined): void
  /** Answers this path at the gateway with an error, so many times. */
  failOnce(path: string, error: CodedError): void
  /** The datagrams to and from the gateway vanish, as when its host has lost power. */
  cutGateway(cut: boolean): void
  /** Another address of the gateway is what the dps names from now on. */
  moveGateway(): void
  close(): Promise<void>
}

const ocf = 10000

export async function standInServices(authority: OpensslAuthority): Promise<StandInServices> {
  const asked: string[] = []
  const telemetry: SenmlRecord[] = []
  const published: Value[] = []
  const signedIn: string[] = []
  const failures = new Map<string, CodedError>()
  const credentialsAskedBy: string[] = []
  let refusal: PeerVerdictRefused | undefined
  let refusedAtDps: string | undefined
  let codes = 0
  let moved = false

  const resource = (
    path: string,
    method: 'GET' | 'POST',
    answer: (body: Value, peer: Certificate, query: string) => Value | undefined,
  ): CoapResource<Certificate> => ({
    path,
    handlers: {
      [method]: (request: Parameters<NonNullable<CoapResource<Certificate>['handlers']['GET']>>[0]) => {
        asked.push(`${method} ${path}`)
        const failure = failures.get(path)
        failures.delete(path)
        if (failure !== undefined) throw failure
        const body = request.contentFormat === ocf ? decode(ocf, request.payload) : null
        if (path === '/api/v1/telemetry') {
          telemetry.push(...decodeSenml(request.contentFormat ?? 0, request.payload, instant(Date.now())))
        }
        const said = answer(body, request.association.identity, request.query.map(({ value }) => value).join())
        const code = method === 'GET' ? '2.05' : '2.04'
        return said === undefined ? { code } : { code, payload: encode(ocf, said), contentFormat: ocf }
      },
    },
  })

  const admitted = new Map<string, Certificate>()
  const gateway = await listenCoaps<Certificate>({
    host: '127.0.0.1',
    port: 0,
    credentials: authority.server('gateway', `uuid:${hubId}`),
    verifyPeer: (chain) => {
      const leaf = leafOf(chain)
      admitted.set(leaf.sha256, leaf)
      return refusal ?? { accepted: true, identity: leaf, resumable: Buffer.from(leaf.sha256) }
    },
    resumePeer: (resumable) => {
      const leaf = admitted.get(Buffer.from(resumable).toString())
      if (leaf === undefined) throw new Error('a session of somebody else')
      return refusal ?? { accepted: true, identity: leaf }
    },
    sealingKeys: { current: { id: randomBytes(8), key: randomBytes(32) } },
    resources: [
      resource('/oic/sec/account', 'POST', () => ({
        accesstoken: `access-${codes}`,
        refreshtoken: `refresh-${codes}`,
        uid: owner,
        redirecturi: '',
        expiresin: 86_400,
      })),
      resource('/oic/sec/session', 'POST', (body, peer) => {
        if (asRecord(body).login === true) signedIn.push(peer.serialNumber)
        return asRecord(body).login === true ? { expiresin: 86_400 } : {}
      }),
      resource('/oic/sec/tokenrefresh', 'POST', () => ({
        accesstoken: 'access-new',
        refreshtoken: 'refresh-new',
        expiresin: 86_400,
      })),
      {
        path: '/oic/rd',
        handlers: {
          POST: (request) => {
            published.push(decode(ocf, request.payload))
            return { code: '2.04', payload: request.payload, contentFormat: ocf }
          },
          GET: () => ({ code: '2.05', payload: encode(ocf, { sel: 0 }), contentFormat: ocf }),
        },
      },
      resource('/api/v1/telemetry', 'POST', () => undefined),
    ],
  })
  const proxy = await droppingProxy(gateway.address.port)
  const dps = await listenCoaps<Certificate>({
    host: '127.0.0.1',
    port: 0,
    credentials: authority.server('dps', 'localhost'),
    verifyPeer: (chain) =>
      leafOf(chain).serialNumber === refusedAtDps
        ? { accepted: false, alert: 'unknown_ca', code: 'certificate-authority-unknown', detail: 'refused' }
        : { accepted: true, identity: leafOf(chain) },
    resources: [
      resource('/x.plgd.dev/time', 'GET', () => ({ time: new Date().toISOString() })),
      resource('/api/v1/provisioning/ownership', 'GET', () => ({ devowneruuid: owner })),
      resource('/api/v1/provisioning/cloud-configuration', 'POST', () => {
        codes += 1
        return {
          apn: 'sallyport',
          cis: `coaps://127.0.0.1:${moved ? gateway.address.port : proxy.port}`,
          sid: hubId,
          at: `code-${codes}`,
        }
      }),
      resource('/api/v1/provisioning/credentials', 'POST', (body, peer) => {
        credentialsAskedBy.push(peer.serialNumber)
        const csr = asRecord(asRecord(body).csr).data
        const pem = authority.identity(typeof csr === 'string' ? csr : '')
        const data = { encoding: 'oic.sec.encoding.pem' }
        return {
          creds: [
            { credtype: 8, credusage: 'oic.sec.cred.cert', publicdata: { ...data, data: pem }, tag: 'dps' },
            {
              credtype: 8,
              credusage: 'oic.sec.cred.trustca',
              publicdata: { ...data, data: authority.pem },
              tag: 'dps',
            },
          ],
        }
      }),
      resource('/api/v1/provisioning/acls', 'GET', () => ({ aclist2: [] })),
    ],
  })
  return {
    dps: `coaps://127.0.0.1:${dps.address.port}`,
    gateway,
    asked,
    telemetry,
    published,
    signedIn,
    credentialsAskedBy,
    refuseAtDps: (serialNumber) => {
      refusedAtDps = serialNumber
    },
    refuseAtGateway: (verdict) => {
      refusal = verdict
    },
    failOnce: (path, error) => failures.set(path, error),
    cutGateway: proxy.cut,
    moveGateway: () => {
      moved = true
    },
    close: async () => {
      await Promise.all([dps.close(), gateway.close()])
      proxy.close()
    },
  }
}

function leafOf(chain: readonly Uint8Array[]): Certificate {
  const [leaf] = chain
  if (leaf === undefined) throw new Error('a chain is never empty')
  return parseCertificate(leaf)
}

/** Forwards datagrams, with a socket of its own for each client, until it is told to lose them. */
async function droppingProxy(
  target: number,
): Promise<{ port: number; cut: (cut: boolean) => void; close: () => void }> {
  let cut = false
  const front = createSocket('udp4')
  const behind = new Map<number, ReturnType<typeof createSocket>>()
  front.on('message', (datagram, from) => {
    if (cut) return
    let socket = behind.get(from.port)
    if (socket === undefined) {
      socket = createSocket('udp4')
      socket.on('message', (answer) => {
        if (!cut) front.send(answer, from.port, from.address)
      })
      behind.set(from.port, socket)
    }
    socket.send(datagram, target, '127.0.0.1')
  })
  await new Promise<void>((resolve) => front.bind(0, '127.0.0.1', resolve))
  return {
    port: front.address().port,
    cut: (value) => {
      cut = value
    },
    close: () => {
      front.close()
      for (const socket of behind.values()) socket.close()
    },
  }
}
