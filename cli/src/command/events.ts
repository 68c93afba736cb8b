/** `sallyport events`: what happens, live. */

import type { RequestOf } from '@sallyport/client'
import type { Command } from 'commander'
import { wholeNumber } from '../change-options.ts'
import { describedCommand } from '../described-command.ts'
import { type Invocation, invoking } from '../invocation.ts'
import { findDevice } from '../references.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'

export function eventsCommand(surroundings: Surroundings): Command {
  return describedCommand('events', {
    description:
      'Follow what happens, until Ctrl-C. A feed that breaks is followed on where it was; where events were lost, a line says so.',
    examples: ['events', "events --topic 'device.*' --json | jq -r .topic", 'events --topic device.online --count 1'],
  })
    .option('--topic <topics>', 'these alone, separated by commas; device.* is all of one kind')
    .option('--device <device>', 'of this device alone, by id or name')
    .option('--after <event id>', 'go on after this event')
    .option('--count <number>', 'end after so many', wholeNumber)
    .action(
      invoking<{ topic?: string; device?: string; after?: string; count?: number }>(
        surroundings,
        async (invocation, { topic, device, after, count }) => {
          const deviceId = device === undefined ? undefined : (await findDevice(invocation.client(), device)).thing.id
          await followInto(invocation, { topic, deviceId, lastEventId: after }, count)
        },
      ),
    )
}

/** Until the person stops it, or so many have come. */
export async function followInto(
  invocation: Invocation,
  request: RequestOf<'followEvents'>,
  count = Number.POSITIVE_INFINITY,
): Promise<void> {
  let seen = 0
  for await (const event of invocation.client().events(request)) {
    if (event.kind === 'reset') {
      await invocation.output.note(`Events are lost (${event.reason}): look at how things stand now.`)
      if (invocation.output.isJson) await invocation.output.streamed({ topic: 'reset', reason: event.reason }, '')
      continue
    }
    await invocation.output.streamed(event.data, lineOf(event.topic, event.data))
    seen += 1
    if (seen >= count) return
  }
}

function lineOf(topic: string, event: unknown): string {
  const { occurredAt, deviceId, data } = (typeof event === 'object' && event !== null ? event : {}) as Partial<
    Record<'occurredAt' | 'deviceId' | 'data', unknown>
  >
  const time = typeof occurredAt === 'string' ? shownTime(occurredAt) : undefined
  return [time, topic, deviceId, data === undefined ? undefined : JSON.stringify(data)]
    .filter((part) => part !== undefined)
    .join('  ')
}
