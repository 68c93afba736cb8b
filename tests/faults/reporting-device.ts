/**
 * A device on our own CoAP client that keeps books: signed in, it sends a confirmable measurement every few seconds and remembers
 * which were acknowledged, how long each took, and how often it had to shake hands. Some have a lamp that the gateway observes.
 */

import { randomInt } from 'node:crypto'
import { type Duration, seconds } from '@sallyport/clock'
import { type ClientResponse, type CoapResource, type CoapsClient, connectCoaps } from '@sallyport/coaps'
import { isCodedError } from '@sallyport/errors'
import { effort, pause } from './effort.ts'
import type { EnrolledDevice } from './enrolled-fleet.ts'

export const measurementName = 'sequence'
const json = 50
const senmlJson = 110
/** A long fleet shares the machine with its own devices: 400 measurements a second. */
const reportEvery = seconds(effort(1, 5))
/** A device that is not answered for so long takes its association for lost. */
const usualPatience = seconds(effort(20, 10))
/** Before it shakes hands again, so that a fleet does not come back in one moment. */
const longestBackOff = 5_000
const mostBackOff = 20_000

export interface Acknowledgement {
  readonly number: number
  readonly sentAt: number
  readonly at: number
}

export class ReportingDevice {
  readonly id: string
  /** With `performance.now()` as their time. */
  readonly acknowledgements: Acknowledgement[] = []
  /** When each handshake was finished; the first is that of the start. */
  readonly handshakes: number[] = []
  /** Why it could not come back at once. */
  readonly refusals: string[] = []
  readonly lamp: Lamp | undefined
  /** For measurements from now on. */
  patience = usualPatience
  readonly #device: EnrolledDevice
  readonly #gateway: { readonly host: string; readonly port: number }
  readonly #startedAt = Date.now()
  #client: CoapsClient<undefined> | undefined
  #tokens: { readonly uid: string; readonly accesstoken: string } | undefined
  #sent = 0
  #stopping = false
  #work: Promise<void> | undefined

  constructor(device: EnrolledDevice, gateway: { readonly host: string; readonly port: number }, withLamp: boolean) {
    this.id = device.id
    this.#device = device
    this.#gateway = gateway
    this.lamp = withLamp ? new Lamp() : undefined
  }

  /** Handshake, sign-up, sign-in, and publication of the lamp. */
  start(): Promise<void> {
    return this.#connect()
  }

  /** From now on by itself. */
  startReporting(): void {
    this.#work = this.#report()
    // It is awaited at the end; until then its failure must not end the process.
    this.#work.catch(() => undefined)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#work
    await this.#client?.close()
  }

  async #connect(): Promise<void> {
    await this.#shakeHands()
    await this.#enter()
  }

  async #shakeHands(): Promise<void> {
    this.#client?.association.close()
    this.#client = undefined
    const client = await connectCoaps<undefined>({
      ...this.#gateway,
      connectionId: true,
      credentials: { chain: this.#device.chain, privateKey: this.#device.privateKey },
      // The gateway's certificate is looked at in other tests.
      verifyPeer: () => ({ accepted: true, identity: undefined }),
      resources: this.lamp?.resources ?? [],
    })
    this.handshakes.push(performance.now())
    this.#client = client
  }

  async #enter(): Promise<void> {
    this.#tokens ??= await this.#signUp()
    await this.#expect('2.04', '/oic/sec/session', { di: this.id, ...this.#tokens, login: true })
    if (this.lamp === undefined) return
    const links = [{ href: lampPath, rt: ['core.light'], if: ['oic.if.a'], p: { bm: 3 } }]
    await this.#expect('2.04', '/oic/rd', { di: this.id, n: 'lamp', ttl: 86_400, links })
  }

  async #signUp() {
    const answer = await this.#expect('2.04', '/oic/sec/account', {
      di: this.id,
      accesstoken: this.#device.onboardingCode,
      authprovider: 'sallyport',
    })
    const { uid, accesstoken } = JSON.parse(Buffer.from(answer.payload).toString()) as Record<string, string>
    return { uid: uid ?? '', accesstoken: accesstoken ?? '' }
  }

  async #expect(code: string, path: string, body: unknown): Promise<ClientResponse> {
    const answer = await this.#post(path, json, body, seconds(30))
    if (answer.code === code) return answer
    throw new Error(`${path} was answered with ${answer.code} ${Buffer.from(answer.payload).toString()}`)
  }

  #post(path: string, contentFormat: number, body: unknown, timeout: Duration): Promise<ClientResponse> {
    if (this.#client === undefined) throw new Error('there is no association')
    const payload = Buffer.from(JSON.stringify(body))
    return this.#client.request({ method: 'POST', path, contentFormat, accept: json, payload, timeout })
  }

  async #report(): Promise<void> {
    await pause(randomInt(reportEvery))
    while (!this.#stopping) {
      this.#sent += 1
      const sentAt = performance.now()
      while (!(await this.#isAcknowledged(this.#sent))) {
        if (this.#stopping) return
        await this.#comeBack()
      }
      const at = performance.now()
      this.acknowledgements.push({ number: this.#sent, sentAt, at })
      await pause(Math.max(0, reportEvery - (at - sentAt)))
    }
  }

  async #isAcknowledged(number: number): Promise<boolean> {
    const at = (this.#startedAt + number) / 1000
    try {
      const answer = await this.#post(
        '/api/v1/telemetry',
        senmlJson,
        [{ n: measurementName, t: at, v: number }],
        this.patience,
      )
      return answer.code === '2.04'
    } catch (error) {
      if (!isCodedError(error)) throw error
      this.#client?.association.close()
      return false
    }
  }

  /** Tries until it is signed in again, more and more seldom; an association on which it is answered is kept. */
  async #comeBack(): Promise<void> {
    for (let longest = longestBackOff; !this.#stopping; longest = Math.min(2 * longest, mostBackOff)) {
      await pause(randomInt(longest))
      try {
        if (this.#client === undefined || this.#client.association.closed) await this.#shakeHands()
        await this.#enter()
        return
      } catch (error) {
        this.refusals.push(error instanceof Error ? error.message : String(error))
        if (isCodedError(error)) this.#client?.association.close()
      }
    }
  }
}

const lampPath = '/light/1'

/** Observed by the gateway, switched by customers. */
export class Lamp {
  /** What reached it, each once unless it was sent again. */
  readonly updates: unknown[] = []
  /** The tokens of all registrations there ever were: one that is renewed keeps its own (RFC 7641 section 3.3.1). */
  readonly registrations = new Set<string>()
  #state: Readonly<Record<string, unknown>> = { state: false, power: 0 }
  readonly #watchers = new Set<() => void>()

  get isWatched(): boolean {
    return this.#watchers.size > 0
  }

  /** A person turns it; the gateway is told. */
  turn(power: number): void {
    this.#change({ power })
  }

  get resources(): readonly CoapResource<undefined>[] {
    const content = () => ({ payload: Buffer.from(JSON.stringify(this.#state)), contentFormat: json })
    return [
      {
        path: lampPath,
        handlers: {
          GET: () => ({ code: '2.05', ...content() }),
          POST: (request) => {
            const update = JSON.parse(Buffer.from(request.payload).toString()) as Record<string, unknown>
            this.updates.push(update)
            this.#change(update)
            return { code: '2.04', ...content() }
          },
        },
        observe: ({ token = new Uint8Array() }, changed) => {
          this.registrations.add(Buffer.from(token).toString('hex'))
          this.#watchers.add(changed)
          return () => void this.#watchers.delete(changed)
        },
      },
    ]
  }

  #change(change: Readonly<Record<string, unknown>>): void {
    this.#state = { ...this.#state, ...change }
    for (const changed of this.#watchers) changed()
  }
}
