/** The keys under which the audit trail tells of people: who can open them, and how they are destroyed. */

import type { ActContext } from './act.ts'

/** Public half of a key of the control plane's HSM, to which the keys of people are sealed. */
export interface AuditOpeningKey {
  /** 32 hexadecimal digits: the key's id in its token. */
  readonly id: string
  /** DER SubjectPublicKeyInfo, P-256. */
  readonly spki: Uint8Array
}

export interface SubjectKey {
  readonly id: string
  readonly organizationId?: string
  /** Such as `user/<id>`. */
  readonly subject: string
  readonly openingKeyId: string
  /** The encapsulated key of HPKE (65 bytes), then the ciphertext; undefined once it was destroyed. */
  readonly sealedKey?: Uint8Array
}

export interface AuditSubjects {
  /** In the order in which they were made; the last one is sealed to. */
  openingKeys(): Promise<readonly AuditOpeningKey[]>
  /** What was sealed to the others still opens with them. Does nothing for one that is known. */
  recordOpeningKey(key: AuditOpeningKey, act: ActContext): Promise<void>
  /** Those of the organization. */
  keys(organizationId: string, ids: readonly string[]): Promise<readonly SubjectKey[]>
  /**
   * Destroys every key of the subject, in all organizations, and new ones do not come up where there was one: what the trail told of it is
   * told no more. Its events stay, and so does the chain. Erasing again does nothing more.
   * @returns how many keys.
   */
  erase(subject: string, act: ActContext): Promise<number>
}
