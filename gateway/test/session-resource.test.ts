import { clockFrom, later, minutes } from '@sallyport/clock'
import { createLogger } from '@sallyport/diagnostics'
import { encode } from '@sallyport/representation'
import { describe, expect, it } from 'vitest'
import type { DeviceAssociation, DeviceRequest } from '../src/device-request.ts'
import { LiveDevices } from '../src/live-devices.ts'
import { type SessionOptions, sessionResource } from '../src/resource/session.ts'

const clock = clockFrom(() => Date.now())
const deviceId = '00000000-0000-4000-8000-00000000000d'

/** An association that ends when the test says so. */
function associationOf(id: string) {
  const association = {
    id,
    identity: {
      deviceId,
      organizationId: 'o',
      certificateSha256: id,
      certificateSerial: '01',
      certificateNotAfter: later(clock.now(), minutes(60)),
    },
    remote: { address: '192.0.2.1', port: 1 },
    transport: 'dtls' as const,
    cipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8' as const,
    openedAt: clock.now(),
    closed: false,
    send: () => {},
    close() {
      association.closed = true
    },
  }
  return association
}

function signInOver(association: DeviceAssociation): DeviceRequest {
  return {
    association,
    method: 'POST',
    path: '/oic/sec/session',
    parameters: {},
    query: [],
    contentFormat: 60,
    accept: 60,
    payload: encode(60, { di: deviceId, uid: 'o', accesstoken: 't', login: true }),
    correlationId: '00000000-0000-4000-8000-000000000001',
    signal: new AbortController().signal,
    part: undefined,
    range: { offset: 0, length: 1024 },
  }
}

/** What the database knows of sessions, and a gate before it. */
function sessions(changed: Partial<SessionOptions> = {}) {
  const devices = new LiveDevices(clock)
  const declared: string[] = []
  const gates = new Map<string, PromiseWithResolvers<void>>()
  const options: SessionOptions = {
    devices,
    clock,
    log: createLogger({ service: 'gateway', level: 'silent' }),
    tokens: {
      verify: async (_token, identity) => ({
        deviceId,
        organizationId: 'o',
        boundTo: identity,
        expiresAt: later(clock.now(), minutes(60)),
      }),
    },
    presence: {
      comesOnline: async ({ association }) => void declared.push(`online ${association.id}`),
      goesOffline: async ({ association }) => void declared.push(`offline ${association.id}`),
    },
    store: {
      devices: {
        readForGateway: async () => ({
          deviceId,
          organizationId: 'o',
          registered: true,
          blocked: false,
          expectedInterval: minutes(1),
        }),
      },
      certificates: {
        findRecorded: async () => ({
          deviceId,
          organizationId: 'o',
          recordId: 'r',
          serialNumber: '01',
          state: 'issued',
          deviceState: 'active',
        }),
        markSignedIn: async (sha256) => gates.get(sha256)?.promise,
      },
      psks: { findRecorded: async () => undefined, markSignedIn: async () => {} },
    },
    inTurn: (_request, work) => work(),
    onSignedIn: async () => {},
    onSignedOut: () => {},
    onRefused: () => {},
    ...changed,
  }
  const post = sessionResource(options).handlers.POST
  if (post === undefined) throw new Error('no POST')
  return { devices, declared, gates, post }
}

describe('signing in', () => {
  it('over an association that ended meanwhile leaves nothing: the newer one of the device stays signed in and open', async () => {
    const { devices, declared, gates, post } = sessions()
    const [old, newer] = [associationOf('old'), associationOf('newer')]
    const gate = Promise.withResolvers<void>()
    gates.set('old', gate)
    const late = post(signInOver(old))
    await new Promise((resolve) => setTimeout(resolve, 5))
    old.close()
    devices.closed(old).session.ended()
    await post(signInOver(newer))
    gate.resolve()
    await expect(late).rejects.toMatchObject({ code: 'association-closed' })
    expect(newer.closed).toBe(false)
    expect(devices.signedInAs(deviceId)?.association).toBe(newer)
    expect(declared.filter((line) => line === 'online old').length).toBe(
      declared.filter((line) => line === 'offline old').length,
    )
  })

  it('twice over one association is one session', async () => {
    const { devices, post } = sessions()
    const association = associationOf('one')
    const answers = await Promise.all([post(signInOver(association)), post(signInOver(association))])
    expect(answers.map(({ code }) => code)).toEqual(['2.04', '2.04'])
    expect(devices.signedInAs(deviceId)?.association).toBe(association)
    expect(association.closed).toBe(false)
  })

  it('leaves its turn to others while a successor is told of it, and is answered only then', async () => {
    const turns: string[] = []
    const told = Promise.withResolvers<void>()
    const { post } = sessions({
      async inTurn({ association }, work) {
        const result = await work()
        turns.push(association.id)
        return result
      },
      onSignedIn: () => told.promise,
    })
    let answered = false
    const answer = Promise.resolve(post(signInOver(associationOf('one')))).finally(() => {
      answered = true
    })
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(turns).toEqual(['one'])
    expect(answered).toBe(false)
    told.resolve()
    expect((await answer).code).toBe('2.04')
  })
})
