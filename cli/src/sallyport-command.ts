/** The tree of commands. */

import { Command, Option } from 'commander'
import { auditCommand } from './command/audit.ts'
import { completionCommand } from './command/completion.ts'
import { configCommand } from './command/config.ts'
import { devicesCommand } from './command/devices.ts'
import { eventsCommand } from './command/events.ts'
import { groupsCommand } from './command/groups.ts'
import { jobsCommand } from './command/jobs.ts'
import { keysCommand } from './command/keys.ts'
import { notificationsCommand } from './command/notifications.ts'
import { orgCommand } from './command/org.ts'
import { provisioningCommand } from './command/provisioning.ts'
import { sessionCommands } from './command/session.ts'
import { commandReference } from './command-reference.ts'
import { exitCodes } from './exit-code.ts'
import type { Surroundings } from './surroundings.ts'

const environment: readonly (readonly [name: string, meaning: string])[] = [
  ['SALLYPORT_PROFILE', 'the profile, as --profile'],
  ['SALLYPORT_SERVER', 'the server, as --server'],
  ['SALLYPORT_CA', "the server's authorities, as --ca"],
  ['SALLYPORT_API_KEY_FILE', 'a file with an API key, instead of a login; nobody else may read it'],
  ['SALLYPORT_API_KEY', 'the key itself, where there is no way to have a file'],
  ['NO_COLOR', 'no colours'],
]

/** @param onUsage takes what is to be said of a wrong command line. */
export function sallyportCommand(surroundings: Surroundings, onUsage: (text: string) => void): Command {
  const root = new Command('sallyport')
    .description('Devices, enrollment groups, organization and audit trail of a Sallyport server.')
    .addOption(new Option('--profile <name>', 'the profile to use; the one in use unless told'))
    .addOption(new Option('--server <url>', 'the address of the server; that of the profile unless told'))
    .addOption(new Option('--ca <file>', "PEM: trust these authorities for the server's certificate, and no others"))
    .addOption(new Option('--json', 'for programs: one JSON document, or for lists and streams one a line'))
    .addOption(new Option('--no-color', 'no colours'))
    .addHelpText('after', () => `\n${endNotes()}`)
  const commands = [
    ...sessionCommands(surroundings),
    ...[configCommand, groupsCommand, devicesCommand, provisioningCommand, orgCommand, keysCommand, auditCommand].map(
      (make) => make(surroundings),
    ),
    ...[eventsCommand, jobsCommand, notificationsCommand].map((make) => make(surroundings)),
    completionCommand(surroundings, () => root),
    // For docs/cli.md.
    new Command('reference').action(() => surroundings.stdout.write(commandReference(root, environment))),
  ]
  for (const command of commands) root.addCommand(command, { hidden: command.name() === 'reference' })
  settle(root, 'sallyport', surroundings, onUsage)
  return root
}

/** What holds for all: errors are thrown, output goes where it belongs, help shows what every command takes. */
function settle(command: Command, name: string, surroundings: Surroundings, onUsage: (text: string) => void): void {
  command
    .exitOverride()
    .showHelpAfterError(`  See ${name} --help`)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void surroundings.stdout.write(text),
      // Said once, by whoever catches it.
      writeErr: onUsage,
      getOutHelpWidth: () => surroundings.stdout.columns,
      getErrHelpWidth: () => surroundings.stderr.columns,
    })
  for (const child of command.commands) settle(child, `${name} ${child.name()}`, surroundings, onUsage)
}

function endNotes(): string {
  const width = Math.max(...environment.map(([name]) => name.length))
  return [
    'Environment:',
    ...environment.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`),
    '',
    'Exit codes:',
    ...Object.values(exitCodes).map(({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`),
    '',
    'Examples:',
    '  sallyport login --server http://localhost:8080',
    '  sallyport devices list --online',
    '  sallyport devices set <device> /light/1 state=true',
    '',
  ].join('\n')
}
