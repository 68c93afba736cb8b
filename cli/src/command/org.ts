/** `sallyport org`: the organization. */

import type { BodyOf } from '@sallyport/client'
import type { Command } from 'commander'
import { withDryRun } from '../change-options.ts'
import { describedCommand } from '../described-command.ts'
import { changingCurrent, type Invocation, invoking } from '../invocation.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'
import { invitationsCommand, inviteCommand, joinCommand } from './org-invitations.ts'
import { membersCommand } from './org-members.ts'
import { createOrganizationCommand, listOrganizationsCommand, switchOrganizationCommand } from './org-organizations.ts'
import { rolesCommand } from './org-roles.ts'

export function orgCommand(surroundings: Surroundings): Command {
  return describedCommand('org', { description: 'The organization: its members, their roles, and who is invited.' })
    .addCommand(show(surroundings))
    .addCommand(rename(surroundings))
    .addCommand(listOrganizationsCommand(surroundings))
    .addCommand(createOrganizationCommand(surroundings))
    .addCommand(switchOrganizationCommand(surroundings))
    .addCommand(membersCommand(surroundings))
    .addCommand(rolesCommand(surroundings))
    .addCommand(inviteCommand(surroundings))
    .addCommand(invitationsCommand(surroundings))
    .addCommand(joinCommand(surroundings))
}

function show(surroundings: Surroundings): Command {
  return describedCommand('show', { description: 'The organization.', examples: ['org show'] }).action(
    invoking(surroundings, async (invocation) => {
      await showOrganization(invocation, (await invocation.client().call('readOrganization')).body)
    }),
  )
}

function rename(surroundings: Surroundings): Command {
  return withDryRun(
    describedCommand('rename', {
      description: 'Give the organization another name.',
      examples: ["org rename 'Acme Ltd.'"],
    }),
  )
    .argument('<name>')
    .action(
      invoking(surroundings, async (invocation, _, name: string) => {
        const answer = await changingCurrent(async () => {
          const { etag } = await invocation.client().call('readOrganization')
          const does = `rename the organization to ${name}`
          return invocation.change('renameOrganization', { ifMatch: etag, body: { name } }, { does })
        })
        if (answer !== undefined) await showOrganization(invocation, answer.body)
      }),
    )
}

const showOrganization = ({ output }: Invocation, organization: BodyOf<'readOrganization'>): Promise<void> =>
  output.thing(organization, [
    ['id', organization.id],
    ['name', organization.name],
    ['created', shownTime(organization.createdAt)],
    ['changed', shownTime(organization.updatedAt)],
  ])
