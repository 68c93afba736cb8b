/** Entry of the process: the command line, the clock, standard output, and exit codes (1 refused, 70 our own fault). */

import { isCodedError } from '@sallyport/errors'
import { certsCommand } from './certs-command.ts'

const surroundings = {
  now: () => Date.now(),
  print: (line: string) => void process.stdout.write(`${line}\n`),
}

try {
  await certsCommand(surroundings).parseAsync()
} catch (error) {
  if (isCodedError(error)) {
    process.stderr.write(`certs: ${error.message} (${error.code})\n`)
    process.exitCode = 1
  } else {
    process.stderr.write(`certs: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exitCode = 70
  }
}
