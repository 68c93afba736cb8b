/** The machine's report of a failed handshake in the words of the contract. */

import type { Output } from '@sallyport/dtls'
import type { HandshakeFailure } from './association.ts'

export function handshakeFailure(output: Output & { kind: 'handshakeFailed' }): HandshakeFailure {
  const { peer, code, alert, direction, detail, chain, pskIdentity } = output
  return {
    remote: { address: peer.address, port: peer.port },
    transport: 'dtls',
    code,
    direction,
    detail,
    ...(alert === undefined ? {} : { alert }),
    ...(chain === undefined ? {} : { chain }),
    ...(pskIdentity === undefined ? {} : { pskIdentity }),
  }
}
