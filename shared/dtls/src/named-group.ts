/** Groups for the key exchange (RFC 8422 section 5.1.1, RFC 7748): P-256, P-384, X25519; points uncompressed. */

export type NamedGroupName = 'secp256r1' | 'secp384r1' | 'x25519'

export interface NamedGroup {
  readonly name: NamedGroupName
  readonly number: number
  /** Bytes of a public key as it travels: 4 ‖ x ‖ y, or u. */
  readonly publicKeyLength: number
}

export const namedGroups: Readonly<Record<NamedGroupName, NamedGroup>> = {
  secp256r1: { name: 'secp256r1', number: 23, publicKeyLength: 65 },
  secp384r1: { name: 'secp384r1', number: 24, publicKeyLength: 97 },
  x25519: { name: 'x25519', number: 29, publicKeyLength: 32 },
}

/** In order of preference. P-256 leads: it is what RFC 7925 requires of every device, and the fastest here. */
export const defaultNamedGroups: readonly NamedGroupName[] = ['secp256r1', 'x25519', 'secp384r1']

export const namedGroupByNumber: ReadonlyMap<number, NamedGroup> = new Map(
  Object.values(namedGroups).map((group) => [group.number, group]),
)

/**
 * Whether bytes have the shape of a public key of the group: the length, and for curves the mark of an uncompressed
 * point (a compressed one and infinity have other marks). That the point lies on the curve is checked by agreement.
 */
export function hasPublicKeyShape(group: NamedGroup, publicKey: Uint8Array): boolean {
  if (publicKey.length !== group.publicKeyLength) return false
  return group.name === 'x25519' || publicKey[0] === 4
}
