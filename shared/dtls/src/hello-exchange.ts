/**
 * How every flow of a client begins: its hello, once more with the server's cookie, and what the ServerHello settles
 * (RFC 5246 section 7.4.1, RFC 6347 section 4.2.1).
 */

import type { CipherSuite } from './cipher-suite.ts'
import { type ClientHelloOffer, writeClientHello } from './client-hello.ts'
import { HandshakeFault } from './handshake-fault.ts'
import { compose, type HandshakeContext, type HandshakeLayer } from './handshake-layer.ts'
import { type HandshakeMessage, handshakeTypes } from './handshake-message.ts'
import { type RecordSizeExtensions, requireRecordSizes } from './record-size.ts'
import { readHelloVerifyRequest, requireConnectionIds, requireOffered, type ServerHello } from './server-hello.ts'
import { createTranscript } from './transcript.ts'

/** What our hello says each time. */
export interface HelloOffer extends Omit<ClientHelloOffer, 'cookie' | 'returnRoutability'> {
  readonly recordSizes: RecordSizeExtensions
}

export interface ExpectingServerHello {
  readonly name: 'expecting-server-hello'
  readonly helloVerifyRequests: number
}

/** A server that rotates its secret may ask twice; one that never stops is no server. */
export const maxHelloVerifyRequests = 3

/** Flight 1, or flight 3 with a cookie. */
export function sendHello(
  layer: HandshakeLayer,
  offer: HelloOffer,
  cookie: Uint8Array,
  context: HandshakeContext,
): void {
  // The transcript begins with the hello that the server goes on with.
  layer.transcript = createTranscript()
  const body = writeClientHello({ ...offer, cookie, returnRoutability: offer.connectionId !== undefined })
  context.sendFlight(layer, [compose(layer, handshakeTypes.clientHello, body)])
}

/** The same hello with the cookie that the server wants to see. @throws HandshakeFault for one request too many */
export function repeatHello(
  layer: HandshakeLayer,
  state: ExpectingServerHello,
  offer: HelloOffer,
  helloVerifyRequest: HandshakeMessage,
  context: HandshakeContext,
): ExpectingServerHello {
  if (state.helloVerifyRequests === maxHelloVerifyRequests) {
    throw new HandshakeFault('message-unexpected', 'one HelloVerifyRequest too many')
  }
  sendHello(layer, offer, readHelloVerifyRequest(helloVerifyRequest.body), context)
  return { ...state, helloVerifyRequests: state.helloVerifyRequests + 1 }
}

/** What the server has chosen, once it is only what we offered. @throws HandshakeFault */
export function settleHello(
  layer: HandshakeLayer,
  hello: ServerHello,
  { cipherSuites, connectionId, recordSizes }: Pick<HelloOffer, 'cipherSuites' | 'connectionId' | 'recordSizes'>,
): CipherSuite {
  const suite = requireOffered(hello, cipherSuites)
  layer.connectionIds = requireConnectionIds(hello, connectionId)
  layer.records.agreeOn(requireRecordSizes(recordSizes, hello.recordSizes))
  return suite
}
