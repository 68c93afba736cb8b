/** DTLS's question about a peer, answered by `admit`, with refusals of good chains written to the audit. */

import type { Clock } from '@sallyport/clock'
import type { PeerVerdictRefused, RemoteAddress, VerifyPeer } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import { isCodedError } from '@sallyport/errors'
import { type AdmissionSources, admit, type Refused } from './admission.ts'
import type { DpsPeer } from './peer.ts'
import type { Act } from './provisioning-store.ts'

export type RecordRefusal = (refused: Refused & { proven: NonNullable<Refused['proven']> }, act: Act) => Promise<void>

export interface PeerVerificationOptions extends AdmissionSources {
  readonly clock: Clock
  readonly log: Logger
  readonly recordRefusal: RecordRefusal
  readonly newCorrelationId: () => string
}

export function peerVerification(options: PeerVerificationOptions): VerifyPeer<DpsPeer> {
  return async (chain, remote) => {
    try {
      const decision = await admit(chain, options, options.clock.now())
      if (decision.admitted) return { accepted: true, identity: decision.peer }
      await record(options, decision, remote)
      const { alert, code, detail } = decision
      return { accepted: false, alert, code, detail }
    } catch (error) {
      // Fail closed; the peer is told that it was not its fault.
      options.log.error({ err: error, address: remote.address }, 'a peer could not be looked up')
      return ours(isCodedError(error) ? error.code : 'internal')
    }
  }
}

/** Only chains that are good in themselves: others cost their sender nothing and are counted. */
async function record(options: PeerVerificationOptions, refused: Refused, remote: RemoteAddress): Promise<void> {
  const { proven } = refused
  if (proven === undefined) return
  await options.recordRefusal(
    { ...refused, proven },
    {
      actor: { kind: 'device', id: proven.deviceId ?? proven.recordId ?? proven.certificateSha256 },
      correlationId: options.newCorrelationId(),
      address: remote.address,
    },
  )
}

const ours = (code: PeerVerdictRefused['code']): PeerVerdictRefused => ({
  accepted: false,
  alert: 'internal_error',
  code,
  detail: 'the peer could not be looked up',
})
