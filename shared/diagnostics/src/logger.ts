/**
 * Log lines: one JSON object per line on standard output, by pino, with the service's name and without secrets.
 *
 * Lines are written at once (no buffer that a crash would lose). A line says one fact; what it belongs to stands in fields
 * with fixed names: `correlationId`, `association`, `deviceId`.
 */

import { type Logger as PinoLogger, pino } from 'pino'
import { redacted } from './redaction.ts'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export type LogFields = Readonly<Record<string, unknown>>

type Write = (fields: LogFields, message: string) => void

export interface Logger {
  readonly trace: Write
  readonly debug: Write
  readonly info: Write
  readonly warn: Write
  readonly error: Write
  readonly fatal: Write
  /** The same log with these fields on every line. */
  child(fields: LogFields): Logger
}

/** @param options.destination where lines go instead of standard output: tests read them there. */
export function createLogger(options: {
  readonly service: string
  readonly level: LogLevel
  readonly destination?: { write(line: string): void }
}): Logger {
  const lines = pino(
    {
      level: options.level,
      base: { service: options.service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: redacted },
      // Errors are made plain, and clean, by `redacted`; pino's own serializer would add every property they carry.
      serializers: { err: (value: unknown) => value },
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  )
  return cleanLogger(lines)
}

/** The log of one request or one association. */
export function withCorrelation(
  logger: Logger,
  of: { readonly correlationId?: string; readonly association?: string; readonly deviceId?: string },
): Logger {
  return logger.child(of)
}

/** Fields of a child bypass pino's formatter, so they are cleaned before they are bound. */
function cleanLogger(lines: PinoLogger): Logger {
  return {
    trace: lines.trace.bind(lines),
    debug: lines.debug.bind(lines),
    info: lines.info.bind(lines),
    warn: lines.warn.bind(lines),
    error: lines.error.bind(lines),
    fatal: lines.fatal.bind(lines),
    child: (fields) => cleanLogger(lines.child(redacted(fields))),
  }
}
