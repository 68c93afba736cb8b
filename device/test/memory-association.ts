/** Two ends of an association without a network or cryptography, for tests of what runs over one. */

import { instant } from '@sallyport/clock'
import type { Association, AssociationCloseReason, ConnectDtlsOptions } from '@sallyport/coaps'
import type { Certificate } from '@sallyport/pki'
import { type CoapLink, CoapLink as Link, type RequestListener } from '../src/coap-link.ts'
import { type DtlsSockets, dtlsSockets } from '../src/dtls-socket.ts'

export interface MemoryPeer {
  readonly link: CoapLink
  /** The other end's sockets, for node-coap or for raw messages. */
  readonly peer: DtlsSockets
  /** Every message that the link has sent. */
  readonly sent: Uint8Array[]
  /** Ends the association as a close_notify would. */
  hangUp(reason: AssociationCloseReason): void
  /** Messages in either direction vanish from now on. */
  goSilent(): void
}

export async function connectInMemory(onRequest?: RequestListener): Promise<MemoryPeer> {
  let options: ConnectDtlsOptions<Certificate> | undefined
  let silent = false
  let closed = false
  const sent: Uint8Array[] = []
  const peer = dtlsSockets((message) => {
    const copy = message.slice()
    if (!silent) setImmediate(() => options?.onData(copy))
  })
  const close = (reason: AssociationCloseReason): void => {
    if (closed) return
    closed = true
    options?.onClosed(reason)
  }
  const link = await Link.connect({
    address: { host: 'memory', port: 5684 },
    verifyPeer: () => {
      throw new Error('nobody to verify')
    },
    ...(onRequest === undefined ? {} : { onRequest }),
    connect: async (connectOptions) => {
      options = connectOptions
      return association((message) => {
        sent.push(message.slice())
        const copy = message.slice()
        if (!silent) setImmediate(() => peer.receive(copy))
      }, close)
    },
  })
  return {
    link,
    peer,
    sent,
    hangUp: close,
    goSilent: () => {
      silent = true
    },
  }
}

function association(
  send: (message: Uint8Array) => void,
  close: (reason: AssociationCloseReason) => void,
): Association<Certificate> {
  let closed = false
  return {
    id: '0011223344556677',
    get identity(): Certificate {
      throw new Error('there is no certificate in memory')
    },
    remote: { address: 'memory', port: 5684 },
    transport: 'dtls',
    cipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
    openedAt: instant(0),
    get closed() {
      return closed
    },
    send,
    close: () => {
      closed = true
      close('local')
    },
  }
}
