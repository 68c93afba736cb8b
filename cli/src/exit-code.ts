/** How a command ended, for the program that started it. The table stands in docs/cli.md and in the help. */

import { isApiProblem, isServerUnreachable } from '@sallyport/client'
import { CommanderError } from 'commander'
import { CommandFailure } from './command-failure.ts'

export const exitCodes = {
  done: { code: 0, meaning: 'done' },
  failed: { code: 1, meaning: 'failed for another reason, or only a part was done; the message says what' },
  usage: { code: 2, meaning: 'the command line is wrong, or the server does not allow a value' },
  unauthenticated: { code: 3, meaning: 'not logged in, or the login or the key is no longer good' },
  forbidden: { code: 4, meaning: 'logged in, but not allowed' },
  missing: { code: 5, meaning: 'there is no such thing' },
  conflict: { code: 6, meaning: 'it conflicts with what is there, or that has changed meanwhile' },
  unavailable: { code: 7, meaning: 'the server is not there, is busy, or asks to come later' },
  device: { code: 8, meaning: 'the device is offline, does not answer, or refused' },
  ours: { code: 70, meaning: 'a fault of the command itself' },
  interrupted: { code: 130, meaning: 'interrupted (Ctrl-C)' },
  pipe: { code: 141, meaning: 'whoever read the output stopped reading' },
} as const

export type Ending = keyof typeof exitCodes

const endingOfStatus: Readonly<Record<number, Ending>> = {
  400: 'usage',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'missing',
  409: 'conflict',
  412: 'conflict',
  413: 'usage',
  415: 'usage',
  422: 'usage',
  428: 'conflict',
  429: 'unavailable',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
}

export function endingOf(error: unknown, stop: AbortSignal): Ending {
  if (stop.aborted) return 'interrupted'
  if (error instanceof CommandFailure) return error.ending
  if (error instanceof CommanderError) return error.exitCode === 0 ? 'done' : 'usage'
  if (isServerUnreachable(error)) return 'unavailable'
  if (!isApiProblem(error)) return 'ours'
  if (error.code.startsWith('device-') && error.status !== 404) return 'device'
  return endingOfStatus[error.status] ?? 'failed'
}
