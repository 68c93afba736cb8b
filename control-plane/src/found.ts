/** Absent and another organization's are the same to a caller: there is nothing at this address. */

import { CodedError } from '@sallyport/errors'

/** @throws CodedError `not-found`. */
export function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new CodedError('not-found', 'There is nothing at this address.')
  return value
}
