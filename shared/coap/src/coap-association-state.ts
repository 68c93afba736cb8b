/**
 * What an association holds of CoAP, as bytes, so that it goes on in another process: numbers, observations both ways and,
 * where nothing has happened since, the recent exchanges with their replies.
 *
 * Not kept, because the protocol heals it: bodies under way in blocks (their peer gets 4.08 or begins anew), requests of
 * ours that wait for a response, pings, Echo challenges (the peer is asked again), what is left of a quota.
 *
 * Registrations and requests are kept as the CoAP messages that they were, so that reading them again is reading the wire.
 * The decoder is bounded, consumes all or refuses, and never throws.
 *
 *   version(1) final(1) next Message ID(1+2) Request-Tags used(4)
 *   observations of the peer  <0..2^16-1>: number(3) message<0..2^16-1>
 *   observations of ours      <0..2^24-1>: number(3) at(6) renewal due(6) time-out(6) longest response(4) message<0..2^16-1>
 *   recent exchanges          <0..2^24-1>: Message ID(2) at(6) flags(1) reply<0..2^16-1>
 *   unacknowledged responses  <0..2^24-1>: message<0..2^16-1>
 */

import { ByteReader, ByteWriter } from '@sallyport/bytes'
import { type Instant, instant } from '@sallyport/clock'
import { hasCode } from '@sallyport/errors'
import { type CoapMessage, parseMessage } from './message-codec.ts'
import type { RecentExchange } from './recent-exchanges.ts'

const currentVersion = 1

export const maxCoapStateBytes = 512 * 1024

/** A registration of the peer: the message that made it, without Observe, and the number of its newest notification. */
export interface KeptObservation {
  readonly sequence: number
  readonly message: CoapMessage
}

/** An observation of ours: the message that made it, without Observe. */
export interface KeptSubscription {
  readonly sequence: number
  readonly at: Instant
  /** When the registration is to be renewed; undefined: never by itself. */
  readonly renewalAt: Instant | undefined
  readonly timeout: number
  readonly maxResponseBytes: number
  readonly message: CoapMessage
}

export interface CoapAssociationState {
  /** Nothing has happened since: the exporter had stopped. Otherwise numbers jump, as others may have been used. */
  readonly final: boolean
  readonly nextMessageId: number | undefined
  readonly requestTags: number
  readonly observations: readonly KeptObservation[]
  readonly subscriptions: readonly KeptSubscription[]
  readonly recent: readonly RecentExchange[]
  /** Confirmable responses of ours whose acknowledgement has not come. */
  readonly unacknowledged: readonly CoapMessage[]
}

/** What is to be written: messages as they travel. */
export interface CoapAssociationExport
  extends Omit<CoapAssociationState, 'observations' | 'subscriptions' | 'unacknowledged'> {
  readonly observations: readonly { readonly sequence: number; readonly message: Uint8Array }[]
  readonly subscriptions: readonly (Omit<KeptSubscription, 'message'> & { readonly message: Uint8Array })[]
  readonly unacknowledged: readonly Uint8Array[]
}

export type CoapStateRefusal = 'malformed' | 'version-unknown'

export function encodeCoapState(state: CoapAssociationExport): Uint8Array {
  const message = (to: ByteWriter, bytes: Uint8Array): void => {
    to.vector16((into) => into.bytes(bytes))
  }
  return new ByteWriter(128)
    .u8(currentVersion)
    .u8(state.final ? 1 : 0)
    .u8(state.nextMessageId === undefined ? 0 : 1)
    .u16(state.nextMessageId ?? 0)
    .u32(state.requestTags)
    .vector16((to) => {
      for (const kept of state.observations) message(to.u24(kept.sequence), kept.message)
    })
    .vector24((to) => {
      for (const kept of state.subscriptions) {
        to.u24(kept.sequence).u48(whole(kept.at)).u48(whole(kept.renewalAt))
        message(to.u48(kept.timeout).u32(kept.maxResponseBytes), kept.message)
      }
    })
    .vector24((to) => {
      for (const { messageId, at, reply, forgotten } of state.recent) {
        to.u16(messageId).u48(whole(at))
        message(to.u8((reply === undefined ? 0 : 1) | (forgotten ? 2 : 0)), reply ?? new Uint8Array(0))
      }
    })
    .vector24((to) => {
      for (const bytes of state.unacknowledged) message(to, bytes)
    })
    .finish()
}

const whole = (at: Instant | undefined): number => (at === undefined ? 0 : Math.max(1, Math.floor(at)))

/** What it gives shares nothing with `bytes`. */
export function decodeCoapState(bytes: Uint8Array): CoapAssociationState | CoapStateRefusal {
  if (bytes.length > maxCoapStateBytes) return 'malformed'
  if (bytes[0] !== currentVersion) return 'version-unknown'
  try {
    return readState(new ByteReader(bytes.slice(), 1)) ?? 'malformed'
  } catch (error) {
    if (!hasCode(error, 'malformed-bytes')) throw error
    return 'malformed'
  }
}

function readState(reader: ByteReader): CoapAssociationState | undefined {
  const final = readFlag(reader)
  const hasMessageId = readFlag(reader)
  const messageId = reader.u16()
  const requestTags = reader.u32()
  const observations = listIn(reader.vector16(), (item) => {
    const sequence = item.u24()
    const message = readMessage(item)
    return message === undefined ? undefined : { sequence, message }
  })
  const subscriptions = listIn(reader.vector24(), (item) => {
    const sequence = item.u24()
    const at = instant(item.u48())
    const renewal = item.u48()
    const timeout = item.u48()
    const maxResponseBytes = item.u32()
    const message = readMessage(item)
    const renewalAt = renewal === 0 ? undefined : instant(renewal)
    return message === undefined ? undefined : { sequence, at, renewalAt, timeout, maxResponseBytes, message }
  })
  const recent = listIn(reader.vector24(), (item) => {
    const id = item.u16()
    const at = instant(item.u48())
    const flags = item.u8()
    const reply = item.vector16().rest()
    if (flags > 3) return undefined
    return { messageId: id, at, reply: (flags & 1) === 0 ? undefined : reply, forgotten: (flags & 2) !== 0 }
  })
  const unacknowledged = listIn(reader.vector24(), readMessage)
  reader.expectEnd()
  if (final === undefined || hasMessageId === undefined || observations === undefined) return undefined
  if (subscriptions === undefined || recent === undefined || unacknowledged === undefined) return undefined
  const nextMessageId = hasMessageId ? messageId : undefined
  return { final, nextMessageId, requestTags, observations, subscriptions, recent, unacknowledged }
}

function readFlag(reader: ByteReader): boolean | undefined {
  const value = reader.u8()
  return value > 1 ? undefined : value === 1
}

function readMessage(reader: ByteReader): CoapMessage | undefined {
  const parsed = parseMessage(reader.vector16().rest())
  return parsed.wellFormed ? parsed.message : undefined
}

function listIn<Item>(reader: ByteReader, read: (reader: ByteReader) => Item | undefined): Item[] | undefined {
  const items: Item[] = []
  while (reader.remaining > 0) {
    const item = read(reader)
    if (item === undefined) return undefined
    items.push(item)
  }
  return items
}
