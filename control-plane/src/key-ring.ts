/**
 * The JWT keys of the installation: the one that signs, opened once, and all that are published for verifying.
 *
 * Several control planes share them: the first one makes the key, the others open it. What is published is read again every
 * minute, so that a key another process added verifies here too.
 */

import type { Logger } from '@sallyport/diagnostics'
import type { SealingKey } from '@sallyport/hsm'
import type { Store } from '@sallyport/store'
import type { JWK } from 'jose'
import { createJwtKey, type JwtSigningKey, openJwtKey } from './jwt-signing-key.ts'

export interface KeyRing {
  readonly active: JwtSigningKey
  readonly published: () => readonly JWK[]
  close(): void
}

const refreshMilliseconds = 60_000

export async function openKeyRing(options: {
  readonly store: Pick<Store, 'jwtKeys'>
  readonly sealingKey: SealingKey
  readonly log: Logger
}): Promise<KeyRing> {
  const { store, sealingKey, log } = options
  const stored = await store.jwtKeys.ensureActive(() => createJwtKey(sealingKey))
  const active = await openJwtKey(stored, sealingKey)
  const read = async (): Promise<readonly JWK[]> => (await store.jwtKeys.published()).map(({ publicJwk }) => publicJwk)
  let keys = await read()
  const timer = setInterval(() => {
    read().then(
      (newer) => {
        keys = newer
      },
      (error: unknown) => log.warn({ err: error }, 'the published keys could not be read again'),
    )
  }, refreshMilliseconds)
  timer.unref()
  return { active, published: () => keys, close: () => clearInterval(timer) }
}
