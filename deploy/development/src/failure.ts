/** A failure that the person at the terminal can mend: one clear line saying what to do, no stack. */
export class SetupFailure extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'SetupFailure'
  }
}
