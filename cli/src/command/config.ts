/** `sallyport config`: the profiles, each with its server. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { withYes } from '../change-options.ts'
import { CommandFailure } from '../command-failure.ts'
import { describedCommand } from '../described-command.ts'
import { invoking } from '../invocation.ts'
import { type Config, expectProfileName, type Profile } from '../profiles.ts'
import { serverAddress } from '../server-address.ts'
import type { Surroundings } from '../surroundings.ts'

export function configCommand(surroundings: Surroundings): Command {
  return describedCommand('config', {
    description: 'Profiles: which servers are used, and which one where none is named.',
  })
    .addCommand(list(surroundings))
    .addCommand(use(surroundings))
    .addCommand(set(surroundings))
    .addCommand(remove(surroundings))
}

function list(surroundings: Surroundings): Command {
  return describedCommand('list', { description: 'The profiles.', examples: ['config list'] }).action(
    invoking(surroundings, async ({ profiles, output }) => {
      const config = profiles.readConfig()
      const shown = Object.entries(config.profiles).map(([name, { server, ca }]) => ({
        name,
        isCurrent: name === config.current,
        server,
        ca: ca ?? null,
        credentials: profiles.readCredentials(name, server)?.kind ?? null,
      }))
      await output.list(
        shown,
        [
          { header: 'PROFILE', value: ({ name }) => name },
          { header: 'IN USE', value: ({ isCurrent }) => isCurrent },
          { header: 'SERVER', value: ({ server }) => server, mayBeCut: true },
          { header: 'CREDENTIALS', value: ({ credentials }) => credentials },
          { header: 'CA', value: ({ ca }) => ca, mayBeCut: true },
        ],
        'No profiles yet: sallyport login --server https://…',
      )
    }),
  )
}

function use(surroundings: Surroundings): Command {
  return describedCommand('use', {
    description: 'Take a profile where none is named.',
    examples: ['config use production'],
  })
    .argument('<profile>')
    .action(
      invoking(surroundings, async ({ profiles, output }, _, name: string) => {
        const config = profiles.readConfig()
        existing(config, name)
        profiles.writeConfig({ ...config, current: name })
        await output.note(`The profile in use is ${name}.`)
      }),
    )
}

function set(surroundings: Surroundings): Command {
  return describedCommand('set', {
    description: 'Make a profile, or change its server or the authorities that it trusts.',
    examples: [
      'config set production --server https://sallyport.example.com --ca /etc/ssl/our-ca.pem',
      'config set production --ca ""',
    ],
  })
    .argument('<profile>')
    .action(
      invoking(surroundings, async ({ profiles, output }, options, name: string) => {
        const config = profiles.readConfig()
        const known: Profile | undefined = config.profiles[expectProfileName(name)]
        const server = options.server === undefined ? known?.server : serverAddress(options.server)
        if (server === undefined) throw new CommandFailure('usage', 'A new profile needs --server.')
        const ca = options.ca === undefined ? known?.ca : options.ca === '' ? undefined : resolve(options.ca)
        const profile = { server, ...(ca === undefined ? {} : { ca }) }
        const isFirst = Object.keys(config.profiles).length === 0
        profiles.writeConfig({
          current: isFirst ? name : config.current,
          profiles: { ...config.profiles, [name]: profile },
        })
        await output.note(`The profile ${name} is for ${server}.`)
      }),
    )
}

function remove(surroundings: Surroundings): Command {
  return withYes(
    describedCommand('remove', {
      description: 'Forget a profile and its credentials. The session at the server goes on: log out first.',
      examples: ['config remove staging --yes'],
    }),
  )
    .argument('<profile>')
    .action(
      invoking(surroundings, async ({ profiles, output, options, confirm }, _, name: string) => {
        const config = profiles.readConfig()
        existing(config, name)
        if (options.dryRun === true) {
          await output.streamed(
            { dryRun: true, does: `forget the profile ${name}` },
            `Would forget the profile ${name}.`,
          )
          return
        }
        await confirm(`Really forget the profile ${name}?`)
        const { [name]: _removed, ...others } = config.profiles
        await profiles.writeCredentials(name, undefined)
        const current = config.current === name ? (Object.keys(others)[0] ?? 'default') : config.current
        profiles.writeConfig({ current, profiles: others })
        await output.note(`The profile ${name} is forgotten.`)
      }),
    )
}

function existing(config: Config, name: string): void {
  if (config.profiles[expectProfileName(name)] === undefined) {
    throw new CommandFailure('missing', `There is no profile ${name}: sallyport config list`)
  }
}
