/**
 * The message layer of a reliable transport (RFC 8323): the other shape of `message-layer.ts`.
 *
 * There are no types, Message IDs, acknowledgements, retransmissions or duplicates: the transport has all that. In their
 * place stand frames in a byte stream, and signals: each side begins with its capabilities (CSM), asks whether the other is
 * there (Ping), and says that it leaves (Release) or that it cannot go on (Abort). Whatever cannot be read ends the
 * connection: in a stream there is no next message to wait for.
 */

import type { Instant } from '@sallyport/clock'
import { later } from '@sallyport/clock'
import type { CoapAssociation } from './coap-association.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { IncomingRequest, Ping, ResourceTraits } from './exchange.ts'
import type { CoapContent } from './message-codec.ts'
import { reliableSizes } from './message-sizes.ts'
import { MessageStream } from './message-stream.ts'
import type { Capabilities } from './signal-registry.ts'
import {
  abort,
  asksForCustody,
  badOptionIn,
  baseCapabilities,
  capabilitiesIn,
  csm,
  isSignalCode,
  ping,
  pong,
  release,
  signalCodes,
} from './signal-registry.ts'
import { encodeFrame, frameBytes } from './stream-message-codec.ts'
import { tokenBytes, tokenKeyOf } from './token.ts'

/** What an association has on a reliable transport. */
export interface ReliableConnection<Peer, Resource extends ResourceTraits> {
  readonly kind: 'connection'
  readonly association: CoapAssociation<Peer, Resource>
  readonly stream: MessageStream
  /** `starting` until the peer's CSM has come; `leaving` when either side has said Release; `over`: nothing is read or sent. */
  state: 'starting' | 'open' | 'leaving' | 'over'
  /** What the peer says of itself. */
  peer: Capabilities
  /** By token. */
  pings: Map<string, Ping<Peer, Resource>> | undefined
  /** Answers to Pings that asked for custody: each waits for the requests that came before it. */
  owedPongs: OwedPong<Peer, Resource>[] | undefined
}

interface OwedPong<Peer, Resource extends ResourceTraits> {
  readonly token: Uint8Array
  readonly after: Set<IncomingRequest<Peer, Resource>>
}

/** More Pings than this that ask for custody at once are answered without it. */
const maxOwedPongs = 4

export class ReliableLayer<Peer, Resource extends ResourceTraits> {
  readonly #context: EndpointContext<Peer, Resource>
  readonly #endPing: (asked: Ping<Peer, Resource>, answered: boolean) => void

  constructor(
    context: EndpointContext<Peer, Resource>,
    endPing: (asked: Ping<Peer, Resource>, answered: boolean) => void,
  ) {
    this.#context = context
    this.#endPing = endPing
  }

  /** Says our capabilities at once; the peer has some time to say its own. */
  begin(association: CoapAssociation<Peer, Resource>, now: Instant): void {
    const { limits, streamBudget, timers } = this.#context
    const connection: ReliableConnection<Peer, Resource> = {
      kind: 'connection',
      association,
      stream: new MessageStream(limits.maxMessageBytes, streamBudget),
      state: 'starting',
      peer: baseCapabilities,
      pings: undefined,
      owedPongs: undefined,
    }
    association.reliable = connection
    association.sizes = reliableSizes(connection.peer)
    this.send(connection, csm(limits.maxMessageBytes))
    timers.set(connection, later(now, limits.capabilitiesTimeout))
  }

  /** Takes bytes of the stream; what is no signal is given on. */
  feed(
    connection: ReliableConnection<Peer, Resource>,
    chunk: Uint8Array,
    handle: (message: CoapContent) => void,
    now: Instant,
  ): void {
    if (connection.state === 'over') return
    const { timers, limits } = this.#context
    const before = connection.stream.unfinishedBytes
    const wrong = connection.stream.feed(chunk, (message) => {
      this.#handle(connection, message, handle)
      return connection.state !== 'over' && !connection.association.closed
    })
    if (wrong !== undefined) return this.abort(connection, wrong)
    if (connection.state === 'starting') return
    const unfinished = connection.stream.unfinishedBytes
    // A message that has begun must end in time, however slowly its bytes drip.
    if (unfinished === 0) timers.cancel(connection)
    else if (before === 0 || timers.deadlineOf(connection) === undefined) {
      timers.set(connection, later(now, limits.unfinishedMessageTimeout))
    }
  }

  /** False when the peer takes no message that long. */
  fits(connection: ReliableConnection<Peer, Resource>, content: CoapContent): boolean {
    return frameBytes(content) <= this.#maxBytes(connection)
  }

  /** @throws RangeError for a message that does not fit */
  send(connection: ReliableConnection<Peer, Resource>, content: CoapContent): void {
    if (connection.state === 'over' || connection.association.closed) return
    const message = encodeFrame(content, this.#maxBytes(connection))
    this.#context.outputs.push({ kind: 'send', peer: connection.association.peer, message })
  }

  ping(connection: ReliableConnection<Peer, Resource>, asked: Ping<Peer, Resource>): boolean {
    if (connection.state === 'over') return false
    const token = this.#context.randomBytes(tokenBytes)
    connection.pings ??= new Map()
    connection.pings.set(tokenKeyOf(token), asked)
    this.send(connection, ping(token))
    return true
  }

  forgetPing(connection: ReliableConnection<Peer, Resource>, asked: Ping<Peer, Resource>): void {
    for (const [key, known] of connection.pings ?? []) if (known === asked) connection.pings?.delete(key)
  }

  /** The peer is told that we leave; what it has asked for is answered still. */
  release(connection: ReliableConnection<Peer, Resource>): void {
    if (connection.state === 'over' || connection.state === 'leaving') return
    this.send(connection, release())
    connection.state = 'leaving'
  }

  /** A request of the peer has been answered: Pongs and the end may have waited for it. */
  answered(connection: ReliableConnection<Peer, Resource>, request: IncomingRequest<Peer, Resource>): void {
    const { owedPongs } = connection
    if (owedPongs !== undefined) {
      for (const owed of [...owedPongs]) {
        owed.after.delete(request)
        if (owed.after.size > 0) continue
        owedPongs.splice(owedPongs.indexOf(owed), 1)
        this.send(connection, pong(owed.token, true))
      }
    }
    this.#leaveIfDone(connection)
  }

  /** The peer's CSM, or the rest of a message, has not come in time. */
  expired(connection: ReliableConnection<Peer, Resource>): void {
    this.abort(connection, connection.state === 'starting' ? 'no CSM in time' : 'a message takes too long')
  }

  /** Says why, as far as the peer can hear it, and ends. @param reason one of a closed set: it is counted */
  abort(connection: ReliableConnection<Peer, Resource>, reason: string, badOption?: number): void {
    if (connection.state === 'over') return
    this.send(connection, abort(reason, badOption))
    this.#over(connection, reason)
  }

  /** Lets go of everything. */
  close(connection: ReliableConnection<Peer, Resource>): void {
    connection.state = 'over'
    connection.stream.forget()
    connection.owedPongs = undefined
    this.#context.timers.cancel(connection)
  }

  #handle(
    connection: ReliableConnection<Peer, Resource>,
    message: CoapContent,
    handle: (message: CoapContent) => void,
  ): void {
    // The first message is a CSM, or this is no CoAP (RFC 8323 section 5.3).
    if (connection.state === 'starting' && message.code !== signalCodes.csm) {
      return this.abort(connection, 'the first message is no CSM')
    }
    if (!isSignalCode(message.code)) return handle(message)
    switch (message.code) {
      case signalCodes.csm:
        return this.#settle(connection, message)
      case signalCodes.ping:
      case signalCodes.pong:
      case signalCodes.release:
        return this.#handleSignal(connection, message)
      case signalCodes.abort:
        return this.#over(connection, 'the peer aborted')
      default:
        this.#context.outputs.push({
          kind: 'discarded',
          peer: connection.association.peer,
          reason: 'unknown signal',
        })
    }
  }

  #settle(connection: ReliableConnection<Peer, Resource>, message: CoapContent): void {
    const capabilities = capabilitiesIn(message, connection.peer)
    if ('badOption' in capabilities) {
      return this.abort(connection, 'unknown critical option in a signal', capabilities.badOption)
    }
    connection.peer = capabilities
    connection.association.sizes = reliableSizes(capabilities)
    if (connection.state !== 'starting') return
    connection.state = 'open'
    this.#context.timers.cancel(connection)
  }

  #handleSignal(connection: ReliableConnection<Peer, Resource>, message: CoapContent): void {
    const badOption = badOptionIn(message)
    if (badOption !== undefined) return this.abort(connection, 'unknown critical option in a signal')
    switch (message.code) {
      case signalCodes.ping:
        return this.#pinged(connection, message)
      case signalCodes.pong: {
        const key = tokenKeyOf(message.token)
        const asked = connection.pings?.get(key)
        connection.pings?.delete(key)
        if (asked !== undefined) this.#endPing(asked, true)
        return
      }
      default:
        // Release: what the peer has asked for is answered, then we go (RFC 8323 section 5.5).
        connection.state = 'leaving'
        this.#leaveIfDone(connection)
    }
  }

  #pinged(connection: ReliableConnection<Peer, Resource>, message: CoapContent): void {
    const { openRequests: open, peer } = connection.association
    this.#context.outputs.push({ kind: 'pinged', peer })
    const wanted = asksForCustody(message)
    connection.owedPongs ??= []
    if (!wanted || open === undefined || open.size === 0 || connection.owedPongs.length >= maxOwedPongs) {
      const settled = open === undefined || open.size === 0
      return this.send(connection, pong(message.token, wanted && settled))
    }
    connection.owedPongs.push({ token: message.token.slice(), after: new Set(open) })
  }

  #leaveIfDone(connection: ReliableConnection<Peer, Resource>): void {
    if (connection.state !== 'leaving') return
    if ((connection.association.openRequests?.size ?? 0) === 0) this.#over(connection, 'released')
  }

  #over(connection: ReliableConnection<Peer, Resource>, reason: string): void {
    const { peer } = connection.association
    this.close(connection)
    this.#context.outputs.push({ kind: 'disconnect', peer, reason })
  }

  /** Of a whole message. A peer that says it takes next to nothing gets our signals all the same. */
  #maxBytes(connection: ReliableConnection<Peer, Resource>): number {
    return Math.max(connection.peer.maxMessageBytes, smallestMaxMessageBytes)
  }
}

/** Room for any signal of ours. */
const smallestMaxMessageBytes = 256
