/**
 * What went wrong with the database, as our own codes. SQLSTATE classes are those of the Postgres manual, appendix A.
 *
 * What the server itself says of a statement keeps its meaning; everything else that a query can fail with is a connection
 * that is gone, hangs or cannot be had.
 */

import { CodedError } from '@sallyport/errors'
import pg from 'pg'

/** The connection or the server failed us, not the statement. */
const unavailable = new Set([
  '25006', // read_only_sql_transaction: a standby, during a failover
  '28000', // invalid_authorization_specification: access was taken from us
  '28P01', // invalid_password: rotated
  '53100', // disk_full
  '53200', // out_of_memory
  '53300', // too_many_connections
  '55000', // object_not_in_prerequisite_state: the database takes no connections for now
  '55P03', // lock_not_available
  '57014', // query_canceled: statement_timeout
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
  '3D000', // invalid_catalog_name: the database is being restored
])

/** A value that Postgres cannot hold. */
const unfit = new Set([
  '22001', // string_data_right_truncation
  '22003', // numeric_value_out_of_range
  '22008', // datetime_field_overflow
  '22021', // character_not_in_repertoire: U+0000 in text
  '22P02', // invalid_text_representation
  '22P05', // untranslatable_character: U+0000 in jsonb
  '23514', // check_violation
  '54000', // program_limit_exceeded
])

/** The transaction may be tried again as it is. */
export const isRepeatable = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && (error.code === '40001' || error.code === '40P01')

export const sqlStateOf = (error: unknown): string | undefined =>
  error instanceof pg.DatabaseError ? error.code : undefined

/** True when a unique index or a primary key of that name refused the row. */
export const violatesUnique = (error: unknown, constraint: string): boolean =>
  error instanceof pg.DatabaseError && error.code === '23505' && error.constraint === constraint

/** Whether the connection can be used further. */
export const isServerAnswer = (error: unknown): boolean => {
  const state = sqlStateOf(error)
  return state !== undefined && !state.startsWith('57P') && !state.startsWith('08') && state !== '25P03'
}

/** The error to show: a CodedError where the database is to blame or the value, the error itself where our statement is. */
export function databaseFault(error: unknown): unknown {
  if (error instanceof CodedError) return error
  const state = sqlStateOf(error)
  if (state === undefined || state.startsWith('08') || unavailable.has(state)) {
    return new CodedError('database-unavailable', `The database cannot be used now${reason(error)}.`, { cause: error })
  }
  if (isRepeatable(error)) {
    return new CodedError('database-unavailable', 'The database is too busy with the same rows.', { cause: error })
  }
  if (unfit.has(state)) {
    return new CodedError('validation-failed', 'A value cannot be stored as it is.', {
      cause: error,
      details: error instanceof pg.DatabaseError ? { constraint: error.constraint ?? null } : {},
    })
  }
  if (state === '23505') {
    return new CodedError('conflict', 'There is such a one already.', { cause: error })
  }
  return error
}

/** Without the text of the server, which may quote values. */
function reason(error: unknown): string {
  const state = sqlStateOf(error)
  if (state !== undefined) return ` (SQLSTATE ${state})`
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : ''
}
