/** An association with its CoAP as one piece of bytes: how a server gives it away, and goes on with one. */

import { ByteReader, ByteWriter } from '@sallyport/bytes'
import type { CoapStateRefusal } from '@sallyport/coap'
import type { ImportRefusal } from '@sallyport/dtls'
import { hasCode } from '@sallyport/errors'
import type { Association } from './association.ts'
import type { ImportedObservation } from './client-calls.ts'
import type { CoapService } from './coap-service.ts'
import type { AssociationImporter, ImportedState } from './dtls-listener.ts'

export interface ImportedAssociation<Identity> {
  readonly association: Association<Identity>
  /** What we observe at the peer. */
  readonly observations: readonly ImportedObservation[]
}

/** Why an association does not go on: its peer handshakes anew. */
export type AssociationRefusal = ImportRefusal | CoapStateRefusal

export interface CoapsImporter<Identity> {
  importAssociation(imported: ImportedState<Identity>): ImportedAssociation<Identity> | AssociationRefusal
}

/** length(2) ‖ DTLS ‖ CoAP */
export const joinStates = (dtls: Uint8Array, coap: Uint8Array): Uint8Array =>
  new ByteWriter(2 + dtls.length + coap.length)
    .vector16((to) => to.bytes(dtls))
    .bytes(coap)
    .view()

export function importState<Identity>(
  importer: AssociationImporter<Identity>,
  service: CoapService<Identity>,
  imported: ImportedState<Identity>,
): ImportedAssociation<Identity> | AssociationRefusal {
  const states = splitStates(imported.state)
  if (states === undefined) return 'malformed'
  const association = importer.importAssociation({ ...imported, state: states.dtls })
  if (typeof association === 'string') return association
  const observations = service.importAssociation(association, states.coap, imported.isNext)
  if (typeof observations !== 'string') return { association, observations }
  association.close()
  return observations
}

function splitStates(state: Uint8Array): { readonly dtls: Uint8Array; readonly coap: Uint8Array } | undefined {
  try {
    const reader = new ByteReader(state)
    return { dtls: reader.vector16().rest(), coap: reader.rest() }
  } catch (error) {
    if (!hasCode(error, 'malformed-bytes')) throw error
    return undefined
  }
}
