/**
 * A PKCS#11 module as a process has it: loaded once, initialized once, whoever opens tokens of it.
 *
 * `C_Finalize` ends all sessions of the process, and a module that is finalized while one of its calls runs on another
 * thread may crash. So calls are counted here: `use` is shared, `restart` waits until it is alone. A module that someone
 * else in the process has initialized is never finalized by us.
 */

import { CodedError } from '@sallyport/errors'
import { Module } from 'graphene-pk11'
import type { PKCS11 } from 'pkcs11js'
import pkcs11js from 'pkcs11js'
import { returnValueName } from './pkcs11-failure.ts'

const modules = new Map<string, Pkcs11Module>()

export class Pkcs11Module {
  readonly lib: PKCS11
  #generation = 0
  #initialized = false
  #initializedByUs = false
  #users = 0
  #calls = 0
  #restarting: Promise<void> | undefined
  #idle: (() => void) | undefined

  private constructor(lib: PKCS11) {
    this.lib = lib
  }

  /** @throws CodedError `hsm-unavailable` when the file is no PKCS#11 module. */
  static at(path: string): Pkcs11Module {
    const known = modules.get(path)
    if (known !== undefined) return known
    let lib: PKCS11
    try {
      lib = Module.load(path, path).lib
    } catch (cause) {
      throw new CodedError('hsm-unavailable', `the PKCS#11 module ${path} cannot be loaded`, { cause })
    }
    const loaded = new Pkcs11Module(lib)
    modules.set(path, loaded)
    return loaded
  }

  /** Counts initializations: handles of another generation are void. */
  get generation(): number {
    return this.#generation
  }

  /** Runs `work` while the module is certain to stay initialized. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    while (this.#restarting !== undefined) await this.#restarting
    this.#calls++
    try {
      return await work()
    } finally {
      this.#calls--
      if (this.#calls === 0) this.#idle?.()
    }
  }

  enter(): void {
    this.#users++
  }

  /** The last one to leave finalizes the module. */
  async leave(): Promise<void> {
    this.#users--
    if (this.#users > 0) return
    await this.#alone(() => this.#finalize())
  }

  /** Initializes a module that is not, without disturbing one that is. */
  async initialize(): Promise<void> {
    if (this.#initialized) return
    await this.#alone(() => this.#initialize())
  }

  /** Finalizes and initializes, unless that has happened since `generation`. All sessions of the process end. */
  async restart(generation: number): Promise<void> {
    await this.#alone(() => {
      if (this.#generation !== generation) return
      this.#finalize()
      this.#initialize()
    })
  }

  async #alone(work: () => void): Promise<void> {
    while (this.#restarting !== undefined) await this.#restarting
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#restarting = promise
    try {
      if (this.#calls > 0) {
        await new Promise<void>((idle) => {
          this.#idle = idle
        })
      }
      work()
    } finally {
      this.#idle = undefined
      this.#restarting = undefined
      resolve()
    }
  }

  #initialize(): void {
    if (this.#initialized) return
    try {
      // Without this flag a module may assume one thread, but C_SignAsync runs on several.
      this.lib.C_Initialize({ flags: pkcs11js.CKF_OS_LOCKING_OK })
      this.#initializedByUs = true
    } catch (error) {
      if (returnValueName(error) !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw error
    }
    this.#initialized = true
    this.#generation++
  }

  #finalize(): void {
    if (!this.#initialized || !this.#initializedByUs) return
    this.#initialized = false
    this.#initializedByUs = false
    try {
      this.lib.C_Finalize()
    } catch (error) {
      if (returnValueName(error) !== 'CKR_CRYPTOKI_NOT_INITIALIZED') throw error
    }
  }
}
