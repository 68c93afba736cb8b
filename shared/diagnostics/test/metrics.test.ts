import { describe, expect, it } from 'vitest'
import { createMetrics } from '../src/index.ts'

describe('createMetrics', () => {
  it('serves our metrics and those of the process, labelled with the service', async () => {
    const metrics = createMetrics({ service: 'gateway' })
    const requests = metrics.counter({ name: 'sallyport_requests_total', help: 'Requests.', labels: ['code'] })
    requests.inc({ code: '2.04' })
    metrics.gauge({ name: 'sallyport_live', help: 'Live.', collect: (gauge) => gauge.set(7) })
    const text = await metrics.metrics()
    expect(text).toContain('sallyport_requests_total{code="2.04",service="gateway"} 1')
    expect(text).toContain('sallyport_live{service="gateway"} 7')
    expect(text).toContain('process_resident_memory_bytes')
    expect(text).toContain('process_cpu_seconds_total')
  })
})
