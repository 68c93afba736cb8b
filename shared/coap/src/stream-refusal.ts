/** What a peer is told over a reliable transport that is refused before anything of it has been read. */

import { abort, csm } from './signal-registry.ts'
import { encodeFrame } from './stream-message-codec.ts'

const enough = 256

/** Our CSM, which must come first, and an Abort with the reason (RFC 8323 sections 5.3 and 5.6). @param reason for people, short */
export function encodeRefusal(reason: string): Uint8Array {
  return Buffer.concat([encodeFrame(csm(enough), enough), encodeFrame(abort(reason), enough)])
}
