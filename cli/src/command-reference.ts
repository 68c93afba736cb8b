/** docs/cli.md, from the tree of commands. */

import type { Command, Option } from 'commander'
import { examplesOf } from './described-command.ts'
import { exitCodes } from './exit-code.ts'

export function commandReference(
  root: Command,
  environment: readonly (readonly [name: string, meaning: string])[],
): string {
  const sections = visibleCommands(root).flatMap((command) => sectionsOf(command, `sallyport ${command.name()}`, '##'))
  return `# The command line

\`sallyport\` does over the HTTP API what people do: in a checkout \`node_modules/.bin/sallyport\`. Generated from the commands
themselves by \`make docs\`; \`sallyport <command> --help\` says the same.

Results go to standard output, everything else to standard error. With \`--json\` a thing is one document and a list or a stream
is one document a line, fetched and written as it goes; an error is a document on standard error. Without it, tables fit the
terminal, and characters of a name that a terminal would obey are shown as \`\\u{…}\`.

\`login\` keeps the session in \`$XDG_CONFIG_HOME/sallyport/credentials.json\` (\`~/.config\` unless told), which must be readable by
its owner alone, for the address that gave it: to another one it is never sent. A session is renewed by whichever command needs
it; several may run at once. No secret is ever an argument. \`http://\` is for this machine alone.

What cannot be taken back asks first, or wants \`--yes\`. With \`--dry-run\` a command reads, says what it would do, and does nothing.
A request whose answer was lost is made again where that does nothing twice; a server that asks for patience (\`Retry-After\`) gets
it, up to a minute.

## Options of every command

${optionLines(root)}

## Environment

| variable | meaning |
|---|---|
${environment.map(([name, meaning]) => `| \`${name}\` | ${meaning} |`).join('\n')}

## Exit codes

| code | meaning |
|---|---|
${Object.values(exitCodes)
  .map(({ code, meaning }) => `| ${code} | ${meaning} |`)
  .join('\n')}

${sections.join('\n\n')}
`
}

/** Without what is not for people: \`help\` and hidden ones. */
const visibleCommands = (command: Command): readonly Command[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help')

function sectionsOf(command: Command, name: string, heading: string): readonly string[] {
  const children = visibleCommands(command)
  const usage = children.length > 0 ? '' : `\n\n\`\`\`\n${name} ${command.usage()}\n\`\`\``
  const parameters = [argumentLines(command), optionLines(command)].filter((lines) => lines !== '').join('\n')
  const examples = examplesOf(command)
  const shown = examples.length === 0 ? '' : `\n\n\`\`\`\n${examples.join('\n')}\n\`\`\``
  const own = `${heading} ${name}\n\n${command.description()}${usage}${parameters === '' ? '' : `\n\n${parameters}`}${shown}`
  return [own, ...children.flatMap((child) => sectionsOf(child, `${name} ${child.name()}`, `${heading}#`))]
}

const argumentLines = (command: Command): string =>
  command.registeredArguments
    .filter(({ description, argChoices }) => description !== '' || argChoices !== undefined)
    .map((argument) => `- \`${argument.name()}\`: ${argument.description} ${choicesOf(argument)}`.trimEnd())
    .join('\n')

const optionLines = (command: Command): string =>
  command.options
    .filter(({ hidden }) => !hidden)
    .map((option) => `- \`${option.flags}\`: ${option.description} ${choicesOf(option)}`.trimEnd())
    .join('\n')

const choicesOf = ({ argChoices }: Pick<Option, 'argChoices'>): string =>
  argChoices === undefined ? '' : `(${argChoices.join(', ')})`
