import { milliseconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { describe, expect, it } from 'vitest'
import { createMetrics, createReadiness } from '../src/index.ts'

describe('createMetrics', () => {
  it('serves our metrics and those of the process, labelled with the service', async () => {
    const metrics = createMetrics({ service: 'gateway' })
    const requests = metrics.counter({ name: 'sallyport_requests_total', help: 'Requests.', labels: ['code'] })
    requests.inc({ code: '2.04' })
    metrics.gauge({ name: 'sallyport_live', help: 'Live.', collect: (gauge) => gauge.set(7) })
    const text = await metrics.text()
    expect(text).toContain('sallyport_requests_total{code="2.04",service="gateway"} 1')
    expect(text).toContain('sallyport_live{service="gateway"} 7')
    expect(text).toContain('process_resident_memory_bytes')
    expect(text).toContain('process_cpu_seconds_total')
  })
})

describe('createReadiness', () => {
  it('is ready when every check passes, and names the one that does not', async () => {
    const good = { name: 'database', check: async () => {} }
    const bad = {
      name: 'redis',
      check: () => Promise.reject(new CodedError('cache-unavailable', 'no Redis')),
    }
    expect((await createReadiness([good]).assess()).ready).toBe(true)
    expect(await createReadiness([good, bad]).assess()).toEqual({
      ready: false,
      checks: [
        { name: 'database', ok: true },
        { name: 'redis', ok: false, code: 'cache-unavailable' },
      ],
    })
  })

  it('takes a check that hangs for failed, and is never ready once it stops', async () => {
    const hangs = { name: 'database', check: () => new Promise<void>(() => {}) }
    const report = await createReadiness([hangs], { timeout: milliseconds(20) }).assess()
    expect(report.checks).toEqual([{ name: 'database', ok: false, code: 'timed-out' }])
    const readiness = createReadiness([])
    readiness.stop()
    expect((await readiness.assess()).ready).toBe(false)
  })
})
