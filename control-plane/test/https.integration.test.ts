import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { request as send } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { readConfiguration } from '@sallyport/config'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { controlPlaneSettings } from '../src/config.ts'
import { startControlPlane } from '../src/control-plane.ts'
import { RunningControlPlane } from './running-control-plane.ts'

let running: RunningControlPlane
let settings: { readonly SALLYPORT_HTTP_CERTIFICATE: string; readonly SALLYPORT_HTTP_KEY: string }

beforeAll(async () => {
  running = await RunningControlPlane.start()
  const { certificates } = running
  for (const name of ['first', 'second']) certificates.leaf(name, 'Service CA', 'DNS:localhost,IP:127.0.0.1')
  settings = {
    SALLYPORT_HTTP_CERTIFICATE: certificates.path('http.pem'),
    SALLYPORT_HTTP_KEY: certificates.path('http.key'),
  }
  install('first')
  await running.restart(settings)
})
afterAll(() => running.stop())

function install(name: 'first' | 'second'): void {
  running.certificates.bundle('http.pem', name, 'Service CA')
  copyFileSync(running.certificates.path(`${name}.key`), running.certificates.path('http.key'))
}

const port = (): number => Number(new URL(running.controlPlane.addresses.http).port)
const ca = (): string => running.certificates.pem('Service CA', 'Installation Root')

async function open(options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port: port(), host: '127.0.0.1', ca: ca(), ...options })
  await once(socket, 'secureConnect')
  return socket
}

const get = (path: string) =>
  new Promise<{ status: number; headers: Readonly<Record<string, unknown>> }>((resolve, reject) => {
    send(`${running.controlPlane.addresses.http}${path}`, { ca: ca(), agent: false }, (response) => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }))
    })
      .on('error', reject)
      .end()
  })

describe('HTTPS on the port of the HTTP API', () => {
  it('is spoken with a certificate of its own, with HSTS, and says so in its address', async () => {
    expect(running.controlPlane.addresses.http).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    const answer = await get('/.well-known/jwks.json')
    expect([answer.status, answer.headers['strict-transport-security']]).toEqual([200, 'max-age=31536000'])
    const metrics = await (await fetch(`${running.controlPlane.addresses.management}/metrics`)).text()
    const expires = /sallyport_http_certificate_expires_timestamp_seconds{.*} (\d+)/.exec(metrics)?.[1]
    expect(Number(expires) * 1000).toBeGreaterThan(Date.now())
  })

  it.each([['TLSv1.2'], ['TLSv1.3']] as const)('takes %s', async (version) => {
    const socket = await open({ minVersion: version, maxVersion: version })
    expect(socket.getProtocol()).toBe(version)
    socket.destroy()
  })

  it('takes no TLS 1.1, no suite without forward secrecy, and no CBC', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const
    await expect(open(old)).rejects.toThrow()
    for (const ciphers of ['AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA256', 'ECDHE-ECDSA-AES128-SHA']) {
      await expect(open({ maxVersion: 'TLSv1.2', ciphers }), ciphers).rejects.toThrow()
    }
  })

  it('F39: speaks no HTTP/2, so that nothing can be reset rapidly (CVE-2023-44487)', async () => {
    const socket = await open({ ALPNProtocols: ['h2', 'http/1.1'] })
    expect(socket.alpnProtocol).toBe('http/1.1')
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 400 /)
    await expect(open({ ALPNProtocols: ['h2'] })).rejects.toThrow()
  })

  it('answers no plain HTTP', async () => {
    await expect(fetch(`http://127.0.0.1:${port()}/.well-known/jwks.json`)).rejects.toThrow()
  })

  it('goes on with a renewed certificate without a restart, and waits while the key does not fit it', async () => {
    const serialOf = async (): Promise<string> => {
      const socket = await open()
      const { serialNumber } = socket.getPeerCertificate()
      socket.destroy()
      return serialNumber
    }
    const kept = await open()
    const before = await serialOf()
    running.certificates.bundle('http.pem', 'second', 'Service CA')
    await pause(6000)
    expect(await serialOf()).toBe(before)
    install('second')
    await expect.poll(serialOf, { timeout: 10_000, interval: 200 }).not.toBe(before)
    kept.write('GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    const [answer] = await once(kept, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /)
  })

  it.each([
    ['a certificate without its key', () => ({ SALLYPORT_HTTP_CERTIFICATE: settings.SALLYPORT_HTTP_CERTIFICATE })],
    ['a key without its certificate', () => ({ SALLYPORT_HTTP_KEY: settings.SALLYPORT_HTTP_KEY })],
    [
      'a key of another certificate',
      () => ({ ...settings, SALLYPORT_HTTP_KEY: running.certificates.path('first.key') }),
    ],
    ['a file that is not there', () => ({ ...settings, SALLYPORT_HTTP_KEY: '/nowhere/http.key' })],
  ])('is not started with %s', async (_what, over) => {
    const configuration = readConfiguration(controlPlaneSettings, { ...running.environment, ...over() })
    await expect(startControlPlane(configuration)).rejects.toMatchObject({ code: 'configuration-invalid' })
  })
})
