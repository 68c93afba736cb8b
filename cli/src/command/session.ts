/** `sallyport login`, `logout`, `whoami`, `verify-email`. */

import { type BodyOf, isApiProblem, sessionTokensIn } from '@sallyport/client'
import type { Command } from 'commander'
import { CommandFailure } from '../command-failure.ts'
import { describedCommand } from '../described-command.ts'
import { type Invocation, invoking, type Target } from '../invocation.ts'
import { readPrivateFile } from '../private-file.ts'
import type { Surroundings } from '../surroundings.ts'

export const sessionCommands = (surroundings: Surroundings): readonly Command[] => [
  logIn(surroundings),
  logOut(surroundings),
  whoAmI(surroundings),
  verifyEmail(surroundings),
]

function logIn(surroundings: Surroundings): Command {
  return describedCommand('login', {
    description: 'Log in at a server; it is then the one of the profile.',
    examples: [
      'login --server https://sallyport.example.com',
      'login --server http://localhost:8080 --email admin@example.com --password-file .dev/secrets/password',
      'login --profile ci --server https://sallyport.example.com --api-key-file key.txt',
    ],
  })
    .option('--email <address>', 'an e-mail address or a username; asked for unless told')
    .option('--password-file <file>', 'the password in a file, or on standard input for -; asked for unless told')
    .option('--api-key-file <file>', 'keep this API key instead of logging in')
    .action(
      invoking<{ email?: string; passwordFile?: string; apiKeyFile?: string }>(
        surroundings,
        async (invocation, options) => {
          const target = invocation.target()
          keepsItsServer(invocation, target)
          const user =
            options.apiKeyFile === undefined
              ? await byPassword(invocation, target, options)
              : await byApiKey(invocation, target, options.apiKeyFile)
          const { profiles, output } = invocation
          const config = profiles.readConfig()
          const profile = { server: target.server, ...(target.ca === undefined ? {} : { ca: target.ca }) }
          const isFirst = Object.keys(config.profiles).length === 0
          profiles.writeConfig({
            current: isFirst ? target.profile : config.current,
            profiles: { ...config.profiles, [target.profile]: profile },
          })
          await showPerson(invocation, target, user)
          if (!output.isJson && config.current !== target.profile && !isFirst) {
            await output.note(`The profile in use is ${config.current}: sallyport config use ${target.profile}`)
          }
        },
      ),
    )
}

/** A profile that leads elsewhere all of a sudden would surprise whoever uses it. */
function keepsItsServer({ profiles }: Invocation, target: Target): void {
  const known = profiles.readConfig().profiles[target.profile]
  if (known === undefined || known.server === target.server) return
  throw new CommandFailure(
    'usage',
    `The profile ${target.profile} is for ${known.server}: give --profile NAME for another server, or remove it first (sallyport config remove ${target.profile}).`,
  )
}

type Person = BodyOf<'readMe'>

async function byPassword(
  invocation: Invocation,
  target: Target,
  options: { readonly email?: string; readonly passwordFile?: string },
): Promise<Person> {
  const { surroundings, profiles } = invocation
  if (!surroundings.stdin.isTerminal && (options.email === undefined || options.passwordFile === undefined)) {
    throw new CommandFailure('usage', 'Without a terminal, give --email and --password-file (- for standard input).')
  }
  const login = options.email ?? (await surroundings.ask('E-mail address or username: ')).trim()
  const password =
    options.passwordFile === undefined
      ? await surroundings.askSecret('Password: ')
      : withoutLineEnd(await invocation.readInput(options.passwordFile))
  const name = login.includes('@') ? { email: login } : { username: login }
  const { body } = await invocation.clientWith(target).call('logIn', { body: { ...name, password } })
  const tokens = sessionTokensIn(body, surroundings.now())
  await profiles.writeCredentials(target.profile, { kind: 'session', server: target.server, ...tokens })
  return body.user
}

async function byApiKey(invocation: Invocation, target: Target, file: string): Promise<Person> {
  const text = file === '-' ? await invocation.readInput(file) : readPrivateFile(file)
  if (text === undefined) throw new CommandFailure('usage', `${file} is not there.`)
  const key = text.trim()
  // Kept only when it is good.
  const { body } = await invocation.clientWith(target, key).call('readMe')
  await invocation.profiles.writeCredentials(target.profile, { kind: 'api-key', server: target.server, key })
  return body
}

const withoutLineEnd = (text: string): string => text.replace(/\r?\n$/, '')

function logOut(surroundings: Surroundings): Command {
  return describedCommand('logout', {
    description: 'End the session, at the server and here.',
    examples: ['logout', 'logout --local'],
  })
    .option('--local', 'forget it here alone, where the server is not there')
    .action(
      invoking<{ local?: boolean }>(surroundings, async (invocation, options) => {
        const { profiles, output } = invocation
        const { profile, server } = invocation.target()
        const kept = profiles.readCredentials(profile, server)
        if (kept === undefined) {
          await output.note(`Not logged in at ${server}.`)
          return
        }
        if (options.local !== true && kept.kind === 'session') {
          try {
            await invocation.client().call('logOut')
          } catch (error) {
            // It was over already.
            if (!isApiProblem(error) || error.status !== 401) throw error
          }
        }
        await profiles.writeCredentials(profile, undefined)
        await output.note(`Logged out of ${server}.`)
      }),
    )
}

function whoAmI(surroundings: Surroundings): Command {
  return describedCommand('whoami', {
    description: 'Who is logged in where, and what they may do.',
    examples: ['whoami', "whoami --json | jq -r '.permissions[]'"],
  }).action(
    invoking(surroundings, async (invocation) => {
      const { body } = await invocation.client().call('readMe')
      await showPerson(invocation, invocation.target(), body)
    }),
  )
}

function verifyEmail(surroundings: Surroundings): Command {
  return describedCommand('verify-email', {
    description: 'Have a token mailed to your address, and bring it back: API keys need an address that is verified.',
    examples: ['verify-email', 'verify-email --token-file token.txt'],
  })
    .option('--token-file <file>', 'the token that was mailed, in a file, or on standard input for -')
    .action(
      invoking<{ tokenFile?: string }>(surroundings, async (invocation, { tokenFile }) => {
        const { output } = invocation
        const client = invocation.client()
        if (tokenFile === undefined) {
          await client.call('requestEmailVerification')
          await output.note('A token is on its way to your address.')
          if (!surroundings.stdin.isTerminal) return
        }
        const said =
          tokenFile === undefined
            ? await surroundings.askSecret('The token of the mail: ')
            : await invocation.readInput(tokenFile)
        await client.call('verifyEmail', { body: { token: said.trim() } })
        await output.note('Your address is verified.')
      }),
    )
}

async function showPerson({ output }: Invocation, { server, profile }: Target, person: Person): Promise<void> {
  await output.thing({ server, profile, ...person }, [
    ['server', server],
    ['profile', profile],
    ['e-mail', person.email],
    ['username', person.username],
    ['organization', person.organizationId],
    ['roles', person.roles.join(', ')],
    ['permissions', person.permissions.join(', ')],
  ])
}
