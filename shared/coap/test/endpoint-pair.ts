/**
 * Two endpoints and the path between them, on a clock of their own: delay, loss, duplicates and reordering from a seed.
 *
 * The left end is the client of most tests; both ends can be both.
 */

import type { Duration, Instant } from '@sallyport/clock'
import { instant, milliseconds, seconds } from '@sallyport/clock'
import {
  type CoapAssociation,
  CoapEndpoint,
  type CoapMessage,
  type CoapMethod,
  type EndpointLimits,
  type IncomingRequest,
  MessageStream,
  messageTypes,
  type OutgoingRequest,
  type OutgoingResponse,
  type Output,
  parseMessage,
  type ReceivedResponse,
  type RequestMessage,
  ResourceRouter,
  type ResourceTraits,
} from '../src/index.ts'

export interface TestResource extends ResourceTraits {
  readonly pattern: string
}

export type TestOutput = Output<string, TestResource>
export type TestRequest = IncomingRequest<string, TestResource>

export const resource = (
  pattern: string,
  methods: readonly CoapMethod[],
  traits: Partial<ResourceTraits> = {},
): TestResource => ({
  pattern,
  methods: new Set(methods),
  maxRequestBytes: 65_536,
  observable: false,
  receives: 'whole',
  conditional: false,
  ...traits,
})

/** A small generator with a seed (mulberry32): the tests' own randomness, repeatable. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface PathFaults {
  readonly drop?: number
  readonly duplicate?: number
  /** Spread of the delay; more than the gap between messages reorders them. */
  readonly jitter?: Duration
}

export interface EndOptions {
  readonly resources?: readonly TestResource[]
  readonly limits?: Partial<EndpointLimits>
  /** What the other end takes. */
  readonly maxMessageBytes?: number
  /** Undefined: the request stays unanswered, to be answered by the test. */
  readonly serve?: (request: TestRequest) => OutgoingResponse | undefined
}

export class End {
  readonly endpoint: CoapEndpoint<string, TestResource>
  /** A test may put a resumed one in its place. */
  association: CoapAssociation<string, TestResource>
  readonly outputs: TestOutput[] = []
  readonly sent: CoapMessage[] = []
  readonly requests: TestRequest[] = []
  readonly serve: (request: TestRequest) => OutgoingResponse | undefined

  constructor(name: string, options: EndOptions, random: () => number, reliableSince?: Instant) {
    const router = new ResourceRouter<TestResource>()
    for (const declared of options.resources ?? []) router.add(declared.pattern, declared)
    this.endpoint = new CoapEndpoint({
      resources: router,
      randomBytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(random() * 256)),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    })
    const { maxMessageBytes } = options
    this.association = this.endpoint.associate(name, {
      ...(reliableSince === undefined ? {} : { reliableSince }),
      maxMessageBytes,
    })
    this.serve = options.serve ?? (() => undefined)
  }

  /** Outputs of one kind, in order. */
  of<Kind extends TestOutput['kind']>(kind: Kind): Extract<TestOutput, { kind: Kind }>[] {
    return this.outputs.filter((output): output is Extract<TestOutput, { kind: Kind }> => output.kind === kind)
  }
}

interface InFlight {
  readonly at: number
  readonly order: number
  readonly to: End
  readonly bytes: Uint8Array
}

const latency = 10

export class EndpointPair {
  /** A test may put a successor in the place of either. */
  left: End
  right: End
  readonly random: () => number
  now: Instant = instant(1_000_000)
  faults: PathFaults
  /** Decides about single messages; true loses it. */
  lose: (message: CoapMessage, from: End) => boolean = () => false
  /** A byte stream in each direction, cut anywhere. */
  readonly reliable: boolean
  #path: InFlight[] = []
  #order = 0

  constructor(
    options: { left?: EndOptions; right?: EndOptions; faults?: PathFaults; seed?: number; reliable?: boolean } = {},
  ) {
    this.random = randomFrom(options.seed ?? 1)
    this.faults = options.faults ?? {}
    this.reliable = options.reliable ?? false
    const since = this.reliable ? this.now : undefined
    this.left = new End('left', options.left ?? {}, this.random, since)
    this.right = new End('right', options.right ?? {}, this.random, since)
    this.drain()
  }

  request(from: End, message: Partial<RequestMessage> & { path: string }): OutgoingRequest<string, TestResource> {
    const whole: RequestMessage = { method: 'GET', timeout: seconds(120), maxResponseBytes: 1_000_000, ...message }
    const request = from.endpoint.request(from.association, whole, this.now)
    this.drain()
    return request
  }

  /** Ends `end` without a word: what it has sent is lost, and it hears nothing more. */
  silence(end: End): void {
    end.endpoint.dissociate(end.association, this.now)
    this.#path = []
  }

  /** Puts bytes on the path as if `from` had sent them. */
  inject(from: End, bytes: Uint8Array): void {
    this.#send(from, bytes)
  }

  /** Hands bytes to `to` now, and carries out what follows without letting time pass. */
  deliver(to: End, bytes: Uint8Array): void {
    to.endpoint.handleMessage(to.association, bytes, this.now)
    this.drain()
  }

  drain(): void {
    let quiet = false
    while (!quiet) {
      quiet = true
      for (const end of [this.left, this.right]) {
        for (let output = end.endpoint.nextOutput(); output !== undefined; output = end.endpoint.nextOutput()) {
          quiet = false
          end.outputs.push(output)
          if (output.kind === 'send') this.#send(end, output.message)
          else if (output.kind === 'request') {
            end.requests.push(output.request)
            const response = end.serve(output.request)
            if (response !== undefined) end.endpoint.respond(output.request, response, this.now)
          }
        }
      }
    }
  }

  /** Lets time pass until nothing is on the path and no deadline is nearer than `limit`. */
  run(limit: Duration = milliseconds(500)): void {
    const until = this.now + limit
    for (;;) {
      const next = Math.min(
        this.#path[0]?.at ?? Number.POSITIVE_INFINITY,
        this.left.endpoint.nextTimeout ?? Number.POSITIVE_INFINITY,
        this.right.endpoint.nextTimeout ?? Number.POSITIVE_INFINITY,
      )
      if (next > until) break
      this.now = instant(Math.max(this.now, next))
      const arrived = this.#path[0]
      if (arrived !== undefined && arrived.at <= this.now) {
        this.#path.shift()
        arrived.to.endpoint.handleMessage(arrived.to.association, arrived.bytes, this.now)
      } else {
        this.left.endpoint.handleTimeout(this.now)
        this.right.endpoint.handleTimeout(this.now)
      }
      this.drain()
    }
    this.now = instant(until)
  }

  /** The response of the only request that `end` has made. */
  response(end: End = this.left): ReceivedResponse {
    const [answered] = end.of('response')
    if (answered === undefined)
      throw new Error(`no response; failed: ${JSON.stringify(end.of('request-failed').map(({ code }) => code))}`)
    return answered.response
  }

  #send(from: End, bytes: Uint8Array): void {
    if (this.reliable) return this.#sendStream(from, bytes)
    const parsed = parseMessage(bytes)
    if (parsed.wellFormed) {
      from.sent.push({ ...parsed.message, payload: parsed.message.payload.slice() })
      if (this.lose(parsed.message, from)) return
    }
    const { drop = 0, duplicate = 0, jitter = 0 } = this.faults
    if (this.random() < drop) return
    const copies = this.random() < duplicate ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const at = this.now + latency + Math.floor(this.random() * jitter)
      const to = from === this.left ? this.right : this.left
      this.#path.push({ at, order: this.#order++, to, bytes })
    }
    this.#path.sort((a, b) => a.at - b.at || a.order - b.order)
  }

  #sendStream(from: End, bytes: Uint8Array): void {
    const noted = new MessageStream(1_000_000, { held: 0, most: 1_000_000 }).feed(bytes, (content) => {
      from.sent.push({
        ...content,
        token: content.token.slice(),
        payload: content.payload.slice(),
        type: messageTypes.nonConfirmable,
        messageId: 0,
      })
      return true
    })
    if (noted !== undefined) throw new Error(`the endpoint sent no message: ${noted}`)
    const to = from === this.left ? this.right : this.left
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + 1 + Math.floor(this.random() ** 3 * bytes.length))
      this.#path.push({ at: this.now + latency, order: this.#order++, to, bytes: bytes.slice(at, end) })
      at = end
    }
  }
}
