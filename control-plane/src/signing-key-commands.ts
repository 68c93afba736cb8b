/** For an operator on the machine: the JWT keys as they are, and the withdrawal of one that others may have. Needs no HSM. */

import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { clockFrom, toRfc3339 } from '@sallyport/clock'
import { readConfiguration, serviceSettings } from '@sallyport/config'
import { CodedError } from '@sallyport/errors'
import { openStore, type Store } from '@sallyport/store'

type Environment = Parameters<typeof readConfiguration>[1]

/** Those that are not retired, the newest first. Without private parts. */
export function listSigningKeys(environment: Environment) {
  return withStore(environment, async (store) =>
    (await store.installationKeys.live('jwt')).map(
      ({ keyId, generation, state, createdAt, activatedAt, verifiesUntil }) => ({
        keyId,
        generation,
        state,
        createdAt: toRfc3339(createdAt),
        activatedAt: activatedAt === null ? null : toRfc3339(activatedAt),
        verifiesUntil: verifiesUntil === null ? null : toRfc3339(verifiesUntil),
      }),
    ),
  )
}

/** @throws CodedError `validation-failed` without a key id, `not-found`. */
export function retireSigningKey(environment: Environment, keyId: string | undefined) {
  if (keyId === undefined) throw new CodedError('validation-failed', 'Say which key: its id is shown by signing-keys.')
  const act = {
    actor: { kind: 'system', id: 'operator', name: userInfo().username },
    correlationId: randomUUID(),
  } as const
  return withStore(environment, async (store) => ({
    keyId,
    retired: await store.installationKeys.retireCompromised('jwt', keyId, act),
  }))
}

async function withStore<T>(environment: Environment, work: (store: Store) => Promise<T>): Promise<T> {
  const { databaseUrl } = readConfiguration({ databaseUrl: serviceSettings.databaseUrl }, environment)
  const store = await openStore({
    connectionString: databaseUrl,
    applicationName: 'sallyport-operator',
    clock: clockFrom(() => Date.now()),
    poolSize: 1,
  })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}
