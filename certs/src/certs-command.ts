/** The command line of PKI ceremonies. */

import { Command } from 'commander'
import type { CommandSurroundings } from './command-surroundings.ts'
import { installationCommand } from './installation/installation-command.ts'
import { sealingKeyCommand } from './installation/sealing-key-command.ts'
import { manufacturerCommand } from './manufacturer/manufacturer-command.ts'

export function certsCommand(surroundings: CommandSurroundings): Command {
  return new Command('certs')
    .description('PKI ceremonies: the CAs of an installation, and a manufacturer PKI for development.')
    .showHelpAfterError('(add --help for examples)')
    .addCommand(installationCommand(surroundings))
    .addCommand(sealingKeyCommand(surroundings))
    .addCommand(manufacturerCommand(surroundings))
}
