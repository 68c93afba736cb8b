import type { Ending } from './exit-code.ts'

/** A command cannot do what it was asked for a reason that it knows itself. */
export class CommandFailure extends Error {
  readonly ending: Ending

  /** @param message what is wrong and what to do, without secrets. */
  constructor(ending: Ending, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CommandFailure'
    this.ending = ending
  }
}
