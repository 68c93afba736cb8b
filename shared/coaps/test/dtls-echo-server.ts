/** A DTLS listener that sends back what it gets and remembers what happened. */

import type { Association, AssociationCloseReason, HandshakeFailure, PeerVerdict } from '../src/association.ts'
import { type DtlsListener, type ListenDtlsOptions, listenDtls } from '../src/dtls-listener.ts'

export interface EchoServer {
  readonly listener: DtlsListener<string>
  readonly port: number
  readonly opened: Association<string>[]
  readonly received: string[]
  readonly closed: AssociationCloseReason[]
  readonly failures: HandshakeFailure[]
  readonly discarded: string[]
  /** Waits until the condition holds. */
  until(condition: () => boolean): Promise<void>
}

export async function startEchoServer(
  options: Pick<ListenDtlsOptions<string>, 'credentials'> & Partial<ListenDtlsOptions<string>>,
): Promise<EchoServer> {
  const opened: Association<string>[] = []
  const received: string[] = []
  const closed: AssociationCloseReason[] = []
  const failures: HandshakeFailure[] = []
  const discarded: string[] = []
  const acceptAll = async (chain: readonly Uint8Array[]): Promise<PeerVerdict<string>> => ({
    accepted: true,
    identity: `a chain of ${chain.length}`,
  })
  const listener = await listenDtls<string>({
    host: '127.0.0.1',
    port: 0,
    verifyPeer: acceptAll,
    events: {
      opened: (association) => opened.push(association),
      data: (association, plaintext) => {
        received.push(Buffer.from(plaintext).toString())
        association.send(Buffer.from(`echo ${Buffer.from(plaintext)}`))
      },
      closed: (_, reason) => closed.push(reason),
      handshakeFailed: (failure) => failures.push(failure),
      discarded: (reason) => discarded.push(reason),
    },
    ...options,
  })
  return {
    listener,
    port: listener.address.port,
    opened,
    received,
    closed,
    failures,
    discarded,
    until: async (condition) => {
      const deadline = Date.now() + 10_000
      while (!condition()) {
        if (Date.now() > deadline) {
          throw new Error(`it did not happen: ${JSON.stringify({ received, closed, failures, discarded })}`)
        }
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
  }
}
