/**
 * Carries commands to devices: from a row in the database, over the device's association, back into the row.
 *
 *   pending ──claim──► sent ──the device's answer──► succeeded | refused
 *                        └───no answer, association closed──► outcome-unknown (an update), expired (a read)
 *
 * A notification names each new command; when it gets lost, when the device signs in, and every few seconds, waiting commands
 * are looked for. A claim has one winner, so looking twice does no harm. A command is sent at most once: an update whose
 * answer was lost may have been carried out, and repeating it is not ours to decide. One device gets one command at a time, in order.
 */

import { between, type Clock, type Duration, seconds } from '@sallyport/clock'
import type { ClientRequest, ClientResponse, CoapsServer } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import { hasCode, isCodedError } from '@sallyport/errors'
import { encode } from '@sallyport/representation'
import type { CommandRecord, Store } from '@sallyport/store'
import type { DeviceIdentity } from './device-identity.ts'
import { actOf, type DeviceAssociation, logFieldsOf } from './device-request.ts'
import type { LiveDevice, LiveDevices } from './live-devices.ts'
import { notificationFields } from './notification.ts'
import { representationOf, type TwinObserver } from './twin-observer.ts'

export interface CommandDispatchOptions {
  readonly server: () => Pick<CoapsServer<DeviceIdentity>, 'request'>
  readonly store: Pick<Store, 'listen'> & {
    readonly commands: Pick<Store['commands'], 'claim' | 'complete' | 'pendingFor' | 'pendingForGateway'>
  }
  readonly devices: LiveDevices
  readonly twin: Pick<TwinObserver, 'report' | 'contentFormatOf'>
  readonly gatewayId: string
  readonly clock: Clock
  readonly log: Logger
  readonly onCompleted: (state: CommandOutcome['state']) => void
  readonly onContact: (live: LiveDevice) => void
  /** Before an answer has an effect: see `record-marks.ts`. */
  readonly mark: (association: DeviceAssociation, response: ClientResponse) => Promise<void>
}

export type CommandOutcome = Parameters<Store['commands']['complete']>[1]

const polledEvery = seconds(5)
const mostAtOnce = 500
const longestAnswer: Duration = seconds(30)
const ocfCbor = 10000

export class CommandDispatch {
  readonly #options: CommandDispatchOptions
  /** The last command of each device that is not finished. */
  readonly #queues = new Map<string, Promise<void>>()
  readonly #known = new Set<string>()
  #stopListening: (() => Promise<void>) | undefined
  #timer: NodeJS.Timeout | undefined
  #stopping = false

  constructor(options: CommandDispatchOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const poll = (): void => {
      this.#poll().catch((error: unknown) => this.#options.log.warn({ err: error }, 'commands could not be looked for'))
    }
    this.#stopListening = await this.#options.store.listen(
      'command_created',
      (payload) => {
        const { commandId, deviceId } = notificationFields(payload)
        if (commandId !== undefined && deviceId !== undefined) this.#enqueue(deviceId, commandId)
      },
      poll,
    )
    this.#timer = setInterval(poll, polledEvery)
  }

  /** Looks for what waits for the devices of this gateway. Resolves in any case. */
  async lookForWaiting(): Promise<void> {
    await this.#poll().catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'commands could not be looked for')
    })
  }

  /** Takes no further command; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearInterval(this.#timer)
    await this.#stopListening?.()
    await Promise.all(this.#queues.values())
  }

  /** Sends what waited for the device. */
  async replay(deviceId: string): Promise<void> {
    try {
      for (const command of await this.#options.store.commands.pendingFor(deviceId)) this.#enqueue(deviceId, command.id)
    } catch (error) {
      this.#options.log.warn({ deviceId, err: error }, 'waiting commands could not be looked for')
    }
  }

  async #poll(): Promise<void> {
    for (const command of await this.#options.store.commands.pendingForGateway(this.#options.gatewayId, mostAtOnce)) {
      this.#enqueue(command.deviceId, command.id)
    }
  }

  #enqueue(deviceId: string, commandId: string): void {
    if (this.#stopping || this.#known.has(commandId)) return
    if (this.#options.devices.signedInAs(deviceId) === undefined) return
    this.#known.add(commandId)
    const before = this.#queues.get(deviceId) ?? Promise.resolve()
    const done = before
      .then(() => this.#carryOut(deviceId, commandId))
      .catch((error: unknown) => {
        this.#options.log.warn({ deviceId, commandId, err: error }, 'a command could not be carried out')
      })
      .finally(() => {
        this.#known.delete(commandId)
        if (this.#queues.get(deviceId) === done) this.#queues.delete(deviceId)
      })
    this.#queues.set(deviceId, done)
  }

  async #carryOut(deviceId: string, commandId: string): Promise<void> {
    const live = this.#options.devices.signedInAs(deviceId)
    // Gone meanwhile: the command stays pending and is replayed at the next sign-in.
    if (live === undefined || live.association.closed || this.#stopping) return
    const command = await this.#options.store.commands.claim(commandId, this.#options.gatewayId)
    if (command === undefined) return
    const outcome = await this.#send(live, command)
    await this.#complete(live, command, outcome)
    this.#options.onCompleted(outcome.state)
    this.#options.log.info(
      {
        ...logFieldsOf(live.association),
        correlationId: command.correlationId,
        commandId,
        href: command.href,
        state: outcome.state,
        coapCode: outcome.coapCode,
        code: outcome.errorCode,
      },
      'command finished',
    )
  }

  /** A device's answer that cannot be stored is left out: what became of the command must not be lost with it. */
  async #complete(live: LiveDevice, command: CommandRecord, outcome: CommandOutcome): Promise<void> {
    const { commands } = this.#options.store
    const act = actOf(live.association, command.correlationId)
    try {
      await commands.complete(command.id, outcome, act)
    } catch (error) {
      if (outcome.representation === undefined || !hasCode(error, 'validation-failed')) throw error
      const { representation: _, ...withoutAnswer } = outcome
      await commands.complete(command.id, withoutAnswer, act)
    }
  }

  async #send(live: LiveDevice, command: CommandRecord): Promise<CommandOutcome> {
    const now = this.#options.clock.now()
    const timeLeft = between(now, command.expiresAt)
    if (timeLeft === 0) return { state: 'expired' }
    let response: ClientResponse
    try {
      const request = this.#requestFor(live, command, Math.min(timeLeft, longestAnswer) as Duration)
      response = await this.#options.server().request(live.association, request)
    } catch (error) {
      return outcomeOfFailure(command, error)
    }
    this.#options.onContact(live)
    try {
      await this.#options.mark(live.association, response)
    } catch (error) {
      // What the device answered cannot be written down; that it did something is not known to anybody then.
      return outcomeOfFailure(command, error)
    }
    return this.#outcomeOf(live, command, response)
  }

  #requestFor(live: LiveDevice, command: CommandRecord, timeout: Duration): ClientRequest {
    const { href: path } = command
    if (command.method === 'GET') return { method: 'GET', path, timeout }
    // In the format the device itself speaks, as far as it is known.
    const known = this.#options.twin.contentFormatOf(live.association, path)
    const contentFormat = known !== undefined && writableFormats.has(known) ? known : ocfCbor
    return {
      method: 'POST',
      path,
      timeout,
      contentFormat,
      accept: contentFormat,
      payload: encode(contentFormat, command.payload),
    }
  }

  #outcomeOf(live: LiveDevice, command: CommandRecord, response: ClientResponse): CommandOutcome {
    const coapCode = response.code
    const succeeded = coapCode.startsWith('2.')
    if (succeeded && command.method === 'GET') this.#options.twin.report(live.association, command.href, response)
    let representation: CommandOutcome['representation']
    try {
      representation = response.payload.length === 0 ? undefined : representationOf(response)
    } catch {
      // The device did it and answered something unreadable: the code is what counts.
      representation = undefined
    }
    const body = representation === undefined ? {} : { representation }
    return succeeded
      ? { state: 'succeeded', coapCode, ...body }
      : { state: 'refused', coapCode, errorCode: 'device-refused', ...body }
  }
}

const writableFormats: ReadonlySet<number> = new Set([50, 60, ocfCbor])

/** What the encoders refused, of the payload or of the address, and what found no place in the queue. */
const neverSent: ReadonlySet<string> = new Set(['validation-failed', 'malformed-request', 'overloaded'])

function outcomeOfFailure(command: CommandRecord, error: unknown): CommandOutcome {
  const errorCode = isCodedError(error) ? error.code : 'internal'
  const shown = errorCode === 'timed-out' ? 'device-not-responding' : errorCode
  if (neverSent.has(errorCode)) return { state: 'refused', errorCode }
  return { state: command.method === 'GET' ? 'expired' : 'outcome-unknown', errorCode: shown }
}
