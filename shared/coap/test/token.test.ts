import { seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { type CoapMessage, encodeMessage, messageTypes } from '../src/index.ts'
import { EndpointPair, resource } from './endpoint-pair.ts'

const body = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 31) & 255)
const resources = [resource('/ask', ['GET', 'POST'], { maxRequestBytes: 10_000, observable: true })]
const meet = (reliable = false) =>
  new EndpointPair({ reliable, right: { resources, serve: ({ payload }) => ({ code: '2.05', payload }) } })
/** 2.05. */
const content = 0x45
const tokenOf = ({ token }: CoapMessage) => Buffer.from(token).toString('hex')

describe('tokens (RFC 9175 section 4)', () => {
  for (const reliable of [false, true]) {
    it(`of a request are never used again on an association, over ${reliable ? 'TLS' : 'DTLS'}: 2000 requests, 2000 tokens of 8 bytes`, () => {
      const pair = meet(reliable)
      const seen = new Set<string>()
      for (let count = 0; count < 40; count += 1) {
        for (let parallel = 0; parallel < 50; parallel += 1) pair.request(pair.left, { path: '/ask' })
        pair.run(seconds(60))
        for (const message of pair.left.sent.splice(0)) {
          if (message.code === 0 || message.code >= 32) continue
          expect(message.token).toHaveLength(8)
          seen.add(tokenOf(message))
        }
        pair.right.sent.length = 0
        expect(pair.left.of('response')).toHaveLength(50)
        for (const end of [pair.left, pair.right]) end.outputs.length = 0
      }
      expect(seen.size).toBe(2000)
    })
  }

  it('of a message that is sent again is the same, and each body in blocks has one of its own', () => {
    const pair = meet()
    let lost = 0
    pair.lose = (message, from) => from === pair.left && message.code !== 0 && lost++ === 0
    for (let count = 0; count < 3; count += 1) {
      pair.request(pair.left, { path: '/ask', method: 'POST', payload: body(3000) })
      pair.run(seconds(60))
    }
    expect(pair.left.of('response')).toHaveLength(3)
    const uploads = pair.left.sent.filter(({ payload }) => payload.length > 0)
    expect(uploads).toHaveLength(3 * 3 + 1)
    expect(new Set(uploads.map(tokenOf)).size).toBe(3)
  })

  it('of a request that is over matches nothing any more: its answer, held back by somebody, is not that of the next request', () => {
    const pair = meet()
    let heldBack: CoapMessage | undefined
    pair.lose = (message, from) => {
      if (from !== pair.right || message.code !== content || heldBack !== undefined) return false
      heldBack = { ...message, token: message.token.slice() }
      return true
    }
    pair.request(pair.left, { path: '/ask', timeout: seconds(1) })
    pair.run(seconds(2))
    expect(pair.left.of('request-failed')).toHaveLength(1)
    if (heldBack === undefined) throw new Error('nothing was held back')
    const next = pair.request(pair.left, { path: '/ask', method: 'POST', payload: Uint8Array.of(7) })
    const late = { ...heldBack, type: messageTypes.confirmable, messageId: 60_000, payload: Uint8Array.of(1) }
    pair.deliver(pair.left, encodeMessage(late))
    expect(pair.left.of('response')).toEqual([])
    pair.run(seconds(10))
    expect(pair.left.of('response').map(({ request, response }) => [request === next, ...response.payload])).toEqual([
      [true, 7],
    ])
  })
})
