/** Attributes of objects in a token, read as values (PKCS#11 v2.40 section 4.4). */

import type { Handle } from 'pkcs11js'
import type { TokenConnection } from './token-connection.ts'

export function readBytes(connection: TokenConnection, session: Handle, object: Handle, attribute: number): Uint8Array {
  const [read] = connection.module.lib.C_GetAttributeValue(session, object, [{ type: attribute }])
  const value = read?.value
  return Buffer.isBuffer(value) ? new Uint8Array(value) : new Uint8Array()
}

/** CK_BBOOL; an attribute that is not there counts as false. */
export const readFlag = (connection: TokenConnection, session: Handle, object: Handle, attribute: number): boolean =>
  readBytes(connection, session, object, attribute)[0] === 1

export const readText = (connection: TokenConnection, session: Handle, object: Handle, attribute: number): string =>
  new TextDecoder().decode(readBytes(connection, session, object, attribute))
