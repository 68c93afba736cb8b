/** A command that says what it does and shows how, in its help and in docs/cli.md. */

import { Command } from 'commander'

const examples = new WeakMap<Command, readonly string[]>()

/** @param about.examples what stands after `sallyport`, or a whole line that has it somewhere. */
export function describedCommand(
  name: string,
  about: { readonly description: string; readonly examples?: readonly string[] },
): Command {
  const command = new Command(name).description(about.description)
  const shown = (about.examples ?? []).map((example) =>
    example.includes('sallyport ') ? example : `sallyport ${example}`,
  )
  examples.set(command, shown)
  if (shown.length > 0) {
    command.addHelpText(
      'after',
      `\nExample${shown.length > 1 ? 's' : ''}:\n${shown.map((line) => `  ${line}\n`).join('')}`,
    )
  }
  return command
}

export const examplesOf = (command: Command): readonly string[] => examples.get(command) ?? []
