/** `sallyport provisioning`: how devices got their identities, step by step. */

import type { ItemOf } from '@sallyport/client'
import type { Command } from 'commander'
import { first, pageSize, withLimit } from '../change-options.ts'
import { describedCommand } from '../described-command.ts'
import { invoking } from '../invocation.ts'
import { findGroup, uuidArgument } from '../references.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'
import type { Column } from '../table.ts'

export function provisioningCommand(surroundings: Surroundings): Command {
  return describedCommand('provisioning', { description: 'How devices got their identities, or did not.' })
    .addCommand(list(surroundings))
    .addCommand(show(surroundings))
}

type ProvisioningRecord = ItemOf<'listProvisioningRecords'>

const lastStep = ({ steps }: ProvisioningRecord) => steps.at(-1)

const columns: readonly Column<ProvisioningRecord>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'DEVICE', value: ({ deviceId }) => deviceId },
  { header: 'MANUFACTURER', value: ({ manufacturer }) => manufacturer.commonName, mayBeCut: true, mayBeMissing: true },
  { header: 'LAST STEP', value: (record) => lastStep(record)?.step },
  {
    header: 'CODE',
    value: (record) => lastStep(record)?.errorCode ?? lastStep(record)?.coapCode,
    tone: (record) => (lastStep(record)?.errorCode == null ? 'good' : 'bad'),
  },
  { header: 'CHANGED', value: ({ updatedAt }) => shownTime(updatedAt), mayBeMissing: true },
]

function list(surroundings: Surroundings): Command {
  return withLimit(
    describedCommand('list', {
      description: 'The records, the newest first.',
      examples: ["provisioning list --group 'My Factory'"],
    }),
    50,
  )
    .option('--device <id>', 'of this device', uuidArgument)
    .option('--group <group>', 'of this enrollment group, by id or name')
    .action(
      invoking<{ device?: string; group?: string; limit: number }>(
        surroundings,
        async (invocation, { device, group, limit }) => {
          const client = invocation.client()
          const groupId = group === undefined ? undefined : (await findGroup(client, group)).thing.id
          const query = { deviceId: device, groupId, limit: pageSize(limit) }
          const records = client.items('listProvisioningRecords', query)
          await invocation.output.list(first(records, limit), columns, 'No provisioning records.')
        },
      ),
    )
}

function show(surroundings: Surroundings): Command {
  return describedCommand('show', {
    description: 'A record, with each step.',
    examples: ['provisioning show 0197a000-0000-7000-8000-000000000001'],
  })
    .argument('<record>', 'its id', uuidArgument)
    .action(
      invoking(surroundings, async (invocation, _, recordId: string) => {
        const { body } = await invocation.client().call('readProvisioningRecord', { recordId })
        await invocation.output.thing(body, [
          ['id', body.id],
          ['device', body.deviceId],
          ['manufacturer', body.manufacturer.commonName],
          ['from', body.remote],
          ['begun', shownTime(body.createdAt)],
          ...body.steps.map(
            ({ step, at, coapCode, errorCode, detail }) =>
              [step, [shownTime(at), coapCode, errorCode, detail].filter(Boolean).join('  ')] as const,
          ),
        ])
      }),
    )
}
