/** The routes of commands, in the order of the API document. */

import { registerListCommands } from './list-commands.ts'
import { registerReadCommand } from './read-command.ts'

export const commandsRoutes = [registerListCommands, registerReadCommand]
