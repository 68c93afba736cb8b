/**
 * A gateway that is restarted, or killed, under the eyes of its devices.
 *
 * Its socket outlives it: no device gets an ICMP error, and what comes meanwhile is served by the successor.
 */

import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { eventually, installationForTest, type TestInstallation } from '@sallyport/development'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pause, say } from './effort.ts'
import { clientHello, cookieOf } from './hostile-hello.ts'

let installation: TestInstallation

beforeAll(async () => {
  installation = await installationForTest()
})
afterAll(() => installation?.stop())

/** RFC 6347 section 4.2.1: a HelloVerifyRequest carries the record number of the ClientHello that it answers. */
const recordNumberOf = (datagram: Buffer): number => datagram.readUIntBE(5, 6)

describe('the socket of the gateway', () => {
  it('[6.3] a thousand datagrams around a kill -9: none is refused, and those of the gap are answered by the successor', async () => {
    const { coaps } = installation.gateway.ready
    if (coaps === undefined) throw new Error('the gateway has no CoAP address')
    const client = createSocket('udp4')
    const errors: Error[] = []
    const answered = new Map<number, number>()
    client.on('error', (error) => errors.push(error))
    client.on('message', (datagram) => {
      if (cookieOf(datagram) !== undefined) answered.set(recordNumberOf(datagram), performance.now())
    })
    await new Promise<void>((resolve) => client.connect(coaps.port, coaps.host, resolve))
    const hello = clientHello(randomBytes(32))
    const sentAt: number[] = []
    const { pid } = installation.gateway
    let killedAt = Number.POSITIVE_INFINITY
    for (let number = 0; number < 1000; number += 1) {
      if (number === 200) {
        killedAt = performance.now()
        await installation.gateway.kill('SIGKILL')
      }
      hello.writeUIntBE(number, 5, 6)
      sentAt.push(performance.now())
      client.send(Buffer.from(hello))
      await pause(2)
    }
    await installation.gateway.readyAgain(pid)
    await eventually('every hello is answered', async () => answered.size === 1000).catch(() => undefined)
    const back = Math.min(...[...answered.values()].filter((at) => at > killedAt + 20))
    const inGap = sentAt.filter((at) => at > killedAt && at < back).length
    say(`${inGap} of 1000 hellos came in a gap of ${(back - killedAt).toFixed(0)} ms; ${answered.size} were answered`)
    expect(errors).toEqual([])
    expect(inGap).toBeGreaterThan(100)
    expect(answered.size).toBe(1000)
    client.close()
  })
})
