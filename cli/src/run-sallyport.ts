/** One run of the command line, from its arguments to its exit code, with the errors that it says. */

import { hasProblemCode, isApiProblem } from '@sallyport/client'
import { CommanderError } from 'commander'
import { type Ending, endingOf, exitCodes } from './exit-code.ts'
import { sallyportCommand } from './sallyport-command.ts'
import type { Surroundings } from './surroundings.ts'
import { visibleJson, visibleText } from './terminal-text.ts'

/** @param args what stands after `sallyport`. */
export async function runSallyport(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const isJson = args.includes('--json')
  let usage = ''
  try {
    const root = sallyportCommand(surroundings, (text) => {
      usage += text
    })
    await root.parseAsync(args.length === 0 ? ['--help'] : [...args], { from: 'user' })
    return surroundings.stop.aborted ? exitCodes.interrupted.code : exitCodes.done.code
  } catch (error) {
    const ending = endingOf(error, surroundings.stop)
    if (ending !== 'done' && ending !== 'interrupted') {
      await surroundings.stderr.write(isJson ? errorDocument(error, ending) : errorText(error, ending, usage))
    }
    return exitCodes[ending].code
  }
}

function errorDocument(error: unknown, ending: Ending): string {
  const told = isApiProblem(error)
    ? {
        code: error.code,
        title: error.title,
        detail: error.message,
        status: error.status,
        correlationId: error.correlationId,
        details: error.details,
      }
    : { detail: messageOf(error, ending) }
  return `${visibleJson({ error: { ...told, exitCode: exitCodes[ending].code } })}\n`
}

const advice: Partial<Readonly<Record<Ending, string>>> = {
  unauthenticated: 'Log in again: sallyport login',
  forbidden: 'What you may do: sallyport whoami',
  ours: 'This is a fault of sallyport: please report it.',
}

function errorText(error: unknown, ending: Ending, usage: string): string {
  if (error instanceof CommanderError) return usage.replace(/^error: /, 'sallyport: ')
  const lines = [`sallyport: ${visibleText(messageOf(error, ending))}`]
  if (isApiProblem(error)) {
    lines[0] += ` (${visibleText(error.code)})`
    for (const [name, value] of Object.entries(error.details)) {
      if (name !== 'retryAfterSeconds') lines.push(`  ${visibleText(name)}: ${visibleText(textOf(value))}`)
    }
    if (error.retryAfterSeconds !== undefined) lines.push(`  try again in ${error.retryAfterSeconds} s`)
    if (error.correlationId !== undefined) lines.push(`  request ${visibleText(error.correlationId)}`)
  }
  const hint = hasProblemCode(error, 'email-unverified')
    ? 'Verify your address: sallyport verify-email'
    : advice[ending]
  if (hint !== undefined && (isApiProblem(error) || ending === 'ours')) lines.push(`  ${hint}`)
  return `${lines.join('\n')}\n`
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

function messageOf(error: unknown, ending: Ending): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof CommanderError) {
    return error.code === 'commander.help' ? 'A command is missing.' : error.message.replace(/^error: /, '')
  }
  return ending === 'ours' ? (error.stack ?? error.message) : error.message
}
