import { copyFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect, TLSSocket } from 'node:tls'
import { clockFrom, milliseconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  callerService,
  closeGracefully,
  createHttpServer,
  type HttpServer,
  type MutualTls,
  openMutualTls,
  serviceClient,
  services,
} from '../src/index.ts'
import { TestAuthority } from './test-certificates.ts'

const clock = clockFrom(() => Date.now())

describe('mutual TLS between services', () => {
  const authority = new TestAuthority()
  const opened: MutualTls[] = []
  let server: HttpServer
  let baseUrl: string
  let trust: string

  const credentials = (name: string): MutualTls => {
    const mutualTls = openMutualTls(
      { certificate: authority.path(`${name}.pem`), key: authority.path(`${name}.key`), authority: trust },
      { reloadInterval: milliseconds(20) },
    )
    opened.push(mutualTls)
    return mutualTls
  }
  const whoAmI = async (name: string, service?: string): Promise<unknown> => {
    const client = serviceClient({
      baseUrl,
      mutualTls: credentials(name),
      clock,
      timeout: milliseconds(2000),
      ...(service === undefined ? {} : { service }),
    })
    try {
      return (await client.request({ method: 'GET', path: '/who' })).body
    } finally {
      await client.close()
    }
  }

  beforeAll(async () => {
    authority.root('root')
    authority.intermediate('service-ca', 'root')
    authority.intermediate('identity-ca', 'root')
    authority.root('other-root')
    authority.leaf('control-plane', 'service-ca', 'URI:urn:sallyport:service:control-plane')
    authority.leaf('dps', 'service-ca', 'URI:urn:sallyport:service:dps')
    authority.leaf('nameless', 'service-ca', 'DNS:dps')
    authority.leaf('two-names', 'service-ca', 'URI:urn:sallyport:service:dps,URI:urn:sallyport:service:gateway')
    authority.leaf('device', 'identity-ca', 'URI:urn:sallyport:service:dps')
    authority.leaf('stranger', 'other-root', 'URI:urn:sallyport:service:dps')
    trust = authority.bundle('services.pem', 'service-ca', 'root')
    server = createHttpServer({
      clock,
      mutualTls: credentials('control-plane'),
      authorize(request, access) {
        const caller = callerService(request)
        if (access.kind !== 'service' || !access.services.includes(caller)) {
          throw new CodedError('permission-denied', `not for ${caller}`)
        }
      },
    })
    server.get('/who', { config: { access: services('dps') } }, async (request) => ({ caller: callerService(request) }))
    await server.listen({ host: '127.0.0.1', port: 0 })
    baseUrl = `https://127.0.0.1:${(server.server.address() as AddressInfo).port}`
  })

  afterAll(async () => {
    for (const mutualTls of opened) mutualTls.close()
    await server.close()
    authority.remove()
  })

  it('knows the caller by the service name in its certificate', async () => {
    expect(await whoAmI('dps')).toEqual({ caller: 'dps' })
  })

  it('refuses a service that the route is not for, with the code of the problem document', async () => {
    await expect(whoAmI('control-plane')).rejects.toMatchObject({ code: 'permission-denied' })
  })

  it.each(['nameless', 'two-names'])('refuses a certificate that names no single service (%s)', async (name) => {
    await expect(whoAmI(name)).rejects.toMatchObject({ code: 'permission-denied' })
  })

  it.each(['device', 'stranger'])(
    'refuses in the handshake a certificate that is not from the services’ CA (%s), though it bears the name',
    async (name) => {
      await expect(whoAmI(name)).rejects.toMatchObject({ code: 'dependency-unavailable' })
    },
  )

  it('does not talk to a server that is another service than the one meant', async () => {
    await expect(whoAmI('dps', 'gateway')).rejects.toMatchObject({ code: 'dependency-unavailable' })
  })

  it('refuses a development PKI in production, and says what to do instead', () => {
    authority.root('development-root', '/O=Sallyport Development/CN=Installation Root')
    authority.leaf('developer', 'development-root', 'URI:urn:sallyport:service:dps')
    const files = {
      certificate: authority.path('developer.pem'),
      key: authority.path('developer.key'),
      authority: authority.path('development-root.pem'),
    }
    expect(() => openMutualTls(files, { production: true })).toThrow(
      expect.objectContaining({
        code: 'configuration-invalid',
        message: expect.stringContaining('without --development'),
      }),
    )
    opened.push(openMutualTls(files, { production: false }))
  })

  it('refuses a key that does not belong to the certificate, at the start', () => {
    const files = { certificate: authority.path('dps.pem'), key: authority.path('device.key'), authority: trust }
    expect(() => openMutualTls(files)).toThrow(expect.objectContaining({ code: 'configuration-invalid' }))
  })

  it('takes a renewed certificate without a restart, and only once its key is there too', async () => {
    copyFileSync(authority.path('dps.pem'), authority.path('renewing.pem'))
    copyFileSync(authority.path('dps.key'), authority.path('renewing.key'))
    const mutualTls = credentials('renewing')
    const before = mutualTls.current().cert
    let changes = 0
    mutualTls.onChanged(() => {
      changes += 1
    })
    copyFileSync(authority.path('nameless.pem'), authority.path('renewing.pem'))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(mutualTls.current().cert).toBe(before)
    copyFileSync(authority.path('nameless.key'), authority.path('renewing.key'))
    await expect.poll(() => changes).toBe(1)
    expect(mutualTls.current().cert).not.toBe(before)
    writeFileSync(authority.path('renewing.pem'), 'half a fi')
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(changes).toBe(1)
  })

  it('serves and calls with the renewed certificate on the next connection, without a restart', async () => {
    const copy = (from: string, to: string) => {
      copyFileSync(authority.path(`${from}.key`), authority.path(`${to}.key`))
      copyFileSync(authority.path(`${from}.pem`), authority.path(`${to}.pem`))
    }
    authority.leaf('control-plane-2', 'service-ca', 'URI:urn:sallyport:service:control-plane')
    copy('control-plane', 'server-now')
    copy('dps', 'client-now')
    const own = createHttpServer({ clock, mutualTls: credentials('server-now'), authorize: () => {} })
    own.get('/who', { config: { access: services('dps') } }, async (request) => {
      const { raw } = request
      const serial = raw.socket instanceof TLSSocket ? raw.socket.getPeerX509Certificate()?.serialNumber : undefined
      return { caller: callerService(request), serial }
    })
    await own.listen({ host: '127.0.0.1', port: 0 })
    const { port } = own.server.address() as AddressInfo
    const client = serviceClient({ baseUrl: `https://127.0.0.1:${port}`, mutualTls: credentials('client-now'), clock })
    const serialOfServer = () =>
      new Promise<string>((resolve, reject) => {
        const { cert, key, ca } = credentials('dps').current()
        const socket = connect({
          host: '127.0.0.1',
          port,
          cert,
          key,
          ca: [...ca],
          checkServerIdentity: () => undefined,
        })
        socket.once('secureConnect', () => {
          resolve(socket.getPeerX509Certificate()?.serialNumber ?? '')
          socket.destroy()
        })
        socket.once('error', reject)
      })
    const who = async () => (await client.request({ method: 'GET', path: '/who' })).body
    const before = { server: await serialOfServer(), client: await who() }
    authority.leaf('dps-2', 'service-ca', 'URI:urn:sallyport:service:dps')
    copy('control-plane-2', 'server-now')
    copy('dps-2', 'client-now')
    await expect.poll(serialOfServer).not.toBe(before.server)
    await expect.poll(who).not.toEqual(before.client)
    expect(await who()).toMatchObject({ caller: 'dps' })
    await client.close()
    await closeGracefully(own)
  })

  it('opens its circuit after five failures and asks again after the pause', async () => {
    const client = serviceClient({
      baseUrl: 'https://127.0.0.1:1',
      mutualTls: credentials('dps'),
      clock,
      timeout: milliseconds(500),
    })
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await expect(client.request({ method: 'GET', path: '/' })).rejects.toMatchObject({
        code: 'dependency-unavailable',
      })
    }
    expect(client.circuit).toBe('open')
    await client.close()
  })
})
