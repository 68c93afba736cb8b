import { clockFrom, later, minutes } from '@sallyport/clock'
import { createLogger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import { describe, expect, it } from 'vitest'
import type { DeviceAssociation } from '../src/device-request.ts'
import { LiveDevices } from '../src/live-devices.ts'
import { Presence } from '../src/presence.ts'

const clock = clockFrom(Date.now)

/** A fleet that is signed in, and what the database says and is told of it. */
function fleetOf(count: number) {
  const devices = new LiveDevices(clock)
  const ids = Array.from({ length: count }, (_, index) => `association-${index}`)
  for (const id of ids) {
    const association = { id, identity: { deviceId: `of ${id}` }, remote: {}, closed: false } as DeviceAssociation
    const live = devices.of(association)
    live.session.signedIn(clock.now(), later(clock.now(), minutes(60)))
    devices.signIn(live)
  }
  const database = { online: new Set(ids), declared: [] as string[], atOnce: 0, mostAtOnce: 0, away: false, asked: 0 }
  const presence = new Presence({
    store: {
      gateways: {
        async adoptSessions(_gateway, asked) {
          database.asked += 1
          const current = asked.map(({ associationId }) => associationId).filter((id) => database.online.has(id))
          return { current: new Set(current), ended: new Map() }
        },
      },
      devices: {
        async declareOnline({ associationId }) {
          database.mostAtOnce = Math.max(database.mostAtOnce, ++database.atOnce)
          await new Promise(setImmediate)
          database.atOnce -= 1
          if (database.away) throw new CodedError('database-unavailable', 'away')
          database.declared.push(associationId)
          database.online.add(associationId)
          return { sequence: 1 }
        },
        async declareOffline({ associationId }) {
          database.mostAtOnce = Math.max(database.mostAtOnce, ++database.atOnce)
          await new Promise(setImmediate)
          database.atOnce -= 1
          database.online.delete(associationId)
        },
        contact: async () => undefined,
      },
    },
    devices,
    gatewayId: 'gateway',
    clock,
    log: createLogger({ service: 'gateway', level: 'silent' }),
    onSessionEnded: () => undefined,
  })
  return { devices, database, presence, ids }
}

describe('after a gap', () => {
  it('nobody is declared online again who is online in the database, however many there are', async () => {
    const { database, presence } = fleetOf(2500)
    await presence.declareAgain()
    expect(database.declared).toEqual([])
    expect(database.asked).toBe(3)
  })

  it('those that others declared offline meanwhile are declared online again, each once, one after the other', async () => {
    const { database, presence, ids } = fleetOf(200)
    for (const id of ids.slice(50, 120)) database.online.delete(id)
    await Promise.all([presence.declareAgain(), presence.declareAgain(), presence.declareAgain()])
    while (database.declared.length < 70) await new Promise(setImmediate)
    expect(database.declared.toSorted()).toEqual(ids.slice(50, 120).toSorted())
    expect(database.mostAtOnce).toBe(1)
  })

  it('a database that is away again ends it at the first device, not at each', async () => {
    const { database, presence } = fleetOf(200)
    database.online.clear()
    database.away = true
    await presence.declareAgain()
    expect(database.declared).toEqual([])
    expect(database.mostAtOnce).toBe(1)
    expect(database.asked).toBe(1)
  })
})

describe('a fleet that goes at once', () => {
  it('is declared offline three at a time', async () => {
    const { devices, database, presence } = fleetOf(100)
    await Promise.all([...devices.signedIn].map((live) => presence.goesOffline(live, 'association-closed')))
    expect(database.mostAtOnce).toBe(3)
    expect(database.online.size).toBe(0)
  })
})
