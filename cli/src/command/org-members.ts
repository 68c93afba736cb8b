/** `sallyport org members`. */

import type { Command } from 'commander'
import { first, pageSize, withDryRun, withLimit, withYes } from '../change-options.ts'
import { describedCommand } from '../described-command.ts'
import { changingCurrent, type Invocation, invoking } from '../invocation.ts'
import { findMember, type Member } from '../references.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'
import type { Column } from '../table.ts'

export function membersCommand(surroundings: Surroundings): Command {
  return describedCommand('members', { description: 'The people of the organization.' })
    .addCommand(list(surroundings))
    .addCommand(show(surroundings))
    .addCommand(setRoles(surroundings))
    .addCommand(remove(surroundings))
}

const columns: readonly Column<Member>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'E-MAIL', value: ({ email }) => email, mayBeCut: true },
  { header: 'USERNAME', value: ({ username }) => username, mayBeCut: true, mayBeMissing: true },
  { header: 'ROLES', value: ({ roles }) => roles.join(' '), mayBeCut: true },
  { header: 'SINCE', value: ({ createdAt }) => shownTime(createdAt), mayBeMissing: true },
]

function list(surroundings: Surroundings): Command {
  return withLimit(describedCommand('list', { description: 'The members.', examples: ['org members list'] })).action(
    invoking<{ limit?: number }>(surroundings, async (invocation, { limit }) => {
      const members = invocation.client().items('listMembers', { limit: pageSize(limit) })
      await invocation.output.list(first(members, limit), columns, 'No members.')
    }),
  )
}

const memberArgument = (made: Command): Command => made.argument('<member>', 'id, e-mail address or username')

function show(surroundings: Surroundings): Command {
  return memberArgument(
    describedCommand('show', { description: 'A member.', examples: ['org members show ada@example.com'] }),
  ).action(
    invoking(surroundings, async (invocation, _, text: string) => {
      await showMember(invocation, (await findMember(invocation.client(), text)).thing)
    }),
  )
}

const showMember = ({ output }: Invocation, member: Member): Promise<void> =>
  output.thing(member, [
    ['id', member.id],
    ['e-mail', member.email],
    ['username', member.username],
    ['roles', member.roles.join(', ')],
    ['since', shownTime(member.createdAt)],
    ['e-mail verified', shownTime(member.emailVerifiedAt)],
  ])

function setRoles(surroundings: Surroundings): Command {
  return withDryRun(
    memberArgument(
      describedCommand('set-roles', {
        description: 'Say which roles a member has, and no others.',
        examples: ['org members set-roles ada@example.com operator auditor'],
      }),
    ),
  )
    .argument('<role...>')
    .action(
      invoking(surroundings, async (invocation, _, text: string, ...rest) => {
        const roles = rest.flat()
        const answer = await changingCurrent(async () => {
          const { thing, etag } = await findMember(invocation.client(), text)
          const does = `give ${thing.email} the roles ${roles.join(', ')} instead of ${thing.roles.join(', ')}`
          return invocation.change('changeMemberRoles', { userId: thing.id, ifMatch: etag, body: { roles } }, { does })
        })
        if (answer !== undefined) await showMember(invocation, answer.body)
      }),
    )
}

function remove(surroundings: Surroundings): Command {
  return withYes(
    memberArgument(
      describedCommand('remove', {
        description: 'Remove a person from the organization; within a second they can do nothing any more.',
        examples: ['org members remove ada@example.com'],
      }),
    ),
  ).action(
    invoking(surroundings, async (invocation, _, text: string) => {
      const { thing } = await findMember(invocation.client(), text)
      const act = { does: `remove ${thing.email} from the organization`, destroys: true }
      const answer = await invocation.change('removeMember', { userId: thing.id }, act)
      if (answer !== undefined) await invocation.output.note(`${thing.email} is removed.`)
    }),
  )
}
