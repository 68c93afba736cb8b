/**
 * Flights: what one side says before it waits (RFC 6347 section 4.2.4), cut to datagrams, sent again with back-off.
 *
 * Messages are kept in plaintext and are sealed anew each time: a retransmission has new record numbers. A message is
 * one record for each fragment, several records share a datagram. A change_cipher_spec moves to the protected epoch.
 */

import type { Duration, Instant } from '@sallyport/clock'
import { instant, later, milliseconds, seconds } from '@sallyport/clock'
import { type HandshakeMessage, handshakeHeaderLength, writeHandshakeFragment } from './handshake-message.ts'
import { type ContentType, contentTypes, recordHeaderLength } from './record.ts'

export type FlightPart =
  | { readonly kind: 'message'; readonly message: HandshakeMessage }
  | { readonly kind: 'change-cipher-spec' }

export interface Flight {
  readonly parts: readonly FlightPart[]
  /** Times it was sent because nothing came, and so the back-off. */
  timeouts: number
  lastSentAt: Instant
  retransmitAt: Instant
}

const initialTimeout = seconds(1)
const maxTimeout = seconds(60)

/** A peer that repeats itself is answered, but not more often than this: its duplicates are no requests. */
const minRepeatInterval = milliseconds(200)

/** After this many time-outs the path may be swallowing large datagrams (RFC 6347 section 4.1.1.1). */
const timeoutsBeforeSmaller = 3
const smallerMtu = 508

/** The smallest datagram that takes a fragment with its headers, whatever CID the peer has asked for. */
export const minMtu = 228

export const createFlight = (parts: readonly FlightPart[], now: Instant): Flight => ({
  parts,
  timeouts: 0,
  lastSentAt: now,
  retransmitAt: later(now, initialTimeout),
})

/** One that another process has sent last: it may be asked for at once. */
export const resumeFlight = (parts: readonly FlightPart[]): Flight => ({
  parts,
  timeouts: 0,
  lastSentAt: instant(0),
  retransmitAt: instant(0),
})

/** Called when the timer of a flight has run out and it is sent again: doubles up to a minute. */
export function backOff(flight: Flight, now: Instant): void {
  flight.timeouts += 1
  flight.lastSentAt = now
  flight.retransmitAt = later(now, timeoutOf(flight))
}

/** Called when the peer repeats itself: true when the flight is to be sent again, with its timer set anew. */
export function mayRepeat(flight: Flight, now: Instant): boolean {
  if (now < later(flight.lastSentAt, minRepeatInterval)) return false
  flight.lastSentAt = now
  flight.retransmitAt = later(now, timeoutOf(flight))
  return true
}

const timeoutOf = (flight: Flight): Duration =>
  milliseconds(Math.min(maxTimeout, initialTimeout * 2 ** Math.min(flight.timeouts, 10)))

/** @param maxPlaintext of a record in the clear: a peer that limits records has buffers for little more */
export function mtuFor(flight: Flight, mtu: number, maxPlaintext: number): number {
  const bearable = Math.min(mtu, Math.max(minMtu, maxPlaintext + recordHeaderLength))
  return flight.timeouts >= timeoutsBeforeSmaller ? Math.min(bearable, smallerMtu) : bearable
}

/** Writes one record; `epoch` 0 is in the clear. */
export interface RecordWriter {
  /** Bytes a record of the epoch has beyond its plaintext. */
  overhead(epoch: number): number
  /** What the peer takes in one. */
  maxPlaintext(epoch: number): number
  /** @throws SequenceExhausted */
  write(epoch: number, type: ContentType, plaintext: Uint8Array, into: Uint8Array, offset: number): number
}

const changeCipherSpec = Uint8Array.of(1)

// Packing never suspends, so a datagram and a fragment have one place for all until they are whole.

/** Bytes of UDP payload: no MTU is larger. */
export const maxMtu = 16_384
const scratch = new Uint8Array(maxMtu)
const scratchFragment = new Uint8Array(maxMtu)

/** Cuts a flight into datagrams of at most `mtu` bytes of UDP payload, and records that the peer takes. */
export function packFlight(flight: Flight, epoch: number, mtu: number, writer: RecordWriter): Uint8Array[] {
  const datagrams: Uint8Array[] = []
  const datagram = scratch
  let used = 0
  const finish = (): void => {
    if (used > 0) datagrams.push(datagram.slice(0, used))
    used = 0
  }
  let current = epoch
  for (const part of flight.parts) {
    if (part.kind === 'change-cipher-spec') {
      if (used + recordHeaderLength + 1 > mtu) finish()
      used += writer.write(current, contentTypes.changeCipherSpec, changeCipherSpec, datagram, used)
      current += 1
      continue
    }
    const { body, type, messageSequence } = part.message
    const overhead = writer.overhead(current) + handshakeHeaderLength
    const longest = writer.maxPlaintext(current) - handshakeHeaderLength
    for (let offset = 0; offset === 0 || offset < body.length; ) {
      const rest = body.length - offset
      // A few bytes left at the end of a datagram are not worth a fragment's header.
      if (mtu - used - overhead < Math.min(rest, 32)) finish()
      const length = Math.min(rest, longest, mtu - used - overhead)
      const bytes = length === body.length ? body : body.subarray(offset, offset + length)
      writeHandshakeFragment(scratchFragment, 0, { type, length: body.length, messageSequence, offset, bytes })
      const fragment = scratchFragment.subarray(0, handshakeHeaderLength + length)
      used += writer.write(current, contentTypes.handshake, fragment, datagram, used)
      offset += bytes.length
      if (bytes.length === 0) break
    }
  }
  finish()
  return datagrams
}
