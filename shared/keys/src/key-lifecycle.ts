/**
 * The life of a key of the installation, one set of rules for token, CA, file and audit keys:
 *
 *   next ──► active ──► grace ──► retired
 *
 * `next` is published before it signs, so that every verifier knows it; `active` signs, there is one; `grace` only verifies what
 * it signed; `retired` does nothing. A key never goes back. One that is compromised goes to `retired` from anywhere.
 */

export const keyStates = ['next', 'active', 'grace', 'retired'] as const
export type KeyState = (typeof keyStates)[number]

const successors: Readonly<Record<KeyState, readonly KeyState[]>> = {
  next: ['active', 'retired'],
  active: ['grace', 'retired'],
  grace: ['retired'],
  retired: [],
}

export const mayBecome = (from: KeyState, to: KeyState): boolean => successors[from].includes(to)
export const maySign = (state: KeyState): boolean => state === 'active'
/** Whether the public key is published and signatures of it are accepted. */
export const verifies = (state: KeyState): boolean => state !== 'retired'
