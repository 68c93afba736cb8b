/** `sallyport org roles`. */

import type { BodyOf, RequestOf } from '@sallyport/client'
import { type Command, InvalidArgumentError } from 'commander'
import { withDryRun, withYes } from '../change-options.ts'
import { describedCommand } from '../described-command.ts'
import { changingCurrent, type Invocation, invoking } from '../invocation.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'

export function rolesCommand(surroundings: Surroundings): Command {
  return describedCommand('roles', { description: 'What roles there are, and what they allow.' })
    .addCommand(list(surroundings))
    .addCommand(show(surroundings))
    .addCommand(create(surroundings))
    .addCommand(change(surroundings))
    .addCommand(remove(surroundings))
}

type Role = BodyOf<'readRole'>
/** Whether one is a permission is for the server to say: it may know more of them. */
type Permissions = RequestOf<'createRole'>['body']['permissions']

function list(surroundings: Surroundings): Command {
  return describedCommand('list', { description: 'The roles.', examples: ['org roles list'] }).action(
    invoking(surroundings, async (invocation) => {
      const { body } = await invocation.client().call('listRoles')
      await invocation.output.list(
        body.items,
        [
          { header: 'ROLE', value: ({ name }) => name },
          { header: 'BUILT IN', value: ({ builtIn }) => builtIn },
          { header: 'PERMISSIONS', value: ({ permissions }) => permissions.join(' '), mayBeCut: true },
        ],
        'No roles.',
      )
    }),
  )
}

const roleArgument = (made: Command): Command => made.argument('<role>', 'its name', roleName)

function roleName(text: string): string {
  if (text === '' || text === '.' || text === '..') throw new InvalidArgumentError('The name of a role is needed.')
  return text
}

function show(surroundings: Surroundings): Command {
  return roleArgument(
    describedCommand('show', { description: 'What a role allows.', examples: ['org roles show operator'] }),
  ).action(
    invoking(surroundings, async (invocation, _, role: string) => {
      await showRole(invocation, (await invocation.client().call('readRole', { role })).body)
    }),
  )
}

const showRole = ({ output }: Invocation, role: Role): Promise<void> =>
  output.thing(role, [
    ['name', role.name],
    ['built in', role.builtIn],
    ['permissions', role.permissions.join(', ')],
    ['changed', shownTime(role.updatedAt)],
  ])

function create(surroundings: Surroundings): Command {
  return withDryRun(
    roleArgument(
      describedCommand('create', {
        description: 'Make a role of your own.',
        examples: ['org roles create installer devices:read devices:write groups:read'],
      }),
    ),
  )
    .argument('<permission...>')
    .action(
      invoking(surroundings, async (invocation, _, name: string, ...rest) => {
        const body = { name, permissions: rest.flat() as Permissions }
        const answer = await invocation.change('createRole', { body }, { does: `create the role ${name}` })
        if (answer !== undefined) await showRole(invocation, answer.body)
      }),
    )
}

function change(surroundings: Surroundings): Command {
  return withDryRun(
    roleArgument(
      describedCommand('change', {
        description: 'Say what a role of your own allows, and nothing else.',
        examples: ['org roles change installer devices:read groups:read'],
      }),
    ),
  )
    .argument('<permission...>')
    .action(
      invoking(surroundings, async (invocation, _, role: string, ...rest) => {
        const body = { permissions: rest.flat() as Permissions }
        const answer = await changingCurrent(async () => {
          const { etag } = await invocation.client().call('readRole', { role })
          return invocation.change('changeRole', { role, ifMatch: etag, body }, { does: `change the role ${role}` })
        })
        if (answer !== undefined) await showRole(invocation, answer.body)
      }),
    )
}

function remove(surroundings: Surroundings): Command {
  return withYes(
    roleArgument(
      describedCommand('delete', {
        description: 'Delete a role of your own that nobody has.',
        examples: ['org roles delete installer --yes'],
      }),
    ),
  ).action(
    invoking(surroundings, async (invocation, _, role: string) => {
      const { etag } = await invocation.client().call('readRole', { role })
      const act = { does: `delete the role ${role}`, destroys: true }
      const answer = await invocation.change('deleteRole', { role, ifMatch: etag }, act)
      if (answer !== undefined) await invocation.output.note(`The role ${role} is deleted.`)
    }),
  )
}
