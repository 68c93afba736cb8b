/**
 * Sockets that were bound for us before we started, as systemd hands them over (sd_listen_fds(3)): their numbers begin at 3,
 * `LISTEN_FDS` says how many, `LISTEN_FDNAMES` how each is called, `LISTEN_PID` for which process they are meant.
 *
 * Who bound them holds them: while no gateway runs, datagrams wait in the kernel and no device gets an ICMP error.
 */

import { CodedError } from '@sallyport/errors'

export interface InheritedSockets {
  /** UDP, for CoAP over DTLS. */
  readonly coaps?: number
  /** TCP and listening, for CoAP over TLS. */
  readonly coapsTcp?: number
}

const firstDescriptor = 3
const mostDescriptors = 64

const names: ReadonlyMap<string, keyof InheritedSockets> = new Map([
  ['coaps', 'coaps'],
  ['coaps+tcp', 'coapsTcp'],
])

/** The variables, to be unset once they were read: a child of ours inherits no sockets. */
export const inheritanceVariables = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const

/** @throws CodedError `configuration-invalid` for descriptors that we cannot tell apart: one left open serves nobody. */
export function inheritedSockets(
  environment: Readonly<Record<string, string | undefined>>,
  processId: number,
): InheritedSockets {
  // Inherited from a parent for which they were meant, as the manual page says: then there are none for us.
  if (environment.LISTEN_PID !== String(processId)) return {}
  const count = Number(environment.LISTEN_FDS ?? '0')
  if (!Number.isInteger(count) || count < 0 || count > mostDescriptors) {
    throw new CodedError('configuration-invalid', `LISTEN_FDS is not a number of sockets: ${environment.LISTEN_FDS}`)
  }
  const given = environment.LISTEN_FDNAMES?.split(':') ?? []
  const sockets: { coaps?: number; coapsTcp?: number } = {}
  for (let index = 0; index < count; index += 1) {
    const name = names.get(given[index] ?? '')
    if (name === undefined || sockets[name] !== undefined) {
      throw new CodedError(
        'configuration-invalid',
        `LISTEN_FDNAMES has to call each inherited socket coaps or coaps+tcp, once: ${environment.LISTEN_FDNAMES ?? ''}`,
      )
    }
    sockets[name] = firstDescriptor + index
  }
  return sockets
}
