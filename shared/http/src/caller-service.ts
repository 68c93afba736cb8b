/** Which of our services is calling: the SAN URI `urn:sallyport:service:<name>` of its verified client certificate. */

import { TLSSocket } from 'node:tls'
import { CodedError } from '@sallyport/errors'
import type { FastifyRequest } from 'fastify'

const prefix = 'URI:urn:sallyport:service:'

/**
 * @throws CodedError `certificate-missing` without a verified client certificate, `permission-denied` when it names no
 * service, or more than one.
 */
export function callerService(request: FastifyRequest): string {
  const socket = request.raw.socket
  if (!(socket instanceof TLSSocket) || !socket.authorized) {
    throw new CodedError('certificate-missing', 'This listener serves callers with a verified service certificate.')
  }
  const name = serviceNameIn(socket.getPeerCertificate().subjectaltname)
  if (name === undefined) throw new CodedError('permission-denied', 'The client certificate names no service.')
  return name
}

/** Node quotes a name that could pass for several (CVE-2021-44532), so splitting at the comma is safe. */
export function serviceNameIn(subjectAlternativeNames: string | undefined): string | undefined {
  const names = (subjectAlternativeNames ?? '').split(', ').filter((name) => name.startsWith(prefix))
  const name = names[0]?.slice(prefix.length)
  return names.length === 1 && name !== undefined && /^[a-z][a-z-]*$/.test(name) ? name : undefined
}
