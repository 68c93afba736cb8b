/**
 * The keys with which gateways seal session tickets and snapshots of associations (design §4): made here, kept in Postgres
 * sealed under the HSM's key-encryption key, replaced after a period, and given to gateways alone.
 *
 * Every control plane may replace them; the store sees to it that one does. A key that was opened once is held in memory as
 * long as it lives, so that gateways get it while the HSM is away.
 */

import { randomBytes } from 'node:crypto'
import { SecretBytes, toHex, utf8 } from '@sallyport/bytes'
import { type Duration, minutes } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import type { SealingKey } from '@sallyport/hsm'
import type { SealingKeyRecord, Store } from '@sallyport/store'

export interface GatewaySealingKey {
  /** The greatest is the newest; two are live. */
  readonly generation: number
  /** 8 bytes; no secret. */
  readonly id: Uint8Array
  /** 32 bytes. */
  readonly key: SecretBytes
}

export interface GatewaySealingKeys {
  /** The one that seals first, then the one that only opens, if there is one. */
  live(): Promise<readonly GatewaySealingKey[]>
  close(): Promise<void>
}

/** How often it is looked whether the newest key is old enough to be replaced. */
const lookEvery = minutes(1)
const idBytes = 8
const keyBytes = 32

/** @throws CodedError `sealed-value-invalid`, `hsm-unavailable`, `database-unavailable`: without a key nothing may start. */
export async function openGatewaySealingKeys(options: {
  readonly store: Pick<Store, 'sealingKeys'>
  /** Of the HSM. */
  readonly sealingKey: SealingKey
  readonly period: Duration
  readonly log: Logger
}): Promise<GatewaySealingKeys> {
  const { store, sealingKey, period, log } = options
  const opened = new Map<string, GatewaySealingKey>()
  let newest = 0

  async function openAll(records: readonly SealingKeyRecord[]): Promise<readonly GatewaySealingKey[]> {
    const keys: GatewaySealingKey[] = []
    for (const record of records) {
      const name = toHex(record.keyId)
      const key = opened.get(name) ?? (await openKey(record, sealingKey))
      opened.set(name, key)
      keys.push(key)
    }
    newest = Math.max(newest, ...records.map(({ generation }) => generation))
    // By generation, not by what was read: a read that began earlier may come back later, and know less. Forgotten, not wiped:
    // an answer under way may still hold the key, and would hand out zeros for it.
    for (const [name, { generation }] of opened) if (generation < newest - 1) opened.delete(name)
    return keys
  }

  const rotate = async (): Promise<void> => {
    await openAll(await store.sealingKeys.rotate(period, (generation) => createKey(generation, sealingKey)))
  }
  await rotate()
  let underWay: Promise<void> | undefined
  const timer = setInterval(() => {
    underWay ??= rotate()
      .catch((error: unknown) => log.warn({ err: error }, 'the sealing keys were not replaced, and are tried again'))
      .finally(() => {
        underWay = undefined
      })
  }, lookEvery)
  timer.unref()
  return {
    live: async () => openAll(await store.sealingKeys.live()),
    async close() {
      clearInterval(timer)
      await underWay
      opened.clear()
    },
  }
}

async function createKey(generation: number, sealingKey: SealingKey) {
  const keyId = new Uint8Array(randomBytes(idBytes))
  const key = new SecretBytes(randomBytes(keyBytes))
  const sealedKey = await sealingKey.seal(key.expose(), sealingContext(generation, keyId))
  key.wipe()
  return { keyId, sealedKey }
}

async function openKey(record: SealingKeyRecord, sealingKey: SealingKey): Promise<GatewaySealingKey> {
  const { generation, keyId, sealedKey } = record
  const key = new SecretBytes(await sealingKey.open(sealedKey, sealingContext(generation, keyId)))
  if (key.length === keyBytes) return { generation, id: new Uint8Array(keyId), key }
  throw new CodedError('sealed-value-invalid', `sealing key ${generation} has ${key.length} bytes`)
}

/** Binds the sealed bytes to their generation: an old key cannot be passed off as a new one. */
const sealingContext = (generation: number, keyId: Uint8Array): Uint8Array =>
  utf8(`sallyport gateway sealing key ${generation} ${toHex(keyId)}`)
