/**
 * Whether the other end is the dps or the gateway: its chain must lead to the installation's trust anchor, and the gateway must
 * carry the name that cloud-configuration gave (`uuid:<sid>`).
 *
 * The `trustca` credentials of provisioning are stored but do not decide here: the identity CA is among them, and it issues
 * certificates with serverAuth to every device, so that one device could pose as the gateway of another.
 */

import type { Clock } from '@sallyport/clock'
import type { PeerVerdict, VerifyPeer } from '@sallyport/coaps'
import { type Certificate, deviceIdFromCommonName, validatePath } from '@sallyport/pki'

export interface ServerTrust {
  readonly anchors: readonly Certificate[]
  readonly clock: Clock
  /** The hub that the server's common name must carry; undefined for the dps. */
  readonly hubId?: string
}

export function verifyServer(trust: ServerTrust): VerifyPeer<Certificate> {
  return (chain): PeerVerdict<Certificate> => {
    const verdict = validatePath({ chain, anchors: trust.anchors, at: trust.clock.now(), purpose: 'server' })
    if (!verdict.valid) {
      return { accepted: false, alert: verdict.alert, code: verdict.code, detail: verdict.detail }
    }
    const [leaf] = verdict.path
    if (leaf === undefined) throw new Error('a valid path has a leaf')
    if (trust.hubId !== undefined && deviceIdFromCommonName(leaf.commonName) !== trust.hubId.toLowerCase()) {
      return {
        accepted: false,
        alert: 'bad_certificate',
        code: 'device-id-mismatch',
        detail: `the server calls itself ${leaf.commonName ?? 'nothing'}, not uuid:${trust.hubId}`,
      }
    }
    return { accepted: true, identity: leaf }
  }
}
