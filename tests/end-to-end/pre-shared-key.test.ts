/**
 * A device without a certificate, made of two programs that are not ours: node-coap over node-dtls-client. It signs up and in
 * with its pre-shared key; whoever has not got the key learns no more than that.
 */

import { createRequire } from 'node:module'
import { eventually, installationForTest, noteInterop, type TestInstallation } from '@sallyport/development'
import { dtlsSockets } from '@sallyport/device'
import { Agent, createServer, type IncomingMessage } from 'coap'
import dtlsClient from 'node-dtls-client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

interface Registration {
  readonly id: string
  readonly deviceId: string
  readonly key: string
  readonly onboardingCode: string
}
interface Answer {
  readonly code: string
  readonly body: Record<string, string>
}

/** The client takes keys as text. */
const keyText = 'sixteen letters!'
const otherKeyText = 'SIXTEEN LETTERS!'
const json = 50

let installation: TestInstallation
let groupId: string
const links: PskLink[] = []

beforeAll(async () => {
  installation = await installationForTest()
  const { items } = await installation.api.get<{ items: { id: string }[] }>('/api/v1/enrollment-groups')
  groupId = items[0]?.id ?? ''
})

afterEach(() => {
  for (const link of links.splice(0)) link.close()
})

afterAll(async () => {
  await installation?.stop()
})

async function http(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${installation.http}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${installation.api.token}`,
      ...(method === 'PATCH' ? { 'if-match': '*' } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

const register = async (key = keyText): Promise<Registration> => {
  const path = `/api/v1/enrollment-groups/${groupId}/psk-devices`
  return await installation.api.post(path, { name: 'Cellar', key: Buffer.from(key).toString('hex') })
}

const { version } = createRequire(import.meta.url)('node-dtls-client/package.json') as { readonly version: string }
const nodeDtlsClient = { peer: 'node-dtls-client', version, role: 'client', suite: 'its choice' } as const

type DtlsSocket = ReturnType<typeof dtlsClient.dtls.createSocket>

/** An association of node-dtls-client, with node-coap on it. */
class PskLink {
  readonly #socket: DtlsSocket
  readonly #agent: Agent
  readonly #server = createServer()
  #over = false
  /** Settles when it has ended. */
  readonly ended: Promise<void>

  private constructor(socket: DtlsSocket, ended: Promise<void>) {
    this.#socket = socket
    this.ended = ended
    void ended.then(() => {
      this.#over = true
    })
    const sockets = dtlsSockets((message) => socket.send(Buffer.from(message)))
    socket.on('message', (message: Buffer) => sockets.receive(message))
    this.#agent = new Agent({ socket: sockets.client })
    this.#server.on('request', (_request, response) => {
      response.code = '4.04'
      response.end()
    })
    this.#server.listen(sockets.server)
  }

  /** @throws what the client says of the alert that it was sent */
  static connect(identity: string, key: string): Promise<PskLink> {
    const { hostname: address, port } = new URL(installation.gatewayUrl.replace('coaps:', 'http:'))
    return new Promise((resolve, reject) => {
      const options = { type: 'udp4', address, port: Number(port), psk: { [identity]: key }, timeout: 10_000 } as const
      const socket = dtlsClient.dtls.createSocket(options)
      const ended = Promise.withResolvers<void>()
      socket.on('connected', () => {
        noteInterop({ ...nodeDtlsClient, credential: 'PSK', met: 'gateway', result: 'served' })
        const link = new PskLink(socket, ended.promise)
        links.push(link)
        resolve(link)
      })
      socket.on('error', (error: Error) => {
        ended.resolve()
        reject(error)
      })
      socket.on('close', () => ended.resolve())
    })
  }

  post(pathname: string, body: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = this.#agent.request({ method: 'POST', pathname, contentFormat: json, accept: json })
      request.on('response', ({ code, payload }: IncomingMessage) => {
        const text = payload.toString()
        resolve({ code, body: text.startsWith('{') ? JSON.parse(text) : {} })
      })
      request.on('error', reject)
      request.on('timeout', () => reject(new Error('no answer')))
      request.end(Buffer.from(JSON.stringify(body)))
    })
  }

  signUp(deviceId: string, accesstoken: string): Promise<Answer> {
    return this.post('/oic/sec/account', { di: deviceId, accesstoken, authprovider: 'sallyport' })
  }

  signIn(deviceId: string, { accesstoken, uid }: Record<string, string>): Promise<Answer> {
    return this.post('/oic/sec/session', { di: deviceId, uid, accesstoken, login: true })
  }

  close(): void {
    this.#server.close()
    this.#agent.close()
    // Closing what is closed already throws.
    if (!this.#over) this.#socket.close()
  }
}

const isOnline = async (deviceId: string): Promise<boolean> =>
  (await installation.api.get<{ online: boolean }>(`/api/v1/devices/${deviceId}`)).online

const refusals = (reason: string) =>
  installation.logOf('gateway').filter((line) => line.msg === 'handshake failed' && line.reason === reason)

const alertOf = async (identity: string, key: string): Promise<string> => {
  const failed = await PskLink.connect(identity, key).catch((error: Error) => error)
  return failed instanceof Error ? failed.message : 'it was let in'
}

describe('[6.5] [5.8] node-dtls-client with a pre-shared key', () => {
  it('cannot be registered in a group that does not allow it', async () => {
    const path = `/api/v1/enrollment-groups/${groupId}/psk-devices`
    expect(await http('POST', path, {})).toMatchObject({ status: 409, body: { code: 'psk-not-allowed' } })
    expect((await http('PATCH', `/api/v1/enrollment-groups/${groupId}`, { allowsPsk: true })).status).toBe(200)
  })

  it('signs up with its code, signs in and is online; the code is good once', async () => {
    const device = await register()
    const link = await PskLink.connect(device.id, keyText)
    const signedUp = await link.signUp(device.deviceId, device.onboardingCode)
    expect(signedUp.code).toBe('2.04')
    expect((await link.signIn(device.deviceId, signedUp.body)).code).toBe('2.04')
    await eventually('the device is online', () => isOnline(device.deviceId))
    const other = await register()
    const thief = await PskLink.connect(other.id, keyText)
    expect((await thief.signUp(other.deviceId, device.onboardingCode)).code).toBe('4.01')
    // The token of one device is good for no other, though that one has proven a key.
    expect((await thief.signIn(other.deviceId, signedUp.body)).code).toBe('4.01')
    expect((await thief.signIn(device.deviceId, signedUp.body)).code).toBe('4.00')
  })

  it('a wrong key, an unknown identity and a revoked key get one alert; the log has the reason, and no key', async () => {
    const device = await register()
    const revoked = await register()
    expect((await http('DELETE', `/api/v1/psks/${revoked.id}`)).status).toBe(204)
    const alerts = [
      await alertOf(device.id, otherKeyText),
      await alertOf('nobody', keyText),
      await alertOf(revoked.id, keyText),
    ]
    expect(alerts).toEqual(Array(3).fill('received fatal alert: decrypt_error'))
    for (const reason of ['psk-wrong', 'psk-identity-unknown', 'psk-revoked']) {
      await eventually(`the log says ${reason}`, async () => refusals(reason).length > 0)
    }
    expect(refusals('psk-revoked')[0]).toMatchObject({ alert: 'decrypt_error', pskIdentity: revoked.id })
    for (const service of ['gateway', 'control-plane'] as const) {
      const log = JSON.stringify(installation.logOf(service))
      for (const secret of [keyText, device.onboardingCode]) {
        expect(log).not.toContain(secret)
        expect(log).not.toContain(Buffer.from(secret).toString('hex'))
        expect(log).not.toContain(Buffer.from(secret).toString('base64url'))
      }
    }
    expect(await alertOf(device.id, keyText)).toBe('it was let in')
  })

  it('is disconnected within a second of its revocation, and not let in again, with its token or without', async () => {
    const device = await register()
    const link = await PskLink.connect(device.id, keyText)
    const signedUp = await link.signUp(device.deviceId, device.onboardingCode)
    await link.signIn(device.deviceId, signedUp.body)
    await eventually('the device is online', () => isOnline(device.deviceId))
    expect((await http('DELETE', `/api/v1/psks/${device.id}`)).status).toBe(204)
    const revokedAt = Date.now()
    await link.ended
    expect(Date.now() - revokedAt).toBeLessThan(1000)
    await eventually('the device is offline', async () => !(await isOnline(device.deviceId)))
    expect(await alertOf(device.id, keyText)).toBe('received fatal alert: decrypt_error')
    const audit = await installation.api.get<{ items: { type: string }[] }>(
      `/api/v1/audit-events?subjectId=${device.deviceId}`,
    )
    expect(audit.items.map(({ type }) => type)).toEqual(
      expect.arrayContaining([
        'psk.created',
        'device.registered',
        'device.authenticated',
        'psk.activated',
        'psk.revoked',
      ]),
    )
  })

  it('gets a new key in place of the old one, which is good until it has signed in with the new', async () => {
    const device = await register()
    const link = await PskLink.connect(device.id, keyText)
    const signedUp = await link.signUp(device.deviceId, device.onboardingCode)
    const newer = await installation.api.post<Registration>(`/api/v1/devices/${device.deviceId}/psks`, {
      key: Buffer.from(otherKeyText).toString('hex'),
    })
    expect((await link.signIn(device.deviceId, signedUp.body)).code).toBe('2.04')
    const renewed = await PskLink.connect(newer.id, otherKeyText)
    expect((await renewed.signIn(device.deviceId, signedUp.body)).code).toBe('2.04')
    // The association of the old key gives way to it.
    await link.ended
    await eventually('the old key is good no longer', async () => {
      return (await alertOf(device.id, keyText)) === 'received fatal alert: decrypt_error'
    })
  })

  it('is a way in for the gateway alone: the dps takes certificates', async () => {
    const device = await register()
    const { hostname: address, port } = new URL(installation.dpsUrl.replace('coaps:', 'http:'))
    const refused = await new Promise<string>((resolve) => {
      const options = {
        type: 'udp4',
        address,
        port: Number(port),
        psk: { [device.id]: keyText },
        timeout: 5000,
      } as const
      const socket = dtlsClient.dtls.createSocket(options)
      socket.on('connected', () => resolve('it was let in'))
      socket.on('error', (error: Error) => resolve(error.message))
    })
    expect(refused).toBe('received fatal alert: handshake_failure')
  })
})
