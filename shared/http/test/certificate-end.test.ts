import { milliseconds } from '@sallyport/clock'
import { createLogger, createMetrics } from '@sallyport/diagnostics'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openMutualTls, watchCertificateEnds } from '../src/index.ts'
import { TestAuthority } from './test-certificates.ts'

const day = 86_400_000

describe("the end of a service's certificate", () => {
  afterEach(() => vi.useRealTimers())

  it('is shown, and said each day of its last month', async () => {
    const metrics = createMetrics({ service: 'test' })
    const lines: { level: unknown; msg: string; certificate: string }[] = []
    const log = createLogger({
      service: 'test',
      level: 'info',
      destination: { write: (line) => void lines.push(JSON.parse(line)) },
    })
    const notAfter = new Date(Date.now() + 20 * day)
    const far = new Date(Date.now() + 60 * day)
    const watch = watchCertificateEnds({
      certificates: [
        { name: 'service', file: '/pki/dps.pem', notAfter: () => notAfter },
        { name: 'server', file: '/pki/server.pem', notAfter: () => far },
      ],
      metrics,
      log,
      sayEvery: milliseconds(10),
    })
    await expect.poll(() => lines.length).toBeGreaterThan(2)
    watch.close()
    expect(new Set(lines.map(({ certificate }) => certificate))).toEqual(new Set(['service']))
    expect(lines[0]?.msg).toContain('certs installation')
    const shown = await metrics.metrics()
    expect(shown).toContain(
      `sallyport_service_certificate_expires_timestamp_seconds{service="test"} ${notAfter.getTime() / 1000}`,
    )
    expect(shown).toContain('sallyport_server_certificate_expires_timestamp_seconds')
  })

  it('keeps a service from starting once it is there, and it says what to do; so does a clock that is behind', () => {
    const authority = new TestAuthority()
    authority.root('root')
    authority.leaf('dps', 'root', 'URI:urn:sallyport:service:dps')
    const files = {
      certificate: authority.path('dps.pem'),
      key: authority.path('dps.key'),
      authority: authority.path('root.pem'),
    }
    openMutualTls(files).close()
    vi.useFakeTimers({ now: Date.now() + 3 * day })
    expect(() => openMutualTls(files)).toThrow(/dps\.pem ended on .*: hold the key ceremony again/)
    vi.setSystemTime(Date.now() - 6 * day)
    expect(() => openMutualTls(files)).toThrow(/valid from .* look at the clock/)
    vi.useRealTimers()
    authority.remove()
  })
})
