import { instant, milliseconds } from '@sallyport/clock'
import { encode } from '@sallyport/representation'
import { describe, expect, it } from 'vitest'
import { type AssociationSnapshotContent, decodeSnapshot, encodeSnapshot } from '../src/association-snapshot.ts'
import type { DeviceIdentity } from '../src/device-identity.ts'

const of = (identity: DeviceIdentity): AssociationSnapshotContent => ({
  associationId: '0011223344556677',
  openedAt: instant(1),
  writtenUnder: 2,
  bornUnder: 1,
  state: Uint8Array.of(1, 2, 3),
  identity,
  session: undefined,
  lastContact: instant(5),
  expectedInterval: milliseconds(60_000),
  watched: [],
  asksOn: false,
})
const device = { deviceId: 'd', organizationId: 'o' }

describe('a snapshot of an association', () => {
  it('says with what its device came in: a certificate, or a pre-shared key', () => {
    for (const identity of [
      { ...device, certificateSha256: 'c', certificateSerial: '01', certificateNotAfter: instant(9) },
      { ...device, pskIdentitySha256: 'p' },
    ]) {
      expect(decodeSnapshot(encodeSnapshot(of(identity)))?.identity).toEqual(identity)
    }
  })

  it('without either is no snapshot', () => {
    const bare = { v: 1, id: 'x', at: 1, by: 1, born: 1, state: Uint8Array.of(1), who: device, seen: 1, every: 1 }
    expect(decodeSnapshot(encode(60, { ...bare, watch: [] }))).toBeUndefined()
  })
})
