/**
 * A logged-in connection with one token: a small pool of sessions, of which each runs one operation at a time
 * (PKCS#11 v2.40 section 5.2: a session has at most one active operation of a kind).
 */

import { createHash } from 'node:crypto'
import { type SecretBytes, toHex } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import type { Handle, Template } from 'pkcs11js'
import pkcs11js from 'pkcs11js'
import { meansPinRefused, returnValueName } from './pkcs11-failure.ts'
import type { Pkcs11Module } from './pkcs11-module.ts'

/** PINs that a token has refused; asking with one again would bring the token nearer to its lock. */
const refusedPins = new Set<string>()

/** CKS_RW_USER_FUNCTIONS (PKCS#11 v2.40 section 3.3), which pkcs11js does not name. */
const loggedInState = 3

const sessionFlags = pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION

export class TokenConnection {
  readonly module: Pkcs11Module
  readonly generation: number
  readonly #slot: Handle
  readonly #free: Handle[]
  readonly #waiting: ((session: Handle) => void)[] = []
  readonly #objects = new Map<string, Handle>()
  #broken = false

  private constructor(module: Pkcs11Module, slot: Handle, sessions: Handle[]) {
    this.module = module
    this.generation = module.generation
    this.#slot = slot
    this.#free = sessions
  }

  /** Opens the sessions and logs in. The caller holds the token's lock. */
  static open(
    module: Pkcs11Module,
    token: {
      readonly modulePath: string
      readonly label: string
      readonly pin: SecretBytes
      readonly sessions: number
    },
  ): TokenConnection {
    const slot = slotOf(module, token.label)
    const sessions: Handle[] = []
    try {
      for (let count = 0; count < token.sessions; count++) sessions.push(module.lib.C_OpenSession(slot, sessionFlags))
      logIn(module, sessions, token)
    } catch (error) {
      for (const session of sessions) module.lib.C_CloseSession(session)
      throw error
    }
    return new TokenConnection(module, slot, sessions)
  }

  get usable(): boolean {
    return !this.#broken && this.generation === this.module.generation
  }

  markBroken(): void {
    this.#broken = true
  }

  /** Runs `work` with a session of its own. A session whose work failed is replaced: an operation may still be active in it. */
  async withSession<T>(work: (session: Handle) => Promise<T>): Promise<T> {
    const session = this.#free.pop() ?? (await new Promise<Handle>((resolve) => this.#waiting.push(resolve)))
    let next = session
    try {
      return await work(session)
    } catch (error) {
      if (returnValueName(error) !== undefined) next = this.#replacement(session)
      throw error
    } finally {
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#free.push(next)
      else waiting(next)
    }
  }

  /** The one object that matches. @throws CodedError `hsm-key-missing` for none and for several. */
  findOne(session: Handle, template: Template, what: string): Handle {
    const known = this.#objects.get(what)
    if (known !== undefined) return known
    const found = this.findAll(session, template)
    const [object] = found
    // A token that was taken out shows no objects: that is a loss, not a missing key.
    if (object === undefined) this.probe(session)
    if (object === undefined || found.length > 1) {
      throw new CodedError('hsm-key-missing', `the token has ${found.length} objects for ${what}, not one`)
    }
    this.#objects.set(what, object)
    return object
  }

  findAll(session: Handle, template: Template): Handle[] {
    const { lib } = this.module
    lib.C_FindObjectsInit(session, template)
    const found: Handle[] = []
    try {
      for (;;) {
        const batch = lib.C_FindObjects(session, 64)
        found.push(...batch)
        if (batch.length < 64) return found
      }
    } finally {
      lib.C_FindObjectsFinal(session)
    }
  }

  /** Asks the token itself, not the session: a token that was taken out still has sessions in some modules. */
  probe(session: Handle): void {
    const { state } = this.module.lib.C_GetSessionInfo(session)
    // Logged out by another user of the module: private keys are invisible then, not gone.
    if (state !== loggedInState) throw new Error('CKR_USER_NOT_LOGGED_IN')
    this.module.lib.C_GetTokenInfo(this.#slot)
  }

  close(): void {
    if (this.generation !== this.module.generation) return
    for (const session of this.#free) {
      try {
        this.module.lib.C_CloseSession(session)
      } catch (error) {
        if (returnValueName(error) === undefined) throw error
      }
    }
  }

  /** Opened before the old one is closed: closing the last session of a process would log it out. */
  #replacement(session: Handle): Handle {
    try {
      const fresh = this.module.lib.C_OpenSession(this.#slot, sessionFlags)
      this.module.lib.C_CloseSession(session)
      return fresh
    } catch (error) {
      if (returnValueName(error) === undefined) throw error
      this.#broken = true
      return session
    }
  }
}

function slotOf(module: Pkcs11Module, label: string): Handle {
  const slots = module.lib.C_GetSlotList(true).filter((slot) => {
    const token = module.lib.C_GetTokenInfo(slot)
    return (token.flags & pkcs11js.CKF_TOKEN_INITIALIZED) !== 0 && token.label.replace(/[\0 ]+$/, '') === label
  })
  const [slot] = slots
  if (slot === undefined) {
    throw new CodedError('hsm-unavailable', `no token has the label ${label}`, { details: { reason: 'token-missing' } })
  }
  if (slots.length > 1) {
    throw new CodedError('hsm-unavailable', `${slots.length} tokens have the label ${label}`, {
      details: { reason: 'token-ambiguous' },
    })
  }
  return slot
}

function logIn(
  module: Pkcs11Module,
  sessions: readonly Handle[],
  token: { readonly modulePath: string; readonly label: string; readonly pin: SecretBytes },
): void {
  const [session] = sessions
  if (session === undefined) throw new RangeError('a token needs at least one session')
  const pinHash = toHex(createHash('sha256').update(token.pin.expose()).digest())
  const attempt = `${token.modulePath}\0${token.label}\0${pinHash}`
  if (refusedPins.has(attempt)) throw pinRefused(token.label, 'it was refused before and is not tried again')
  try {
    module.lib.C_Login(session, pkcs11js.CKU_USER, token.pin.exposeText())
  } catch (error) {
    if (returnValueName(error) === 'CKR_USER_ALREADY_LOGGED_IN') return
    if (!meansPinRefused(error)) throw error
    refusedPins.add(attempt)
    throw pinRefused(token.label, returnValueName(error) ?? 'refused')
  }
}

const pinRefused = (label: string, why: string): CodedError =>
  new CodedError('hsm-unavailable', `token ${label} refuses the PIN: ${why}`, { details: { reason: 'pin-refused' } })
