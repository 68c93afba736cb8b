/** The ServerHello that tells what was negotiated (RFC 5246 section 7.4.1.3), for every flow of a server. */

import type { FlightPart } from './flight.ts'
import { compose, type HandshakeLayer } from './handshake-layer.ts'
import { handshakeTypes } from './handshake-message.ts'
import type { Negotiated } from './negotiation.ts'
import { type ServerHelloChoice, writeServerHello } from './server-hello.ts'

/** @param own what is for the flow to decide; the CIDs are agreed on already */
export function composeServerHello(
  layer: HandshakeLayer,
  negotiated: Negotiated,
  own: Pick<ServerHelloChoice, 'random' | 'cipherSuite' | 'sessionId' | 'sessionTicket' | 'extendedMasterSecret'>,
): FlightPart {
  const { read, checksPaths } = layer.connectionIds
  const body = writeServerHello({
    ...own,
    renegotiationInfo: negotiated.answersRenegotiationInfo,
    pointFormats: negotiated.answersPointFormats,
    connectionId: read.length === 0 ? undefined : read,
    recordSizes: negotiated.recordSizesAnswer,
    returnRoutability: checksPaths,
  })
  return compose(layer, handshakeTypes.serverHello, body)
}
