/** A pre-shared key as people see it: everything but the key, which is shown once, when it is made. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { fromHex, toHex } from '@sallyport/bytes'
import { toRfc3339 } from '@sallyport/clock'
import type { PskRecord } from '@sallyport/store'
import { type CreatedPsk, longestPskBytes, shortestPskBytes } from '../../device-psks.ts'
import { presentTime, Time, TimeOrNull } from '../../presented-time.ts'

export const Psk = Type.Object({
  id: Type.String({ format: 'uuid', description: 'The PSK identity that the device names itself with.' }),
  deviceId: Type.String({ format: 'uuid' }),
  deviceName: Type.String(),
  enrollmentGroupId: Type.String({ format: 'uuid' }),
  state: Type.Union(
    [Type.Literal('issued'), Type.Literal('active'), Type.Literal('superseded'), Type.Literal('revoked')],
    { description: 'Active once the device has signed in with it; its older keys are superseded then.' },
  ),
  createdAt: Time,
  firstSignedInAt: TimeOrNull,
  endedAt: TimeOrNull,
})
export type Psk = Static<typeof Psk>

export const presentPsk = (psk: PskRecord): Psk => ({
  id: psk.id,
  deviceId: psk.deviceId,
  deviceName: psk.deviceName,
  enrollmentGroupId: psk.groupId,
  state: psk.state,
  createdAt: toRfc3339(psk.createdAt),
  firstSignedInAt: presentTime(psk.firstSignedInAt),
  endedAt: presentTime(psk.endedAt),
})

/** What a person may give in place of a key of ours. */
export const givenPsk = {
  key: Type.Optional(
    Type.String({
      pattern: `^([0-9A-Fa-f]{2}){${shortestPskBytes},${longestPskBytes}}$`,
      description: 'Hexadecimal, 16 to 64 random bytes. A key is made where none is given.',
    }),
  ),
}

export const keyGivenIn = ({ key }: { readonly key?: string }): Uint8Array | undefined =>
  key === undefined ? undefined : fromHex(key.toLowerCase())

/** A key as it is shown, once. */
export const ShownPsk = Type.Object({
  ...Psk.properties,
  key: Type.String({ description: 'Hexadecimal. It is not shown again.' }),
})

/** Ends the key in memory. */
export function showPsk(record: PskRecord, created: CreatedPsk): Static<typeof ShownPsk> {
  const key = toHex(created.key.expose())
  created.key.wipe()
  return { ...presentPsk(record), key }
}

export const ShownOnboardingCode = Type.Object({
  onboardingCode: Type.String({ description: 'For one sign-up. It is not shown again.' }),
  onboardingCodeExpiresAt: Time,
})
