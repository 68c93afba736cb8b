/**
 * Whether a service can do its work: every check passes, and it is not stopping. Serving the answer is `http`'s part.
 */

import { type Duration, seconds } from '@sallyport/clock'
import { CodedError, isCodedError } from '@sallyport/errors'

export interface ReadinessCheck {
  /** What is looked at: `database`, `redis`, `control-plane`. */
  readonly name: string
  /** @throws when it cannot be used. */
  check(): Promise<void>
}

export interface ReadinessReport {
  readonly ready: boolean
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly code?: string }[]
}

export interface Readiness {
  assess(): Promise<ReadinessReport>
  /** From now on not ready, whatever the checks say: the first step of a graceful stop. */
  stop(): void
}

/** @param options.timeout a check that takes longer has failed; default 2 s. */
export function createReadiness(
  checks: readonly ReadinessCheck[],
  options: { readonly timeout?: Duration } = {},
): Readiness {
  const timeout = options.timeout ?? seconds(2)
  let stopping = false
  return {
    async assess() {
      if (stopping) return { ready: false, checks: [{ name: 'stopping', ok: false, code: 'shutting-down' }] }
      const results = await Promise.all(checks.map((check) => resultOf(check, timeout)))
      return { ready: results.every((result) => result.ok) && !stopping, checks: results }
    },
    stop() {
      stopping = true
    },
  }
}

async function resultOf(check: ReadinessCheck, timeout: Duration): Promise<ReadinessReport['checks'][number]> {
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CodedError('timed-out', `${check.name} did not answer`)), timeout)
  })
  try {
    await Promise.race([check.check(), tooLong])
    return { name: check.name, ok: true }
  } catch (error) {
    return { name: check.name, ok: false, code: isCodedError(error) ? error.code : 'internal' }
  } finally {
    clearTimeout(timer)
  }
}
