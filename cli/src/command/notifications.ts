/** `sallyport notifications`: what you are told, and by which ways. */

import type { ItemOf } from '@sallyport/client'
import type { Command } from 'commander'
import { first, pageSize, withDryRun, withLimit } from '../change-options.ts'
import { CommandFailure } from '../command-failure.ts'
import { describedCommand } from '../described-command.ts'
import { invoking } from '../invocation.ts'
import { uuidArgument } from '../references.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'
import type { Column } from '../table.ts'

export function notificationsCommand(surroundings: Surroundings): Command {
  return describedCommand('notifications', { description: 'What you are told, and by which ways.' })
    .addCommand(list(surroundings))
    .addCommand(read(surroundings))
    .addCommand(preferences(surroundings))
    .addCommand(prefer(surroundings))
}

const columns: readonly Column<ItemOf<'listNotifications'>>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'KIND', value: ({ kind }) => kind },
  { header: 'CREATED', value: ({ createdAt }) => shownTime(createdAt) },
  { header: 'READ', value: ({ readAt }) => readAt !== null },
  { header: 'ABOUT', value: ({ data }) => JSON.stringify(data), mayBeCut: true, mayBeMissing: true },
]

function list(surroundings: Surroundings): Command {
  return withLimit(
    describedCommand('list', { description: 'Your notifications.', examples: ['notifications list --unread'] }),
    50,
  )
    .option('--unread', 'those that you have not read')
    .action(
      invoking<{ unread?: boolean; limit: number }>(surroundings, async (invocation, { unread, limit }) => {
        const query = { unread, limit: pageSize(limit) }
        const notifications = invocation.client().items('listNotifications', query)
        await invocation.output.list(first(notifications, limit), columns, 'No notifications.')
      }),
    )
}

function read(surroundings: Surroundings): Command {
  return withDryRun(
    describedCommand('read', {
      description: 'Mark a notification as read, or with --all all of them.',
      examples: ['notifications read 0197a000-0000-7000-8000-000000000001', 'notifications read --all'],
    }),
  )
    .argument('[notification]', 'its id', uuidArgument)
    .option('--all', 'all that there are now')
    .action(
      invoking<{ all?: boolean }>(surroundings, async (invocation, { all }, notificationId: string | undefined) => {
        if ((all === true) === (notificationId !== undefined)) {
          throw new CommandFailure('usage', 'Name a notification, or give --all.')
        }
        if (notificationId !== undefined) {
          await invocation.change('markNotificationRead', { notificationId }, { does: 'mark it as read' })
          return
        }
        const until = new Date(invocation.surroundings.now()).toISOString()
        const answer = await invocation.change('markNotificationsRead', { until }, { does: 'mark all as read' })
        if (answer !== undefined) await invocation.output.thing(answer.body, [['marked', answer.body.marked]])
      }),
    )
}

const preferenceColumns: readonly Column<{
  readonly kind: string
  readonly inApp: boolean
  readonly mail: boolean
  readonly canBeMailed: boolean
}>[] = [
  { header: 'KIND', value: ({ kind }) => kind },
  { header: 'IN APP', value: ({ inApp }) => inApp },
  { header: 'MAIL', value: ({ mail }) => mail },
  { header: 'CAN BE MAILED', value: ({ canBeMailed }) => canBeMailed },
]

function preferences(surroundings: Surroundings): Command {
  return describedCommand('preferences', {
    description: 'By which ways you are told of what.',
    examples: ['notifications preferences'],
  }).action(
    invoking(surroundings, async (invocation) => {
      const { body } = await invocation.client().call('readNotificationPreferences')
      await invocation.output.list(body.items, preferenceColumns, 'Nothing is notified.')
    }),
  )
}

function prefer(surroundings: Surroundings): Command {
  return withDryRun(
    describedCommand('prefer', {
      description: 'Say by which ways to be told of something; what is not named stays.',
      examples: ['notifications prefer devices-offline --mail', 'notifications prefer job-dead --no-in-app --no-mail'],
    }),
  )
    .argument('<kind>', 'as the list of preferences shows it')
    .option('--in-app', 'in the notifications')
    .option('--no-in-app', 'not in the notifications')
    .option('--mail', 'by mail')
    .option('--no-mail', 'not by mail')
    .action(
      invoking<{ inApp?: boolean; mail?: boolean }>(surroundings, async (invocation, { inApp, mail }, kind: string) => {
        const { body } = await invocation.client().call('readNotificationPreferences')
        const known = body.items.find((item) => item.kind === kind)
        if (known === undefined) {
          const kinds = body.items.map((item) => item.kind).join(', ')
          throw new CommandFailure('usage', `There is no kind "${kind}": ${kinds}`)
        }
        const item = { kind: known.kind, inApp: inApp ?? known.inApp, mail: mail ?? known.mail }
        const does = `change how you are told of ${kind}`
        const answer = await invocation.change('changeNotificationPreferences', { body: { items: [item] } }, { does })
        if (answer !== undefined) await invocation.output.list(answer.body.items, preferenceColumns, '')
      }),
    )
}
