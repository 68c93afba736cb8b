import { instant, ManualClock } from '@sallyport/clock'
import { decodeSenml, senmlCbor } from '@sallyport/representation'
import { createServer } from 'coap'
import { describe, expect, it } from 'vitest'
import type { DeviceEvent } from '../src/device-event.ts'
import { simulatedResources } from '../src/simulated-resources.ts'
import { Telemetry } from '../src/telemetry.ts'
import { connectInMemory } from './memory-association.ts'

const now = instant(1_800_000_000_000)

describe('telemetry', () => {
  it('is SenML in CBOR with the time of the measurement, and counts as stored with a 2.xx', async () => {
    const memory = await connectInMemory()
    const received: unknown[] = []
    createServer({}, (request, response) => {
      expect(`${request.method} ${request.url} ${request.headers['Content-Format']}`).toBe(
        'POST /api/v1/telemetry application/senml+cbor',
      )
      received.push(decodeSenml(senmlCbor, request.payload, instant(0)))
      response.statusCode = '2.04'
      response.end()
    }).listen(memory.peer.server)
    const events: DeviceEvent[] = []
    const telemetry = new Telemetry(new ManualClock(now), (event) => events.push(event))
    telemetry.measure(simulatedResources(() => 0.5))
    await telemetry.send(memory.link)
    expect(received).toEqual([
      [
        { name: 'light', time: now, booleanValue: false },
        { name: 'temperature', time: now, unit: 'Cel', value: 21 },
        { name: 'battery', time: now, unit: '%EL', value: 80 },
      ],
    ])
    expect(telemetry.waiting).toBe(0)
    expect(events).toEqual([{ kind: 'telemetry-stored', records: 3, took: 0 }])
    memory.link.close()
  })

  it('keeps what was not stored, and gives up what is refused for good', async () => {
    const memory = await connectInMemory()
    let code = '5.03'
    createServer({}, (_request, response) => {
      response.statusCode = code
      response.end()
    }).listen(memory.peer.server)
    const telemetry = new Telemetry(new ManualClock(now), () => undefined)
    telemetry.measure(simulatedResources(() => 0))
    await expect(telemetry.send(memory.link)).rejects.toThrow('refused with 5.03')
    expect(telemetry.waiting).toBe(3)
    code = '4.01'
    await expect(telemetry.send(memory.link)).rejects.toThrow('refused with 4.01')
    expect(telemetry.waiting).toBe(3)
    code = '4.00'
    await expect(telemetry.send(memory.link)).rejects.toThrow('refused with 4.00')
    expect(telemetry.waiting).toBe(0)
    memory.link.close()
  })

  it('keeps at most 256 records, the newest', () => {
    const telemetry = new Telemetry(new ManualClock(now), () => undefined)
    for (let round = 0; round < 100; round += 1) telemetry.measure(simulatedResources(() => 0))
    expect(telemetry.waiting).toBe(256)
  })
})
