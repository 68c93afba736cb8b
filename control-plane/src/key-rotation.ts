/**
 * What is due with the JWT keys (design §7; next → active → grace → retired):
 *
 *   1. a key whose last token has ended is retired;
 *   2. where nothing signs, the next key does, or a new one;
 *   3. some time before the active key's end the next one is published, so that every verifier knows it before it signs;
 *   4. at the active key's end the next one takes its place, once it could be opened here; the old one verifies on.
 *
 * Every control plane may do it at any time: the database does each step once, by its own clock. While the HSM is away no key is
 * made, and the active one goes on for longer.
 */

import { randomUUID } from 'node:crypto'
import { type Duration, hours, inSeconds, minutes } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import type { SealingKey } from '@sallyport/hsm'
import type { InstallationKeyRecord, InstallationKeys, NewInstallationKey } from '@sallyport/store'
import { createJwtKey } from './jwt-signing-key.ts'

export interface KeyPolicy {
  /** How long a key signs. */
  readonly activeFor: Duration
  /** For how long it is published before. */
  readonly publishedFor: Duration
  /** For how long it verifies afterwards. */
  readonly grace: Duration
}

/** A verifier keeps the published keys for a minute; clocks and a missed notification are another one. */
const shortestPublication = minutes(5)
/** A process that has not yet heard of a promotion signs with the old key for as long as a minute. */
const lateSignatures = hours(1)

/** @throws CodedError `configuration-invalid` that names the rule. */
export function checkKeyPolicy(policy: KeyPolicy, longestTokenLifetime: Duration): KeyPolicy {
  if (policy.publishedFor < shortestPublication) {
    throw invalid(
      `SALLYPORT_JWT_KEY_AHEAD is at least ${inSeconds(shortestPublication)} s: verifiers keep keys for a while`,
    )
  }
  if (policy.activeFor <= policy.publishedFor) {
    throw invalid(
      'SALLYPORT_JWT_KEY_PERIOD is longer than SALLYPORT_JWT_KEY_AHEAD: a next key is published while another signs',
    )
  }
  const needed = longestTokenLifetime + lateSignatures
  if (policy.grace < needed) {
    throw invalid(
      `SALLYPORT_JWT_KEY_GRACE is at least ${needed / 1000} s, an hour more than the longest life of a token: it would be refused before its end`,
    )
  }
  return policy
}

const invalid = (rule: string): CodedError => new CodedError('configuration-invalid', `${rule}.`)

/** @throws CodedError `hsm-unavailable`, `database-unavailable`: what was not done is due still. */
export async function rotateKeys(options: {
  readonly keys: InstallationKeys
  readonly sealingKey: SealingKey
  readonly policy: KeyPolicy
  readonly log: Logger
  readonly records: readonly InstallationKeyRecord[]
  /** Whether this process could sign with it. */
  readonly isOpen: (keyId: string) => boolean
}): Promise<void> {
  const { keys, policy, log } = options
  const act = { actor: { kind: 'system', id: 'jwt-keys' }, correlationId: randomUUID() } as const
  const create = () => newKey(options.sealingKey)
  const retired = await keys.retireLapsed('jwt', act)
  if (retired.length > 0) log.info({ correlationId: act.correlationId, retired }, 'JWT keys retired')

  const active =
    options.records.find(({ state }) => state === 'active') ?? (await keys.ensureActive('jwt', create, act))
  const { activeFor, publishedFor, grace } = policy
  await keys.ensureNext('jwt', (activeFor - publishedFor) as Duration, create, act)

  const next = options.records.find(({ state }) => state === 'next')
  if (next === undefined || !options.isOpen(next.keyId)) return
  const promotion = { keyId: next.keyId, replaces: active.generation, activeFor, publishedFor, grace }
  if ((await keys.promote('jwt', promotion, act)) === undefined) return
  log.info({ correlationId: act.correlationId, keyId: next.keyId, replaced: active.keyId }, 'JWT key promoted')
}

async function newKey(sealingKey: SealingKey): Promise<NewInstallationKey> {
  const { kid, publicJwk, sealedPrivateKey } = await createJwtKey(sealingKey)
  return { keyId: kid, publicJwk, sealedPrivateKey }
}
