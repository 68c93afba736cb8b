/** How the parts of a token work with it. */

import type { Handle } from 'pkcs11js'
import type { TokenConnection } from './token-connection.ts'

export interface TokenUse {
  readonly label: string
  /**
   * Runs `work` with a session of its own; after a loss of the token it opens it again and runs `work` once more.
   * @throws CodedError `hsm-unavailable`, and what `work` throws of our own errors.
   */
  run<T>(work: (connection: TokenConnection, session: Handle) => Promise<T> | T): Promise<T>
}
