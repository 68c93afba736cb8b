/**
 * This gateway's lease in the database: renewed every 5 s; when it is older than 15 s the control plane takes the gateway for
 * dead and its devices for offline.
 */

import { between, type Clock, type Instant, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { hasCode } from '@sallyport/errors'
import type { Store } from '@sallyport/store'

export interface GatewayLeaseOptions {
  readonly gateways: Pick<Store['gateways'], 'register' | 'renewLease' | 'retire'>
  readonly id: string
  readonly coapsUri: string
  readonly coapsTcpUri: string | undefined
  /** Associations that go on here: a former process of this name does not take their sessions along. */
  readonly keeps?: readonly string[]
  readonly clock: Clock
  readonly log: Logger
  /** The lease had lapsed and is alive again: what others concluded meanwhile has to be put right. */
  readonly onRecovered: () => void
}

export interface GatewayLease {
  /** Ends the lease: the gateway's devices are offline, reason shutdown. */
  retire(): Promise<void>
  /** Renews it no more: whoever goes on with the devices takes their sessions over before it lapses. */
  leave(): void
}

const renewedEvery = seconds(5)
const lapsesAfter = seconds(15)

/** @throws what the store throws when the gateway cannot be registered. */
export async function startLease(options: GatewayLeaseOptions): Promise<GatewayLease> {
  const registration = {
    id: options.id,
    coapsUri: options.coapsUri,
    coapsTcpUri: options.coapsTcpUri,
    startedAt: options.clock.now(),
  }
  await options.gateways.register({ ...registration, ...(options.keeps === undefined ? {} : { keeps: options.keeps }) })
  let renewedAt: Instant = options.clock.now()
  let failing = false
  let underWay = false
  const renew = async (): Promise<void> => {
    const lapsed = between(renewedAt, options.clock.now()) >= lapsesAfter
    const gone = lapsed || !(await renewed(options))
    if (gone) await options.gateways.register(registration)
    renewedAt = options.clock.now()
    if (gone) options.onRecovered()
    if (failing) options.log.info({ lapsed: gone }, 'the lease is renewed again')
    failing = false
  }
  const timer = setInterval(() => {
    if (underWay) return
    underWay = true
    renew()
      .catch((error: unknown) => {
        if (!failing) options.log.warn({ err: error }, 'the lease could not be renewed')
        failing = true
      })
      .finally(() => {
        underWay = false
      })
  }, renewedEvery)
  return {
    leave() {
      clearInterval(timer)
    },
    async retire() {
      clearInterval(timer)
      await options.gateways.retire(options.id)
    },
  }
}

/** False when the database knows no such lease, as after a restore. */
async function renewed(options: GatewayLeaseOptions): Promise<boolean> {
  try {
    await options.gateways.renewLease(options.id)
    return true
  } catch (error) {
    if (hasCode(error, 'not-found')) return false
    throw error
  }
}
