/** A link for programs that only have PEM files: the interop tests, where node-coap is one peer among others. */

import { clockFrom } from '@sallyport/clock'
import { CoapLink } from './coap-link.ts'
import type { CoapsAddress } from './coaps-uri.ts'
import { credentialsOf } from './device-state.ts'
import { verifyServer } from './server-trust.ts'
import { readCertificates, readIdentityFiles } from './state-directory.ts'

export interface LinkFiles {
  readonly address: CoapsAddress
  /** PEM of the root that the server must lead to. */
  readonly trustAnchor: string
  /** PEM files of a chain, leaf first, and of its key; absent: no certificate is presented. */
  readonly presented?: { readonly certificate: string; readonly key: string }
}

/** @throws DeviceFailure; `alert` is the one that ended the handshake. */
export function connectLinkFromFiles({ address, trustAnchor, presented }: LinkFiles): Promise<CoapLink> {
  return CoapLink.connect({
    address,
    verifyPeer: verifyServer({ anchors: readCertificates(trustAnchor), clock: clockFrom(Date.now) }),
    ...(presented === undefined
      ? {}
      : { credentials: credentialsOf(readIdentityFiles(presented.certificate, presented.key)) }),
  })
}
