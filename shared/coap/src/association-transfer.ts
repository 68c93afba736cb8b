/**
 * An association leaves an endpoint as bytes and goes on in another (see `coap-association-state.ts` for what is kept).
 *
 * A state that is not final may be older than what its exporter did last: the successor then leaves room in every count
 * that must not repeat (Message IDs of the last 247 s, Request-Tags, numbers of notifications), and asks for the present
 * state of what it observes, since a notification may have been acknowledged and lost.
 */

import type { Duration, Instant } from '@sallyport/clock'
import { instant, milliseconds, seconds } from '@sallyport/clock'
import { operationOf } from './block-operation.ts'
import { blockValue } from './block-option.ts'
import type { CoapAssociation } from './coap-association.ts'
import {
  type CoapAssociationExport,
  type CoapAssociationState,
  encodeCoapState,
  type KeptObservation,
  type KeptSubscription,
} from './coap-association-state.ts'
import { isSafe, methodCodes, methodOf } from './code-registry.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { IncomingRequest, Observation, OutgoingRequest, RequestMessage, ResourceTraits } from './exchange.ts'
import { type CoapMessage, type CoapOption, encodeMessage, messageTypes, noBytes, uintValue } from './message-codec.ts'
import type { MessageLayer } from './message-layer.ts'
import type { Observations } from './observations.ts'
import { optionNumbers } from './option-registry.ts'
import type { OutgoingRequests } from './outgoing-requests.ts'
import { readRequestOptions } from './request-options.ts'
import { pathOptions, textOptions } from './uri-path.ts'

/**
 * Message IDs that a predecessor may have used since the state was exported. Eight takeovers in 247 s go round the 65 536
 * there are.
 */
const messageIdJump = 8192
const requestTagJump = 65_536
/** Far below half of the 24 bits, so that the observer takes it for newer. */
const observeJump = 65_536

/** Renewals of a whole fleet are spread over this time. */
const earliestRenewal = seconds(5)
const renewalSpread = seconds(25)

export interface AssociationParts<Peer, Resource extends ResourceTraits> {
  readonly context: EndpointContext<Peer, Resource>
  readonly messages: MessageLayer<Peer, Resource>
  readonly observations: Observations<Peer, Resource>
  readonly outgoing: OutgoingRequests<Peer, Resource>
}

export interface ResumedAssociation<Peer, Resource extends ResourceTraits> {
  /** Registrations of the peer that go on: whoever serves their resources has to be told. */
  readonly observations: readonly Observation<Peer, Resource>[]
  /** Observations of ours that go on: their notifications are outputs again. */
  readonly subscriptions: readonly OutgoingRequest<Peer, Resource>[]
}

export function exportAssociation<Peer, Resource extends ResourceTraits>(
  { context }: AssociationParts<Peer, Resource>,
  association: CoapAssociation<Peer, Resource>,
  final: boolean,
  now: Instant,
): Uint8Array {
  const state: CoapAssociationExport = {
    final,
    nextMessageId: association.nextMessageId,
    requestTags: association.requestTags,
    observations: [...(association.observations?.values() ?? [])]
      .filter(({ state, request }) => state === 'active' && request.conditions === undefined)
      .map((observation) => ({ sequence: observation.sequence, message: registrationOf(observation) })),
    subscriptions: [...(association.requests?.values() ?? [])].flatMap((request) => {
      const kept = keptSubscription(context, request, now)
      return kept === undefined ? [] : [kept]
    }),
    recent: final ? answeredExchanges(association, now) : [],
    unacknowledged: final ? unacknowledgedResponses(association) : [],
  }
  return encodeCoapState(state)
}

/** What waits for its handler is left out: a duplicate of it is served by the successor. */
function answeredExchanges<Peer, Resource extends ResourceTraits>(
  association: CoapAssociation<Peer, Resource>,
  now: Instant,
): CoapAssociationExport['recent'] {
  const open = new Set([...(association.openRequests ?? [])].map(({ wire }) => wire.recent))
  return [...(association.recent?.entries(now) ?? [])].filter((exchange) => !open.has(exchange))
}

const unacknowledgedResponses = <Peer, Resource extends ResourceTraits>(
  association: CoapAssociation<Peer, Resource>,
): Uint8Array[] =>
  [...(association.outstanding ?? []), ...(association.waiting ?? [])]
    .filter(({ purpose }) => purpose.kind === 'separate-response')
    .map(({ message }) => message)

function registrationOf<Peer, Resource extends ResourceTraits>({ request }: Observation<Peer, Resource>): Uint8Array {
  const { wire, method, path, query, accept, contentFormat, payload } = request
  const options = addressOptions(path, query, accept, contentFormat)
  if (wire.block2 !== undefined) options.push({ number: optionNumbers.Block2, value: blockValue(wire.block2) })
  return encodeMessage({
    type: wire.confirmable ? messageTypes.confirmable : messageTypes.nonConfirmable,
    code: methodCodes[method],
    messageId: 0,
    token: wire.token,
    options,
    payload,
  })
}

function keptSubscription<Peer, Resource extends ResourceTraits>(
  { timers }: EndpointContext<Peer, Resource>,
  request: OutgoingRequest<Peer, Resource>,
  now: Instant,
): CoapAssociationExport['subscriptions'][number] | undefined {
  const { message, state, newest, silent } = request
  if (state !== 'observing' || newest === undefined || silent || message.conditions !== undefined) return undefined
  const { path, query, accept, contentFormat, method, payload, timeout, maxResponseBytes } = message
  // Under way: a renewal, or the rest of a notification. What it would have brought is asked for.
  const interrupted = request.renewing || request.continuedBy !== undefined || !request.answered
  return {
    sequence: newest.sequence,
    at: newest.at,
    renewalAt: interrupted ? now : timers.deadlineOf(request),
    timeout,
    maxResponseBytes,
    message: encodeMessage({
      type: message.confirmable === false ? messageTypes.nonConfirmable : messageTypes.confirmable,
      code: methodCodes[method],
      messageId: 0,
      token: request.token,
      options: addressOptions(path, query ?? [], accept, contentFormat),
      payload: payload ?? noBytes,
    }),
  }
}

function addressOptions(
  path: string,
  query: readonly string[],
  accept: number | undefined,
  contentFormat: number | undefined,
): CoapOption[] {
  const options = [...pathOptions(path), ...textOptions(optionNumbers['Uri-Query'], query)]
  if (accept !== undefined) options.push({ number: optionNumbers.Accept, value: uintValue(accept) })
  if (contentFormat !== undefined) {
    options.push({ number: optionNumbers['Content-Format'], value: uintValue(contentFormat) })
  }
  return options
}

/** What a resource, an option or a limit of this endpoint does not allow is left out: its peer registers anew. */
export function resumeAssociation<Peer, Resource extends ResourceTraits>(
  parts: AssociationParts<Peer, Resource>,
  association: CoapAssociation<Peer, Resource>,
  state: CoapAssociationState,
  now: Instant,
): ResumedAssociation<Peer, Resource> {
  const { context, messages } = parts
  const { final } = state
  if (state.nextMessageId !== undefined) {
    association.nextMessageId = (state.nextMessageId + (final ? 0 : messageIdJump)) & 0xffff
  }
  association.requestTags = (state.requestTags + (final ? 0 : requestTagJump)) % 2 ** 32
  if (final && state.recent.length > 0) messages.recentOf(association).resume(state.recent, now)
  const observations = state.observations.slice(0, context.limits.observations).flatMap((kept) => {
    const request = resumedRegistration(context, association, kept)
    if (request === undefined) return []
    const sequence = kept.sequence + (final ? 0 : observeJump)
    return [parts.observations.resume(request, sequence, now)]
  })
  const subscriptions = state.subscriptions.slice(0, context.limits.outgoingRequests).flatMap((kept) => {
    const message = resumedMessage(kept)
    if (message === undefined) return []
    const { renewalAt, sequence } = kept
    const newest = { sequence, at: kept.at > now ? now : kept.at }
    const due = final ? renewalAt : soon(context, now)
    return [parts.outgoing.resume(association, { message, token: kept.message.token, newest, renewalAt: due }, now)]
  })
  for (const message of !final ? [] : state.unacknowledged.slice(0, context.limits.waitingConfirmables)) {
    messages.sendConfirmable(association, message.messageId, encodeMessage(message), { kind: 'separate-response' }, now)
  }
  return { observations, subscriptions }
}

function soon<Peer, Resource extends ResourceTraits>(context: EndpointContext<Peer, Resource>, now: Instant): Instant {
  const [high = 0, low = 0] = context.randomBytes(2)
  return instant(now + earliestRenewal + Math.round((renewalSpread * ((high << 8) | low)) / 0xffff))
}

function resumedRegistration<Peer, Resource extends ResourceTraits>(
  { resources }: EndpointContext<Peer, Resource>,
  association: CoapAssociation<Peer, Resource>,
  { message }: KeptObservation,
): IncomingRequest<Peer, Resource> | undefined {
  const read = readAddress(message)
  const match = read === undefined ? undefined : resources.find(read.options.segments)
  if (read === undefined || match === undefined || message.token.length === 0) return undefined
  const { method, options } = read
  const { resource, parameters } = match
  if (!isSafe(method) || !resource.observable || !resource.methods.has(method)) return undefined
  const { blockSize } = association.sizes
  const path = `/${options.segments.join('/')}`
  return {
    kind: 'incoming-request',
    association,
    method,
    resource,
    parameters,
    path,
    query: options.query,
    contentFormat: options.contentFormat,
    accept: options.accept,
    conditions: undefined,
    payload: message.payload.slice(),
    part: undefined,
    range: { offset: 0, length: Math.min(options.block2?.size ?? blockSize, blockSize) },
    recordSequence: undefined,
    observation: undefined,
    wire: {
      confirmable: message.type === messageTypes.confirmable,
      messageId: message.messageId,
      // Views would keep the whole state in memory as long as the observation lasts.
      token: message.token.slice(),
      recent: { messageId: message.messageId, at: instant(0), reply: undefined, forgotten: false },
      block1: undefined,
      block2: options.block2,
      etags: [],
      operation: operationOf(method, path, options),
      state: 'answered',
    },
  }
}

function resumedMessage({ message, timeout, maxResponseBytes }: KeptSubscription): RequestMessage | undefined {
  const read = readAddress(message)
  if (read === undefined || !isSafe(read.method)) return undefined
  const { method, options } = read
  return {
    method,
    path: `/${options.segments.join('/')}`,
    query: options.query,
    ...(message.payload.length === 0 ? {} : { payload: message.payload.slice() }),
    ...(options.contentFormat === undefined ? {} : { contentFormat: options.contentFormat }),
    ...(options.accept === undefined ? {} : { accept: options.accept }),
    confirmable: message.type === messageTypes.confirmable,
    observe: true,
    timeout: milliseconds(timeout) satisfies Duration,
    maxResponseBytes,
  }
}

function readAddress(message: CoapMessage) {
  const method = methodOf(message.code)
  const options = readRequestOptions(message)
  return method === undefined || 'refused' in options ? undefined : { method, options }
}
