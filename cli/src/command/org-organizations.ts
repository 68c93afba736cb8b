/** `sallyport org list | create | switch`: the organizations that a person is in. */

import { sessionTokensIn } from '@sallyport/client'
import type { Command } from 'commander'
import { withDryRun } from '../change-options.ts'
import { CommandFailure } from '../command-failure.ts'
import { describedCommand } from '../described-command.ts'
import { invoking } from '../invocation.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'

export function listOrganizationsCommand(surroundings: Surroundings): Command {
  return describedCommand('list', { description: 'The organizations that you are in.', examples: ['org list'] }).action(
    invoking(surroundings, async (invocation) => {
      await invocation.output.list(
        invocation.client().items('listOrganizations'),
        [
          { header: 'ID', value: ({ id }) => id },
          { header: 'NAME', value: ({ name }) => name, mayBeCut: true },
          { header: 'CURRENT', value: ({ current }) => current },
          { header: 'ROLES', value: ({ roles }) => roles.join(' '), mayBeCut: true },
          { header: 'JOINED', value: ({ joinedAt }) => shownTime(joinedAt), mayBeMissing: true },
        ],
        'No organizations.',
      )
    }),
  )
}

export function createOrganizationCommand(surroundings: Surroundings): Command {
  return withDryRun(
    describedCommand('create', {
      description: 'Make an organization, whose owner you are then; the session stays in its own.',
      examples: ["org create 'Acme Ltd.' && sallyport org switch 'Acme Ltd.'"],
    }),
  )
    .argument('<name>')
    .action(
      invoking(surroundings, async (invocation, _, name: string) => {
        const does = `make the organization ${name}`
        const answer = await invocation.change('createOrganization', { body: { name } }, { does })
        if (answer === undefined) return
        await invocation.output.thing(answer.body, [
          ['id', answer.body.id],
          ['name', answer.body.name],
        ])
      }),
    )
}

export function switchOrganizationCommand(surroundings: Surroundings): Command {
  return describedCommand('switch', {
    description: 'Go on in another organization that you are in.',
    examples: ["org switch 'Acme Ltd.'"],
  })
    .argument('<organization>', 'its id or name')
    .action(
      invoking(surroundings, async (invocation, _, text: string) => {
        const { profiles, output } = invocation
        const client = invocation.client()
        const found: { readonly id: string; readonly name: string }[] = []
        for await (const each of client.items('listOrganizations')) {
          if (each.id === text.toLowerCase() || each.name === text) found.push(each)
        }
        const [organization] = found
        if (organization === undefined) throw new CommandFailure('missing', `You are in no organization "${text}".`)
        if (found.length > 1) throw new CommandFailure('usage', `More than one is called "${text}": take the id.`)
        const target = invocation.target()
        const store = profiles.sessionStore(target.profile, target.server)
        // A refresh token is good once, here as in a renewal.
        await store.exclusively(async () => {
          const kept = await store.read()
          if (kept === undefined) throw new CommandFailure('usage', 'An API key is of one organization: log in.')
          const body = { organizationId: organization.id, refresh_token: kept.refreshToken }
          // With the token as it is: a renewal would wait for the lock that is held here.
          const answer = await invocation.clientWith(target, kept.accessToken).call('enterOrganization', { body })
          await store.write(sessionTokensIn(answer.body, surroundings.now()))
        })
        await output.note(`You go on in ${organization.name}.`)
      }),
    )
}
