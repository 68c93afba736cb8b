import { milliseconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { afterEach, describe, expect, it } from 'vitest'
import { type Management, type ReadinessCheck, startManagement } from '../src/index.ts'

const metrics = { contentType: 'text/plain; version=0.0.4', metrics: async () => 'up 1\n' }
let management: Management | undefined

async function start(readiness: Record<string, ReadinessCheck> = {}): Promise<string> {
  management = await startManagement({
    host: '127.0.0.1',
    port: 0,
    metrics,
    readiness,
    checkTimeout: milliseconds(50),
  })
  return management.url
}

afterEach(async () => {
  await management?.close()
})

const down = async (): Promise<void> => {
  throw new CodedError('database-unavailable', 'postgres://user:password@host')
}

describe('the management port', () => {
  it('gives the metrics as they are', async () => {
    const answer = await fetch(`${await start()}/metrics`)
    expect(await answer.text()).toBe('up 1\n')
  })

  it('is healthy while its dependencies are not, and unready', async () => {
    const url = await start({ database: { check: down } })
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    const ready = await fetch(`${url}/readyz`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toEqual({ ready: false, checks: { database: 'database-unavailable' } })
  })

  it('stays ready without a dependency that it can do without, and shows it', async () => {
    const url = await start({ redis: { check: down, soft: true } })
    const ready = await fetch(`${url}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toEqual({ ready: true, checks: { redis: 'database-unavailable' } })
  })

  it('does not wait for a dependency that hangs', async () => {
    const url = await start({ hsm: { check: () => new Promise(() => {}) } })
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ ready: false, checks: { hsm: 'timed-out' } })
  })

  it('is unready from the moment the service stops', async () => {
    const url = await start()
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    management?.becomeUnready()
    expect((await fetch(`${url}/readyz`)).status).toBe(503)
  })
})
