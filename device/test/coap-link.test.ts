import { seconds } from '@sallyport/clock'
import { encode } from '@sallyport/representation'
import { createServer } from 'coap'
import { describe, expect, it } from 'vitest'
import type { RequestListener } from '../src/coap-link.ts'
import { connectInMemory, type MemoryPeer } from './memory-association.ts'

function serve({ peer }: MemoryPeer, listener: RequestListener): void {
  createServer({}, listener).listen(peer.server)
}

const get = { method: 'GET', path: '/x', timeout: seconds(0.2) } as const

describe('the link', () => {
  it('asks and is answered, with content format and payload', async () => {
    const memory = await connectInMemory()
    serve(memory, (request, response) => {
      response.setOption('Content-Format', 10000)
      response.end(Buffer.from(encode(10000, { url: request.url })))
    })
    expect(await memory.link.call('time', { method: 'GET', path: '/a/b', query: 'rt=x&if=y' })).toEqual({
      url: '/a/b?rt=x&if=y',
    })
  })

  it('follows a response of several blocks', async () => {
    const memory = await connectInMemory()
    const text = 'x'.repeat(5000)
    serve(memory, (_request, response) => {
      response.setOption('Content-Format', 10000)
      response.end(Buffer.from(encode(10000, { text })))
    })
    expect(await memory.link.call('time', get)).toEqual({ text })
  })

  it('takes a separate response after an empty acknowledgement', async () => {
    const memory = await connectInMemory()
    serve(memory, (_request, response) => {
      setTimeout(() => response.end('late'), 120)
    })
    const answer = await memory.link.request('time', { ...get, timeout: seconds(2) })
    expect(answer.payload.toString()).toBe('late')
  })

  it('names step, CoAP code, error code and detail of a refusal (RFC 9290)', async () => {
    const memory = await connectInMemory()
    serve(memory, (_request, response) => {
      response.statusCode = '4.01'
      response.setOption('Content-Format', 257)
      response.end(
        Buffer.from(
          encode(
            60,
            new Map<string | number, string>([
              [-1, 'The onboarding code is wrong, used or expired.'],
              [-2, 'It was redeemed before.'],
              ['code', 'onboarding-code-invalid'],
            ]),
          ),
        ),
      )
    })
    await expect(memory.link.call('sign-up', get)).rejects.toMatchObject({
      reason: 'sign-up 4.01 onboarding-code-invalid',
      message: 'sign-up was refused with 4.01: The onboarding code is wrong, used or expired. It was redeemed before.',
    })
  })

  it('gives up a request that is acknowledged and never answered, for which node-coap would wait for ever', async () => {
    const memory = await connectInMemory()
    serve(memory, () => undefined)
    await expect(memory.link.request('keep-alive', get)).rejects.toMatchObject({ errorCode: 'no-answer' })
  })

  it('fails what is outstanding when the association ends, and all that comes after', async () => {
    const memory = await connectInMemory()
    memory.goSilent()
    const outstanding = memory.link.request('telemetry', { ...get, timeout: seconds(60) })
    const failed = expect(outstanding).rejects.toMatchObject({ errorCode: 'no-answer' })
    await new Promise(setImmediate)
    memory.hangUp('close-notify')
    await failed
    expect(await memory.link.closed).toBe('close-notify')
  })

  it('keeps one request outstanding at a time', async () => {
    const memory = await connectInMemory()
    let outstanding = 0
    let most = 0
    serve(memory, (_request, response) => {
      outstanding += 1
      most = Math.max(most, outstanding)
      setTimeout(() => {
        outstanding -= 1
        response.end()
      }, 10)
    })
    await Promise.all(
      Array.from({ length: 5 }, () => memory.link.request('telemetry', { ...get, timeout: seconds(2) })),
    )
    expect(most).toBe(1)
  })

  it('goes on after a request that failed', async () => {
    const memory = await connectInMemory()
    serve(memory, (request, response) => {
      if (request.url !== '/x') response.end('ok')
    })
    await expect(memory.link.request('time', get)).rejects.toThrow('no answer')
    expect((await memory.link.request('time', { method: 'GET', path: '/y' })).code).toBe('2.05')
  })

  it('answers 4.04 where it serves nothing', async () => {
    const { peer, link } = await connectInMemory()
    const answered = new Promise<number | undefined>((resolve) => {
      peer.client.on('message', (bytes: Uint8Array) => resolve(bytes[1]))
    })
    peer.client.send(Buffer.of(0x40, 0x01, 0, 1, 0xb1, 0x61), 0, 6, 0, 'peer')
    expect(await answered).toBe(0x84)
    link.close()
  })
})
