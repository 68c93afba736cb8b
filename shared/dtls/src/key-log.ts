/**
 * A line of a key log in the format of NSS, as Wireshark reads it: with it, whoever has recorded the datagrams reads them.
 */

import { toHex } from '@sallyport/bytes'

export const keyLogLine = (clientRandom: Uint8Array, masterSecret: Uint8Array): string =>
  `CLIENT_RANDOM ${toHex(clientRandom)} ${toHex(masterSecret)}`
