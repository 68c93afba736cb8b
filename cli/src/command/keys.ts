/** `sallyport keys`: API keys, for programs. */

import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import type { BodyOf, ItemOf, RequestOf } from '@sallyport/client'
import type { Command } from 'commander'
import { collected, first, pageSize, wholeNumber, withDryRun, withLimit, withYes } from '../change-options.ts'
import { CommandFailure } from '../command-failure.ts'
import { describedCommand } from '../described-command.ts'
import { invoking } from '../invocation.ts'
import type { Fact } from '../output.ts'
import { withRecentLogin } from '../recent-login.ts'
import { uuidArgument } from '../references.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'
import type { Column } from '../table.ts'

export function keysCommand(surroundings: Surroundings): Command {
  return describedCommand('keys', { description: 'API keys, with which programs use the API.' })
    .addCommand(list(surroundings))
    .addCommand(show(surroundings))
    .addCommand(create(surroundings))
    .addCommand(revoke(surroundings))
}

type ApiKey = BodyOf<'readApiKey'>

const columns: readonly Column<ItemOf<'listApiKeys'>>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'NAME', value: ({ name }) => name, mayBeCut: true },
  { header: 'STATE', value: ({ state }) => state, tone: ({ state }) => (state === 'active' ? 'good' : 'faint') },
  { header: 'EXPIRES', value: ({ expiresAt }) => shownTime(expiresAt), mayBeMissing: true },
  { header: 'LAST USED', value: ({ lastUsedAt }) => shownTime(lastUsedAt), mayBeMissing: true },
  { header: 'SCOPES', value: ({ scopes }) => scopes.join(' '), mayBeCut: true, mayBeMissing: true },
]

function list(surroundings: Surroundings): Command {
  return withLimit(describedCommand('list', { description: 'The keys.', examples: ['keys list'] })).action(
    invoking<{ limit?: number }>(surroundings, async (invocation, { limit }) => {
      const keys = invocation.client().items('listApiKeys', { limit: pageSize(limit) })
      await invocation.output.list(first(keys, limit), columns, 'No keys.')
    }),
  )
}

const keyArgument = (made: Command): Command => made.argument('<key>', 'its id', uuidArgument)

function show(surroundings: Surroundings): Command {
  return keyArgument(
    describedCommand('show', {
      description: 'A key; not the secret itself, which nobody has any more but who uses it.',
      examples: ['keys show 0197a000-0000-7000-8000-000000000001'],
    }),
  ).action(
    invoking(surroundings, async (invocation, _, apiKeyId: string) => {
      const { body } = await invocation.client().call('readApiKey', { apiKeyId })
      await invocation.output.thing(body, factsOf(body))
    }),
  )
}

const factsOf = (key: ApiKey): readonly Fact[] => [
  ['id', key.id],
  ['name', key.name],
  ['begins with', key.prefix],
  ['state', key.state],
  ['scopes', key.scopes.join(', ')],
  ['from', key.allowedAddresses.length === 0 ? 'anywhere' : key.allowedAddresses.join(', ')],
  ['requests a minute', key.requestsPerMinute ?? 'as a person'],
  ['made by', key.madeBy],
  ['created', shownTime(key.createdAt)],
  ['expires', shownTime(key.expiresAt)],
  ['last used', shownTime(key.lastUsedAt)],
  ['from', key.lastUsedAddress],
]

interface CreateFlags {
  readonly scope: readonly string[]
  readonly days: number
  readonly address?: readonly string[]
  readonly requestsPerMinute?: number
  readonly out?: string
  readonly passwordFile?: string
}

function create(surroundings: Surroundings): Command {
  return withDryRun(
    describedCommand('create', {
      description:
        'Make a key. It is shown this once: with --out it goes into a file that nobody else can read, and is not shown at all. It needs a verified e-mail address and a recent log-in: the password is asked for again where that is long ago.',
      examples: [
        'keys create backup --scope devices:read --days 90 --out backup.key',
        'keys create ci --scope groups:read --scope groups:write --address 192.0.2.0/24 --out ci.key',
        'SALLYPORT_API_KEY_FILE=backup.key sallyport devices list --json',
      ],
    }),
  )
    .argument('<name>', 'what it is for')
    .requiredOption('--scope <permission>', 'what it may do; may be repeated', collected)
    .option('--days <number>', 'how long it lives, 366 at most', wholeNumber, 90)
    .option(
      '--address <address>',
      'an address or a network (CIDR) from which it may be used; may be repeated',
      collected,
    )
    .option('--requests-per-minute <number>', 'less than a person may make', wholeNumber)
    .option('--out <file>', 'a new file for it')
    .option('--password-file <file>', 'the password in a file, or on standard input for -, where it is asked for again')
    .action(
      invoking<CreateFlags>(surroundings, async (invocation, options, name: string) => {
        const { output } = invocation
        const body = {
          name,
          // Whether each is a permission is for the server to say: it may know more of them.
          scopes: options.scope as RequestOf<'createApiKey'>['body']['scopes'],
          expiresAt: new Date(surroundings.now() + options.days * 86_400_000).toISOString(),
          allowedAddresses: options.address,
          requestsPerMinute: options.requestsPerMinute,
        }
        const { out } = options
        const isReal = invocation.options.dryRun !== true
        // Before the key is made: one that could not be kept would be a live key that nobody has.
        const file = out === undefined || !isReal ? undefined : newPrivateFile(out)
        try {
          const answer = await withRecentLogin(invocation, options.passwordFile, () =>
            invocation.change('createApiKey', { body }, { does: `make the key ${name}` }),
          )
          if (answer === undefined) return
          const { key, ...made } = answer.body
          if (file === undefined) {
            await output.thing(answer.body, [...factsOf(made), ['key', key]])
            return
          }
          writeSync(file, `${key}\n`)
          fsyncSync(file)
          await output.thing({ ...made, file: out }, [...factsOf(made), ['file', out]])
        } catch (error) {
          if (out !== undefined && file !== undefined) rmSync(out, { force: true })
          throw error
        } finally {
          if (file !== undefined) closeSync(file)
        }
      }),
    )
}

function newPrivateFile(path: string): number {
  try {
    return openSync(path, 'wx', 0o600)
  } catch (cause) {
    throw new CommandFailure('usage', `${path} is there already, or cannot be made.`, { cause })
  }
}

function revoke(surroundings: Surroundings): Command {
  return withYes(
    keyArgument(
      describedCommand('revoke', {
        description: 'Revoke a key: within a second it is good for nothing.',
        examples: ['keys revoke 0197a000-0000-7000-8000-000000000001 --yes'],
      }),
    ),
  ).action(
    invoking(surroundings, async (invocation, _, apiKeyId: string) => {
      const act = { does: `revoke the key ${apiKeyId}`, destroys: true }
      const answer = await invocation.change('revokeApiKey', { apiKeyId }, act)
      if (answer !== undefined) await invocation.output.note('The key is revoked.')
    }),
  )
}
