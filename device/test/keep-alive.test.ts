import { seconds } from '@sallyport/clock'
import { createServer } from 'coap'
import { describe, expect, it } from 'vitest'
import { KeepAlive } from '../src/keep-alive.ts'
import { connectInMemory } from './memory-association.ts'

const quick = { interval: seconds(0.02), timeout: seconds(0.05) }

describe('keep-alive', () => {
  it('is a GET of /oic/rd, and any answer will do', async () => {
    const memory = await connectInMemory()
    const asked: string[] = []
    createServer({}, (request, response) => {
      asked.push(`${request.method} ${request.url}`)
      response.statusCode = '4.01'
      response.end()
    }).listen(memory.peer.server)
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 120)
    expect(await new KeepAlive(memory.link, quick).watch(stop.signal)).toBe(true)
    expect(asked.length).toBeGreaterThan(1)
    expect(new Set(asked)).toEqual(new Set(['GET /oic/rd']))
    memory.link.close()
  })

  it('reports loss after three pings without an answer, the later ones at once', async () => {
    const memory = await connectInMemory()
    memory.goSilent()
    const started = Date.now()
    expect(await new KeepAlive(memory.link, quick).watch(new AbortController().signal)).toBe(false)
    expect(Date.now() - started).toBeLessThan(1000)
    expect(memory.sent.length).toBeGreaterThanOrEqual(3)
    memory.link.close()
  })

  it('pings at once when something else went unanswered', async () => {
    const memory = await connectInMemory()
    memory.goSilent()
    const keepAlive = new KeepAlive(memory.link, { interval: seconds(60), timeout: seconds(0.05), attempts: 1 })
    const watching = keepAlive.watch(new AbortController().signal)
    keepAlive.suspect()
    expect(await watching).toBe(false)
    memory.link.close()
  })
})
