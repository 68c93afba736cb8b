/**
 * Every order in which a client could say its last flight, and a server its part: left out, exchanged, moved, said twice,
 * in the clear and protected. One order ends in Finished; of the others, none does.
 */

import { beforeAll, describe, expect, it } from 'vitest'
import { HostileClient } from './harness/hostile-client.ts'
import { HostileServer } from './harness/hostile-server.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

type Step =
  | 'serverHello'
  | 'certificate'
  | 'keyExchange'
  | 'certificateRequest'
  | 'helloDone'
  | 'certificateVerify'
  | 'changeCipherSpec'
  | 'finished'

/** How what is said besides Finished and change_cipher_spec travels, and how Finished does. */
interface Epochs {
  readonly name: string
  /** Undefined: as an honest peer's would, protected after change_cipher_spec. */
  readonly message: 0 | undefined
  readonly finished: 0 | 1
}

const epochs: readonly Epochs[] = [
  { name: 'honest epochs', message: undefined, finished: 1 },
  { name: 'messages in the clear', message: 0, finished: 1 },
  { name: 'Finished in the clear', message: 0, finished: 0 },
]

/** All that differ from the honest order in one of the ways above; the honest one is not among them. */
function ordersOf(honest: readonly Step[]): Step[][] {
  const orders: Step[][] = []
  for (let kept = 0; kept < 2 ** honest.length; kept += 1) {
    orders.push(honest.filter((_, at) => (kept >> at) % 2 === 1))
  }
  for (const [from, step] of honest.entries()) {
    for (let to = 0; to <= honest.length; to += 1) {
      orders.push([...honest.slice(0, to), step, ...honest.slice(to)])
      const without = honest.filter((_, at) => at !== from)
      orders.push([...without.slice(0, to), step, ...without.slice(to)])
    }
  }
  orders.push(...permutationsOf(honest.slice(0, 5)).map((first) => [...first, ...honest.slice(5)]))
  const different = new Map(orders.map((order) => [order.join(' '), order]))
  different.delete(honest.join(' '))
  return [...different.values()]
}

function permutationsOf(steps: readonly Step[]): Step[][] {
  if (steps.length < 2) return [[...steps]]
  return steps.flatMap((step, at) =>
    permutationsOf(steps.filter((_, other) => other !== at)).map((rest) => [step, ...rest]),
  )
}

/**
 * Whether it comes down to one of these: what the network itself may do to an honest peer's datagrams is no order of its
 * own. It may put a change_cipher_spec of anybody anywhere, and let Finished overtake the one that it comes after.
 */
function amountsTo(order: readonly Step[], honest: readonly (readonly Step[])[], how: Epochs): boolean {
  const messages = honest.map((legal) => legal.slice(0, -2).join(' '))
  const said: Step[] = []
  let [changed, finished] = [false, false]
  for (const step of order) {
    const complete = messages.includes(said.join(' '))
    if (step === 'changeCipherSpec') changed = true
    else if (step === 'finished') {
      if (!complete || how.finished === 0) return false
      finished = true
    } else {
      if (changed && how.message === undefined) return false
      changed = false
      said.push(step)
    }
    if (changed && finished && messages.includes(said.join(' '))) return true
  }
  return false
}

/** Sends it; whether it got in. */
function reachesServer(order: readonly Step[], { message, finished }: Epochs): boolean {
  const server = new ServerUnderTest(serverIdentity)
  const client = new HostileClient(server, device).toFlight4()
  for (const step of order) {
    const options = message === undefined ? {} : { epoch: message }
    if (step === 'certificate') client.certificate(device.chain, options)
    else if (step === 'keyExchange') client.keyExchange(options)
    else if (step === 'certificateVerify') client.certificateVerify(options)
    else if (step === 'finished') client.finished({ epoch: finished })
    else if (step === 'changeCipherSpec') {
      client.changeCipherSpec(0)
      client.epoch = 1
    }
  }
  return server.all('connected').length > 0
}

/** Sends it to our client; whether it took us for its server. */
function reachesClient(order: readonly Step[], { message, finished }: Epochs): boolean {
  const server = new HostileServer(serverIdentity, device)
  for (const step of order) {
    if (step === 'finished') server.finished({ epoch: finished })
    else if (step === 'changeCipherSpec') server.changeCipherSpec()
    else if (step !== 'certificateVerify') {
      const { epoch } = server
      if (message !== undefined) server.epoch = message
      server[step]()
      server.epoch = epoch
    }
  }
  return server.connected
}

const clientFlight: readonly Step[] = [
  'certificate',
  'keyExchange',
  'certificateVerify',
  'changeCipherSpec',
  'finished',
]

const serverFlights: readonly Step[] = [
  'serverHello',
  'certificate',
  'keyExchange',
  'certificateRequest',
  'helloDone',
  'changeCipherSpec',
  'finished',
]

describe('illegal orders of the handshake (RFC 5246 section 7.3, RFC 6347 section 4.2.4)', () => {
  it('of a client: none of all that there are reaches Finished', () => {
    let illegal = 0
    for (const how of epochs) {
      for (const order of ordersOf(clientFlight)) {
        const legal = amountsTo(order, [clientFlight], how)
        expect(reachesServer(order, how), `${how.name}: ${order.join(' ')}`).toBe(legal)
        if (!legal) illegal += 1
      }
    }
    process.stdout.write(`illegal orders of a client: ${illegal}, reached Finished: 0\n`)
    expect(illegal).toBeGreaterThanOrEqual(60)
    for (const how of epochs) expect(reachesServer(clientFlight, how)).toBe(how.finished === 1)
  })

  it('of a server: none of all that there are is taken for a server', () => {
    // One that does not ask for our certificate is in order too.
    const legal = [serverFlights, serverFlights.filter((step) => step !== 'certificateRequest')]
    let illegal = 0
    for (const how of epochs) {
      for (const order of ordersOf(serverFlights)) {
        const expected = amountsTo(order, legal, how)
        expect(reachesClient(order, how), `${how.name}: ${order.join(' ')}`).toBe(expected)
        if (!expected) illegal += 1
      }
    }
    process.stdout.write(`illegal orders of a server: ${illegal}, reached Finished: 0\n`)
    expect(illegal).toBeGreaterThanOrEqual(60)
    for (const how of epochs) expect(reachesClient(serverFlights, how)).toBe(how.finished === 1)
  })
})
