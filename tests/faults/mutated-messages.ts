/** CoAP messages that a signed-in device might send, and what becomes of them when a few of their bytes are changed. */

import { generate } from 'coap-packet'

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'FETCH'

interface Template {
  readonly method: Method
  readonly path: string
  /** Option numbers with their values, beside the path. */
  readonly options?: readonly { readonly name: string; readonly value: Buffer }[]
  readonly payload?: Buffer
  readonly confirmable?: boolean
}

const json = { name: 'Content-Format', value: Buffer.of(50) } as const
const senmlJson = { name: 'Content-Format', value: Buffer.of(110) } as const
const block1 = (value: number) => ({ name: 'Block1', value: Buffer.of(value) })
const block2 = (value: number) => ({ name: 'Block2', value: Buffer.of(value) })

const templates: readonly Template[] = [
  { method: 'GET', path: '/x.plgd.dev/time' },
  { method: 'GET', path: '/x.plgd.dev/time', confirmable: false },
  { method: 'GET', path: '/.well-known/core', options: [{ name: 'Uri-Query', value: Buffer.from('rt=oic*') }] },
  { method: 'GET', path: '/oic/res', options: [{ name: 'Observe', value: Buffer.alloc(0) }, block2(0x02)] },
  { method: 'GET', path: '/oic/rd', options: [{ name: 'ETag', value: Buffer.from('abcd') }] },
  {
    method: 'POST',
    path: '/oic/rd',
    options: [json],
    payload: Buffer.from('{"links":[{"href":"/a","rt":["x"]}],"ttl":60}'),
  },
  {
    method: 'POST',
    path: '/oic/sec/session',
    options: [json],
    payload: Buffer.from('{"login":true,"di":"x","uid":"y"}'),
  },
  { method: 'POST', path: '/oic/sec/tokenrefresh', options: [json], payload: Buffer.from('{"refreshtoken":"x"}') },
  { method: 'POST', path: '/oic/rd', options: [json, block1(0x0e)], payload: Buffer.alloc(1024, 'x') },
  { method: 'PUT', path: '/oic/rd', options: [json, block1(0x1a)], payload: Buffer.alloc(64, '[') },
  { method: 'POST', path: '/api/v1/telemetry', options: [senmlJson], payload: Buffer.from('[{"n":"t","v":1}]') },
  { method: 'FETCH', path: '/oic/res', options: [json], payload: Buffer.from('{"rt":"x"}') },
  { method: 'DELETE', path: '/oic/rd', options: [{ name: 'Uri-Query', value: Buffer.from('ins=1') }] },
]

const encoded = templates.map(({ method, path, options = [], payload, confirmable = true }) =>
  generate({
    code: method === 'FETCH' ? '0.05' : method,
    messageId: 0,
    token: Buffer.from('01020304', 'hex'),
    confirmable,
    options: [
      ...path
        .split('/')
        .filter((segment) => segment !== '')
        .map((segment) => ({ name: 'Uri-Path' as const, value: Buffer.from(segment) })),
      ...options,
    ] as never,
    ...(payload === undefined ? {} : { payload }),
  }),
)

/** One of them under this Message ID, one to four times changed: a byte, a bit, the end cut, a part repeated, lengths of 0xff. */
export function mutatedMessage(random: () => number, messageId: number): Buffer {
  const pick = (limit: number): number => Math.floor(random() * limit)
  let message = Buffer.from(encoded[pick(encoded.length)] ?? Buffer.alloc(4))
  message.writeUInt16BE(messageId & 0xffff, 2)
  for (let change = 0; change <= pick(4); change += 1) {
    const at = pick(message.length)
    const kind = pick(6)
    if (kind === 0) message[at] = pick(256)
    else if (kind === 1) message[at] = (message[at] ?? 0) ^ (1 << pick(8))
    else if (kind === 2) message = message.subarray(0, at)
    else if (kind === 3) message = Buffer.concat([message, message.subarray(at)])
    else if (kind === 4) message[4 + pick(4)] = pick(256)
    else if (at + 2 < message.length) message.fill(0xff, at, at + 2)
    if (message.length === 0) message = Buffer.of(pick(256))
  }
  return message.subarray(0, 1200)
}
