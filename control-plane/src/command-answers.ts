/**
 * Wakes HTTP callers that wait for a device's answer: by the database's notification, with a look into the table behind it
 * for notifications that were lost.
 */

import type { Clock, Duration } from '@sallyport/clock'
import { between, later, milliseconds } from '@sallyport/clock'
import { isFinishedState } from '@sallyport/fleet'
import type { CommandRecord, Store } from '@sallyport/store'

export interface CommandAnswers {
  /** The command once it is finished, or as it is when the time is over. */
  wait(organizationId: string, commandId: string, atMost: Duration): Promise<CommandRecord | undefined>
  /** Whoever waits is answered now with the command as it is. */
  close(): Promise<void>
}

const pollEvery = milliseconds(1000)

export async function listenForAnswers(options: {
  readonly store: Pick<Store, 'listen' | 'commands'>
  readonly clock: Clock
}): Promise<CommandAnswers> {
  const { store, clock } = options
  const waiting = new Map<string, Set<() => void>>()
  let closed = false
  const wakeAll = (): void => {
    for (const wakers of waiting.values()) for (const wake of wakers) wake()
  }
  const stopListening = await store.listen(
    'command_finished',
    (payload) => {
      for (const wake of waiting.get(commandIdIn(payload)) ?? []) wake()
    },
    wakeAll,
  )
  return {
    async wait(organizationId, commandId, atMost) {
      const deadline = later(clock.now(), atMost)
      for (;;) {
        // Asked for before the row is read: an answer between the two still wakes.
        const woken = nudge(waiting, commandId, Math.min(pollEvery, between(clock.now(), deadline)))
        const command = await store.commands.read(organizationId, commandId)
        if (command === undefined || isFinishedState(command.state) || closed || clock.now() >= deadline) {
          woken.cancel()
          return command
        }
        await woken.promise
      }
    },
    async close() {
      closed = true
      wakeAll()
      await stopListening()
    },
  }
}

function nudge(waiting: Map<string, Set<() => void>>, commandId: string, longest: number) {
  let wake = (): void => {}
  const promise = new Promise<void>((resolve) => {
    wake = resolve
  })
  const timer = setTimeout(() => done(), longest)
  const wakers = waiting.get(commandId) ?? new Set()
  const done = (): void => {
    clearTimeout(timer)
    wakers.delete(done)
    if (wakers.size === 0) waiting.delete(commandId)
    wake()
  }
  wakers.add(done)
  waiting.set(commandId, wakers)
  return { promise, cancel: done }
}

/** The payload is the id, or a JSON object that holds it as `commandId`. */
function commandIdIn(payload: string): string {
  if (!payload.startsWith('{')) return payload
  const parsed: unknown = JSON.parse(payload)
  const id = typeof parsed === 'object' && parsed !== null && 'commandId' in parsed ? parsed.commandId : undefined
  return typeof id === 'string' ? id : ''
}
