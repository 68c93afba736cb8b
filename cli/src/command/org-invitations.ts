/** `sallyport org invite | invitations | join`. */

import type { ItemOf } from '@sallyport/client'
import type { Command } from 'commander'
import { first, pageSize, withDryRun, withLimit, withYes } from '../change-options.ts'
import { CommandFailure } from '../command-failure.ts'
import { describedCommand } from '../described-command.ts'
import { invoking } from '../invocation.ts'
import { uuidArgument } from '../references.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'
import type { Column } from '../table.ts'

export function inviteCommand(surroundings: Surroundings): Command {
  return withDryRun(
    describedCommand('invite', {
      description:
        'Invite somebody. They get a token by mail; where no mail goes out, it is printed here this once: hand it on over a way that only they read.',
      examples: ['org invite ada@example.com operator auditor'],
    }),
  )
    .argument('<e-mail address>')
    .argument('<role...>')
    .action(
      invoking(surroundings, async (invocation, _, email: string, ...rest) => {
        const roles = rest.flat()
        const does = `invite ${email} as ${roles.join(', ')}`
        const answer = await invocation.change('createInvitation', { body: { email, roles } }, { does })
        if (answer === undefined) return
        const { id, token, expiresAt } = answer.body
        await invocation.output.thing(answer.body, [
          ['invitation', id],
          ['e-mail', email],
          ['roles', roles.join(', ')],
          ['good until', shownTime(expiresAt)],
          ...(token === undefined ? [] : ([['token', token]] as const)),
        ])
      }),
    )
}

export function invitationsCommand(surroundings: Surroundings): Command {
  return describedCommand('invitations', { description: 'Who is invited.' })
    .addCommand(list(surroundings))
    .addCommand(revoke(surroundings))
}

const columns: readonly Column<ItemOf<'listInvitations'>>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'E-MAIL', value: ({ email }) => email, mayBeCut: true },
  { header: 'ROLES', value: ({ roles }) => roles.join(' '), mayBeCut: true },
  { header: 'STATE', value: ({ state }) => state, tone: ({ state }) => (state === 'open' ? 'good' : 'faint') },
  { header: 'GOOD UNTIL', value: ({ expiresAt }) => shownTime(expiresAt), mayBeMissing: true },
]

function list(surroundings: Surroundings): Command {
  return withLimit(
    describedCommand('list', { description: 'The invitations.', examples: ['org invitations list'] }),
  ).action(
    invoking<{ limit?: number }>(surroundings, async (invocation, { limit }) => {
      const invitations = invocation.client().items('listInvitations', { limit: pageSize(limit) })
      await invocation.output.list(first(invitations, limit), columns, 'No invitations.')
    }),
  )
}

function revoke(surroundings: Surroundings): Command {
  return withYes(
    describedCommand('revoke', {
      description: 'Revoke an open invitation.',
      examples: ['org invitations revoke 0197a000-0000-7000-8000-000000000001 --yes'],
    }),
  )
    .argument('<invitation>', 'its id', uuidArgument)
    .action(
      invoking(surroundings, async (invocation, _, invitationId: string) => {
        const act = { does: `revoke the invitation ${invitationId}`, destroys: true }
        const answer = await invocation.change('revokeInvitation', { invitationId }, act)
        if (answer !== undefined) await invocation.output.note('The invitation is revoked.')
      }),
    )
}

/** The token and the password are secrets: neither is an argument, which every process of the machine may read. */
export function joinCommand(surroundings: Surroundings): Command {
  return describedCommand('join', {
    description: 'Join the organization that invited you, with the token of the invitation; log in afterwards.',
    examples: ['org join ada --server https://sallyport.example.com'],
  })
    .argument('<username>', 'what you want to be called')
    .option('--token-file <file>', 'the token in a file, or on standard input for -; asked for unless told')
    .option('--password-file <file>', 'the password in a file, or on standard input for -; asked for unless told')
    .action(
      invoking<{ tokenFile?: string; passwordFile?: string }>(
        surroundings,
        async (invocation, { tokenFile, passwordFile }, username: string) => {
          if (!surroundings.stdin.isTerminal && (tokenFile === undefined || passwordFile === undefined)) {
            throw new CommandFailure('usage', 'Without a terminal, give --token-file and --password-file.')
          }
          if (tokenFile === '-' && passwordFile === '-') {
            throw new CommandFailure('usage', 'Only one of token and password can be on standard input.')
          }
          const secret = async (file: string | undefined, question: string): Promise<string> =>
            file === undefined
              ? surroundings.askSecret(question)
              : (await invocation.readInput(file)).replace(/\r?\n$/, '')
          const token = (await secret(tokenFile, 'Token of the invitation: ')).trim()
          const password = await secret(passwordFile, 'A password of your own: ')
          if (passwordFile === undefined && (await surroundings.askSecret('Once more: ')) !== password) {
            throw new CommandFailure('usage', 'The two passwords are not the same.')
          }
          const client = invocation.clientWith(invocation.target())
          const { body } = await client.call('acceptInvitation', { body: { token, username, password } })
          await invocation.output.thing(body, [
            ['id', body.id],
            ['e-mail', body.email],
            ['username', body.username],
            ['roles', body.roles.join(', ')],
          ])
        },
      ),
    )
}
