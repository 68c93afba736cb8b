/** A command as people see it, and a device's answer to it. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { CommandRecord } from '@sallyport/store'
import { presentTime, Time, TimeOrNull } from '../../presented-time.ts'
import { Representation } from '../resources/resource-view.ts'

export const Command = Type.Object({
  id: Type.String({ format: 'uuid' }),
  deviceId: Type.String({ format: 'uuid' }),
  href: Type.String(),
  method: Type.String(),
  state: Type.Union([
    Type.Literal('pending'),
    Type.Literal('sent'),
    Type.Literal('succeeded'),
    Type.Literal('refused'),
    Type.Literal('outcome-unknown'),
    Type.Literal('expired'),
  ]),
  coapCode: Type.Union([Type.String(), Type.Null()]),
  errorCode: Type.Union([Type.String(), Type.Null()]),
  representation: Representation,
  createdAt: Time,
  expiresAt: Time,
  finishedAt: TimeOrNull,
})
export type Command = Static<typeof Command>

export const presentCommand = (command: CommandRecord): Command => ({
  id: command.id,
  deviceId: command.deviceId,
  href: command.href,
  method: command.method,
  state: command.state,
  coapCode: command.coapCode ?? null,
  errorCode: command.errorCode ?? null,
  representation: command.representation ?? null,
  createdAt: toRfc3339(command.createdAt),
  expiresAt: toRfc3339(command.expiresAt),
  finishedAt: presentTime(command.finishedAt),
})

export const CommandAnswer = Type.Object({
  href: Type.String(),
  representation: Representation,
  coapCode: Type.String({ description: "The device's own response code." }),
  commandId: Type.String({ format: 'uuid' }),
})
export type CommandAnswer = Static<typeof CommandAnswer>

/**
 * What the device answered, undefined while it has not.
 * @throws CodedError `device-refused` with the device's code, `device-not-responding` when nobody knows whether it was done.
 */
export function answerOf(command: CommandRecord): CommandAnswer | undefined {
  const details = { commandId: command.id }
  switch (command.state) {
    case 'pending':
    case 'sent':
      return undefined
    case 'succeeded':
      return {
        href: command.href,
        representation: command.representation ?? null,
        coapCode: command.coapCode ?? '2.04',
        commandId: command.id,
      }
    case 'refused':
      // Without a code of the device's own it was never sent: the request itself is to blame.
      if (command.coapCode === undefined && command.errorCode !== undefined) {
        throw new CodedError(command.errorCode, 'The request could not be sent to the device.', { details })
      }
      throw new CodedError('device-refused', `The device answered ${command.coapCode ?? 'with a refusal'}.`, {
        details: { ...details, coapCode: command.coapCode ?? null },
      })
    case 'outcome-unknown':
      throw new CodedError(
        'device-not-responding',
        'The device got the request and did not answer: it may have acted.',
        {
          details,
        },
      )
    case 'expired':
      if (command.errorCode === 'device-offline') {
        throw new CodedError('device-offline', 'The device went offline before it answered.', { details })
      }
      throw new CodedError('device-not-responding', 'The device did not answer before the request expired.', {
        details,
      })
  }
}
