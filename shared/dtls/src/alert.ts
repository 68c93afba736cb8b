/** Alerts (RFC 5246 section 7.2): their names, their numbers, their two bytes. */

export const alertNumbers = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  user_canceled: 90,
  no_renegotiation: 100,
  unsupported_extension: 110,
} as const

export type AlertName = keyof typeof alertNumbers

export type AlertLevel = 'warning' | 'fatal'

export interface Alert {
  readonly level: AlertLevel
  /** Undefined for a number that the registry above does not hold. */
  readonly name: AlertName | undefined
  readonly number: number
}

const levelNumbers = { warning: 1, fatal: 2 } as const

const namesByNumber: ReadonlyMap<number, AlertName> = new Map(
  Object.entries(alertNumbers).map(([name, number]) => [number, name as AlertName]),
)

export function encodeAlert(level: AlertLevel, name: AlertName): Uint8Array {
  return Uint8Array.of(levelNumbers[level], alertNumbers[name])
}

/** Undefined unless the fragment is exactly one alert of a known level. */
export function decodeAlert(fragment: Uint8Array): Alert | undefined {
  const [level, number] = fragment
  if (fragment.length !== 2 || number === undefined) return undefined
  if (level !== levelNumbers.warning && level !== levelNumbers.fatal) return undefined
  return { level: level === levelNumbers.fatal ? 'fatal' : 'warning', name: namesByNumber.get(number), number }
}
