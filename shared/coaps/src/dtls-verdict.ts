/** Asks the caller who a peer is, and turns what comes back, a throw included, into what the machine understands. */

import { maxResumableBytes, type PeerDecision } from '@sallyport/dtls'
import type { RemoteAddress, ResumePeer, VerifyPeer } from './association.ts'

export type Judgement<Identity> =
  | { readonly identity: Identity; readonly decision: PeerDecision & { accepted: true } }
  | { readonly decision: PeerDecision & { accepted: false } }

/** Never rejects: a verifyPeer that throws refuses the peer with internal_error. */
export async function judge<Identity>(
  verifyPeer: VerifyPeer<Identity>,
  chain: readonly Uint8Array[],
  { address, port }: RemoteAddress,
): Promise<Judgement<Identity>> {
  try {
    const verdict = await verifyPeer(chain, { address, port })
    if (verdict.accepted) {
      const { identity, resumable } = verdict
      return { identity, decision: { accepted: true, resumable: withinBounds(resumable) } }
    }
    const { alert, code, detail } = verdict
    return { decision: { accepted: false, alert, code, detail } }
  } catch (error) {
    const detail = `the peer could not be judged: ${error instanceof Error ? error.message : String(error)}`
    return { decision: { accepted: false, alert: 'internal_error', code: 'internal', detail } }
  }
}

/** @throws RangeError: a mistake of whoever judged */
function withinBounds(resumable: Uint8Array | undefined): Uint8Array | undefined {
  const length = resumable?.length ?? 0
  if (length > maxResumableBytes) throw new RangeError(`${length} bytes to resume a peer by, of ${maxResumableBytes}`)
  return resumable
}

/** Undefined: the peer handshakes in full, and is judged there. Never rejects. */
export async function judgeResumption<Identity>(
  resumePeer: ResumePeer<Identity> | undefined,
  resumable: Uint8Array,
  { address, port }: RemoteAddress,
): Promise<{ readonly identity: Identity } | undefined> {
  try {
    const verdict = await resumePeer?.(resumable, { address, port })
    return verdict?.accepted === true ? { identity: verdict.identity } : undefined
  } catch {
    // Whatever keeps us from looking the peer up again will be told when it is judged in full.
    return undefined
  }
}
