/** `fetch` that trusts the authorities of a file alone. */

import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Fetch } from '@sallyport/client'
import { CommandFailure } from './command-failure.ts'

/** @throws CommandFailure when the file holds none. */
export function trustingFetch(caFile: string): Fetch {
  let ca: string
  try {
    ca = readFileSync(caFile, 'utf8')
    createSecureContext({ ca })
  } catch (cause) {
    throw new CommandFailure('usage', `${caFile} cannot be read as certificates in PEM.`, { cause })
  }
  if (!ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw new CommandFailure('usage', `${caFile} holds no certificate in PEM.`)
  }
  // Loaded where it is needed: it is a third of a start.
  const trusting = import('undici').then(({ Agent, fetch }) => ({ fetch, dispatcher: new Agent({ connect: { ca } }) }))
  return async (url, init) => {
    const { fetch, dispatcher } = await trusting
    return await fetch(url, { ...init, dispatcher })
  }
}
