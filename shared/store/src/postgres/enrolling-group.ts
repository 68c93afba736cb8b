/**
 * Whether an enrollment group still gives anything. Asked in the transaction that gives it: an association that was admitted
 * while the group was active may live on for a day.
 */

import { CodedError } from '@sallyport/errors'
import type { EnrollmentGroupState } from '@sallyport/fleet'

/** @throws CodedError `enrollment-disabled`. */
export function requireEnrolling(state: EnrollmentGroupState): void {
  if (state === 'active') return
  throw new CodedError('enrollment-disabled', 'The enrollment group is not active.')
}
