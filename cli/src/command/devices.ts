/** `sallyport devices`: devices, their resources, commands and telemetry. */

import type { ItemOf } from '@sallyport/client'
import type { Command } from 'commander'
import { collected, first, pageSize, withDryRun, withLimit, withYes } from '../change-options.ts'
import { CommandFailure } from '../command-failure.ts'
import { describedCommand } from '../described-command.ts'
import { changingCurrent, type Invocation, invoking } from '../invocation.ts'
import { type Device, findDevice, findGroup, uuidArgument } from '../references.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'
import type { Column } from '../table.ts'
import { deviceResourceCommands } from './device-resources.ts'
import { followInto } from './events.ts'

export function devicesCommand(surroundings: Surroundings): Command {
  const devices = describedCommand('devices', { description: 'Devices, their resources, commands and telemetry.' })
  const commands = [
    ...[list, show, rename, label, remove].map((make) => make(surroundings)),
    ...deviceResourceCommands(surroundings),
    ...[watch, commandsOf, command, telemetry].map((make) => make(surroundings)),
  ]
  for (const each of commands) devices.addCommand(each)
  return devices
}

const labelsOf = ({ labels }: { readonly labels: Readonly<Record<string, string>> }): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}:${value}`)
    .join(' ')

const columns: readonly Column<ItemOf<'listDevices'>>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'NAME', value: ({ name }) => name, mayBeCut: true },
  { header: 'ONLINE', value: ({ online }) => online, tone: ({ online }) => (online ? 'good' : 'bad') },
  { header: 'LAST SEEN', value: ({ lastSeenAt }) => shownTime(lastSeenAt), mayBeMissing: true },
  { header: 'LABELS', value: labelsOf, mayBeCut: true, mayBeMissing: true },
]

interface ListFlags {
  readonly online?: boolean
  readonly name?: string
  readonly label?: readonly string[]
  readonly group?: string
  readonly search?: string
  readonly limit?: number
}

function list(surroundings: Surroundings): Command {
  return withLimit(
    describedCommand('list', {
      description: 'The devices.',
      examples: [
        'devices list --online',
        'devices list --label site:berlin --label floor:2',
        "devices list --json | jq -r 'select(.online|not).name'",
      ],
    }),
  )
    .option('--online', 'those that are online')
    .option('--no-online', 'those that are offline')
    .option('--name <name>', 'those of this name')
    .option('--label <name:value>', 'those with this label; may be repeated', collected)
    .option('--group <group>', 'those of this enrollment group, by id or name')
    .option('--search <text>', 'those with a part of the name or the id')
    .action(
      invoking<ListFlags>(surroundings, async (invocation, { online, name, label, group, search, limit }) => {
        const client = invocation.client()
        const groupId = group === undefined ? undefined : (await findGroup(client, group)).thing.id
        const filter = { online, name, label, groupId, q: search, limit: pageSize(limit) }
        await invocation.output.list(first(client.items('listDevices', filter), limit), columns, 'No devices.')
      }),
    )
}

const deviceArgument = (made: Command): Command => made.argument('<device>', 'its id or name')

function show(surroundings: Surroundings): Command {
  return deviceArgument(describedCommand('show', { description: 'A device.', examples: ['devices show Lamp'] })).action(
    invoking(surroundings, async (invocation, _, text: string) => {
      await showDevice(invocation, (await findDevice(invocation.client(), text)).thing)
    }),
  )
}

const showDevice = ({ output }: Invocation, device: Device): Promise<void> =>
  output.thing(device, [
    ['id', device.id],
    ['name', device.name],
    ['online', device.online],
    ['last seen', shownTime(device.lastSeenAt)],
    ['labels', labelsOf(device)],
    ['enrollment group', device.enrollmentGroupId],
    ['registered', shownTime(device.registeredAt)],
  ])

function rename(surroundings: Surroundings): Command {
  return withDryRun(
    deviceArgument(
      describedCommand('rename', {
        description: 'Give a device another name.',
        examples: ['devices rename Lamp Door'],
      }),
    ),
  )
    .argument('<name>')
    .action(
      invoking(surroundings, (invocation, _, text: string, name: string) =>
        changeDevice(invocation, text, (device) => ({ body: { name }, does: `rename ${device.name} to ${name}` })),
      ),
    )
}

function label(surroundings: Surroundings): Command {
  return withDryRun(
    deviceArgument(
      describedCommand('label', {
        description: 'Set labels of a device, or take them away; the others stay.',
        examples: ['devices label Lamp --set site:berlin --set floor:2', 'devices label Lamp --remove floor'],
      }),
    ),
  )
    .option('--set <name:value>', 'may be repeated', collected)
    .option('--remove <name>', 'may be repeated', collected)
    .action(
      invoking<{ set?: readonly string[]; remove?: readonly string[] }>(
        surroundings,
        async (invocation, { set = [], remove: taken = [] }, text: string) => {
          if (set.length + taken.length === 0) throw new CommandFailure('usage', 'Give --set or --remove.')
          const added = set.map((each) => {
            const colon = each.indexOf(':')
            if (colon < 1) throw new CommandFailure('usage', `"${each}": a label is name:value.`)
            return [each.slice(0, colon), each.slice(colon + 1)] as const
          })
          await changeDevice(invocation, text, (device) => {
            const kept = Object.entries(device.labels).filter(([name]) => !taken.includes(name))
            return { body: { labels: Object.fromEntries([...kept, ...added]) }, does: `label ${device.name}` }
          })
        },
      ),
    )
}

async function changeDevice(
  invocation: Invocation,
  text: string,
  wanted: (device: Device) => {
    readonly body: { readonly name?: string; readonly labels?: Readonly<Record<string, string>> }
    readonly does: string
  },
): Promise<void> {
  const answer = await changingCurrent(async () => {
    const { thing, etag } = await findDevice(invocation.client(), text)
    const { body, does } = wanted(thing)
    return invocation.change('changeDevice', { deviceId: thing.id, ifMatch: etag, body }, { does })
  })
  if (answer !== undefined) await showDevice(invocation, answer.body)
}

function remove(surroundings: Surroundings): Command {
  return withYes(
    deviceArgument(
      describedCommand('delete', {
        description: 'Forget a device: its association ends within a second, and its identity is revoked.',
        examples: ['devices delete Lamp', 'devices delete Lamp --yes'],
      }),
    ),
  ).action(
    invoking(surroundings, async (invocation, _, text: string) => {
      const { thing } = await findDevice(invocation.client(), text)
      const act = { does: `delete the device ${thing.name} (${thing.id})`, destroys: true }
      const answer = await invocation.change('deleteDevice', { deviceId: thing.id }, act)
      if (answer !== undefined) await invocation.output.note(`The device ${thing.name} is deleted.`)
    }),
  )
}

function watch(surroundings: Surroundings): Command {
  return deviceArgument(
    describedCommand('watch', {
      description: 'Follow what happens to a device, until Ctrl-C.',
      examples: ['devices watch Lamp', 'devices watch Lamp --topic resource.changed --json'],
    }),
  )
    .option('--topic <topics>', 'these alone, separated by commas; device.* is all of one kind')
    .action(
      invoking<{ topic?: string }>(surroundings, async (invocation, { topic }, text: string) => {
        const { thing } = await findDevice(invocation.client(), text)
        await followInto(invocation, { deviceId: thing.id, topic })
      }),
    )
}

const commandColumns: readonly Column<ItemOf<'listCommands'>>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'METHOD', value: ({ method }) => method },
  { header: 'HREF', value: ({ href }) => href, mayBeCut: true },
  { header: 'STATE', value: ({ state }) => state, tone: ({ state }) => (state === 'succeeded' ? 'good' : 'plain') },
  { header: 'CODE', value: ({ coapCode, errorCode }) => coapCode ?? errorCode },
  { header: 'CREATED', value: ({ createdAt }) => shownTime(createdAt), mayBeMissing: true },
  { header: 'FINISHED', value: ({ finishedAt }) => shownTime(finishedAt), mayBeMissing: true },
]

function commandsOf(surroundings: Surroundings): Command {
  return withLimit(
    deviceArgument(
      describedCommand('commands', {
        description: 'Commands to a device, the newest first.',
        examples: ['devices commands Lamp --limit 5'],
      }),
    ),
    50,
  ).action(
    invoking<{ limit: number }>(surroundings, async (invocation, { limit }, text: string) => {
      const client = invocation.client()
      const { thing } = await findDevice(client, text)
      const commands = client.items('listCommands', { deviceId: thing.id, limit: pageSize(limit) })
      await invocation.output.list(first(commands, limit), commandColumns, 'No commands.')
    }),
  )
}

function command(surroundings: Surroundings): Command {
  return deviceArgument(
    describedCommand('command', {
      description: 'A command to a device and what became of it.',
      examples: ['devices command Lamp 0197a000-0000-7000-8000-000000000001'],
    }),
  )
    .argument('<command>', 'its id', uuidArgument)
    .action(
      invoking(surroundings, async (invocation, _, text: string, commandId: string) => {
        const client = invocation.client()
        const { thing } = await findDevice(client, text)
        const { body } = await client.call('readCommand', { deviceId: thing.id, commandId })
        await invocation.output.thing(body, [
          ['id', body.id],
          ['device', body.deviceId],
          ['href', body.href],
          ['method', body.method],
          ['state', body.state],
          ['code', body.coapCode ?? body.errorCode],
          ['answer', JSON.stringify(body.representation)],
          ['created', shownTime(body.createdAt)],
          ['good until', shownTime(body.expiresAt)],
          ['finished', shownTime(body.finishedAt)],
        ])
      }),
    )
}

const telemetryColumns: readonly Column<ItemOf<'readTelemetry'>>[] = [
  { header: 'AT', value: ({ at }) => shownTime(at) },
  { header: 'NAME', value: ({ name }) => name, mayBeCut: true },
  { header: 'VALUE', value: ({ value }) => value, mayBeCut: true },
  { header: 'UNIT', value: ({ unit }) => unit },
]

function telemetry(surroundings: Surroundings): Command {
  return withLimit(
    deviceArgument(
      describedCommand('telemetry', {
        description: 'What a device measured: the last value of each measurement, or with --name a range of one.',
        examples: ['devices telemetry Lamp', 'devices telemetry Lamp --name temperature --from 2026-11-20T00:00:00Z'],
      }),
    ),
    50,
  )
    .option('--name <measurement>', 'the range of this one')
    .option('--from <time>', 'not before (RFC 3339)')
    .option('--to <time>', 'before')
    .action(
      invoking<{ limit: number; name?: string; from?: string; to?: string }>(
        surroundings,
        async (invocation, { limit, name, from, to }, text: string) => {
          const client = invocation.client()
          const { thing } = await findDevice(client, text)
          const range = { deviceId: thing.id, name, from, to, limit: pageSize(limit) }
          await invocation.output.list(
            first(client.items('readTelemetry', range), limit),
            telemetryColumns,
            'No telemetry.',
          )
        },
      ),
    )
}
