/** `sallyport completion`: the script by which a shell completes commands and options. */

import { Argument, type Command } from 'commander'
import { completionScript, type Shell, shells } from '../completion-script.ts'
import { describedCommand } from '../described-command.ts'
import { invoking } from '../invocation.ts'
import type { Surroundings } from '../surroundings.ts'

export function completionCommand(surroundings: Surroundings, root: () => Command): Command {
  return describedCommand('completion', {
    description: 'Print the script that completes commands and options in a shell.',
    examples: [
      'completion bash > ~/.local/share/bash-completion/completions/sallyport',
      'completion zsh > ~/.zfunc/_sallyport',
      'completion fish > ~/.config/fish/completions/sallyport.fish',
    ],
  })
    .addArgument(new Argument('<shell>').choices(shells))
    .action(
      invoking(surroundings, async ({ output }, _, shell: string) => {
        await output.text(completionScript(root(), shell as Shell))
      }),
    )
}
