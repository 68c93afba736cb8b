/**
 * The JWT keys of the installation as this process holds them: the one that signs now, opened, and all that are believed.
 *
 * The database says which key is what; every process reads it again when it is told of a change (`keys_changed`), when it may
 * have missed one, and each minute, and looks then what is due (key-rotation.ts). A key is opened while it is the next one, so
 * that a promotion needs no HSM. A key that was withdrawn is out of use as soon as that is heard, before anything is read.
 */

import type { Logger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import type { SealingKey } from '@sallyport/hsm'
import { maySign } from '@sallyport/keys'
import type { InstallationKeyRecord, Store } from '@sallyport/store'
import type { JWK } from 'jose'
import { type JwtSigningKey, openJwtKey, type TokenSigner } from './jwt-signing-key.ts'
import { type KeyPolicy, rotateKeys } from './key-rotation.ts'

export interface KeyRing extends TokenSigner {
  /** Those whose signatures are accepted: next, active and grace. */
  readonly published: () => readonly JWK[]
  /** What the database said last. */
  readonly records: readonly InstallationKeyRecord[]
  /** Looks now what is due. Never fails: see `observer`. */
  look(): Promise<void>
  close(): Promise<void>
}

export interface KeyRingObserver {
  /** `failed`: what was due could not be done; the old key goes on. */
  looked(outcome: 'succeeded' | 'failed'): void
}

export interface KeyRingOptions {
  readonly store: Pick<Store, 'installationKeys' | 'listen'>
  /** Of the HSM. */
  readonly sealingKey: SealingKey
  readonly policy: KeyPolicy
  readonly observer?: KeyRingObserver
  readonly log: Logger
}

const lookEveryMilliseconds = 60_000

/** @throws CodedError `hsm-unavailable`, `sealed-value-invalid`, `database-unavailable`: without a key that signs nothing starts. */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  const ring = new Ring(options)
  await ring.start()
  return ring
}

class Ring implements KeyRing {
  readonly #options: KeyRingOptions
  readonly #opened = new Map<string, JwtSigningKey>()
  /** Never believed again, whatever an answer says that was under way when it was heard. */
  readonly #withdrawn = new Set<string>()
  #records: readonly InstallationKeyRecord[] = []
  #stopListening: (() => Promise<void>) | undefined
  #timer: NodeJS.Timeout | undefined
  /** One read or step after the other: what was read last is the newest. */
  #last: Promise<void> = Promise.resolve()
  #failing = false
  #closed = false

  constructor(options: KeyRingOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    this.#stopListening = await this.#options.store.listen(
      'keys_changed',
      (payload) => this.#heard(payload),
      () => void this.look(),
    )
    try {
      await this.#step()
      if (this.#signer() === undefined) throw missing()
    } catch (error) {
      await this.close()
      throw error
    }
    this.#timer = setInterval(() => void this.look(), lookEveryMilliseconds)
    this.#timer.unref()
  }

  get records(): readonly InstallationKeyRecord[] {
    return this.#records.filter(({ keyId }) => !this.#withdrawn.has(keyId))
  }

  readonly published = (): readonly JWK[] => this.records.map(({ publicJwk }) => publicJwk)

  async sign(...what: Parameters<TokenSigner['sign']>): Promise<string> {
    let signer = this.#signer()
    if (signer === undefined) {
      // Its successor may be read just now.
      await this.#last
      signer = this.#signer()
    }
    if (signer === undefined) throw missing()
    return signer.sign(...what)
  }

  look(): Promise<void> {
    return this.#next(async () => {
      const { log, observer } = this.#options
      try {
        await this.#step()
        if (this.#failing) log.info({}, 'the JWT keys are looked after again')
        this.#failing = false
        observer?.looked('succeeded')
      } catch (error) {
        if (!this.#failing) log.error({ err: error }, 'the JWT keys were not looked after: the present one goes on')
        this.#failing = true
        observer?.looked('failed')
      }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await this.#stopListening?.().catch(() => undefined)
    await this.#last
  }

  #signer(): JwtSigningKey | undefined {
    const active = this.records.find(({ state }) => maySign(state))
    return active === undefined ? undefined : this.#opened.get(active.keyId)
  }

  #heard(payload: string): void {
    const { purpose, keyId, state } = changedIn(payload)
    if (purpose !== undefined && purpose !== 'jwt') return
    if (state === 'retired' && keyId !== undefined) this.#withdrawn.add(keyId)
    void this.look()
  }

  #next(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(() => (this.#closed ? undefined : work()))
    return this.#last
  }

  /** Each part is tried, whichever fails: a key that cannot be opened now keeps none from being retired. */
  async #step(): Promise<void> {
    const { store, sealingKey, policy, log } = this.#options
    await this.#read()
    const isOpen = (keyId: string): boolean => this.#opened.has(keyId)
    await rotateKeys({ keys: store.installationKeys, sealingKey, policy, log, records: this.records, isOpen })
    const failed = await this.#read()
    if (failed !== undefined) throw failed.error
  }

  /** @returns why a key that signs, or will, could not be opened. */
  async #read(): Promise<{ readonly error: unknown } | undefined> {
    this.#records = await this.#options.store.installationKeys.live('jwt')
    let failed: { readonly error: unknown } | undefined
    for (const { keyId: kid, publicJwk, sealedPrivateKey } of this.records) {
      if (sealedPrivateKey === null || this.#opened.has(kid)) continue
      try {
        this.#opened.set(kid, await openJwtKey({ kid, publicJwk, sealedPrivateKey }, this.#options.sealingKey))
      } catch (error) {
        failed = { error }
      }
    }
    const signing = this.records.flatMap(({ keyId, sealedPrivateKey }) => (sealedPrivateKey === null ? [] : [keyId]))
    for (const kid of this.#opened.keys()) if (!signing.includes(kid)) this.#opened.delete(kid)
    return failed
  }
}

function changedIn(payload: string): { readonly [name in 'purpose' | 'keyId' | 'state']?: string } {
  try {
    const parsed: unknown = JSON.parse(payload)
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}

const missing = (): CodedError => new CodedError('signing-key-missing', 'No key signs tokens now.')
