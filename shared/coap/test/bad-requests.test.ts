import { describe, expect, it } from 'vitest'
import {
  type CoapOption,
  encodeMessage,
  messageTypes,
  methodCodes,
  optionNumbers,
  type ResponseCode,
  responseCodeByte,
  uintValue,
} from '../src/index.ts'
import { EndpointPair, randomFrom, resource } from './endpoint-pair.ts'

const none = new Uint8Array(0)
const option = (number: number, value: string | Uint8Array): CoapOption => ({ number, value: Buffer.from(value) })
const path = (text: string | Uint8Array) => option(optionNumbers['Uri-Path'], text)
const resources = [resource('/', ['GET']), resource('/a', ['GET', 'POST']), resource('/files/{name*}', ['GET'])]
const serving = () => new EndpointPair({ right: { resources, serve: () => ({ code: '2.05' }) } })

let nextMessageId = 0
const message = (options: readonly CoapOption[], fields: { type?: 0 | 1; code?: number } = {}) =>
  encodeMessage({
    type: fields.type ?? messageTypes.confirmable,
    code: fields.code ?? methodCodes.GET,
    messageId: nextMessageId++,
    token: Uint8Array.of(1, 2),
    options,
    payload: none,
  })

/** What the server answers to one message: `ACK 4.04`, `RST`, or nothing. */
function answerTo(bytes: Uint8Array, pair = serving()): string {
  pair.deliver(pair.right, bytes)
  const [answer] = pair.right.sent
  if (answer === undefined) return 'nothing'
  if (answer.code === 0) return answer.type === messageTypes.reset ? 'RST' : 'ACK'
  return `${answer.type === messageTypes.acknowledgement ? 'ACK' : 'NON'} ${answer.code >> 5}.${String(answer.code & 31).padStart(2, '0')}`
}

describe('[5.9] F17: bad input', () => {
  const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))

  it('(RFC 7252 section 3) another version, or less than a header, is ignored in silence', () => {
    for (const bytes of ['', '40', '400100', '00010001', '80010001', 'c0010001']) {
      expect(answerTo(hex(bytes))).toBe('nothing')
    }
  })

  it('(RFC 7252 section 4.2) a confirmable message with a format error is rejected by a Reset, another one ignored', () => {
    for (const rest of ['010001 f1 00', '010001 ff', '000001 ff 01', '010001 b5 6162']) {
      expect(answerTo(hex(`40${rest}`))).toBe('RST')
      expect(answerTo(hex(`50${rest}`))).toBe('nothing')
      expect(answerTo(hex(`60${rest}`))).toBe('nothing')
      expect(answerTo(hex(`70${rest}`))).toBe('nothing')
    }
    expect(answerTo(hex('49 01 0001 010203040506070809'))).toBe('RST')
  })

  it('a reserved code (1.00, 3.04, 6.00, 7.31) is rejected when confirmable, else ignored', () => {
    for (const code of [0x20, 0x64, 0xc0, 0xff]) {
      expect(answerTo(message([], { code }))).toBe('RST')
      expect(answerTo(message([], { code, type: 1 }))).toBe('nothing')
    }
  })

  it('an unknown critical option (RFC 7252 section 5.4.1) gets 4.02, in a non-confirmable message a Reset; an elective one is ignored', () => {
    expect(answerTo(message([path('a'), option(9999, 'x')]))).toBe('ACK 4.02')
    expect(answerTo(message([path('a'), option(9999, 'x')], { type: 1 }))).toBe('RST')
    expect(answerTo(message([path('a'), option(9998, 'x')]))).toBe('ACK 2.05')
  })

  it('a known option (RFC 7252 sections 5.4.3 and 5.4.5) that is too long, or repeated though it may not be, counts as unknown', () => {
    const host = option(optionNumbers['Uri-Host'], 'gateway')
    expect(answerTo(message([host, path('a')]))).toBe('ACK 2.05')
    expect(answerTo(message([host, host, path('a')]))).toBe('ACK 4.02')
    expect(answerTo(message([path('a'), option(optionNumbers.Accept, Uint8Array.of(1, 2, 3))]))).toBe('ACK 4.02')
    expect(answerTo(message([path('a'), option(optionNumbers['Content-Format'], Uint8Array.of(1, 2, 3))]))).toBe(
      'ACK 2.05',
    )
  })

  it('a condition that nobody keeps is not overlooked: If-Match and If-None-Match get 4.02', () => {
    expect(answerTo(message([option(optionNumbers['If-Match'], 'x'), path('a')]))).toBe('ACK 4.02')
    expect(answerTo(message([option(optionNumbers['If-None-Match'], none), path('a')]))).toBe('ACK 4.02')
  })

  it('the critical options of OCF are taken', () => {
    const version = uintValue(2048)
    expect(answerTo(message([path('a'), option(2049, version), option(2053, version)]))).toBe('ACK 2.05')
  })

  it('a request for a proxy (RFC 7252 section 5.7) gets 5.05', () => {
    expect(answerTo(message([option(optionNumbers['Proxy-Uri'], 'coap://else/where')]))).toBe('ACK 5.05')
    expect(answerTo(message([path('a'), option(optionNumbers['Proxy-Scheme'], 'http')]))).toBe('ACK 5.05')
  })

  it('(RFC 7252 sections 5.8 and 5.9) an unknown path gets 4.04, a known one with another method 4.05, also for a method that does not exist', () => {
    expect(answerTo(message([path('b')]))).toBe('ACK 4.04')
    expect(answerTo(message([path('a')], { code: methodCodes.DELETE }))).toBe('ACK 4.05')
    expect(answerTo(message([path('a')], { code: 0x1f }))).toBe('ACK 4.05')
  })

  it('a path (RFC 7252 section 6) that could mean another one gets 4.00 and reaches no resource', () => {
    const refused = ['..', '.', '%2e%2e', '%2E.', 'a\u0000b', 'a/b', 'a\\b', '\u007f', '']
    for (const segment of refused) {
      const pair = serving()
      expect(answerTo(message([path('files'), path(segment), path('x')]), pair)).toBe('ACK 4.00')
      expect(pair.right.requests).toHaveLength(0)
    }
    expect(answerTo(message([path('files'), path('..a')]))).toBe('ACK 2.05')
  })

  it('a path or query (RFC 7252 section 6) that is not UTF-8, overlong forms among them, gets 4.00', () => {
    for (const bad of [[0xc0, 0xae], [0xe0, 0x80, 0xaf], [0xff], [0xed, 0xa0, 0x80], [0x80]]) {
      expect(answerTo(message([path('files'), path(Uint8Array.from(bad))]))).toBe('ACK 4.00')
      expect(answerTo(message([path('a'), option(optionNumbers['Uri-Query'], Uint8Array.from(bad))]))).toBe('ACK 4.00')
    }
    expect(answerTo(message([path('files'), path('größe')]))).toBe('ACK 2.05')
  })

  it('a query with a control character gets 4.00', () => {
    expect(answerTo(message([path('a'), option(optionNumbers['Uri-Query'], 'di=a\u0000b')]))).toBe('ACK 4.00')
    expect(answerTo(message([path('a'), option(optionNumbers['Uri-Query'], 'di=a/../b')]))).toBe('ACK 2.05')
  })

  it('[6.8] a hop limit of 1 to 255 is understood, another one gets 4.00 (RFC 8768 section 3)', () => {
    const hops = (...value: number[]) =>
      answerTo(message([path('a'), option(optionNumbers['Hop-Limit'], Uint8Array.from(value))]))
    expect([hops(1), hops(16), hops(255)]).toEqual(['ACK 2.05', 'ACK 2.05', 'ACK 2.05'])
    expect([hops(), hops(0), hops(1, 0)]).toEqual(['ACK 4.00', 'ACK 4.00', 'ACK 4.00'])
  })

  it('a reserved block size gets 4.00', () => {
    expect(answerTo(message([path('a'), option(optionNumbers.Block2, Uint8Array.of(7))]))).toBe('ACK 4.00')
    expect(
      answerTo(message([path('a'), option(optionNumbers.Block1, Uint8Array.of(15))], { code: methodCodes.POST })),
    ).toBe('ACK 4.00')
  })

  it('a response with an unknown critical option is rejected', () => {
    const pair = new EndpointPair()
    pair.request(pair.left, { path: '/a' })
    const [sent] = pair.left.sent
    const bad = encodeMessage({
      type: messageTypes.nonConfirmable,
      code: responseCodeByte('2.05'),
      messageId: 5,
      token: sent?.token ?? none,
      options: [option(9999, 'x')],
      payload: none,
    })
    pair.deliver(pair.left, bad)
    expect(pair.left.sent.at(-1)?.type).toBe(messageTypes.reset)
    expect(pair.left.of('response')).toHaveLength(0)
  })

  it('an acknowledgement or Reset with a request code, and an acknowledgement of nothing, are ignored', () => {
    expect(answerTo(hex('60 01 0001'))).toBe('nothing')
    expect(answerTo(hex('70 01 0001'))).toBe('nothing')
    expect(answerTo(hex('60 00 0001'))).toBe('nothing')
    expect(answerTo(hex('70 00 0001'))).toBe('nothing')
    expect(answerTo(hex('50 00 0001'))).toBe('nothing')
  })

  const seed = Number(process.env.SEED ?? 17)
  it(`200000 mutated messages throw nothing, leave nothing behind, and a good request is answered after (seed ${seed})`, () => {
    const random = randomFrom(seed)
    const pair = new EndpointPair({
      right: { resources, serve: () => ({ code: '2.05', payload: new Uint8Array(3000) }) },
    })
    const { endpoint, association } = pair.right
    const seeds = [
      message([path('a'), option(optionNumbers.Observe, none)]),
      message([path('a'), option(optionNumbers.Block1, Uint8Array.of(0x0e))], { code: methodCodes.POST }),
      message([path('files'), path('x'), option(optionNumbers.Block2, Uint8Array.of(0x16))]),
      message([], { code: responseCodeByte('2.05' satisfies ResponseCode) }),
    ]
    for (let count = 0; count < 200_000; count++) {
      const bytes = (seeds[count % seeds.length] ?? none).slice()
      for (let change = random() * 5; change > 0; change--) bytes[Math.floor(random() * bytes.length)] = random() * 256
      endpoint.handleMessage(association, bytes.subarray(0, bytes.length - Math.floor(random() * 4)), pair.now)
      for (let output = endpoint.nextOutput(); output !== undefined; output = endpoint.nextOutput()) {
        if (output.kind === 'request')
          endpoint.respond(output.request, pair.right.serve(output.request) ?? { code: '5.00' }, pair.now)
      }
    }
    expect(endpoint.counts.openRequests).toBe(0)
    pair.run()
    pair.request(pair.left, { path: '/a' })
    pair.run()
    expect(pair.response().payload).toHaveLength(3000)
    endpoint.dissociate(association, pair.now)
    expect(endpoint.counts).toEqual({
      openRequests: 0,
      observations: 0,
      uploadBytes: 0,
      servedBodyBytes: 0,
      unfinishedMessageBytes: 0,
    })
    expect(endpoint.nextTimeout).toBeUndefined()
  })
})
