/** A server under test and a hostile client before it, as tests of attacks begin; the identities serve a whole file. */

import { expect } from 'vitest'
import { HostileClient } from './hostile-client.ts'
import { makeIdentity } from './identity.ts'
import { ServerUnderTest } from './server-under-test.ts'

export const serverIdentity = makeIdentity('P-256', 'server')
export const device = makeIdentity('P-256', 'device')
/** Another key for the same name. */
export const otherDevice = makeIdentity('P-256', 'device')

export interface HostileMeeting {
  readonly server: ServerUnderTest
  readonly client: HostileClient
}

export function meet(
  configuration: ConstructorParameters<typeof ServerUnderTest>[1] = {},
  port?: number,
): HostileMeeting {
  const server = new ServerUnderTest(serverIdentity, configuration)
  return { server, client: new HostileClient(server, device, port) }
}

/** Nobody was let in; a handshake may still be waiting. */
export const expectNobodyIn = (server: ServerUnderTest): void => {
  expect(server.all('connected')).toEqual([])
  expect(server.machine.counts.live).toBe(0)
}

/** Nobody was let in, and nothing is left of the attempt. */
export const expectRefused = (server: ServerUnderTest): void => {
  expect(server.all('connected')).toEqual([])
  expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
}
