/**
 * What has to happen because time passed: devices of a dead gateway and devices that went quiet are declared offline,
 * commands nobody answered expire; once an hour the database is tidied. Any number of processes may sweep.
 */

import { randomUUID } from 'node:crypto'
import type { Clock, Duration } from '@sallyport/clock'
import { hours, later, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import type { Store } from '@sallyport/store'

export interface Sweeper {
  /** Ends after the sweep under way. */
  close(): Promise<void>
}

const housekeepEvery = hours(1)

export function startSweeper(options: {
  readonly store: Pick<Store, 'gateways' | 'commands' | 'housekeep'>
  readonly clock: Clock
  readonly log: Logger
  readonly every?: Duration
}): Sweeper {
  const { store, clock, log } = options
  let housekeepAt = clock.now()
  let closed = false
  let wake = (): void => {}
  const sweep = async (): Promise<void> => {
    const act = { actor: { kind: 'system', id: 'sweeper' }, correlationId: randomUUID() } as const
    const offline = await store.gateways.sweepExpired(act)
    if (offline.length > 0)
      log.info({ count: offline.length, correlationId: act.correlationId }, 'devices went offline')
    await store.commands.expireDue(act)
    if (clock.now() < housekeepAt) return
    await store.housekeep()
    housekeepAt = later(clock.now(), housekeepEvery)
  }
  const finished = (async () => {
    let failing = false
    while (!closed) {
      try {
        await sweep()
        failing = false
      } catch (error) {
        if (!failing) log.warn({ err: error }, 'the sweep failed, and is tried again')
        failing = true
      }
      if (closed) return
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, options.every ?? seconds(5))
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  })()
  return {
    async close() {
      closed = true
      wake()
      await finished
    },
  }
}
