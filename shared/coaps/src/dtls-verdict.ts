/** Asks the caller who a peer is, and turns what comes back, a throw included, into what the machine understands. */

import type { PeerDecision } from '@sallyport/dtls'
import type { RemoteAddress, VerifyPeer } from './association.ts'

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
    if (verdict.accepted) return { identity: verdict.identity, decision: { accepted: true } }
    const { alert, code, detail } = verdict
    return { decision: { accepted: false, alert, code, detail } }
  } catch (error) {
    const detail = `the peer could not be judged: ${error instanceof Error ? error.message : String(error)}`
    return { decision: { accepted: false, alert: 'internal_error', code: 'internal', detail } }
  }
}
