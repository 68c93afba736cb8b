import { instant, later, milliseconds, seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import {
  builtInRoles,
  claimsAuthority,
  commandStates,
  gatewayLeaseDuration,
  isFinishedState,
  isLiveCertificate,
  isOnline,
  mayFollow,
  permissions,
  permissionsOf,
  permissionsWithin,
  predecessorsOf,
  stateWithoutAnswer,
  uuidV7,
} from '../src/index.ts'

describe('a command', () => {
  it('goes only forward, and stays where it ended', () => {
    const allowed = commandStates.flatMap((from) =>
      commandStates.filter((to) => mayFollow(from, to)).map((to) => `${from} → ${to}`),
    )
    expect(allowed).toEqual([
      'pending → sent',
      'pending → refused',
      'pending → expired',
      'sent → succeeded',
      'sent → refused',
      'sent → outcome-unknown',
      'sent → expired',
    ])
    expect(commandStates.filter(isFinishedState)).toEqual(['succeeded', 'refused', 'outcome-unknown', 'expired'])
    expect(predecessorsOf('succeeded')).toEqual(['sent'])
  })

  it('without an answer may have been carried out, unless it only reads', () => {
    expect([stateWithoutAnswer('POST'), stateWithoutAnswer('GET')]).toEqual(['outcome-unknown', 'expired'])
  })
})

describe('a device', () => {
  const now = instant(1_800_000_000_000)
  const presence = { ended: false, lastContactAt: now, gatewayLeaseRenewedAt: now, gatewayRetired: false }
  const interval = seconds(60)

  it('[4.17] is online while it is signed in, heard of in time, and its gateway is alive', () => {
    expect(isOnline(presence, interval, now)).toBe(true)
    expect(isOnline(presence, interval, later(now, gatewayLeaseDuration))).toBe(true)
    expect(isOnline({ ...presence, gatewayLeaseRenewedAt: later(now, interval) }, interval, later(now, interval))).toBe(
      true,
    )
  })

  it('[4.17] is offline when any of these ends', () => {
    const late = later(now, milliseconds(60_001))
    expect(isOnline({ ...presence, ended: true }, interval, now)).toBe(false)
    expect(isOnline({ ...presence, gatewayRetired: true }, interval, now)).toBe(false)
    expect(isOnline(presence, interval, later(now, milliseconds(15_001)))).toBe(false)
    expect(isOnline({ ...presence, gatewayLeaseRenewedAt: late }, interval, late)).toBe(false)
  })
})

describe('the scopes of an API key', () => {
  it('take from what its maker may do, and add nothing to it', () => {
    const held = permissionsOf(['operator'])
    const within = permissionsWithin(held, ['devices:read', 'groups:write', 'devices:read', 'no-such', '__proto__'])
    expect([...within]).toEqual(['devices:read'])
    expect(permissionsWithin(new Set(), permissions)).toEqual(new Set())
  })
})

describe('roles', () => {
  it('admit what they name and nothing else; a role that is not known admits nothing', () => {
    expect(permissionsOf(['owner'])).toEqual(new Set(permissions))
    expect(permissionsOf([])).toEqual(new Set())
    expect(permissionsOf(['root', 'constructor', '__proto__', 'toString'])).toEqual(new Set())
    expect(permissionsOf(['member']).has('devices:write')).toBe(false)
    expect(permissionsOf(['member']).has('audit:read')).toBe(false)
    expect(permissionsOf(['member', 'auditor']).has('audit:read')).toBe(true)
    // An API key of one's own may no more than oneself.
    const changing = [...permissionsOf(['member', 'auditor'])].filter((name) => !name.endsWith(':read'))
    expect(changing.sort()).toEqual(['api-keys:oversee', 'api-keys:write'])
    expect(builtInRoles.auditor).not.toContain('api-keys:write')
    expect(builtInRoles.operator).not.toContain('groups:write')
  })
})

describe('states', () => {
  it('say what is still good', () => {
    expect(
      (['intent', 'issued', 'active', 'superseded', 'revoked', 'failed'] as const).filter(isLiveCertificate),
    ).toEqual(['issued', 'active'])
    expect((['pending-proof', 'active', 'disabled'] as const).filter(claimsAuthority)).toEqual(['active', 'disabled'])
  })
})

describe('UUIDv7', () => {
  it('is that of RFC 9562 appendix A.6', () => {
    const random = Uint8Array.from([0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f])
    expect(uuidV7(instant(0x017f22e279b0), random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f')
  })

  it('sorts by time, across the 32nd bit too', () => {
    const random = new Uint8Array(10).fill(0xff)
    const times = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 33, 2 ** 48 - 1]
    const ids = times.map((at) => uuidV7(instant(at), random))
    expect([...ids].sort()).toEqual(ids)
    expect(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toBe(
      true,
    )
  })

  it('is not made of too few random bytes, or of a time out of range', () => {
    expect(() => uuidV7(instant(0), new Uint8Array(9))).toThrow(RangeError)
    for (const at of [-1, 0.5, 2 ** 48, Number.NaN]) {
      expect(() => uuidV7(instant(at), new Uint8Array(10))).toThrow(RangeError)
    }
  })
})
