import { seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { encodeMessage, messageTypes, methodCodes, optionNumbers } from '../src/index.ts'
import { EndpointPair, resource } from './endpoint-pair.ts'

const none = new Uint8Array(0)
const resources = [resource('/a', ['GET', 'POST'])]
const limits = { requestQuota: { requests: 5, per: seconds(10) } }
const serving = () => new EndpointPair({ right: { resources, limits, serve: () => ({ code: '2.05' }) } })
const ask = (pair: EndpointPair, count = 1) => {
  const before = pair.left.of('response').length
  for (let sent = 0; sent < count; sent++) {
    pair.request(pair.left, { path: '/a' })
    pair.run(seconds(0.02))
  }
  return pair.left
    .of('response')
    .slice(before)
    .map(({ response }) => response)
}

describe('[6.8] a quota of requests (RFC 8516)', () => {
  it('what is over it gets 4.29 with the seconds to wait in Max-Age, and reaches no handler', () => {
    const pair = serving()
    const answers = ask(pair, 7)
    expect(answers.map(({ code }) => code)).toEqual([...Array(5).fill('2.05'), '4.29', '4.29'])
    expect(answers.at(-1)?.maxAge).toBe(2)
    expect(pair.right.requests).toHaveLength(5)
    expect(pair.right.of('refused')).toMatchObject([{ errorCode: 'rate-limited' }, { errorCode: 'rate-limited' }])
  })

  it('fills evenly: one more after the time that was named, all of them after the whole, never more', () => {
    const pair = serving()
    ask(pair, 6)
    pair.run(seconds(2))
    expect(ask(pair, 2).map(({ code }) => code)).toEqual(['2.05', '4.29'])
    pair.run(seconds(1000))
    expect(ask(pair, 6).map(({ code }) => code)).toEqual([...Array(5).fill('2.05'), '4.29'])
  })

  it('is of one association: another one has its own', () => {
    const pair = serving()
    ask(pair, 6)
    const other = pair.right.endpoint.associate('other')
    const options = [{ number: optionNumbers['Uri-Path'], value: Buffer.from('a') }]
    const message = {
      type: messageTypes.confirmable,
      code: methodCodes.GET,
      messageId: 1,
      token: none,
      options,
      payload: none,
    }
    pair.right.endpoint.handleMessage(other, encodeMessage(message), pair.now)
    pair.drain()
    expect(pair.right.sent.at(-1)?.code).toBe(0x45)
  })

  it('does not count a duplicate, which is answered from memory', () => {
    const pair = serving()
    ask(pair, 4)
    const repeated = pair.left.sent.at(-1)
    if (repeated === undefined) throw new Error('nothing was sent')
    for (let count = 0; count < 20; count++) pair.deliver(pair.right, encodeMessage(repeated))
    expect(ask(pair, 2).map(({ code }) => code)).toEqual(['2.05', '4.29'])
  })

  it('is off by default', () => {
    const pair = new EndpointPair({ right: { resources, serve: () => ({ code: '2.05' }) } })
    expect(ask(pair, 200).every(({ code }) => code === '2.05')).toBe(true)
  })
})
